package watch

import (
	"os"
	"strings"
	"testing"

	"lastcall/internal/activity"
	"lastcall/internal/claim"
	"lastcall/internal/config"
	"lastcall/internal/proc"
)

// Before each signal: whatever is not as it was when the decision was made
// keeps everybody alive.
func TestHold(t *testing.T) {
	key := func(pid int) proc.Key { return proc.Key{PID: pid, Start: 1} }
	stat := func(pid int) proc.Stat { return proc.Stat{PID: pid, Start: 1, Comm: "late\x1b"} }
	one := claim.Claimed{Stat: stat(100)}
	tests := []struct {
		name   string
		result claim.Result
		want   string
	}{
		{"as it was", claim.Result{Claimed: []claim.Claimed{one}, Stepds: []proc.Key{key(10)}}, ""},
		{"a node of the same host has the job too", claim.Result{Stepds: []proc.Key{key(10), key(11)}}, ""},
		{"one has left its step", claim.Result{Spared: []claim.Spared{{Reason: claim.LeftStep}}}, ""},
		{"one is of another cluster", claim.Result{Spared: []claim.Spared{{Reason: claim.OtherCluster}}}, ""},
		{"not everybody was seen", claim.Result{Partial: true}, "no time"},
		{"a further step", claim.Result{Stepds: []proc.Key{key(10), key(12)}}, "a step was started"},
		{"the slurmstepd's number was given away", claim.Result{Stepds: []proc.Key{{PID: 10, Start: 2}}}, "a step was started"},
		{"of another run", claim.Result{Spared: []claim.Spared{{Reason: claim.OtherRun}}}, "spared as other-run"},
		{"on the spare list", claim.Result{Spared: []claim.Spared{{Reason: claim.Listed}}}, "spared as spare-list"},
		{"a TaskEpilog", claim.Result{Spared: []claim.Spared{{Reason: claim.HooksOwn}}}, "spared as hook"},
		{"a newcomer", claim.Result{Claimed: []claim.Claimed{one, {Stat: stat(101)}}}, `late\x1b`},
		{"a number was given away", claim.Result{Claimed: []claim.Claimed{{Stat: proc.Stat{PID: 100, Start: 2, Comm: "new"}}}}, "new"},
	}
	for _, test := range tests {
		e := &ending{
			service: &Service{Config: config.Default()}, reader: activity.New(proc.Default),
			stepds: map[proc.Key]bool{key(10): true}, beside: map[proc.Key]bool{key(11): true}, members: map[proc.Key]bool{key(100): true},
		}
		if got := e.hold(test.result); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		e.killing = true
		if got := e.hold(test.result); got != "" {
			t.Errorf("%s: after the first SIGKILL there is no way back, but %q", test.name, got)
		}
	}
}

// What works at this moment is not ended; that somebody ended is no work.
func TestWorks(t *testing.T) {
	self, err := proc.Default.Stat(os.Getpid(), make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	gone := proc.Key{PID: self.PID, Start: self.Start + 1}
	e := &ending{reader: activity.New(proc.Default), keys: []proc.Key{gone}, samples: []activity.Sample{{Key: gone, Comm: "gone"}}}
	if why := e.works(); why != "" {
		t.Errorf("one that has ended: %q", why)
	}
	e.keys = []proc.Key{self.Key()}
	if why := e.works(); !strings.Contains(why, "was started") {
		t.Errorf("one that nobody has seen before: %q", why)
	}
	// This very thread runs.
	if why := e.works(); why == "" {
		t.Error("one at work is called idle")
	}
}
