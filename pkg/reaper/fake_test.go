package reaper

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// errGone is the fake kernel's ESRCH.
var errGone = errors.New("gone")

// fake is one process of a fake kernel.
type fake struct {
	key         Key
	ours        bool
	ignores     bool
	last        bool
	dies        time.Duration // after SIGTERM; <0: it ignores, blocks or handles it for ever
	stuck       bool          // not even SIGKILL
	denied      bool          // of a user that may not be signalled
	forks       int           // children it starts, one each time it is looked at
	stopped     bool
	dead        bool
	end         time.Duration // when it will have died, -1 for never
	terms, kill int
}

// world is a fake kernel and the target on it.
type world struct {
	now       time.Duration
	processes []*fake
	hold      int // the look at which the target says hold, 0 for never
	fails     int // the look from which on looking does not work, 0 for never
	works     int // the look from which on it works again, 0 for never
	blind     int // the look that misses every second process, 0 for none
	partial   int // how many looks see only every second process
	looks     int
	spared    []Key // signalled although not ours
	diesEarly bool  // the processes are reaped between SIGTERM and SIGCONT
	opened    int   // how often a handle was asked for
	noHandle  error // why there is none, nil if there is
}

func (w *world) add(p fake) *fake {
	p.key = Key{PID: len(w.processes) + 2, Start: 7}
	p.end = -1
	w.processes = append(w.processes, &p)
	return &p
}

func (w *world) find(key Key) *fake {
	for _, p := range w.processes {
		if p.key == key {
			return p
		}
	}
	return nil
}

// advance lets the time pass and processes die.
func (w *world) advance(to time.Duration) {
	w.now = max(w.now, to)
	for _, p := range w.processes {
		if p.end >= 0 && p.end <= w.now {
			p.dead = true
		}
	}
}

func (w *world) Look(time.Time) (Seen, error) {
	w.looks++
	w.advance(w.now + time.Millisecond)
	var seen Seen
	if w.fails > 0 && w.looks >= w.fails && (w.works == 0 || w.looks < w.works) {
		return Seen{}, errors.New("no look")
	}
	if w.hold > 0 && w.looks >= w.hold {
		seen.Hold = "live-step"
	}
	for _, p := range append([]*fake(nil), w.processes...) {
		if !p.dead && !p.stopped && p.forks > 0 {
			p.forks--
			w.add(fake{ours: p.ours, ignores: p.ignores, dies: p.dies})
		}
	}
	seen.Partial = w.looks <= w.partial
	for i, p := range w.processes {
		if p.ours && !p.dead && (!seen.Partial && w.looks != w.blind || i%2 == 0) {
			seen.Survivors = append(seen.Survivors, Survivor{Key: p.key, Ignores: p.ignores, Last: p.last})
		}
	}
	return seen, nil
}

func (w *world) Now() time.Duration { return w.now }
func (w *world) Method() Method     { return ByPidfd }
func (w *world) Close(int)          {}
func (w *world) Gone(err error) bool {
	return errors.Is(err, errGone)
}

func (w *world) Open(key Key) (int, error) {
	w.opened++
	if w.noHandle != nil {
		return 0, w.noHandle
	}
	if p := w.find(key); p == nil || p.dead {
		return 0, errGone
	}
	return key.PID, nil
}

func (w *world) Signal(_ int, key Key, signal syscall.Signal) error {
	p := w.find(key)
	if p.dead {
		return errGone
	}
	if !p.ours {
		w.spared = append(w.spared, key)
	}
	if p.denied {
		return syscall.EPERM
	}
	switch signal {
	case syscall.SIGTERM:
		p.terms++
		if p.dies >= 0 && !p.ignores {
			p.end = w.now + p.dies
		}
		if w.diesEarly {
			p.dead = p.end == w.now
		}
	case syscall.SIGKILL:
		p.kill++
		if !p.stuck {
			p.end = w.now + time.Millisecond
		}
	case syscall.SIGSTOP:
		p.stopped = true
	case syscall.SIGCONT:
		p.stopped = false
	}
	return nil
}

