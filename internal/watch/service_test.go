package watch

import (
	"os"
	"strings"
	"testing"
	"time"

	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/note"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/slurmd"
	"lastcall/internal/stuck"
	"lastcall/pkg/locks"
	"lastcall/pkg/reaper"
)

// A node that cannot be looked at is not asked again and again without pause.
func TestALookThatFailsIsNotRepeatedAtOnce(t *testing.T) {
	said := 0
	s := &Service{Config: config.Default(), Log: func(string) { said++ }, roster: newRoster(proc.FS(t.TempDir() + "/no-proc"))}
	n := &node{jobs: map[uint32]*job{}}
	now := time.Now()
	n.jobs[77] = newJob(n, 77, now)
	s.nodes = map[string]*node{"": n}
	s.look(t.Context(), now)
	if pause := s.next.Sub(now); said != 1 || pause < soon {
		t.Errorf("the next look is in %s, %d lines were logged", pause, said)
	}
}

// What the user would read after an end that did not happen is taken away.
func TestNoNoteOfAnEndThatDidNotHappen(t *testing.T) {
	s := &Service{Config: config.Default(), Notes: t.TempDir() + "/notes", Log: func(text string) { t.Error(text) }}
	for hold, want := range map[string]string{"it wrote 7 bytes": "", "": "ended now"} {
		n := &node{Instance: slurmd.Instance{Node: "n1"}}
		j := newJob(n, 77, time.Now())
		j.ending = true
		if err := note.Leave(s.Notes, "n1", 77, uint32(os.Getuid()), "ended now"); err != nil {
			t.Fatal(err)
		}
		s.wasEnded(j, &ending{service: s, report: reaper.Report{Hold: hold}}, time.Now())
		if got := note.Read(s.Notes, "n1", 77); got != want || j.ending || (j.ended == nil) != (hold != "") {
			t.Errorf("held by %q: the note is %q, the job %+v", hold, got, j)
		}
	}
}

