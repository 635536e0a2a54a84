package claim

import (
	"strconv"

	"lastcall/internal/proc"
)

// relative is one process with what is known about it, as the search for kin
// sees it.
type relative struct {
	facts   Facts
	verdict Verdict
	proof   string
}

// sessions remembers which sessions are proven to be the job's: the earliest
// start of a proven process in each. It lives through all looks of a hook,
// because in a chain of forks the proven link is dead when the next is seen.
type sessions map[int]proc.Key

// kin claims by relation until nothing more is found: a process of the job's
// user that descends from a proven one or shares the session with it, and
// started after it. It changes the verdicts in place.
func kin(scope Scope, relatives map[int]*relative, order []int, known sessions) {
	for changed := true; changed; {
		changed = false
		for _, pid := range order {
			r := relatives[pid]
			if r.verdict.Evidence != NoEvidence {
				known.add(scope, r, relatives)
				continue
			}
			if r.verdict.Foreign || !kinPossible(scope, r.facts) {
				continue
			}
			if proof := relation(r, relatives, known); proof != "" {
				r.verdict, r.proof = claimed(ByKin), proof
				known.add(scope, r, relatives)
				changed = true
			}
		}
	}
}

// kinPossible holds what a relation cannot outweigh.
func kinPossible(scope Scope, f Facts) bool {
	switch {
	case f.UID != scope.Job.UID, f.Unread:
		// What was not read may name another job.
		return false
	case f.HasAbove && !f.AboveHook, f.HiddenAbove, belowLiveTask(scope, f), f.Salloc:
		return false
	case scope.Job.UID == 0 && !f.SameCgroup:
		return false
	}
	return true
}

// relation returns the written proof of kinship, "" if there is none.
func relation(r *relative, relatives map[int]*relative, known sessions) string {
	stat := r.facts.Stat
	parent := relatives[stat.Parent]
	if parent != nil && parent.verdict.Evidence != NoEvidence && parent.facts.Stat.Start <= stat.Start {
		return "child of " + strconv.Itoa(stat.Parent)
	}
	if first, ok := known[stat.Session]; ok && first.Start <= stat.Start && sessionIsOurs(r, relatives) {
		return "in session " + strconv.Itoa(stat.Session) + " with " + strconv.Itoa(first.PID)
	}
	return ""
}

// sessionIsOurs says whether the leader of the process's session leaves room
// for a proof by it: gone, proven too, or slurmstepd. A living leader that is
// not proven may be somebody's shell, also one whose pid, and so the number
// of its session, was that of the job's some moments ago.
func sessionIsOurs(r *relative, relatives map[int]*relative) bool {
	if r.facts.ForeignLed || r.facts.Stat.PID == r.facts.Stat.Session && r.verdict.Evidence == NoEvidence {
		return false
	}
	leader, alive := relatives[r.facts.Stat.Session]
	return !alive || leader.verdict.Evidence != NoEvidence || isStepd(leader.facts)
}

// isStepd tells slurmstepd, which leads the session of its step
// (_forkexec_slurmstepd in req.c), from slurmd, whose session is nobody's.
func isStepd(f Facts) bool { return f.SlurmsOwn && f.Stat.Comm == "slurmstepd" }

// add notes the session of a proven process as the job's. A TaskEpilog that
// acts for one task takes no session of slurmstepd's: all tasks share it.
func (s sessions) add(scope Scope, r *relative, relatives map[int]*relative) {
	stat := r.facts.Stat
	if stat.Session <= 1 || r.verdict.Evidence == ByUID || !sessionIsOurs(r, relatives) {
		return
	}
	if leader, alive := relatives[stat.Session]; alive && isStepd(leader.facts) && scope.Task >= 0 {
		return
	}
	if first, ok := s[stat.Session]; !ok || stat.Start < first.Start {
		s[stat.Session] = stat.Key()
	}
}
