package watch

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/slurm/slurmd"
)

func TestMayResume(t *testing.T) {
	now := time.Unix(1764098123, 0)
	drained := controller.Node{Name: "n1", State: []string{"IDLE", "DRAIN"}, Reason: "Kill task failed", By: "root", Since: "1764098123"}
	byHand, undated := drained, drained
	byHand.Reason, undated.Since = "bad memory", "Unknown"
	named := drained
	named.Reason = "Kill task failed (JobId=77 StepId=batch)"
	good := Facts{
		Allowed: true, Drain: drained, Now: drained, Jobs: map[uint32]bool{77: true}, Since: now.Add(-20 * time.Second),
		Gone: true, LocksFree: true, Most: 3,
	}
	with := func(change func(*Facts)) Facts {
		f := good
		change(&f)
		return f
	}
	other := func(change func(*controller.Node)) Facts {
		return with(func(f *Facts) { change(&f.Now) })
	}
	tests := []struct {
		name  string
		facts Facts
		may   bool
	}{
		{"all is well again", good, true},
		{"Slurm names the job", with(func(f *Facts) { f.Drain, f.Now = named, named }), true},
		{"it still completes", other(func(n *controller.Node) { n.State = []string{"MIXED", "COMPLETING", "DRAIN"} }), true},
		{"switched off", with(func(f *Facts) { f.Off = true }), false},
		{"not allowed", with(func(f *Facts) { f.Allowed = false }), false},
		{"an admin gave another reason", other(func(n *controller.Node) { n.Reason = "bad memory" }), false},
		{"an admin drained it before it was looked at", with(func(f *Facts) { f.Drain, f.Now = byHand, byHand }), false},
		{"nobody knows since when", with(func(f *Facts) { f.Drain, f.Now = undated, undated }), false},
		{"Slurm gave another reason", other(func(n *controller.Node) { n.Reason = named.Reason }), false},
		{"an admin gave the same reason later", other(func(n *controller.Node) { n.Since = strconv.FormatInt(now.Unix()+60, 10) }), false},
		{"somebody else set it", other(func(n *controller.Node) { n.By = "ada" }), false},
		{"drained for another job", with(func(f *Facts) { f.Drain, f.Now, f.Jobs = named, named, map[uint32]bool{78: true} }), false},
		{"drained long before", with(func(f *Facts) { f.Since = now.Add(time.Minute) }), false},
		{"not drained", other(func(n *controller.Node) { n.State = []string{"IDLE"} }), false},
		{"down", other(func(n *controller.Node) { n.State = []string{"DOWN", "DRAIN"} }), false},
		{"in maintenance", other(func(n *controller.Node) { n.State = []string{"IDLE", "DRAIN", "MAINTENANCE"} }), false},
		{"a process is there", with(func(f *Facts) { f.Gone = false }), false},
		{"a lock is there", with(func(f *Facts) { f.LocksFree = false }), false},
		{"the file system does not answer", with(func(f *Facts) { f.Answers = "/scratch" }), false},
		{"three times today", with(func(f *Facts) { f.Today = 3 }), false},
		{"no answer at all", Facts{Allowed: true, Gone: true, LocksFree: true, Most: 3}, false},
	}
	for _, test := range tests {
		if got := MayResume(test.facts); (got == "") != test.may {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func TestResumesWithinADay(t *testing.T) {
	s := &Service{Notes: t.TempDir() + "/notes", Log: func(text string) { t.Error(text) }}
	n := slurmd.Instance{}
	n.Node, n.Cluster = "n1", "c"
	if got := s.resumes(n); got != 0 {
		t.Errorf("%d before the first", got)
	}
	if err := errors.Join(s.noteResume(n), s.noteResume(n)); err != nil {
		t.Fatal(err)
	}
	old := strconv.FormatInt(time.Now().Add(-25*time.Hour).Unix(), 10)
	text, err := os.ReadFile(s.resumesPath(n))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.resumesPath(n), append([]byte(old+"\nnonsense\n"), text...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.resumes(n); got != 2 {
		t.Errorf("%d, want 2", got)
	}
	s.Log = func(string) {}
	if err := os.Remove(s.resumesPath(n)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.resumesPath(n), 0o700); err != nil {
		t.Fatal(err)
	}
	if got := s.resumes(n); got < 1000 {
		t.Errorf("%d though nobody knows", got)
	}
}

// What may change by itself is waited for, and not asked about all the time;
// what else keeps the node drained ends the story.
func TestDecided(t *testing.T) {
	drained := controller.Node{Name: "n1", State: []string{"IDLE", "DRAIN"}, Reason: "Kill task failed", By: "root", Since: "1764098123"}
	good := Facts{
		Allowed: true, Drain: drained, Now: drained, Jobs: map[uint32]bool{77: true}, Since: time.Unix(1764098100, 0),
		Gone: true, LocksFree: true, Most: 3,
	}
	undrained := drained
	undrained.State = []string{"IDLE"}
	tests := []struct {
		name    string
		change  func(*Facts)
		waits   bool
		verdict string
	}{
		{"all is well", func(*Facts) {}, false, "resumed"},
		{"a lock is there", func(f *Facts) { f.LocksFree = false }, true, ""},
		{"the file system does not answer", func(f *Facts) { f.Answers = "/scratch" }, true, ""},
		{"resumed by hand, and a lock is there", func(f *Facts) { f.Now, f.LocksFree = undrained, false }, false, "left-drained"},
		{"switched off", func(f *Facts) { f.Off = true }, false, "left-drained"},
		{"not allowed", func(f *Facts) { f.Allowed = false }, false, "left-drained"},
	}
	for _, test := range tests {
		dir := t.TempDir()
		s := &Service{Config: config.Default(), Notes: dir + "/notes", Log: func(string) {}}
		s.Config.LogPath = dir + "/log"
		n := &node{held: map[uint32]*held{77: {job: 77}}, recovery: recovery{seen: true, drain: drained}}
		f := good
		test.change(&f)
		s.decided(n, f)
		text, _ := os.ReadFile(s.Config.LogPath)
		if (len(n.held) > 0) != test.waits || test.waits && time.Until(n.recovery.next) < askAgain/2 {
			t.Errorf("%s: %d held, the next question in %s", test.name, len(n.held), time.Until(n.recovery.next))
		}
		if test.verdict != "" && !strings.Contains(string(text), `"`+test.verdict+`"`) || test.waits && len(text) > 0 {
			t.Errorf("%s: %s", test.name, text)
		}
	}
}

// A resume that cannot be counted is not made: the limit a day would be none.
func TestAResumeIsNotedFirst(t *testing.T) {
	dir := t.TempDir()
	n := slurmd.Instance{}
	n.Node, n.Cluster, n.Scontrol = "n1", "c", dir+"/scontrol"
	if err := os.WriteFile(n.Scontrol, []byte("#!/bin/sh\necho \"$@\" >> "+dir+"/asked\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for notes, resumed := range map[string]bool{n.Scontrol + "/notes": false, dir + "/run/notes": true} {
		s := &Service{Notes: notes, Log: func(string) {}}
		err := s.resume(t.Context(), n)
		asked, _ := os.ReadFile(dir + "/asked")
		if (err == nil) != resumed || strings.Contains(string(asked), "State=RESUME") != resumed {
			t.Errorf("notes in %s: %v, asked %q", notes, err, asked)
		}
		_ = os.Remove(dir + "/asked")
	}
}
