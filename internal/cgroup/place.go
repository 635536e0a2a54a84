// Package cgroup knows where Slurm keeps the control groups of a job, version
// 1 and 2: it reads a process's place from /proc/PID/cgroup, finds the groups
// a job left, lists, wakes and kills what is in them.
//
// The layouts are those of src/plugins/cgroup/v1/cgroup_v1.c
// (_slurm_cgroup_create, xcgroup_create_slurm_cg) and
// src/plugins/cgroup/v2/cgroup_v2.c (_set_int_cg_ns, cgroup_p_step_create):
//
//	v1: <controller>/slurm[_NODE]/uid_U/job_N/step_S/task_T
//	v2: <slice>/[NODE_]slurmstepd.scope/job_N/step_S/{slurm,user/task_T}
//	    from Slurm 26.05 with the SLUID of the run instead of job_N
package cgroup

import (
	"strconv"
	"strings"

	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Place is what the cgroup paths of a process say about it. Only root can
// move a process between Slurm's groups, so unlike an environment a place
// cannot be made up by the job.
type Place struct {
	Job      uint32 // 0 if in no job's group, or the group is named by SLUID
	SLUID    string
	UID      int64  // owner by the path, version 1 only; -1 unknown
	Node     string // node by the path, only where several slurmd share a host
	Step     string // "batch", "extern", "interactive", "0", ...; "" above the steps
	Task     int    // -1 if in no task's group
	Stepd    bool   // in the part of a step where slurmstepd and its hooks are
	Login    bool   // in a login session or a service of a user (systemd.scope(5))
	Conflict bool   // different hierarchies name different jobs
}

// InJob says whether the process is in any job's group.
func (p Place) InJob() bool { return p.Job != 0 || p.SLUID != "" }

// Belongs says whether the place is inside the groups of this job on its
// node.
func (p Place) Belongs(job slurm.Job) bool {
	if p.Conflict || !p.InJob() || (p.UID >= 0 && p.UID != int64(job.UID)) {
		return false
	}
	if p.Node != "" && job.Node != "" && p.Node != job.Node {
		return false
	}
	if p.SLUID != "" {
		return p.SLUID == job.SLUID
	}
	return p.Job == job.ID
}

// PlaceOf reads the text of /proc/PID/cgroup.
func PlaceOf(text []byte) Place {
	place := Place{UID: -1, Task: -1}
	proc.EachCgroup(text, func(_, path []byte) {
		one := placeOfPath(string(path))
		if !one.InJob() {
			place.Login = place.Login || one.Login
			return
		}
		if place.InJob() && (one.Job != place.Job || one.SLUID != place.SLUID) {
			place.Conflict = true
			return
		}
		place.merge(one)
	})
	return place
}

// PlaceOfFolder reads the path of a folder of a cgroup file system: where the
// processes on its own list are.
func PlaceOfFolder(path string) Place { return placeOfPath(path) }

// merge takes from a further hierarchy what the ones before did not say: in
// version 1 the freezer knows no tasks, the other controllers do.
func (p *Place) merge(other Place) {
	if !p.InJob() {
		login, conflict := p.Login, p.Conflict
		*p = other
		p.Login, p.Conflict = p.Login || login, conflict
		return
	}
	if p.Step == "" {
		p.Step = other.Step
	}
	if p.Task < 0 {
		p.Task = other.Task
	}
	if p.UID < 0 {
		p.UID = other.UID
	}
	p.Login = p.Login || other.Login
}

// placeOfPath reads one path from its root on. The outermost match counts: a
// job may make groups of any name below its own, and so may a user below the
// user's own manager (user@.service is delegated, systemd.resource-control(5)).
func placeOfPath(path string) Place {
	place := Place{UID: -1, Task: -1}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if isLogin(part) {
			place.Login = true
		}
		if !place.Login && place.jobAt(part, parts[i+1:]) {
			return place
		}
	}
	return place
}

// isLogin says whether a unit is a login session or a user's own manager
// (systemd-logind, pam_systemd(8)).
func isLogin(unit string) bool {
	return strings.HasPrefix(unit, "session-") && strings.HasSuffix(unit, ".scope") ||
		strings.HasPrefix(unit, "user@") && strings.HasSuffix(unit, ".service")
}

// jobAt reads the job from the parts after base, if base is a folder of
// Slurm's.
func (p *Place) jobAt(base string, rest []string) bool {
	if node, ok := scopeNode(base); ok && len(rest) > 0 {
		if id, ok := numbered(rest[0], "job_"); ok {
			p.Job = id
		} else if slurm.IsSLUID(rest[0]) {
			p.SLUID = rest[0]
		} else {
			return false
		}
		p.Node = node
		p.stepAt(rest[1:])
		return true
	}
	if node, ok := slurmNode(base); ok && len(rest) > 1 {
		uid, isUID := numbered(rest[0], "uid_")
		id, isJob := numbered(rest[1], "job_")
		if isUID && isJob {
			p.Job, p.UID, p.Node = id, int64(uid), node
			p.stepAt(rest[2:])
			return true
		}
	}
	return false
}

func (p *Place) stepAt(rest []string) {
	if len(rest) == 0 {
		return
	}
	step, ok := strings.CutPrefix(rest[0], "step_")
	if !ok {
		return
	}
	p.Step = step
	rest = rest[1:]
	if len(rest) > 0 && (rest[0] == "user" || rest[0] == "slurm") {
		p.Stepd = rest[0] == "slurm"
		rest = rest[1:]
	}
	if len(rest) > 0 {
		if task, ok := numbered(rest[0], "task_"); ok && task < 1<<31 {
			p.Task = int(task)
		}
	}
}

// scopeNode reads "slurmstepd.scope" or "NODE_slurmstepd.scope".
func scopeNode(part string) (string, bool) {
	node, ok := strings.CutSuffix(part, "slurmstepd.scope")
	if !ok || node != "" && !strings.HasSuffix(node, "_") {
		return "", false
	}
	return strings.TrimSuffix(node, "_"), true
}

// slurmNode reads "slurm" or "slurm_NODE".
func slurmNode(part string) (string, bool) {
	rest, ok := strings.CutPrefix(part, "slurm")
	if !ok || rest != "" && rest[0] != '_' {
		return "", false
	}
	return strings.TrimPrefix(rest, "_"), true
}

func numbered(part, prefix string) (uint32, bool) {
	digits, ok := strings.CutPrefix(part, prefix)
	if !ok || digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n > 0 || err == nil && prefix != "job_"
}
