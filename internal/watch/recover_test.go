package watch

import (
	"strconv"
	"testing"
	"time"

	"lastcall/internal/controller"
)

func TestMayResume(t *testing.T) {
	now := time.Unix(1764098123, 0)
	drained := controller.Node{Name: "n1", State: []string{"IDLE", "DRAIN"}, Reason: "Kill task failed", By: "root", Since: "1764098123"}
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
		{"not allowed", with(func(f *Facts) { f.Allowed = false }), false},
		{"an admin gave another reason", other(func(n *controller.Node) { n.Reason = "bad memory" }), false},
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
