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

// Who may not be signalled is not waited for, and a look that never works is
// not repeated for ever.
func TestWhatCannotBeDoneTakesNoTime(t *testing.T) {
	w := &world{}
	p := w.add(fake{ours: true, denied: true, dies: -1})
	report := Reap(context.Background(), ladder, w, w)
	if w.now > 100*time.Millisecond || p.terms+p.kill > 0 || report.Results[0].Outcome != Left || report.Err == nil {
		t.Errorf("after %s: %+v", w.now, report)
	}
	w = &world{fails: 2}
	w.add(fake{ours: true})
	report = Reap(context.Background(), ladder, w, w)
	if w.looks > 8 || report.Results[0].Outcome != Terminated || report.Err == nil || !report.Unproven {
		t.Errorf("%d looks: %+v", w.looks, report)
	}
}

// A look that did not work proves nothing, whatever those before it found.
func TestALookThatFailsIsMadeAgain(t *testing.T) {
	w := &world{fails: 3, works: 4}
	w.add(fake{ours: true, ignores: true})
	late := w.add(fake{ours: true, dead: true})
	target := reviving{w, func() { late.dead = late.dead && w.looks != 3 }}
	report := Reap(context.Background(), ladder, target, w)
	if late.kill != 1 || !late.dead || report.Unproven || report.Alive() {
		t.Errorf("%d looks, %+v: %+v", w.looks, late, report)
	}
}

// reviving changes the world after each look.
type reviving struct {
	*world
	change func()
}

func (r reviving) Look(until time.Time) (Seen, error) {
	defer r.change()
	return r.world.Look(until)
}

// Whom one look has missed, though it knew of nobody who vanished, is no
// longer believed gone when the next finds it.
func TestWhoIsSeenAgainIsNotGone(t *testing.T) {
	for _, dies := range []time.Duration{-1, 20 * time.Second} {
		w := &world{blind: 2}
		w.add(fake{ours: true, dies: -1})
		missed := w.add(fake{ours: true, dies: dies})
		report := Reap(context.Background(), ladder, w, w)
		if !missed.dead || missed.terms != 1 || missed.kill != 1 || report.Results[1].Outcome != Killed || report.Alive() {
			t.Errorf("%d looks, %+v: %+v", w.looks, missed, report)
		}
	}
}

// The report says why somebody could not be taken hold of.
func TestNoHandleIsTold(t *testing.T) {
	w := &world{noHandle: syscall.ENOMEM}
	w.add(fake{ours: true})
	report := Reap(context.Background(), ladder, w, w)
	if !errors.Is(report.Err, syscall.ENOMEM) || report.Results[0].Outcome != Left {
		t.Errorf("%+v", report)
	}
}

func TestHoldSignalsNobody(t *testing.T) {
	w := &world{hold: 1}
	p := w.add(fake{ours: true})
	report := Reap(context.Background(), ladder, w, w)
	if report.Hold != "live-step" || p.terms+p.kill > 0 || report.Results[0].Outcome != Left {
		t.Errorf("%+v, %+v", report, p)
	}
}

// Found by a test with a real process: SIGTERM ends it so fast that SIGCONT
// finds nobody; nothing is left to wait for.
func TestALastSignalThatFindsNobody(t *testing.T) {
	w := &world{diesEarly: true}
	w.add(fake{ours: true})
	report := Reap(context.Background(), ladder, w, w)
	if w.now > 100*time.Millisecond || report.Results[0].Outcome != Terminated {
		t.Errorf("after %s: %+v", w.now, report)
	}
}

func TestServersOfFileSystemsEndLast(t *testing.T) {
	w := &world{}
	server := w.add(fake{ours: true, last: true})
	user := w.add(fake{ours: true, dies: 1500 * time.Millisecond})
	Reap(context.Background(), ladder, w, w)
	if !server.dead || !user.dead || server.end < user.end || user.kill > 0 {
		t.Errorf("the server ended at %s, its user at %s", server.end, user.end)
	}
}

// The users of a file system take the whole grace: its server still gets
// SIGTERM and some time.
func TestTheServerIsAskedToo(t *testing.T) {
	w := &world{}
	server := w.add(fake{ours: true, last: true, dies: 500 * time.Millisecond})
	w.add(fake{ours: true, dies: -1})
	Reap(context.Background(), ladder, w, w)
	if !server.dead || server.terms != 1 || server.kill != 0 {
		t.Errorf("%+v", server)
	}
}

func TestOutcomes(t *testing.T) {
	w := &world{}
	want := map[*fake]Outcome{
		w.add(fake{ours: true}):                         Terminated,
		w.add(fake{ours: true, dies: 20 * time.Second}): Killed,
		w.add(fake{ours: true, stuck: true, dies: -1}):  Unkillable,
	}
	report := Reap(context.Background(), ladder, w, w)
	for p, outcome := range want {
		for _, result := range report.Results {
			if result.Key == p.key && result.Outcome != outcome {
				t.Errorf("%v: %s, want %s", p.key, result.Outcome, outcome)
			}
		}
	}
	if report.Escalated != "grace is over" || !report.Alive() {
		t.Errorf("%+v", report)
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