// Wait jumps to the next death.
func (w *world) Wait(_ context.Context, most time.Duration) ([]int, error) {
	until := w.now + max(most, 0)
	next := until
	for _, p := range w.processes {
		if !p.dead && p.end >= 0 {
			next = min(next, max(p.end, w.now))
		}
	}
	var gone []int
	before := map[Key]bool{}
	for _, p := range w.processes {
		before[p.key] = p.dead
	}
	w.advance(next)
	for _, p := range w.processes {
		if p.dead && !before[p.key] {
			gone = append(gone, p.key.PID)
		}
	}
	return gone, nil
}

// Whatever is there, the ladder keeps its promises.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Ladder{
			Grace:        time.Duration(rapid.IntRange(0, 5000).Draw(t, "grace")) * time.Millisecond,
			IgnoredGrace: time.Duration(rapid.IntRange(0, 2000).Draw(t, "ignored grace")) * time.Millisecond,
			Settle:       2 * time.Second, Deadline: 10 * time.Second,
		}
		w := &world{diesEarly: rapid.Bool().Draw(t, "dies early")}
		if rapid.IntRange(0, 9).Draw(t, "holds") == 0 {
			w.hold = rapid.IntRange(1, 4).Draw(t, "hold")
		}
		if rapid.IntRange(0, 9).Draw(t, "fails") == 0 {
			w.fails = rapid.IntRange(1, 6).Draw(t, "fail")
		}
		for range rapid.IntRange(0, 12).Draw(t, "processes") {
			dies := time.Duration(rapid.IntRange(-1, 6000).Draw(t, "dies")) * time.Millisecond
			w.add(fake{
				ours: rapid.IntRange(0, 3).Draw(t, "ours") > 0, ignores: rapid.Bool().Draw(t, "ignores"),
				last: rapid.IntRange(0, 4).Draw(t, "last") == 0, dies: dies,
				stuck: rapid.IntRange(0, 9).Draw(t, "stuck") == 0, denied: rapid.IntRange(0, 9).Draw(t, "denied") == 0, forks: rapid.IntRange(0, 80).Draw(t, "forks") * rapid.IntRange(0, 1).Draw(t, "forks at all"),
			})
		}
		report := Reap(context.Background(), l, w, w)
		promises(t, l, w, report)
	})
}

type failer interface {
	Errorf(format string, values ...any)
}

// promises is what must hold after every run.
func promises(t failer, l Ladder, w *world, report Report) {
	if len(w.spared) > 0 {
		t.Errorf("%v are not the job's and were signalled", w.spared)
	}
	if w.now > l.Deadline+100*time.Millisecond {
		t.Errorf("it ended after %s", w.now)
	}
	outcomes := map[Key]Outcome{}
	for _, result := range report.Results {
		outcomes[result.Key] = result.Outcome
	}
	for _, p := range w.processes {
		outcome := outcomes[p.key]
		switch {
		case p.terms > 1:
			t.Errorf("%v got %d times SIGTERM", p.key, p.terms)
		case p.kill > 1:
			t.Errorf("%v got %d times SIGKILL", p.key, p.kill)
		case l.Grace == 0 && p.terms > 0:
			t.Errorf("%v got SIGTERM without a grace", p.key)
		case report.Hold != "" || !p.ours:
		case p.dead && (outcome == Unkillable || outcome == Left):
			t.Errorf("%v is dead and was reported %s", p.key, outcome)
		case !p.dead && p.denied && (outcome == Killed || outcome == Terminated || outcome == Unkillable):
			t.Errorf("%v may not be signalled and was reported %s", p.key, outcome)
		case !p.dead && !p.stuck && !p.denied && (outcome != "" || w.fails == 0) && w.now < l.Deadline:
			t.Errorf("%v is alive at %s, before the deadline", p.key, w.now)
		case !p.dead && outcome != Unkillable && outcome != Left && outcome != "":
			t.Errorf("%v is alive and was reported %s", p.key, outcome)
		case p.stopped && !p.dead && p.kill == 0:
			t.Errorf("%v was left stopped", p.key)
		}
	}
}

func BenchmarkDecide1000(b *testing.B) {
	v := View{FirstAsk: -1, LastKill: -1, Fresh: true, Looks: 1}
	for i := range 1000 {
		v.Alive = append(v.Alive, alive(i+2))
	}
	b.ReportAllocs()
	for b.Loop() {
		if a := Decide(ladder, v); len(a.Ask) != 1000 {
			b.Fatal(fmt.Sprint(a))
		}
	}
}
