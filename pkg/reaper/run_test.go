package reaper

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

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
