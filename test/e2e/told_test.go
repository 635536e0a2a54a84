package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/controller"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/spool"
	"lastcall/test/cluster"
)

// What slurmd and slurmctld are told by which command.
func TestWhoIsToldToEnd(t *testing.T) {
	c := start(t, cluster.Options{KillWait: 8})
	n := nodes(t, c)[0]
	lives := submit(t, c, cluster.Job{Script: deaf, UID: 65534, Options: []string{"-J", "x JobState=COMPLETING NodeList=" + n.Node}})
	ends := submit(t, c, cluster.Job{Script: deaf, UID: 65534})
	for _, id := range []int{lives, ends} {
		waitFor(t, "the step", func() bool { return n.ready(c, id) })
		if step := n.steps(id)[0]; step.Name != "batch" || n.told(id) {
			t.Errorf("%+v, told to end %v", step, n.told(id))
		}
	}
	if a := n.ask(ends); a.Over() || a.Record().State != "RUNNING" || a.Record().User != 65534 || a.Record().Nodes != n.Node || a.Record().Start.IsZero() {
		t.Errorf("%+v", a)
	}
	// A signal is no end.
	run(t, c, "scancel", "--signal=TERM", "--batch", strconv.Itoa(ends))
	waitFor(t, "the signal", func() bool { return strings.Contains(c.Output(ends), "asked") })
	run(t, c, "scancel", strconv.Itoa(lives))
	waitFor(t, "the file", func() bool { return n.told(lives) })
	if n.told(ends) || n.ask(ends).Over() {
		t.Error("a job that got SIGTERM counts as told to end")
	}
	if _, err := controller.Ask(t.Context(), controller.Question{Scontrol: n.Scontrol, Conf: n.Conf, Job: uint32(lives)}); err == nil {
		t.Error("the name of a job that speaks like scontrol gave an answer")
	}
	run(t, c, "scancel", strconv.Itoa(ends))
	waitFor(t, "the file", func() bool { return n.told(ends) })
	if a := n.ask(ends); !a.Over() || !a.LastNode(n.Node) || a.LastNode("other") {
		t.Errorf("%+v", a)
	}
	if _, err := c.Wait(t.Context(), ends); err != nil {
		t.Fatal(err)
	}
	state, err := spool.ReadState(n.SpoolDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, credential := range state.Jobs {
		if credential.Job == uint32(ends) && (credential.Ending() || credential.Revoked.IsZero() || credential.Expires.IsZero()) {
			t.Errorf("after its end %+v", credential)
		}
	}
	if a := n.ask(ends); a.Over() || a.Record().State != "CANCELLED" {
		t.Errorf("after its end %+v", a)
	}
}

// A requeued job has the same id on the same node. slurmd's file still shows
// the end of the run before.
func TestTheNextRunIsNotToldToEnd(t *testing.T) {
	c := start(t, cluster.Options{KillWait: 5})
	n := nodes(t, c)[0]
	id := submit(t, c, cluster.Job{Script: deaf, Options: []string{"--requeue"}})
	waitFor(t, "the step", func() bool { return n.ready(c, id) })
	run(t, c, "scontrol", "requeue", strconv.Itoa(id))
	waitFor(t, "the file", func() bool { return n.told(id) })
	if a := n.ask(id); !a.Over() || !a.LastNode(n.Node) || a.Record().Restarts != 0 && a.Record().Restarts != 1 {
		t.Errorf("%+v", a)
	}
	n.nextRun(c, id)
	if a := n.ask(id); a.Over() || a.Record().Restarts != 1 {
		t.Errorf("the next run: %+v", a)
	}
	for range 20 {
		if n.told(id) {
			state, err := spool.ReadState(n.SpoolDir)
			t.Fatalf("the next run counts as told to end: %+v %v", state, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	run(t, c, "scancel", strconv.Itoa(id))
	waitFor(t, "the file", func() bool { return n.told(id) })
}

// slurmd is killed while a job is being ended. Its successor gets the request
// again, but need not write the file, which then still says "told to end" when
// the job runs the next time.
func TestAFileOfADeadSlurmd(t *testing.T) {
	c := start(t, cluster.Options{KillWait: 5})
	n := nodes(t, c)[0]
	id := submit(t, c, cluster.Job{Script: deaf, Options: []string{"--requeue"}})
	waitFor(t, "the step", func() bool { return n.ready(c, id) })
	run(t, c, "scontrol", "requeue", strconv.Itoa(id))
	waitFor(t, "the file", func() bool { return n.told(id) })
	if err := syscall.Kill(n.Key.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of slurmd", func() bool { return strings.Contains(fmt.Sprint(syscall.Kill(n.Key.PID, 0)), "no such") })
	arguments := []string{"slurmd", "-D", "-N", n.Node, "-f", c.Conf()}
	if c.Place.Systemd { // slurmd wants a part of the cgroup tree for itself
		arguments = append([]string{"systemd-run", "--quiet", "--scope", "-p", "Delegate=yes"}, arguments...)
	}
	again := exec.Command(arguments[0], arguments[1:]...)
	again.Env = append(os.Environ(), "SLURM_CONF="+c.Conf())
	words := &said{}
	again.Stdout, again.Stderr = words, words
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the second slurmd said: %s\nits log: %.8000s", words, c.Log(n.Node))
		}
	})
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = again.Process.Signal(syscall.SIGTERM)
		_ = again.Wait()
	})
	waitFor(t, "the new slurmd", func() bool {
		program, _ := proc.Default.Executable(again.Process.Pid)
		return strings.Contains(program, "slurmd")
	})
	if n = nodes(t, c)[0]; n.Key.PID != again.Process.Pid {
		t.Fatalf("%+v", n)
	}
	// What is left of the first run is ended by hand, and slurmctld is told
	// not to wait for this node.
	for _, pid := range c.Processes(id) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	waitFor(t, "the end of the first run", func() bool { return len(n.steps(id)) == 0 })
	run(t, c, "scontrol", "update", "NodeName="+n.Node, "State=DOWN", "Reason=test")
	waitFor(t, "the job to be pending", func() bool { return n.ask(id).Record().State == "PENDING" })
	waitFor(t, "the node", func() bool { // in some versions it comes back by itself
		_, _ = c.Run(t.Context(), "scontrol", "update", "NodeName="+n.Node, "State=RESUME")
		state, err := c.NodeState(t.Context(), n.Node)
		return err == nil && strings.HasPrefix(state, "idle")
	})
	n.nextRun(c, id)
	state, err := spool.ReadState(n.SpoolDir)
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Jobs) != 1 || !state.Jobs[0].Ending() { // a repeated request may have come in between
		t.Logf("the entry of the first run does not say that it is being ended: %+v", state)
	}
	if n.told(id) {
		t.Error("the next run counts as told to end")
	}
	// The end of another job writes the file anew, as slurmd knows it now.
	other := submit(t, c, cluster.Job{Script: deaf})
	waitFor(t, "the other job", func() bool { return n.ready(c, other) })
	run(t, c, "scancel", strconv.Itoa(other))
	waitFor(t, "the file", func() bool { return n.told(other) })
	if n.told(id) {
		t.Error("the next run counts as told to end because another job was")
	}
	run(t, c, "scancel", strconv.Itoa(id))
	waitFor(t, "the file", func() bool { return n.told(id) })
}

