package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// many processes, each with a lock of its own, that write to a file system
// that does not answer.
const many = `#!/bin/bash
trap '' TERM
for i in $(seq 500); do
	sh -c 'exec 9>"$OUT/lock.$0"; flock -n 9; echo $$ >>"$OUT/ready"; echo x >"$TARGET"' "$i" &
done
sleep 600
`

// 500 at once: they are all in the record, with one cause, before Slurm's own
// patience ends, and what writes it stays small. Nothing runs beside it: so many
// keep an emulated machine busy.
func TestStuckAreFiveHundred(t *testing.T) {
	w := newStuck(t, cluster.Patiently(unkillableAfter), "on_unkillable.resume = true")
	mounted := disk(t)
	freezeDisk(t, mounted)
	out := w.folder(nobody)
	id := w.submitJob(cluster.Job{
		Script: many, UID: nobody, Options: []string{"-w", w.Nodes[0]},
		Env: []string{"OUT=" + out, "TARGET=" + mounted + "/data"},
	})
	waitFor(t, "500 to be stuck", func() bool { return waitingIn(out+"/ready", "D") == 500 })
	if err := w.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	early, late := w.fiveHundredTold(id, "watch"), w.fiveHundredTold(id, "unkillable")
	if !early.Before(late) {
		t.Errorf("the service told of it at %s, Slurm's program at %s", early, late)
	}
	if most := field("/proc/"+strconv.Itoa(w.service.Process.Pid)+"/status", "VmHWM"); most > 50<<10 {
		t.Errorf("the service took %d kB", most)
	} else {
		t.Logf("the service took %d kB at most", most)
	}
	w.await(time.Minute, id, "watch", "drained")
	thaw(mounted)
	waitFor(t, "the end of all", func() bool { return waitingIn(out+"/ready", "") == 0 })
	w.await(time.Minute, id, "watch", "resumed")
	waitFor(t, "the node", func() bool { return strings.HasPrefix(w.nodeState(), "idle") })
}

// fiveHundredTold waits for a hook's record of all of them, and returns its
// time.
func (w *watched) fiveHundredTold(id int, hook string) time.Time {
	w.t.Helper()
	r := w.await(cluster.Patiently(time.Minute), id, hook, "unkillable")
	w.t.Logf("%s: %d unkillable, %d locks, in %.0f ms", hook, r.Counts.Unkillable, r.Counts.Locks, r.Phases.Total)
	// Not all stacks are read in time where everything is slow.
	frozen, least := 0, 500
	if cluster.Patiently(1) > 1 {
		least = 250
	}
	for _, one := range r.Causes {
		if one.Code == "frozen-filesystem" {
			frozen += one.Count
		}
	}
	if r.Counts.Unkillable != 500 || r.Counts.Locks != 500 || frozen < least {
		w.t.Errorf("%s: %+v, %+v, %v", hook, r.Counts, r.Causes, r.Warnings)
	}
	if most := cluster.Patiently(8 * time.Second); r.Phases.Total > float64(most.Milliseconds()) {
		w.t.Errorf("%s: it took %.0f ms", hook, r.Phases.Total)
	}
	return r.Time
}

// waitingIn counts the processes listed in a file that are in a state, or in
// any for "".
func waitingIn(path, state string) (n int) {
	text, _ := os.ReadFile(path)
	for pid := range strings.FieldsSeq(string(text)) {
		stat, _ := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if strings.Contains(string(stat), ") "+state) {
			n++
		}
	}
	return n
}
