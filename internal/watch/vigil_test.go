package watch

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/finished"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/spool"
)

// seenAt is a look that found a process finished.
func seenAt(at time.Duration, pid int, cpu time.Duration, kind finished.Kind) finished.Observation {
	key := proc.Key{PID: pid, Start: 1}
	return finished.Observation{
		Key: key, At: time.Unix(1e6, 0).Add(at), Finding: finished.Finding{State: finished.Ended, Kind: kind},
		Sample: activity.Sample{Key: key, CPU: cpu, Looked: true},
	}
}

func TestWeighLooks(t *testing.T) {
	zero := time.Unix(1e6, 0)
	first := map[proc.Key]finished.Observation{}
	for i, step := range []struct {
		at    time.Duration
		looks []finished.Observation
		hung  int
		again time.Duration // after this look
		kept  int
	}{
		{0, []finished.Observation{seenAt(0, 10, 0, finished.Threads)}, 0, 30 * time.Second, 1},
		{10 * time.Second, []finished.Observation{seenAt(10*time.Second, 10, 0, finished.Threads)}, 0, 20 * time.Second, 1},
		{30 * time.Second, []finished.Observation{seenAt(30*time.Second, 10, 0, finished.Threads)}, 1, 5 * time.Minute, 1},
		{time.Minute, []finished.Observation{seenAt(time.Minute, 10, time.Minute, finished.Threads)}, 0, 5 * time.Minute, 1},
		{2 * time.Minute, []finished.Observation{seenAt(2*time.Minute, 10, time.Minute, finished.Child)}, 0, 5 * time.Minute, 1},
		{150 * time.Second, []finished.Observation{seenAt(150*time.Second, 10, time.Minute, finished.Child)}, 1, 5 * time.Minute, 1},
		{3 * time.Minute, []finished.Observation{seenAt(3*time.Minute, 11, 0, finished.Child)}, 0, 30 * time.Second, 1},
		{4 * time.Minute, nil, 0, 5 * time.Minute, 0},
	} {
		hung, again := weighLooks(first, step.looks, zero.Add(step.at), 5*time.Minute)
		if len(hung) != step.hung || again.Sub(zero.Add(step.at)) != step.again || len(first) != step.kept {
			t.Errorf("step %d: %d hang, again in %s, %d kept", i, len(hung), again.Sub(zero.Add(step.at)), len(first))
		}
	}
}

func TestWhyNotTerm(t *testing.T) {
	first := seenAt(0, 10, 0, finished.Threads)
	good := seenAt(time.Minute, 10, 0, finished.Threads)
	if why := whyNotTerm(&first, &good); why != "" {
		t.Errorf("what hangs is left alone: %s", why)
	}
	busy := seenAt(time.Minute, 10, time.Minute, finished.Threads)
	vetoed := seenAt(time.Minute, 10, 0, finished.Threads)
	vetoed.Sample.Vetoes = []activity.Veto{{Reason: activity.OffNode, Text: "a connection leaves this node"}}
	unlooked := seenAt(time.Minute, 10, 0, finished.Threads)
	unlooked.Sample.Looked = false
	unreadable := seenAt(time.Minute, 10, 0, finished.Threads)
	unreadable.Sample.Unreadable = errors.New("no")
	saving, savingLater := seenAt(0, 10, 0, finished.ExitHandler), seenAt(time.Minute, 10, 0, finished.ExitHandler)
	teardown, teardownLater := seenAt(0, 10, 0, finished.Teardown), seenAt(time.Minute, 10, 0, finished.Teardown)
	for name, pair := range map[string][2]*finished.Observation{
		"the end of the interpreter": {&teardown, &teardownLater},
		"it works":                   {&first, &busy}, "a veto": {&first, &vetoed}, "not looked at": {&first, &unlooked},
		"unreadable": {&first, &unreadable}, "an exit handler": {&saving, &savingLater}, "too soon": {&good, &good},
	} {
		if whyNotTerm(pair[0], pair[1]) == "" {
			t.Errorf("%s: nothing speaks against SIGTERM", name)
		}
	}
}

