package claim

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// readLimit is the most that one look may spend on the environments of
// processes.
const readLimit = 2 * time.Second

// relate reads what each process says about itself: its cgroup, and for those
// of the job's user the environment, all of them together and with care.
func (s *Scanner) relate(l *look, now time.Time, uptime uint64, until time.Time) {
	s.readAll(l, now, uptime, until)
	if len(l.crowd.brief) > 0 && !s.uniform(l) {
		s.complete(l)
		s.readAll(l, now, uptime, until)
	}
	for _, pid := range l.order {
		r := &relative{facts: l.records[pid].facts}
		r.facts.Member = l.members[pid] != nil
		l.relatives[pid] = r
	}
}

// readAll reads the cgroups and the environments that were not read yet.
func (s *Scanner) readAll(l *look, now time.Time, uptime uint64, until time.Time) {
	var unread []*known
	var subjects []aside.Subject
	for _, pid := range l.order {
		record := l.records[pid]
		if record.judged || record.brief || record.facts.SlurmsOwn || !s.readPlace(l, record) {
			continue
		}
		record.facts.Started = startTime(record.facts.Stat.Start, uptime, now)
		record.judged = true
		if record.facts.UID == s.Scope.Job.UID {
			unread = append(unread, record)
			subjects = append(subjects, aside.Subject{PID: pid, Stuck: record.facts.Stat.State == 'D'})
		}
	}
	if most := now.Add(readLimit); most.Before(until) {
		until = most
	}
	s.Aside.Each(subjects, aside.Environ, until, func(i int, text []byte, err error) {
		unread[i].facts.Mark, unread[i].facts.Unread = slurm.ParseMark(text), err != nil
		switch {
		case errors.Is(err, aside.ErrLate) && unread[i].again(err):
			l.cut = true
		case err != nil:
			l.missed(err)
		}
	})
}

// mostLate is how often one is read that does not answer in time.
const mostLate = 3

// again says whether one that was not read in time is read again by the next
// look. Of a crowd, on a slow machine, many are late that are not stuck; what
// they are is not known, so a look without them is not whole.
func (k *known) again(err error) bool {
	if !errors.Is(err, aside.ErrOver) {
		k.late++
	}
	k.judged = k.late >= mostLate
	return !k.judged
}

// readPlace reads where a process is; false if it is gone.
func (s *Scanner) readPlace(l *look, record *known) bool {
	f := &record.facts
	f.Listed = s.listed(*f)
	text, err := s.FS.Cgroup(f.Stat.PID, s.buffer)
	if err != nil {
		f.Unread = true
		l.missed(err)
		return false
	}
	f.Place = cgroup.PlaceOf(text)
	if f.Stat.Zombie() && !f.Place.InJob() {
		f.Place = s.threadsPlace(f.Stat.PID, f.Place)
	}
	f.SameCgroup = bytes.Equal(text, s.own)
	return true
}

// threadsPlace looks for the place of a leader that has exited at its living
// threads: version 1 shows the root for whoever is exiting
// (kernel/cgroup/cgroup.c, proc_cgroup_show).
func (s *Scanner) threadsPlace(pid int, place cgroup.Place) cgroup.Place {
	tids, _ := s.FS.Tasks(pid)
	for _, tid := range tids {
		text, err := s.FS.TaskCgroup(pid, tid, s.buffer)
		if one := cgroup.PlaceOf(text); err == nil && one.InJob() {
			return one
		}
	}
	return place
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
		if proven := l.records[pid].verdict; r.verdict.Evidence == NoEvidence && !r.verdict.Foreign && proven.Evidence != NoEvidence {
			// Its parent may be dead by now, which made it kin.
			r.verdict, r.proof = proven, l.records[pid].proof
		}
		l.otherJobs = l.otherJobs || otherJob(s.Scope, r.facts)
	}
	s.spareForSibling(l)
	if s.Rules.Kin && s.Scope.Ending == nil {
		kin(s.Scope, l.relatives, l.order, s.sessions)
	}
	if !s.Rules.UID || l.otherJobs || s.otherSteps(l) || s.Scope.Job.UID == 0 || s.Scope.Step != "" || s.Scope.Ending != nil {
		return
	}
	for _, pid := range l.order {
		r := l.relatives[pid]
		if r.verdict == (Verdict{}) && !r.facts.LoginTree && r.facts.UID == s.Scope.Job.UID {
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
	return f.HasAbove && !f.AboveHook && !scope.serves(f.Above) ||
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
	f.HasAbove, f.AboveHook, f.AboveEnding, f.HiddenAbove = false, false, false, false
	f.ForeignLed = s.foreignLed(l, f.Stat)
	f.LoginTree = f.Place.Login || f.Stat.Terminal != 0 || isLoginServer(f.Stat.Comm)
	below := f.Stat.PID
	for pid, steps := f.Stat.Parent, 0; pid > 1 && steps < 1000; steps++ {
		if stepd, ok := l.stepds[pid]; ok {
			f.Above, f.HasAbove, f.AboveHook = stepd.title, true, s.parents[pid]
			f.AboveEnding = s.Scope.Ending[stepd.facts.Stat.Key()]
			return
		}
		above, ok := l.present[pid]
		if !ok {
			f.HiddenAbove = !s.parents[pid] && pid != s.self
			l.restless = l.restless || f.HiddenAbove && s.orphaned(below, pid)
			return
		}
		f.LoginTree = f.LoginTree || isLoginServer(above.comm)
		below, pid = pid, above.parent
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
	result := Result{Restless: l.restless, Partial: l.cut, Unread: l.unread, Stepds: s.stepdsOf(l), Stepd: s.stepdOf(l)}
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
				Brief: l.records[pid].brief,
			})
		case r.verdict.Reason != NoReason:
			result.LiveStep = result.LiveStep || r.verdict.Reason == LiveStep
			result.Spared = append(result.Spared, Spared{Stat: f.Stat, UID: f.UID, Reason: r.verdict.Reason})
		}
	}
	return result
}

// stepdOf says whether a slurmstepd of the job is there, whichever run it
// serves.
func (s *Scanner) stepdOf(l *look) bool {
	for _, stepd := range l.stepds {
		if s.Scope.serves(stepd.title) {
			return true
		}
	}
	return false
}

// stepdsOf returns the slurmstepd of the job, whichever run they serve.
func (s *Scanner) stepdsOf(l *look) []proc.Key {
	if s.Scope.Ending == nil {
		return nil
	}
	var list []proc.Key
	for _, stepd := range l.stepds {
		if stepd.title.Job == s.Scope.Job.ID {
			list = append(list, stepd.facts.Stat.Key())
		}
	}
	return list
}
