package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// Signals that are not the end: what got them lives on, though all of it
// ignores SIGTERM and does nothing, and though other jobs end beside it.
func TestWatchLeavesWhatLivesOn(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{
		Nodes: 3, Proctrack: "cgroup", Conf: []string{
			"PreemptType=preempt/partition_prio", "PreemptMode=CANCEL",
			"PartitionName=low Nodes=ALL PriorityTier=1 GraceTime=600 OverSubscribe=EXCLUSIVE",
			"PartitionName=high Nodes=ALL PriorityTier=9 OverSubscribe=EXCLUSIVE",
		},
	}, "watch.idle_grace = \"1s\"")
	first, second, third := "-w"+w.Nodes[0], "-w"+w.Nodes[1], "-w"+w.Nodes[2]
	do := func(args ...string) {
		t.Helper()
		if _, err := w.Run(t.Context(), args[0], args[1:]...); err != nil {
			t.Fatal(err)
		}
	}
	list := map[string]doomed{
		"scancel --signal=TERM":  w.begin("deaf.sh", 3, []string{first}),
		"scancel --batch":        w.begin("deaf.sh", 3, []string{first}),
		"sbatch --signal=B:TERM": w.begin("deaf.sh", 3, []string{first, "--time=10", "--signal=B:TERM@590"}),
		"scontrol suspend":       w.begin("deaf.sh", 3, []string{first}),
		"one step cancelled":     w.begin("two-steps.sh", 3, []string{first, "-n2"}),
		"one array task of two":  w.begin("deaf.sh", 3, []string{first, "--array=1-2%2"}),
		"preemption with grace":  w.begin("deaf.sh", 3, []string{third, "-plow"}),
		"shrunk":                 w.begin("wide.sh", 2, []string{first + "," + w.Nodes[1], "-N2"}),
	}
	id := func(name string) string { return strconv.Itoa(list[name].id) }
	do("scancel", "--signal=TERM", id("scancel --signal=TERM"))
	do("scancel", "--batch", "--signal=TERM", id("scancel --batch"))
	do("scontrol", "suspend", id("scontrol suspend"))
	do("scancel", id("one step cancelled")+".0")
	do("scancel", id("one array task of two")+"_2")
	do("scontrol", "update", "JobId="+id("shrunk"), "NodeList="+w.Nodes[0])
	if _, err := w.Submit(t.Context(), cluster.Job{Script: "#!/bin/sh\nsleep 1\n", UID: nobody, Options: []string{third, "-phigh"}}); err != nil {
		t.Fatal(err)
	}
	w.oneEnds(first, second)
	time.Sleep(4 * time.Second)
	w.oneEnds(first, second)
	time.Sleep(3 * time.Second)
	// Slurm gives the last task of an array the number of the array.
	j := list["one array task of two"]
	j.id = w.number(id("one array task of two") + "_1")
	list["one array task of two"] = j
	for name, j := range list {
		w.livesOn(name, j)
	}
	for _, j := range list {
		do("scancel", "--full", "--signal=KILL", strconv.Itoa(j.id))
	}
}

// oneEnds ends a further job on each node, so that something happens in each
// spool folder.
func (w *watched) oneEnds(nodes ...string) {
	w.t.Helper()
	for _, node := range nodes {
		j := w.begin("deaf.sh", 3, []string{node})
		if took := w.cancel(j); took > soon {
			w.t.Errorf("a job that was told to end beside the others took %s", took)
		}
	}
}

// livesOn asserts that what a job is to keep is there and was not touched.
func (w *watched) livesOn(name string, j doomed) {
	w.t.Helper()
	state := w.State(w.t.Context(), j.id)
	if want := map[string]string{"scontrol suspend": "SUSPENDED"}[name]; state != "RUNNING" && state != want {
		w.t.Errorf("%s: the job is %s", name, state)
	}
	kept := w.ready(j.out+"/ready", 1)
	switch name {
	case "one step cancelled", "one array task of two":
		// Half of them got the end; which ones, the scripts say.
		kept = w.ready(j.out+"/kept", 1)
	case "shrunk":
		kept = w.ready(j.out+"/ready."+w.Nodes[0], 1)
	}
	for _, one := range kept {
		if !lives(one.pid, one.start) {
			w.t.Errorf("%s: process %d is dead", name, one.pid)
		}
	}
	for _, record := range w.every() {
		if record.Hook == "watch" && int(record.Job) == j.id && record.Counts.Killed+record.Counts.Terminated > 0 {
			w.t.Errorf("%s: it was touched: %+v", name, record)
		}
	}
}

// A requeue ends this run like a cancel. The next run has the same number, on
// the same node, and is another.
func TestWatchKnowsTheNextRun(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "linuxproc", AuthInfo: "cred_expire=5"}, "watch.idle_grace = \"1s\"")
	j := w.begin("deaf.sh", 3, []string{"--requeue"})
	old := w.ready(j.out+"/ready", 3)
	if _, err := w.Run(t.Context(), "scontrol", "requeue", strconv.Itoa(j.id)); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(cluster.Patiently(2 * time.Minute)); w.State(t.Context(), j.id) != "RUNNING" && time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		// Slurm would let it wait for the next round of its scheduler.
		_, _ = w.Run(t.Context(), "scontrol", "update", "JobId="+strconv.Itoa(j.id), "StartTime=now")
	}
	next := w.ready(j.out+"/ready", 6)[3:]
	for _, one := range old {
		if lives(one.pid, one.start) {
			t.Errorf("process %d of the first run lives", one.pid)
		}
	}
	w.oneEnds("-N1")
	time.Sleep(3 * time.Second)
	w.alive(next...)
	if took := w.cancel(j); took > soon {
		t.Errorf("the second run was COMPLETING for %s", took)
	}
	waitFor(t, "a record of each run", func() bool { return len(w.rules(j.id)) >= 2 })
	if n := strings.Count(fmt.Sprint(w.rules(j.id)), "ignored"); n != 2 {
		t.Errorf("the rules of the two runs: %v", w.rules(j.id))
	}
}

// rules returns by which rules the runs of a job were ended.
func (w *watched) rules(id int) []string {
	var list []string
	for _, record := range w.every() {
		if record.Hook == "watch" && int(record.Job) == id {
			list = append(list, record.Watch.Rule)
		}
	}
	return list
}

// number returns the raw number of a job, like that of one task of an array.
func (w *watched) number(job string) int {
	w.t.Helper()
	out, err := w.Run(w.t.Context(), "squeue", "-h", "-t", "all", "-o", "%A", "-j", job)
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		w.t.Fatalf("job %s has the number %q", job, out)
	}
	return id
}