func TestTheVigilIsRare(t *testing.T) {
	v := newVigil(proc.Default, config.Finished{After: 5 * time.Minute})
	if v.due().IsZero() {
		t.Error("there is no first round")
	}
	if v.interval() != time.Minute {
		t.Errorf("a round every %s", v.interval())
	}
	now := time.Unix(1e6, 0)
	v.next = now.Add(time.Minute)
	j := &running{since: now, lookAt: now.Add(time.Second)}
	v.jobs[vigilKey{job: 1}] = j
	for i, step := range []struct {
		change func()
		want   time.Duration
	}{
		{func() {}, time.Second},
		{func() { v.looking = true }, time.Minute},
		{func() { v.looking, j.done = false, true }, time.Minute},
		{func() { j.done = false; j.wakes() }, time.Minute},
	} {
		step.change()
		if due := v.due().Sub(now); due != step.want {
			t.Errorf("step %d: due in %s, want %s", i, due, step.want)
		}
	}
	v.rules.After = config.Never
	if !v.due().IsZero() {
		t.Error("off, and still something is due")
	}
}

// SIGTERM comes so long after the report, to those that hung all the time; what
// moved or ended in between, and what began to hang later, starts the wait anew.
func TestTerminateAfter(t *testing.T) {
	const wait = 30 * time.Minute
	zero := time.Unix(1e6, 0)
	look := func(at time.Duration, pids ...int) (list []finished.Observation) {
		for _, pid := range pids {
			list = append(list, seenAt(at, pid, 0, finished.Threads))
		}
		return list
	}
	type step struct {
		at   time.Duration
		pids []int
		done bool
	}
	for name, steps := range map[string][]step{
		"it hangs all the time": {{0, []int{10}, false}, {30 * time.Second, []int{10}, false}, {20 * time.Minute, []int{10}, false}, {31 * time.Minute, []int{10}, true}},
		"it was proven late":    {{0, []int{10}, false}, {20 * time.Minute, []int{10}, false}, {31 * time.Minute, []int{10}, false}, {50 * time.Minute, []int{10}, true}},
		"nothing hung in between": {
			{0, []int{10}, false},
			{30 * time.Second, []int{10}, false},
			{10 * time.Minute, nil, false},
			{30 * time.Minute, []int{10}, false},
			{31 * time.Minute, []int{10}, false},
			{50 * time.Minute, []int{10}, false},
			{62 * time.Minute, []int{10}, true},
		},
		"another one takes over": {
			{0, []int{10}, false},
			{30 * time.Second, []int{10}, false},
			{29 * time.Minute, []int{10, 11}, false},
			{31 * time.Minute, []int{11}, false},
			{50 * time.Minute, []int{11}, false},
			{62 * time.Minute, []int{11}, true},
		},
	} {
		s := &Service{Config: config.Default(), Log: func(string) {}, nodes: map[string]*node{}}
		s.Config.Mode = config.Observe // nothing is asked, nobody gets a signal
		s.vigil = newVigil(proc.Default, config.Finished{After: 5 * time.Minute, Action: config.Terminate, TerminateAfter: wait})
		j := &running{vigilKey: vigilKey{node: &node{}, job: 77}, since: zero, told: true, ended: map[proc.Key]finished.Observation{}}
		for i, step := range steps {
			now := zero.Add(step.at)
			s.lookedClosely(t.Context(), j, look(step.at, step.pids...), now)
			if j.done != step.done || !j.done && !j.lookAt.After(now) {
				t.Errorf("%s, step %d: done %v, next look in %s", name, i, j.done, j.lookAt.Sub(now))
			}
		}
	}
}

func TestRipeAreThoseThatHungAllTheTime(t *testing.T) {
	old, young := seenAt(0, 10, 0, finished.Threads), seenAt(time.Hour, 11, 0, finished.Threads)
	now := [2]finished.Observation{seenAt(61*time.Minute, 10, 0, finished.Threads), seenAt(61*time.Minute, 11, 0, finished.Threads)}
	hung := []hang{{old, now[0], finished.Compare(&old, &now[0])}, {young, now[1], finished.Compare(&young, &now[1])}}
	if ripe := ripeOf(hung, 30*time.Minute); len(ripe) != 1 || ripe[0].last.Key.PID != 10 {
		t.Errorf("%d are ripe", len(ripe))
	}
}

