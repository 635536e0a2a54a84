package cgroup

import (
	"bytes"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lastcall/internal/linux"
)

// maxDepth bounds the walk: the kernel itself allows deeper trees, but no
// container runtime nests like this.
const maxDepth = 32

// EachMember calls use with the pid of each process in the group and in all
// groups below it, also those the job made itself. A group that vanishes
// during the walk is passed over; after until the walk ends early and returns
// false.
func EachMember(group Group, until time.Time, use func(pid int)) bool {
	return walk(group.Path, 0, until, func(path string) {
		text, err := members(path)
		if err != nil {
			return
		}
		for line := range bytes.Lines(text) {
			pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
			// 0 stands for a process of a foreign pid namespace (cgroups(7)).
			if err == nil && pid > 0 {
				use(pid)
			}
		}
	})
}

// members reads cgroup.procs; a threaded group refuses that with EOPNOTSUPP
// and has cgroup.threads (cgroup-v2.rst, "Threads").
func members(path string) ([]byte, error) {
	const limit = 4 << 20
	text, err := linux.ReadAll(path+"/cgroup.procs", nil, limit)
	if err != nil && strings.HasSuffix(err.Error(), syscall.EOPNOTSUPP.Error()) {
		return linux.ReadAll(path+"/cgroup.threads", nil, limit)
	}
	return text, err
}

// walk calls visit for the folder and all below it, in time.
func walk(path string, depth int, until time.Time, visit func(path string)) bool {
	visit(path)
	if depth >= maxDepth {
		return true
	}
	names, err := linux.Names(path)
	if err != nil {
		return true
	}
	for _, name := range names {
		if !isFolder(name) {
			continue
		}
		if !time.Now().Before(until) {
			return false
		}
		if !walk(path+"/"+name, depth+1, until, visit) {
			return false
		}
	}
	return true
}

// isFolder tells the groups in a folder from the control files without a
// call for each: the files of cgroupfs have a controller's name before a dot,
// and a group of that form is found by being openable as a folder.
func isFolder(name string) bool {
	if controller, _, ok := strings.Cut(name, "."); ok {
		switch controller {
		case "cgroup", "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "io",
			"pids", "hugetlb", "rdma", "misc", "net_cls", "net_prio", "perf_event", "irq", "dmem":
			return false
		}
	}
	return name != "tasks" && name != "notify_on_release" && name != "release_agent"
}
