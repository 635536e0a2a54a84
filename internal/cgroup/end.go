package cgroup

import (
	"strings"
	"time"

	"lastcall/internal/linux"
)

// Stroke is what a KillWhole has hit.
type Stroke struct {
	PIDs    []int    // who was listed right before
	folders []string // that were killed
}

// KillWhole kills everything in the user part of the job's steps at once by
// cgroup.kill (cgroup-v2.rst; Linux 5.14), which no fork can outrun. It does
// so only for a step whose members are all in claimed, and never above
// step_S/user, because slurmstepd and a hook may be beside it.
func KillWhole(groups []Group, until time.Time, claimed func(pid int) bool) Stroke {
	var stroke Stroke
	for _, group := range groups {
		if group.Version != 2 {
			continue
		}
		for _, folder := range userFolders(group.Path) {
			all := true
			var pids []int
			complete := eachOnce(Group{Path: folder, Version: 2}, until, func(_ string, pid int) {
				pids = append(pids, pid)
				all = all && pid != 0 && claimed(pid)
			})
			if complete && all && len(pids) > 0 && linux.Write(folder+"/cgroup.kill", "1") == nil {
				stroke.folders = append(stroke.folders, folder)
				stroke.PIDs = append(stroke.PIDs, pids...)
			}
		}
	}
	return stroke
}

// Emptied waits until the kernel counts no living process any more in what was
// hit, and says whether it came to that before until. The kernel tells when
// that count changes (cgroup-v2.rst, "[Un]populated Notification"). It takes a
// process off as it ends, after its memory and its files are freed
// (kernel/exit.c, do_exit).
func (s Stroke) Emptied(until time.Time) bool {
	for _, folder := range s.folders {
		empty, err := linux.Await(folder+"/cgroup.events", make([]byte, 256), until, func(text []byte) bool {
			return !populatedIn(text)
		})
		if !empty && !linux.Gone(err) {
			return false
		}
	}
	return len(s.folders) > 0
}

func userFolders(job string) []string {
	names, err := linux.Folders(job)
	if err != nil {
		return nil
	}
	var folders []string
	for _, name := range names {
		if strings.HasPrefix(name, "step_") {
			folders = append(folders, job+"/"+name+"/user")
		}
	}
	return folders
}

// Thaw wakes the frozen folders of the job: in a frozen version 1 group even
// SIGKILL waits (freezer-subsystem.rst). A group that is not frozen is left
// as it is. It returns how many were frozen, and whether all of these were
// seen awake before until.
func Thaw(groups []Group, until time.Time) (int, bool) {
	var woken []string
	for _, group := range groups {
		if group.Version == 1 && !group.Freezer {
			continue
		}
		file, awake := "/cgroup.freeze", "0"
		if group.Version == 1 {
			file, awake = "/freezer.state", "THAWED"
		}
		walk(group.Path, 0, until, func(path string, _ bool) {
			text, err := linux.Read(path+file, make([]byte, 16))
			if err == nil && frozen(text) && linux.Write(path+file, awake) == nil {
				woken = append(woken, path+file)
			}
		})
	}
	return len(woken), awake(woken, until)
}

// frozen reads cgroup.freeze (0 or 1) or freezer.state (THAWED, FREEZING or
// FROZEN).
func frozen(text []byte) bool {
	return strings.HasPrefix(string(text), "1") || strings.HasPrefix(string(text), "FR")
}

// awake waits until no file says "frozen" any more.
func awake(files []string, until time.Time) bool {
	for _, file := range files {
		for {
			text, err := linux.Read(file, make([]byte, 16))
			if err != nil || !frozen(text) {
				break
			}
			if !time.Now().Before(until) {
				return false
			}
			time.Sleep(time.Millisecond)
		}
	}
	return true
}
