package claim

// judgeEnding judges for a run that was told to end while its steps are still
// there. What is in these steps is proven by its cgroup, or by descending from
// their slurmstepd, which is root's; what has left them is left to the Epilog.
func judgeEnding(scope Scope, f Facts) Verdict {
	switch {
	case f.SlurmsOwn:
		return Verdict{Foreign: true}
	case f.Place.Conflict, f.Place.InJob() && !f.Place.Belongs(scope.Job):
		if f.AboveEnding {
			return spared(OtherJob)
		}
		return belowOther(scope, f)
	case f.HasAbove && !f.AboveEnding:
		return belowOther(scope, f)
	case f.Place.InJob() && f.Place.Stepd, f.Mark.Script == "epilog_task":
		return spared(HooksOwn)
	case f.AboveEnding && f.Stat.Comm == "slurmstepd":
		// On its way to become a TaskEpilog.
		return spared(Slurms)
	case f.Place.InJob() && f.Member:
		return listedOr(f, ByCgroup)
	case f.AboveEnding && f.UID == scope.Job.UID:
		return listedOr(f, ByStep)
	case f.AboveEnding, f.looksOf(scope.Job):
		return spared(LeftStep)
	}
	return Verdict{Foreign: true}
}

// belowOther judges what is in the group or below the slurmstepd of another
// job, of another node of this host, or of the next run of this very job.
func belowOther(scope Scope, f Facts) Verdict {
	if !f.looksOf(scope.Job) {
		return Verdict{Foreign: true}
	}
	if reason := mismatch(scope, f); reason != NoReason {
		return spared(reason)
	}
	return spared(OtherRun)
}

func listedOr(f Facts, evidence Evidence) Verdict {
	if f.Listed {
		return spared(Listed)
	}
	return claimed(evidence)
}
