package claim

import (
	"bytes"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/slurm"
)

// relate reads what one process says about itself, cgroup first. The
// environment is read only where the cgroup has not decided.
func (s *Scanner) relate(l *look, pid int, now time.Time, uptime uint64) {
	record := l.records[pid]
	f := &record.facts
	if !record.judged && !f.SlurmsOwn {
		s.read(l, record)
		f.Started = startTime(f.Stat.Start, uptime, now)
		record.judged = true
	}
	f.Member = l.members[pid]
	l.relatives[pid] = &relative{facts: *f}
}

func (s *Scanner) read(l *look, record *known) {
	f := &record.facts
	pid := f.Stat.PID
	f.Listed = s.listed(*f)
	text, err := s.FS.Cgroup(pid, s.buffer)
	if err != nil {
		l.missed(err)
		return
	}
	f.Place = cgroup.PlaceOf(text)
	f.SameCgroup = bytes.Equal(text, s.own)
	if f.UID != s.Scope.Job.UID {
		return
	}
	environ, err := s.readEnviron(f)
	if err != nil {
		l.missed(err)
		return
	}
	f.Mark = slurm.ParseMark(environ)
}

// readEnviron asks a process that is stuck in the kernel with care.
func (s *Scanner) readEnviron(f *Facts) ([]byte, error) {
	if f.Stat.State == 'D' {
		return aside.Environ(f.Stat.PID)
	}
	environ, err := s.FS.Environ(f.Stat.PID, s.environ)
	if len(environ) > len(s.environ) {
		s.environ = environ[:cap(environ)]
	}
	return environ, err
}

func (s *Scanner) listed(f Facts) bool {
	for _, comm := range s.Rules.SpareCommands {
		if comm == f.Stat.Comm {
			return true
		}
	}
	name := ""
	if f.UID == s.Scope.Job.UID {
		name = s.Scope.Job.User
	}
	return s.Rules.SpareUser != nil && s.Rules.SpareUser(f.UID, name)
}

// judgeAll judges every process of the pass: alone, then by its kin, then,
// if the site wants it, by its user.
func (s *Scanner) judgeAll(l *look) {
	salloc := s.allocationSessions(l)
	for _, pid := range l.order {
		r := l.relatives[pid]
		s.place(l, r)
		r.facts.Salloc = salloc[r.facts.Stat.Session]
		r.verdict = s.allowed(Judge(s.Scope, r.facts))
		r.proof = proofOf(r.facts, r.verdict.Evidence)
		if proven := l.records[pid].verdict; r.verdict == (Verdict{}) && proven.Evidence != NoEvidence {
			// Its parent may be dead by now, which made it kin.
			r.verdict, r.proof = proven, l.records[pid].proof
		}
		l.otherJobs = l.otherJobs || otherJob(s.Scope, r.facts)
	}
	if s.Rules.Kin {
		kin(s.Scope, l.relatives, l.order, s.sessions)
	}
	if !s.Rules.UID || l.otherJobs || s.Scope.Job.UID == 0 || s.Scope.Step != "" {
		return
	}
	for _, pid := range l.order {
		r := l.relatives[pid]
		if r.verdict.Evidence == NoEvidence && !r.verdict.Foreign && !r.facts.LoginTree && r.facts.UID == s.Scope.Job.UID {
			r.verdict = claimed(ByUID)
			r.proof = proofOf(r.facts, ByUID)
		}
	}
}

// allowed takes back what the site has switched off.
func (s *Scanner) allowed(v Verdict) Verdict {
	if v.Evidence == ByCgroup && !s.Rules.Cgroup || v.Evidence == ByEnviron && !s.Rules.Environ {
		return Verdict{Foreign: true}
	}
	return v
}

// otherJob says whether the process shows that another job is on the node.
func otherJob(scope Scope, f Facts) bool {
	return f.HasAbove && !f.AboveHook && !scope.Job.Names(f.Above.Job) && f.Above.Job != scope.Job.ID ||
		f.Place.InJob() && !f.Place.Belongs(scope.Job) ||
		f.Mark.Job != 0 && !scope.Job.Names(f.Mark.Job)
}

// allocationSessions returns the sessions in which a salloc of the job's user
// waits: the shell in it carries the job's id, and its owner sits before it.
func (s *Scanner) allocationSessions(l *look) map[int]bool {
	waiting := map[int]bool{}
	for _, pid := range l.order {
		f := l.relatives[pid].facts
		if f.Stat.Comm == "salloc" && f.UID == s.Scope.Job.UID {
			waiting[f.Stat.Session] = true
		}
	}
	return waiting
}

// place finds the living slurmstepd above a process, and whether it hangs
// below a login.
func (s *Scanner) place(l *look, r *relative) {
	f := &r.facts
	f.HasAbove, f.AboveHook, f.HiddenAbove = false, false, false
	f.LoginTree = f.Place.Login || f.Stat.Terminal != 0 || isLoginServer(f.Stat.Comm)
	for pid, steps := f.Stat.Parent, 0; pid > 1 && steps < 1000; steps++ {
		if stepd, ok := l.stepds[pid]; ok {
			f.Above, f.HasAbove, f.AboveHook = stepd.title, true, s.parents[pid]
			return
		}
		above, ok := l.records[pid]
		if !ok {
			f.HiddenAbove = !l.present[pid] && !s.parents[pid] && pid != s.self
			return
		}
		f.LoginTree = f.LoginTree || isLoginServer(above.facts.Stat.Comm)
		pid = above.facts.Stat.Parent
	}
}

// isLoginServer names the programs a login, or something that outlives one,
// hangs below.
func isLoginServer(comm string) bool {
	switch comm {
	case "sshd", "sshd-session", "login", "su", "sudo", "systemd", "(sd-pam)", "screen", "SCREEN", "mosh-server", "cron", "crond", "atd":
		return true
	}
	return strings.HasPrefix(comm, "tmux")
}

// result sorts the pass into what is claimed and what is spared.
func (s *Scanner) result(l *look) Result {
	result := Result{Restless: l.restless, Unread: l.unread}
	for _, stepd := range l.stepds {
		result.Stepd = result.Stepd || stepd.title.Job == s.Scope.Job.ID || s.Scope.Job.Names(stepd.title.Job)
	}
	for _, pid := range l.order {
		r := l.relatives[pid]
		if s.parents[pid] {
			continue
		}
		f := r.facts
		switch {
		case r.verdict.Evidence != NoEvidence:
			l.records[pid].verdict, l.records[pid].proof = r.verdict, r.proof
			result.Claimed = append(result.Claimed, Claimed{
				Stat: f.Stat, Status: l.records[pid].status, Evidence: r.verdict.Evidence, Proof: r.proof,
			})
		case r.verdict.Reason != NoReason:
			result.LiveStep = result.LiveStep || r.verdict.Reason == LiveStep
			result.Spared = append(result.Spared, Spared{Stat: f.Stat, UID: f.UID, Reason: r.verdict.Reason})
		}
	}
	return result
}