// What is of no interest for a while is not remembered for ever: numbers of
// short-lived processes would gather as long as any job runs.
func TestTheRosterForgetsNumbers(t *testing.T) {
	r := newRoster(proc.FS(t.TempDir()))
	r.bored[4711], r.bored[4712] = 1, 3
	for pass, want := range []int{1, 1, 0} {
		if err := r.take(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if len(r.bored) != want {
			t.Errorf("after pass %d: %v", pass+1, r.bored)
		}
	}
}

// While locks are looked for, the processes may end: since when they were
// stuck is still known. Without it a drain of long before would be theirs.
func TestHeldSinceTheyWereSeen(t *testing.T) {
	s := &Service{Config: config.Default(), Log: func(string) {}}
	s.Config.LogPath = t.TempDir() + "/log"
	first := time.Now().Add(-20 * time.Second)
	n := &node{jobs: map[uint32]*job{}, held: map[uint32]*held{}}
	j := newJob(n, 77, first)
	list := []stuck.Process{{Key: proc.Key{PID: 10, Start: 1}}}
	j.dying.treated, j.dying.told, j.dying.treating = map[proc.Key]bool{}, map[string]bool{}, true
	s.wasTreated(j, list, list, nil, forensics.Record{}, first, false, false)
	if h := n.held[77]; h == nil || !h.since.Equal(first) || len(h.keys) != 1 || j.dying.treating {
		t.Errorf("%+v", h)
	}
}

// Whose FUSE connection could not be aborted just now is tried again, and what
// is written down already is not written again.
func TestAnAbortIsTriedAgain(t *testing.T) {
	s := &Service{Config: config.Default(), Log: func(string) {}}
	s.Config.LogPath = t.TempDir() + "/log"
	lines := func() int {
		text, _ := os.ReadFile(s.Config.LogPath)
		return strings.Count(string(text), "\n")
	}
	n := &node{jobs: map[uint32]*job{}, held: map[uint32]*held{}}
	j := newJob(n, 77, time.Now())
	j.dying.treated, j.dying.told = map[proc.Key]bool{}, map[string]bool{}
	list := []stuck.Process{{Key: proc.Key{PID: 10, Start: 1}}}
	left := func(why string) forensics.Record {
		return forensics.Record{Causes: []forensics.Cause{{Code: "fuse", Abort: why}}}
	}
	for _, step := range []struct {
		name  string
		abort string
		left  []stuck.Process
		again bool
		lines int
	}{
		{"its daemon works", "left alone: its daemon is at work", list, true, 1},
		{"it still works", "left alone: its daemon is at work", list, true, 1},
		{"it is silent, and the process slow to end", "aborted: 0 of 1 processes are gone now", list, false, 2},
		{"it is silent", "aborted: 1 of 1 processes are gone now", nil, false, 3},
	} {
		s.wasTreated(j, list, step.left, []locks.Held{{}}, left(step.abort), time.Now(), false, false)
		if !j.dying.again.IsZero() != step.again || lines() != step.lines || len(n.held[77].keys) != 1 || len(n.held[77].locks) != 1 {
			t.Errorf("%s: again %v, %d records, %+v", step.name, j.dying.again, lines(), n.held[77])
		}
	}
	freed := left("left alone: its daemon is at work")
	freed.Locks = []forensics.Lock{{Path: "/data/lock", Release: "released"}}
	if s.wasTreated(j, list, list, nil, freed, time.Now(), false, false); lines() != 4 {
		t.Error("a lock that a later try freed is not written down")
	}
	j.dying.treated = map[proc.Key]bool{}
	s.wasTreated(j, list, list, nil, left("left alone: it is not the job's user who mounted it"), time.Now(), false, false)
	if !j.dying.again.IsZero() {
		t.Error("what will not change is tried again")
	}
}

// When somebody who does not die is treated, and how often again.
func TestWhenTheDyingAreTreated(t *testing.T) {
	now := time.Unix(1e6, 0)
	first, second := proc.Key{PID: 10, Start: 1}, proc.Key{PID: 11, Start: 1}
	d := dying{treated: map[proc.Key]bool{first: true}}
	for _, test := range []struct {
		name  string
		key   proc.Key
		since time.Duration
		again time.Time
		want  bool
	}{
		{"new", second, stuckAfter / 2, time.Time{}, false},
		{"had its time", second, stuckAfter, time.Time{}, true},
		{"treated", first, time.Hour, time.Time{}, false},
		{"treated, the next try is to come", first, time.Hour, now.Add(time.Second), false},
		{"treated, the next try is due", first, time.Hour, now, true},
		{"new, while another waits for its next try", second, stuckAfter, now.Add(time.Second), true},
	} {
		d.again = test.again
		if want := map[bool]time.Duration{true: stuck.Silence, false: stuck.LongSilence}[test.again.IsZero()]; d.silence() != want {
			t.Errorf("%s: %s of silence", test.name, d.silence())
		}
		if got := d.due(test.key, now.Add(-test.since), now); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	works := &forensics.Record{Causes: []forensics.Cause{{Code: "nfs"}, {Code: "fuse", Abort: "left alone: its daemon is at work"}}}
	for n, want := range []time.Duration{abortAgain, abortAgain, 2 * abortAgain, 4 * abortAgain, 8 * abortAgain, abortRarely, abortRarely} {
		d.retry(n > 1, works)
		if d.pause != want || time.Until(d.again) <= want-time.Second {
			t.Errorf("the pause after try %d is %s, want %s", n, d.pause, want)
		}
	}
	if d.retry(true, &forensics.Record{Causes: []forensics.Cause{{Code: "nfs"}}}); d.pause != 0 || !d.again.IsZero() {
		t.Errorf("tried again after %s", d.pause)
	}
}

// A look that takes long is rarer, less so while slurmd looks every second.
func TestInterval(t *testing.T) {
	now := time.Unix(1e6, 0)
	for _, test := range []struct {
		since, took, want time.Duration
	}{
		{time.Second, time.Millisecond, soon},
		{time.Second, time.Second, 2 * time.Second},
		{11 * time.Second, time.Millisecond, later},
		{11 * time.Second, time.Second, 10 * time.Second},
	} {
		n := &node{jobs: map[uint32]*job{}}
		n.KillWait = time.Hour
		n.jobs[77] = newJob(n, 77, now.Add(-test.since))
		s := &Service{nodes: map[string]*node{"": n}}
		if got := s.interval(now, test.took); got != test.want {
			t.Errorf("%s after the order a look took %s: the next in %s, want %s", test.since, test.took, got, test.want)
		}
	}
}