// Of a job on two nodes only the one that is left may think itself the last.
func TestTheLastNode(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 2, KillWait: 20})
	two := nodes(t, c)
	// The script on the first node ends 6 s after it was told, the task on the
	// second has to be killed.
	script := "#!/bin/bash\ntrap 'sleep 6; exit' TERM\nsrun --overlap -N1 -n1 -r1 bash -c 'trap \"\" TERM; while :; do sleep 0.2; done' &\nwait\n"
	id := submit(t, c, cluster.Job{Script: script, Options: []string{"-N2", "--ntasks-per-node=1"}})
	waitFor(t, "the steps", func() bool { return len(two[0].steps(id)) == 1 && len(two[1].steps(id)) == 1 })
	if first, second := two[0].steps(id)[0], two[1].steps(id)[0]; first.Name != "batch" || second.Name != "0" {
		t.Errorf("%+v %+v", first, second)
	}
	if two[0].told(id) || two[1].told(id) {
		t.Error("told to end while it runs")
	}
	run(t, c, "scancel", strconv.Itoa(id))
	waitFor(t, "both files", func() bool { return two[0].told(id) && two[1].told(id) })
	if a := two[0].ask(id); !a.Over() || a.LastNode(two[0].Node) || a.LastNode(two[1].Node) {
		t.Errorf("both nodes are there: %+v", a)
	}
	waitFor(t, "one node to come back", func() bool { return two[1].ask(id).LastNode(two[1].Node) })
	if a := two[0].ask(id); !a.Over() || a.LastNode(two[0].Node) {
		t.Errorf("the first node has come back: %+v", a)
	}
}

