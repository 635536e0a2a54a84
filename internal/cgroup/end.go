package cgroup

import (
	"strings"
	"time"

	"lastcall/internal/linux"
)

// KillWhole kills everything in the user part of the job's steps at once by
// cgroup.kill (cgroup-v2.rst; Linux 5.14), which no fork can outrun. It does
// so only for a step whose members are all in claimed, and never above
// step_S/user, because slurmstepd and a hook may be beside it. It returns how
// many folders it killed.
func KillWhole(groups []Group, until time.Time, claimed func(pid int) bool) int {
	killed := 0
	for _, group := range groups {
		if group.Version != 2 {
			continue
		}
		for _, folder := range userFolders(group.Path) {
			all, some := true, false
			complete := EachMember(Group{Path: folder, Version: 2}, until, func(pid int) {
				some = true
				all = all && claimed(pid)
			})
			if complete && all && some && linux.Write(folder+"/cgroup.kill", "1") == nil {
				killed++
			}
		}
	}
	return killed
}

func userFolders(job string) []string {
	names, err := linux.Names(job)
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
// as it is.
func Thaw(groups []Group, until time.Time) int {
	thawed := 0
	for _, group := range groups {
		if group.Version == 1 && !group.Freezer {
			continue
		}
		file, frozen, awake := "/cgroup.freeze", "1", "0"
		if group.Version == 1 {
			file, frozen, awake = "/freezer.state", "FR", "THAWED"
		}
		buffer := make([]byte, 16)
		walk(group.Path, 0, until, func(path string) {
			text, err := linux.Read(path+file, buffer)
			if err == nil && strings.HasPrefix(string(text), frozen) && linux.Write(path+file, awake) == nil {
				thawed++
			}
		})
	}
	return thawed
}
