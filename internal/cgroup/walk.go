package cgroup

import (
	"bytes"
	"strconv"
	"time"

	"lastcall/internal/linux"
)

// maxDepth bounds the walk: the kernel itself allows deeper trees, but no
// container runtime nests like this.
const maxDepth = 64

// EachMember calls use with the pid of each process in the group and in all
// groups below it, also those somebody made in Slurm's own, and with the folder
// that lists it. A group that vanishes during the walk is passed over.
//
// It returns whether "nobody else is there" can be believed. A single listing
// never proves that: on version 2 the kernel's own count must say so too for
// each group in which nobody is listed (populated in cgroup.events,
// cgroup-v2.rst), on version 1, which has no such count, a second walk must
// find nobody either. It is false too when the time is over or the groups are
// nested too deep.
func EachMember(group Group, until time.Time, use func(folder string, pid int)) bool {
	found := false
	note := func(folder string, pid int) {
		if pid != 0 {
			found = true
			use(folder, pid)
		}
	}
	sure := eachOnce(group, until, note)
	if group.Version == 1 && sure && !found {
		sure = eachOnce(group, until, note) && !found
	}
	return sure
}

// eachOnce is one walk. It calls use for those of a foreign pid namespace too:
// they are listed as 0 (cgroups(7)).
func eachOnce(group Group, until time.Time, use func(folder string, pid int)) bool {
	hidden := false
	complete := walk(group.Path, 0, until, func(path string, leaf bool) {
		some, err := eachListed(path, use)
		if err == nil && !some && group.Version == 2 && leaf && populated(path) {
			// Somebody may have moved in, or out, between the two files.
			some, err = eachListed(path, use)
			hidden = hidden || !some && populated(path)
		}
		hidden = hidden || err != nil
	})
	return complete && !hidden
}

// eachListed reads one group's own list and says whether anybody was on it.
// A threaded group refuses to be read with EOPNOTSUPP: its processes are on
// the list of the group above, the root of the threaded domain
// (cgroup-v2.rst, "Threads"). Of a group that is gone the list is empty; any
// other error says nothing about who is there.
func eachListed(path string, use func(folder string, pid int)) (bool, error) {
	text, err := linux.ReadAll(path+"/cgroup.procs", nil, 4<<20)
	switch {
	case linux.NotThis(err):
		return true, nil
	case linux.Gone(err):
		return false, nil
	case err != nil:
		return false, err
	}
	for line := range bytes.Lines(text) {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if err == nil && pid >= 0 {
			use(path, pid)
		}
	}
	return len(text) > 0, nil
}

// populated says whether the kernel counts any living process in the group or
// below it.
func populated(path string) bool {
	text, err := linux.Read(path+"/cgroup.events", make([]byte, 256))
	return err == nil && populatedIn(text)
}

// populatedIn reads the text of cgroup.events: a key, a blank and a value on
// each line.
func populatedIn(text []byte) bool {
	for line := range bytes.Lines(text) {
		if string(bytes.TrimSpace(line)) == "populated 1" {
			return true
		}
	}
	return false
}

// walk calls visit for the folder and all below it, in time; leaf says that
// there is none below. It returns false if it had to leave some out.
func walk(path string, depth int, until time.Time, visit func(path string, leaf bool)) bool {
	names, err := linux.Folders(path)
	visit(path, len(names) == 0)
	if err != nil {
		return linux.Gone(err)
	}
	if len(names) > 0 && depth >= maxDepth {
		return false
	}
	for _, name := range names {
		if !time.Now().Before(until) || !walk(path+"/"+name, depth+1, until, visit) {
			return false
		}
	}
	return true
}
