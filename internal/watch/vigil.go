package watch

import (
	"context"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/aside"
	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/finished"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/spool"
)

const (
	// rounds is the time between two cheap looks at the running jobs, where the
	// configuration does not ask for shorter ones.
	rounds = time.Minute
	// closely is the most that a close look at one job may take, and crowd how
	// many of its processes are looked at.
	closely = 5 * time.Second
	crowd   = 128
)

// vigil looks after the jobs that run: one that does next to nothing for long
// may have finished its work. Like the rest of the service it belongs to one
// goroutine; close looks, which may take time, hand their results back to it.
type vigil struct {
	rules  config.Finished
	roster *roster
	reader *activity.Reader
	jobs   map[vigilKey]*running
	next   time.Time
	// looking says that a close look is under way: there is one at a time, so
	// that a quiet node with many jobs has one child that reads, not many.
	looking bool
}

type vigilKey struct {
	node *node
	job  uint32
}

// running is a job that runs.
type running struct {
	vigilKey
	crew    crew
	samples []activity.Sample
	since   time.Time                         // when it became quiet; zero while it is not
	lookAt  time.Time                         // the next close look
	ended   map[proc.Key]finished.Observation // first looks that found a process ended
	told    bool                              // its user was told, or would have been
	// hungSince is when it was first proven to hang, if it has not moved since.
	hungSince time.Time
	done      bool // there is nothing more to do
}

func newVigil(fs proc.FS, rules config.Finished) *vigil {
	roster := newRoster(fs)
	roster.insiders = true
	return &vigil{rules: rules, roster: roster, reader: activity.New(fs), jobs: map[vigilKey]*running{}, next: time.Now()}
}

// interval is the time between two rounds.
func (v *vigil) interval() time.Duration { return max(min(rounds, v.rules.After/3), time.Second) }

// due is when something has to be done next, the zero time for never.
func (v *vigil) due() time.Time {
	if v.rules.After == config.Never {
		return time.Time{}
	}
	next := v.next
	for _, j := range v.jobs {
		if !v.looking && !j.since.IsZero() && !j.done && !j.lookAt.IsZero() && j.lookAt.Before(next) {
			next = j.lookAt
		}
	}
	return next
}

// keepVigil makes a round, and looks closely, when it is time.
func (s *Service) keepVigil(ctx context.Context, now time.Time) {
	v := s.vigil
	if due := v.due(); due.IsZero() || now.Before(due) {
		return
	}
	if !now.Before(v.next) {
		v.next = now.Add(v.interval())
		s.round(now)
	}
	for _, j := range v.jobs {
		s.lookClosely(ctx, j, time.Now())
	}
}

// round takes the cheap look at every job.
func (s *Service) round(now time.Time) {
	v := s.vigil
	if s.runningJobs(); len(v.jobs) == 0 {
		v.roster.forget()
		return
	}
	if v.anyoneCalm() {
		if err := v.roster.take(now.Add(lookLimit)); err != nil {
			s.Log(err.Error())
		}
		// The child that read environments is not kept for the next round.
		v.roster.aside.Close()
		v.roster.aside = aside.NewReader(s.fs)
		for _, j := range v.jobs {
			v.see(j, time.Now())
		}
	}
}

// runningJobs brings the list of jobs up to date: those with living steps that
// were not told to end.
func (s *Service) runningJobs() {
	v := s.vigil
	seen := map[vigilKey]bool{}
	for _, n := range s.nodes {
		steps, err := spool.Steps(n.SpoolDir, n.Node)
		if err != nil && !linux.Gone(err) {
			// Nobody knows which jobs are gone. One that is forgotten and found
			// again would be told of twice.
			s.say(n, err.Error())
			for key := range v.jobs {
				seen[key] = seen[key] || key.node == n && n.jobs[key.job] == nil
			}
		}
		for _, step := range steps {
			key := vigilKey{n, step.Job}
			if n.jobs[step.Job] != nil || n.lock == nil {
				continue
			}
			seen[key] = true
			if v.jobs[key] == nil {
				v.jobs[key] = &running{vigilKey: key, ended: map[proc.Key]finished.Observation{}}
			}
		}
	}
	for key := range v.jobs {
		if !seen[key] {
			delete(v.jobs, key)
		}
	}
}

// anyoneCalm asks the cheapest question of each job, one call for each of its
// processes: who computes is not looked at any further in this round.
func (v *vigil) anyoneCalm() bool {
	calm := false
	for _, j := range v.jobs {
		if len(j.samples) > 0 && v.reader.Busy(j.samples) {
			j.wakes()
			continue
		}
		calm = true
	}
	return calm
}

// wakes notes that a job is at work.
func (j *running) wakes() {
	j.samples, j.since, j.lookAt, j.hungSince = nil, time.Time{}, time.Time{}, time.Time{}
	clear(j.ended)
}

// see takes the cheap look at a job.
func (v *vigil) see(j *running, now time.Time) {
	who := slurm.Job{ID: j.job, Node: j.node.Node, Cluster: j.node.Cluster, UID: j.crew.user, Restarts: -1}
	j.crew = v.roster.crewOf(who, j.node.SpoolDir)
	before := j.samples
	samples := v.reader.Sample(keysOf(j.crew.all()), now.Add(lookLimit))
	switch {
	case len(samples) == 0 || j.crew.off || j.crew.unread != nil:
		j.wakes()
		return
	case before == nil:
	case !finished.Quiet(before, samples):
		j.wakes()
	case j.since.IsZero():
		j.since = before[0].At
	}
	j.samples = samples
	if !j.since.IsZero() && j.lookAt.IsZero() {
		j.lookAt = j.since.Add(v.rules.After)
	}
}

// lookClosely reads what the processes of a quiet job are doing, in a
// goroutine of its own.
func (s *Service) lookClosely(ctx context.Context, j *running, now time.Time) {
	if j.done || s.vigil.looking || j.since.IsZero() || j.lookAt.IsZero() || now.Before(j.lookAt) {
		return
	}
	s.vigil.looking = true
	keys, helpers := j.own(), j.insiders()
	s.working++
	go func() {
		var ended []finished.Observation
		l := finished.New(s.fs)
		defer l.Close()
		for _, key := range keys {
			if o := l.Look(key, helpers, time.Now().Add(closely)); o.Finding.State == finished.Ended {
				ended = append(ended, o)
			}
			if time.Since(now) > closely {
				break
			}
		}
		s.do(func() { s.lookedClosely(ctx, j, ended, time.Now()) })
	}()
}

// own lists the processes of the job's user in its steps.
func (j *running) own() []proc.Key {
	var keys []proc.Key
	for _, p := range j.crew.inside {
		if p.uid == j.crew.job.UID && len(keys) < crowd {
			keys = append(keys, p.key())
		}
	}
	return keys
}

// insiders are those at the other end of whose pipes nobody else is: all of
// the job, and its slurmstepd.
func (j *running) insiders() []int {
	pids := j.crew.helpers()
	for _, p := range j.crew.all() {
		pids = append(pids, p.stat.PID)
	}
	return pids
}

// question names the job to the controller.
func (j *running) question() controller.Question {
	return controller.Question{Scontrol: j.node.Scontrol, Conf: j.node.Conf, Job: j.job}
}
