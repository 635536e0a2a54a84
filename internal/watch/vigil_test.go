package watch

import (
	"errors"
	"testing"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/config"
	"lastcall/internal/finished"
	"lastcall/internal/proc"
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
	for name, pair := range map[string][2]*finished.Observation{
		"it works": {&first, &busy}, "a veto": {&first, &vetoed}, "not looked at": {&first, &unlooked},
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
