package claim

import "lastcall/internal/proc"

// orphaned says whether a process has lost the parent it had when it was
// read. A parent that is missing from the pass may be one that cannot be
// seen, or one that has just ended: then its child belongs to init now, and
// another look will tell.
func (s *Scanner) orphaned(pid, parent int) bool {
	now, err := s.FS.Stat(pid, s.buffer)
	return err != nil || now.Parent != parent
}

// foreignLed says whether the leader of the process's session lives without
// being among the processes that were read: it is another user's.
func (s *Scanner) foreignLed(l *look, stat proc.Stat) bool {
	session := stat.Session
	if session <= 1 || l.records[session] != nil || s.parents[session] || session == s.self {
		return false
	}
	foreign, asked := l.leaders[session]
	if !asked {
		leader, err := s.FS.Stat(session, s.buffer)
		foreign = err == nil && !leader.Dead()
		l.leaders[session] = foreign
	}
	return foreign
}

// otherSteps says whether a slurmstepd of another job is on the node. Whose
// job it is cannot be told while none of its user's processes is there, as
// between the steps of a salloc, so it counts as the user's.
func (s *Scanner) otherSteps(l *look) bool {
	for _, stepd := range l.stepds {
		if !s.Scope.serves(stepd.title) {
			return true
		}
	}
	return false
}

// spareForSibling takes back what only the environment proves while another
// component of the het job still runs here: the processes of all of them show
// the same job id (task.c, exec_task), and one that left its slurmstepd may be
// of either. The Epilog of the component that ends last sees it again.
func (s *Scanner) spareForSibling(l *look) {
	if s.Scope.Job.HetLeader == 0 || !s.siblingRuns(l) {
		return
	}
	for _, pid := range l.order {
		if r := l.relatives[pid]; r.verdict.Evidence == ByEnviron || r.verdict.Evidence == ByKin {
			r.verdict, r.proof = spared(OtherJob), ""
		}
	}
}

// siblingRuns looks for a process of the het job on this node below a
// slurmstepd of one of its other components, whose titles show numbers of
// their own.
func (s *Scanner) siblingRuns(l *look) bool {
	job := s.Scope.Job
	for _, pid := range l.order {
		f := l.relatives[pid].facts
		below := f.HasAbove && !f.AboveHook && f.Above.Job != job.ID
		if below && f.UID == job.UID && job.Names(f.Mark.Job) && mismatch(s.Scope, f) == NoReason {
			return true
		}
	}
	return false
}
