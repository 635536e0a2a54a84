package cgroup

import (
	"strings"
	"time"

	"lastcall/internal/linux"
)

// Removal is what became of one group a job left.
type Removal struct {
	Path    string // of the job's folder
	Removed int    // folders, the job's own counted too
	Gone    bool   // nothing of it is left
}

// Remove removes the group and all below it that nobody uses, from the
// deepest up. The last slurmstepd of a job does that with the folders Slurm
// made; what somebody else made inside makes it fail, and nobody tries again
// (src/plugins/cgroup/common/cgroup_common.c, common_cgroup_delete). A
// slurmstepd that is still at it finds nothing to remove, which it takes for
// success. The
// kernel refuses to remove a group that has a process or a group in it
// (cgroup-v2.rst, "Organizing Processes and Threads"), so none in use can go.
//
// A folder for which keep is true stays, and with it those above. keep gets
// the path from the job's folder on, which is "" for that itself; nil keeps
// nothing.
func Remove(group Group, keep func(below string) bool, until time.Time) Removal {
	r := Removal{Path: group.Path}
	r.Gone = r.remove(group.Path, "", 0, keep, until)
	return r
}

// remove returns whether the folder is gone. below is its path from the job's
// folder on.
func (r *Removal) remove(path, below string, depth int, keep func(string) bool, until time.Time) bool {
	names, err := linux.Folders(path)
	if err != nil {
		return linux.Gone(err)
	}
	empty := true
	for _, name := range names {
		if depth >= maxDepth || !time.Now().Before(until) {
			return false
		}
		empty = r.remove(path+"/"+name, below+"/"+name, depth+1, keep, until) && empty
	}
	if !empty || keep != nil && keep(below) {
		return false
	}
	err = removeSoon(path, earlier(until, time.Now().Add(settling)))
	if err == nil {
		r.Removed++
	}
	return err == nil || linux.Gone(err)
}

// settling is how long a folder may seem in use after the last process in it
// has ended: newer kernels count a process until it has left the processor
// for good (kernel/cgroup/cgroup.c, cgroup_task_dead), which on a busy node
// may be a while after its end was told.
const settling = 500 * time.Millisecond

// removeSoon removes a folder; while it is in use though nobody is listed in
// it, it tries again.
func removeSoon(path string, until time.Time) error {
	for {
		err := linux.RemoveFolder(path)
		if err == nil || !linux.Busy(err) || !time.Now().Before(until) {
			return err
		}
		if some, _ := eachListed(path, func(string, int) {}); some {
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// IsSlurms says whether a folder is one that Slurm itself makes below a job's
// own, by its path from there: "/step_0", "/step_0/user/task_1", and in
// version 1 "/step_0/task_1".
func IsSlurms(below string) bool {
	if below == "" {
		return true
	}
	parts := strings.Split(below[1:], "/")
	if !strings.HasPrefix(parts[0], "step_") {
		return false
	}
	parts = parts[1:]
	if len(parts) > 0 && (parts[0] == "user" || parts[0] == "slurm") {
		inUser := parts[0] == "user"
		parts = parts[1:]
		if !inUser {
			return len(parts) == 0
		}
	}
	if len(parts) == 0 {
		return true
	}
	_, isTask := numbered(parts[0], "task_")
	return len(parts) == 1 && (isTask || parts[0] == "task_special")
}
