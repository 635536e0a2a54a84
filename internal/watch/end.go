package watch

import (
	"bytes"
	"context"
	"os"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/note"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/target"
	"lastcall/pkg/reaper"
)

const (
	// tellGrace is how long those who were never told have to react to SIGTERM.
	// Whoever reacts is given the whole idle grace again.
	tellGrace = time.Second
	// settle is how long a process may take to die of SIGKILL.
	settle = 2 * time.Second
	// endDeadline bounds the end of one job.
	endDeadline = 10 * time.Second
)

// ending is the end of one job. It has its own readers: it runs beside the
// service, and only its result comes back.
type ending struct {
	*target.Target
	service *Service
	job     slurm.Job
	node    string
	rule    Rule
	stepds  map[proc.Key]bool
	beside  map[proc.Key]bool
	members map[proc.Key]bool // in the steps, as of the decision
	keys    []proc.Key        // all of the job
	helpers []int
	told    map[proc.Key]bool
	untold  int
	text    string // for the user
	reader  *activity.Reader
	samples []activity.Sample
	killing bool
	record  forensics.Record
	report  reaper.Report
}

// end ends a job in a goroutine of its own.
func (s *Service) end(j *job) {
	answer := j.answer.Record()
	e := &ending{
		service: s, node: j.node.Node, rule: j.rule, stepds: j.stepds, beside: j.crew.beside,
		members: map[proc.Key]bool{}, keys: keysOf(j.crew.all()), helpers: j.crew.helpers(), told: map[proc.Key]bool{},
		untold: j.look.Untold, text: sentence(j), reader: activity.New(s.fs), samples: j.samples, record: s.newRecord(j),
	}
	e.job = slurm.Job{
		ID: j.id, UID: answer.User, User: answer.UserName, HetLeader: answer.HetLeader, Node: j.node.Node,
		Cluster: j.node.Cluster, SLUID: j.crew.job.SLUID, Restarts: -1,
	}
	for _, p := range j.crew.inside {
		e.members[p.key()] = true
		if j.wasTold(p) {
			e.told[p.key()] = true
		}
	}
	j.ending = true
	s.working++
	began := time.Now()
	go func() {
		e.run()
		s.do(func() { s.wasEnded(j, e, began) })
	}()
}

// run goes down the ladder. Before each signal it looks whether everything is
// as it was when the decision was made.
func (e *ending) run() {
	if err := e.prepare(); err != nil {
		e.report.Hold = err.Error()
		return
	}
	defer e.Scanner.Aside.Close()
	first, err := e.Look(time.Now().Add(lookLimit))
	if err != nil {
		e.report.Hold = err.Error()
		return
	}
	if first.Hold != "" {
		e.report.Hold = first.Hold
		return
	}
	e.FindLocks(time.Now().Add(lookLimit))
	if e.service.observes() {
		e.report = e.Untouched(first)
		e.Fill(e.report, time.Now().Add(lookLimit))
		return
	}
	kernel, err := reaper.NewKernel(string(e.FS))
	if err != nil {
		e.report.Hold = err.Error()
		return
	}
	defer kernel.Free()
	if err := note.Leave(e.service.Notes, e.node, e.job.ID, e.job.UID, e.text); err != nil {
		e.record.Warn(err.Error())
	}
	e.Keep(first)
	ladder := reaper.Ladder{Settle: settle, Deadline: endDeadline}
	if e.rule == Idle && e.untold > 0 {
		ladder.Grace, ladder.IgnoredGrace = tellGrace, tellGrace
	}
	e.report = reaper.Reap(context.Background(), ladder, e, kernel)
	if e.report.Hold == "" {
		e.LookAtLocks(time.Now().Add(lookLimit))
	}
	e.Fill(e.report, time.Now().Add(lookLimit))
}

