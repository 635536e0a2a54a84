package e2e

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// statesSite is a cluster on which jobs can end in every way there is.
func statesSite() cluster.Options {
	return cluster.Options{
		Nodes: 3, Proctrack: "cgroup", TaskPlugin: "cgroup", Cgroup: []string{"ConstrainRAMSpace=yes"}, Conf: []string{
			"SelectTypeParameters=CR_CPU_Memory", "DefMemPerCPU=100", "NodeName=DEFAULT RealMemory=4000",
			"PreemptType=preempt/partition_prio", "PreemptMode=CANCEL",
			"PartitionName=low Nodes=ALL PriorityTier=1 GraceTime=0 OverSubscribe=EXCLUSIVE",
			"PartitionName=high Nodes=ALL PriorityTier=9 OverSubscribe=EXCLUSIVE",
		},
	}
}

// The final state and the exit codes of a job are those of stock Slurm, in
// whatever way it ends.
func TestWatchKeepsStates(t *testing.T) {
	t.Parallel()
	ends := map[string]map[string]string{}
	var both sync.WaitGroup
	var lock sync.Mutex
	for _, with := range []bool{true, false} {
		var w *watched
		if with {
			w = newWatched(t, statesSite(), "watch.idle_grace = \"1s\"")
		} else {
			options := statesSite()
			options.KillWait = 10
			w = &watched{site: newSite(t, options, "")}
		}
		both.Go(func() {
			got := w.waysToEnd()
			lock.Lock()
			defer lock.Unlock()
			ends[strconv.FormatBool(with)] = got
		})
	}
	both.Wait()
	for _, state := range []string{"CANCELLED", "TIMEOUT", "PREEMPTED", "NODE_FAIL", "OUT_OF_MEMORY"} {
		with, without := ends["true"][state], ends["false"][state]
		if with != without || !strings.HasPrefix(with, state+" ") {
			t.Errorf("%s: with watch %q, on stock Slurm %q", state, with, without)
		}
	}
}

// waysToEnd has a job end in each way, each with processes that ignore
// SIGTERM, and returns their final states and exit codes.
func (w *watched) waysToEnd() map[string]string {
	t := w.t
	do := func(args ...string) {
		if out, err := w.Run(t.Context(), args[0], args[1:]...); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	list := map[string]doomed{
		"TIMEOUT":       w.begin("deaf.sh", 3, []string{"-w" + w.Nodes[0], "--time=1"}),
		"CANCELLED":     w.begin("deaf.sh", 3, []string{"-w" + w.Nodes[0]}),
		"OUT_OF_MEMORY": w.begin("memory.sh", 1, []string{"-w" + w.Nodes[0], "-n2", "--mem=100"}),
		"PREEMPTED":     w.begin("deaf.sh", 3, []string{"-w" + w.Nodes[1], "-plow"}),
		"NODE_FAIL":     w.begin("wide.sh", 2, []string{"-w" + w.Nodes[0] + "," + w.Nodes[2], "-N2", "--no-requeue"}),
	}
	do("scancel", strconv.Itoa(list["CANCELLED"].id))
	do("scontrol", "update", "NodeName="+w.Nodes[2], "State=DOWN", "Reason=test")
	if _, err := w.Submit(t.Context(), cluster.Job{Script: "#!/bin/sh\n", UID: nobody, Options: []string{"-w" + w.Nodes[1], "-phigh"}}); err != nil {
		t.Error(err)
	}
	ends := map[string]string{}
	for name, j := range list {
		ends[name] = w.finalState(j.id, 6*time.Minute)
	}
	return ends
}

// finalState waits until a job is over and its nodes are back.
func (w *watched) finalState(id int, most time.Duration) string {
	var fields map[string]string
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		out, err := w.Run(w.t.Context(), "scontrol", "show", "job", "-o", strconv.Itoa(id))
		if err != nil {
			w.t.Error(err)
			return ""
		}
		fields = map[string]string{}
		for field := range strings.FieldsSeq(out) {
			key, value, _ := strings.Cut(field, "=")
			fields[key] = value
		}
		switch fields["JobState"] {
		case "RUNNING", "COMPLETING", "PENDING":
			continue
		}
		break
	}
	return fields["JobState"] + " " + fields["ExitCode"] + " " + fields["DerivedExitCode"]
}
