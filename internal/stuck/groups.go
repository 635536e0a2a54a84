package stuck

import (
	"lastcall/internal/cause"
)

// Group are the processes that wait for the same.
type Group struct {
	cause.Cause
	Members []int // indexes of the list
}

// Groups sorts processes by what they wait for, in the order of the list.
func Groups(list []Process) []Group {
	var groups []Group
next:
	for i := range list {
		for g := range groups {
			if groups[g].Same(list[i].Cause) {
				groups[g].Members = append(groups[g].Members, i)
				continue next
			}
		}
		groups = append(groups, Group{Cause: list[i].Cause, Members: []int{i}})
	}
	return groups
}

// On says whether a path lies, by its name, on a file system that a process is
// stuck on: who writes there would be stuck too.
func On(mounts []cause.Mount, list []Process, path string) bool {
	mount := cause.ByPath(mounts, path)
	for i := range list {
		if mount.Known() && list[i].Cause.Mount.Same(mount) {
			return true
		}
	}
	return false
}

// OnlySlow says whether nothing is stuck: all that is left frees its memory.
func OnlySlow(list []Process) bool {
	for i := range list {
		if list[i].Cause.Code != cause.ExitMemory || !list[i].Cause.Works {
			return false
		}
	}
	return true
}