func (e *ending) prepare() error {
	s := e.service
	text, err := linux.ReadAll(string(s.fs)+"/self/mountinfo", make([]byte, 32<<10), 4<<20)
	if err != nil {
		return err
	}
	rules := claim.Rules{Cgroup: true, SpareCommands: s.Config.Spare.Commands}
	if len(s.Config.Spare.Users) > 0 {
		rules.SpareUser = s.Config.Spare.SparesUser
	}
	scope := claim.Scope{Job: e.job, Task: -1, Ending: e.stepds}
	scanner, err := claim.NewScanner(s.fs, scope, rules, cgroup.ParseMounts(text), os.Getpid())
	if err != nil {
		return err
	}
	e.Target = &target.Target{
		Scanner: scanner, FS: s.fs, Record: &e.record, FUSE: bytes.Contains(text, []byte(" - fuse")), Groups: true,
		OnStuck: s.policy(), Hold: e.hold, Told: func(key proc.Key) bool { return e.told[key] },
	}
	return nil
}

// Look implements reaper.Target. Whoever was not there when the decision was
// made is never signalled: after the kill that may be the TaskEpilog.
func (e *ending) Look(until time.Time) (reaper.Seen, error) {
	seen, err := e.Target.Look(until)
	kept := seen.Survivors[:0:0]
	for _, survivor := range seen.Survivors {
		if e.members[proc.Key(survivor.Key)] {
			kept = append(kept, survivor)
		}
	}
	seen.Survivors = kept
	return seen, err
}

// KillWhole implements reaper.Whole. From here on there is no way back.
func (e *ending) KillWhole(member func(pid int) bool) []int {
	e.killing = true
	return e.Target.KillWhole(member)
}

// hold says why nobody may be signalled any more.
func (e *ending) hold(result claim.Result) string {
	if e.killing {
		return ""
	}
	if result.Partial {
		return "there was no time to look at every process of this node"
	}
	for _, key := range result.Stepds {
		if !e.stepds[key] && !e.beside[key] {
			return "a step was started after the order to end"
		}
	}
	for _, spared := range result.Spared {
		switch spared.Reason {
		case claim.LeftStep, claim.OtherCluster:
		default:
			return "a process of it is spared as " + string(spared.Reason)
		}
	}
	for _, claimed := range result.Claimed {
		if !e.members[claimed.Stat.Key()] {
			return forensics.Quote(claimed.Stat.Comm, 64) + " was started"
		}
	}
	if off() {
		return "lastcall is switched off on this node"
	}
	return e.works()
}

// works says what the job has done since it was last looked at, or what
// speaks against calling it idle now. An end of a process is no work.
func (e *ending) works() string {
	until := time.Now().Add(lookLimit)
	samples := e.reader.Sample(e.keys, until)
	e.reader.Look(samples, e.helpers, until)
	moved := activity.Progress(e.samples, samples)
	e.samples = samples
	for _, m := range moved {
		if m.Change != activity.Ended {
			return wordsFor(m)
		}
	}
	for i := range samples {
		if s := &samples[i]; !s.Idle() {
			return nameOf(s) + ": " + whyNot(s)
		}
	}
	return ""
}

// wasEnded takes the result of an end.
func (s *Service) wasEnded(j *job, e *ending, began time.Time) {
	j.ending = false
	for _, result := range e.report.Results {
		if result.Asked {
			j.told[proc.Key(result.Key)] = true
		}
	}
	if e.report.Hold != "" {
		// It works, or nobody can tell: everything starts anew.
		j.clock = Clock{Still: -1, Why: e.report.Hold}
		j.samples, j.answer, j.rule = nil, nil, NoRule
		// The note says that the job was ended: it was not.
		if err := note.Remove(s.Notes, j.node.Node, j.id); err != nil {
			s.Log(err.Error())
		}
	} else {
		j.ended = &ended{rule: e.rule, at: began, still: j.look.Now - j.clock.Still, record: e.record}
		j.ended.record.Verdict = verdictOf(e.report, e.record.Counts, s.observes())
		describe(&j.ended.record, e)
	}
	if !j.gone.IsZero() {
		s.close(j, j.gone)
	}
}