// A job that was told to end while it was looked at has not merely finished.
func TestNoReportOfAJobThatIsEnded(t *testing.T) {
	zero := time.Unix(1e6, 0)
	s := &Service{Config: config.Default(), Log: func(string) {}}
	s.vigil = newVigil(proc.Default, config.Finished{After: 5 * time.Minute, Action: config.Terminate})
	n := &node{jobs: map[uint32]*job{77: {}}}
	first := seenAt(0, 10, 0, finished.Threads)
	j := &running{vigilKey: vigilKey{node: n, job: 77}, since: zero, ended: map[proc.Key]finished.Observation{first.Key: first}}
	s.lookedClosely(t.Context(), j, []finished.Observation{seenAt(time.Minute, 10, 0, finished.Threads)}, zero.Add(time.Minute))
	if j.told || j.done || s.working > 0 {
		t.Errorf("told %v, done %v, %d at work", j.told, j.done, s.working)
	}
}

// A folder that cannot be read for a moment is no proof that the jobs are gone:
// their users would be told twice.
func TestRunningJobsAreNotForgotten(t *testing.T) {
	n := folder(t, told(77), "77.0", "78.0")
	n.lock = &linux.Flock{}
	s := &Service{Log: func(string) {}, nodes: map[string]*node{"": n}, vigil: newVigil(proc.Default, config.Finished{After: 5 * time.Minute})}
	s.runningJobs()
	first := s.vigil.jobs[vigilKey{n, 77}]
	if len(s.vigil.jobs) != 2 || first == nil {
		t.Fatalf("%v", s.vigil.jobs)
	}
	dir := n.SpoolDir
	n.SpoolDir = dir + "/" + spool.StateFile // ENOTDIR
	s.runningJobs()
	n.SpoolDir = dir
	if err := os.Remove(dir + "/n1_78.0"); err != nil {
		t.Fatal(err)
	}
	s.runningJobs()
	if s.vigil.jobs[vigilKey{n, 77}] != first || len(s.vigil.jobs) != 1 {
		t.Errorf("%v", s.vigil.jobs)
	}
	n.jobs[77] = &job{}
	if s.runningJobs(); len(s.vigil.jobs) != 0 {
		t.Error("a job that was told to end is looked after")
	}
}

// Who may be sent SIGTERM is asked anew: a user may be known by name to the
// controller alone.
func TestMayTerminate(t *testing.T) {
	program := t.TempDir() + "/scontrol"
	text := "JobId=77 JobName=job UserId=ada(1000) GroupId=ada(1000) JobState=STATE Reason=None Requeue=1 Restarts=0 StartTime=1795000000 EndTime=1795000004 SuspendTime=None Partition=main NodeList=n1"
	ask := func(state string, uid uint32, change func(*config.Config)) string {
		script := "#!/bin/sh\necho '" + strings.Replace(text, "STATE", state, 1) + "'\n"
		if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		settings := config.Default()
		settings.Watch.ConfirmTimeout = 30 * time.Second
		change(&settings)
		return mayTerminate(t.Context(), controller.Question{Scontrol: program, Job: 77}, uid, settings)
	}
	same := func(*config.Config) {}
	for want, got := range map[string]string{
		"": ask("RUNNING", 1000, same), "the job is COMPLETING": ask("COMPLETING", 1000, same), "the job is SUSPENDED": ask("SUSPENDED", 1000, same),
		"those of user 1001": ask("RUNNING", 1001, same),
		"below min_uid":      ask("RUNNING", 1000, func(c *config.Config) { c.Watch.MinUID = 1001 }),
		"partition main":     ask("RUNNING", 1000, func(c *config.Config) { c.Watch.Partitions = []string{"main"} }),
		"on the spare list":  ask("RUNNING", 1000, func(c *config.Config) { c.Spare.Users = []string{"ada"} }),
		"no answer":          ask("RUNNING", 1000, func(c *config.Config) { c.Watch.ConfirmTimeout = 0 }),
	} {
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