// The tasks of an array have ids of their own.
func TestOneTaskOfAnArray(t *testing.T) {
	c := start(t, cluster.Options{KillWait: 8})
	n := nodes(t, c)[0]
	array := submit(t, c, cluster.Job{Script: deaf, Options: []string{"--array=1-3"}})
	ids := []int{array, array + 1, array + 2}
	for _, id := range ids {
		waitFor(t, "the tasks", func() bool { return n.ready(c, id) })
	}
	run(t, c, "scancel", fmt.Sprintf("%d_2", array))
	var told []int
	waitFor(t, "the file", func() bool {
		told = slices.DeleteFunc(slices.Clone(ids), func(id int) bool { return !n.told(id) })
		return len(told) > 0
	})
	if len(told) != 1 {
		t.Fatalf("told to end: %v", told)
	}
	for _, id := range ids {
		if a := n.ask(id); a.Over() != (id == told[0]) || len(a.Records) != 1 || a.Record().Array != uint32(array) {
			t.Errorf("%d was told; %d: %+v", told[0], id, a)
		}
	}
}

// The components of a het job are one job on several nodes.
func TestAHetJob(t *testing.T) {
	// Het jobs are started by the backfill scheduler, every 30 s by default.
	c := start(t, cluster.Options{Nodes: 2, KillWait: 8, Conf: []string{"SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1"}})
	two := nodes(t, c)
	id := submit(t, c, cluster.Job{Script: "#!/bin/bash\n#SBATCH -n1\n#SBATCH hetjob\n#SBATCH -n1\ntrap '' TERM\n" +
		"srun --het-group=1 bash -c 'trap \"\" TERM; while :; do sleep 0.1; done' &\nwhile :; do sleep 0.1; done\n"})
	first, second := two[0], two[1]
	waitFor(t, "both components", func() bool {
		if len(first.steps(id)) == 0 {
			first, second = second, first
		}
		return len(first.steps(id)) == 1 && len(second.steps(id+1)) == 1
	})
	part := second.ask(id + 1)
	if part.Over() || part.Leader() != uint32(id) {
		t.Errorf("%+v", part)
	}
	run(t, c, "scancel", strconv.Itoa(id))
	waitFor(t, "the first file", func() bool { return first.told(id) })
	question := controller.Question{Scontrol: second.Scontrol, Conf: second.Conf, Job: uint32(id + 1), Leader: part.Leader()}
	whole, err := controller.Ask(t.Context(), question)
	if err != nil || len(whole.Records) != 2 || whole.Record().HetOffset != 1 || whole.LastNode(second.Node) {
		t.Fatalf("%+v %v", whole, err)
	}
	// Slurm 22.05 tells all components at once; 26.05 tells the second when
	// the first is over.
	if together := whole.Record().Completing(); whole.Over() != together || whole.LastNode(first.Node) == together {
		t.Errorf("%+v", whole)
	}
}
