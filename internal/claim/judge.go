package claim

import "lastcall/internal/slurm"

// Verdict is what is known about a process after judging it alone, without
// its kin.
type Verdict struct {
	Evidence Evidence
	Reason   Reason
	// Foreign says that the process is known to be somebody else's, so that
	// kin must not claim it either.
	Foreign bool
}

func claimed(evidence Evidence) Verdict { return Verdict{Evidence: evidence} }
func spared(reason Reason) Verdict      { return Verdict{Reason: reason, Foreign: true} }

// Judge decides by the process's own cgroup and environment. A verdict with
// neither evidence nor reason is a process that nothing but its relations
// could tie to the job.
func Judge(scope Scope, f Facts) Verdict {
	if scope.Ending != nil {
		return judgeEnding(scope, f)
	}
	looksOurs := f.looksOf(scope.Job)
	switch {
	case f.SlurmsOwn:
		return Verdict{Foreign: true}
	case f.Place.Conflict && looksOurs:
		return spared(OtherJob)
	case f.Place.Conflict:
		return Verdict{Foreign: true}
	case f.Place.InJob():
		return byPlace(scope, f)
	case f.UID != scope.Job.UID:
		return Verdict{Foreign: true}
	case !scope.Job.Names(f.Mark.Job):
		return unnamed(scope, f)
	case f.Listed:
		return spared(Listed)
	}
	switch reason := refuse(scope, f); reason {
	case NoReason:
		return claimed(ByEnviron)
	case NoTask:
		// Not foreign: a task that has thrown its numbers away still is kin.
		return Verdict{Reason: NoTask}
	default:
		return spared(reason)
	}
}

// belowLiveTask says whether the process descends from a task that still
// runs. A slurmstepd adopts nobody (it is no subreaper): below the one whose
// TaskEpilog this is are its living tasks alone, and one that has been forked
// but is no task of the user yet (fork_all_tasks in mgr.c).
func belowLiveTask(scope Scope, f Facts) bool {
	return scope.Step != "" && f.HasAbove && f.AboveHook
}

// looksOf says whether anything about the process names the job.
func (f Facts) looksOf(job slurm.Job) bool {
	return f.Place.Belongs(job) || f.UID == job.UID && job.Names(f.Mark.Job)
}

// byPlace judges a process inside some job's groups.
func byPlace(scope Scope, f Facts) Verdict {
	named := f.UID == scope.Job.UID && scope.Job.Names(f.Mark.Job)
	switch {
	case !f.Place.Belongs(scope.Job) || !scope.InJob && !f.Member && !f.SameCgroup:
		// A group of the same name elsewhere is that of another cluster's or
		// another node's slurmd on this host.
		if named && mismatch(scope, f) == NoReason {
			return spared(OtherJob)
		}
		return Verdict{Foreign: true}
	case f.Listed:
		return spared(Listed)
	case f.Place.Stepd && scope.InJob:
		return spared(HooksOwn)
	case named && mismatch(scope, f) != NoReason:
		return spared(mismatch(scope, f))
	case f.HasAbove && !f.AboveHook && (f.Above.Job == 0 || scope.serves(f.Above)):
		// Below a slurmstepd that cannot be read, in the job's own group: whose
		// could it be but the job's?
		return spared(LiveStep)
	case belowLiveTask(scope, f):
		return spared(OtherStep)
	case scope.Step != "" && f.Place.Step != scope.Step:
		// A version 1 controller may show the job alone: then the environment
		// has to name the step.
		if f.Place.Step != "" || !named || !sameStep(scope, f.Mark) {
			return spared(OtherStep)
		}
	case scope.Task >= 0 && f.Place.Task != scope.Task:
		if f.Place.Task >= 0 || f.Mark.Task != scope.Task {
			return spared(OtherStep)
		}
	}
	return claimed(ByCgroup)
}

// unnamed judges a process of the job's user whose environment does not name
// the job: kin may still tie it to the job, unless it belongs elsewhere.
func unnamed(scope Scope, f Facts) Verdict {
	elsewhere := f.Mark.Job != 0 || f.Place.Login || f.Salloc || f.Listed
	return Verdict{Foreign: elsewhere || belowLiveTask(scope, f)}
}

// refuse returns why a process whose environment names the job is not
// claimed by that.
func refuse(scope Scope, f Facts) Reason {
	if reason := mismatch(scope, f); reason != NoReason {
		return reason
	}
	switch {
	case f.Place.Login:
		return LoginSession
	case f.Salloc:
		return Allocation
	case f.HasAbove && !f.AboveHook && scope.serves(f.Above):
		return LiveStep
	case f.HasAbove && !f.AboveHook:
		return OtherJob
	case belowLiveTask(scope, f):
		return OtherStep
	case f.HiddenAbove:
		return Hidden
	case tooOld(scope.Job, f):
		return Older
	case scope.Job.UID == 0 && !f.SameCgroup:
		return RootElsewhere
	case scope.Step != "" && !sameStep(scope, f.Mark):
		return OtherStep
	case scope.Task >= 0 && f.Mark.Task != scope.Task && f.Mark.HasTask:
		return OtherStep
	case !f.Mark.HasTask:
		return NoTask
	}
	return NoReason
}

// mismatch compares what the environment says beside the job id. Job ids
// repeat: on another cluster, on another node of the same host, and in the
// next run of a requeued job.
func mismatch(scope Scope, f Facts) Reason {
	job, mark := scope.Job, f.Mark
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	switch {
	case differ(job.Cluster, mark.Cluster), differ(job.Node, mark.Node):
		return OtherCluster
	case job.SLUID != "" && mark.SLUID != "":
		if job.SLUID != mark.SLUID {
			return OtherRun
		}
	case !job.Start.IsZero() && !mark.Start.IsZero():
		if !job.Start.Equal(mark.Start) {
			return OtherRun
		}
	case job.Restarts >= 0 && max(mark.Restarts, 0) != job.Restarts:
		// A task is told only from the second run on (_env_set_restart_cnt).
		return OtherRun
	}
	return NoReason
}

// tooOld says whether the process was there before the job. Where its
// environment shows the start of this very run, the clock of the controller,
// which may be off, has nothing to add.
func tooOld(job slurm.Job, f Facts) bool {
	if !f.Mark.Start.IsZero() && f.Mark.Start.Equal(job.Start) {
		return false
	}
	return !job.Start.IsZero() && !f.Started.IsZero() && f.Started.Add(slack).Before(job.Start)
}

// sameStep says whether a mark is of the hook's step. Slurm sets no step id
// in batch scripts and interactive steps (seen on 22.05), but for every task
// of srun.
func sameStep(scope Scope, mark slurm.Mark) bool {
	step := mark.Step
	if step == "" {
		return scope.Step == "batch" || scope.Step == "interactive"
	}
	if scope.Launcher != "" && mark.Launcher != "" && scope.Launcher != mark.Launcher {
		return false
	}
	return step == scope.Step
}
