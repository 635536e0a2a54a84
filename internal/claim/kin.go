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
				known.add(r, relatives)
				continue
			}
			if r.verdict.Foreign || !kinPossible(scope, r.facts) {
				continue
			}
			if proof := relation(r, relatives, known); proof != "" {
				r.verdict, r.proof = claimed(ByKin), proof
				known.add(r, relatives)
				changed = true
			}
		}
	}
}

// kinPossible holds what a relation cannot outweigh.
func kinPossible(scope Scope, f Facts) bool {
	switch {
	case f.UID != scope.Job.UID, tooOld(scope.Job, f):
		return false
	case f.HasAbove && !f.AboveHook, f.HiddenAbove:
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
	if first, ok := known[stat.Session]; ok && first.Start <= stat.Start {
		return "in session " + strconv.Itoa(stat.Session) + " with " + strconv.Itoa(first.PID)
	}
	return ""
}

// add notes the session of a proven process as the job's, but only when its
// leader is gone or proven too: the living leader of a session that is not
// the job's may be somebody's shell.
func (s sessions) add(r *relative, relatives map[int]*relative) {
	stat := r.facts.Stat
	if stat.Session <= 1 || r.verdict.Evidence == ByUID {
		return
	}
	leader, alive := relatives[stat.Session]
	if alive && leader.verdict.Evidence == NoEvidence && !leader.facts.SlurmsOwn {
		return
	}
	if first, ok := s[stat.Session]; !ok || stat.Start < first.Start {
		s[stat.Session] = stat.Key()
	}
}
