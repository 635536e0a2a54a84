package e2e

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/internal/controller"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/slurmd"
	"lastcall/internal/slurm/spool"
	"lastcall/test/cluster"
)

// deaf runs on after SIGTERM until it is killed. It says when it is ready:
// before that SIGTERM ends it.
const deaf = "#!/bin/bash\ntrap 'echo asked' TERM\necho ready\nwhile :; do sleep 0.1; done\n"

// waitFor waits until the answer is yes.
func waitFor(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for until := time.Now().Add(cluster.Patiently(90 * time.Second)); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// node is what a watcher knows of one node.
type node struct {
	slurmd.Instance
	t *testing.T
}

// nodes finds the slurmds of a cluster among all of this host.
func nodes(t *testing.T, c *cluster.Cluster) []node {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	found, wrong := slurmd.Host{Proc: proc.Default, Name: name}.Find()
	var ours []node
	for _, instance := range found {
		if instance.Conf == c.Conf() {
			ours = append(ours, node{instance, t})
		}
	}
	if len(ours) != len(c.Nodes) {
		t.Fatalf("found %+v, %v", found, wrong)
	}
	// They are found by their numbers, which need not be in the order of the start.
	slices.SortFunc(ours, func(a, b node) int { return slices.Index(c.Nodes, a.Node) - slices.Index(c.Nodes, b.Node) })
	for i, n := range ours {
		if n.Node != c.Nodes[i] || n.SpoolDir != c.Dir+"/spool/"+n.Node || n.Cluster != c.Name || n.KillWait == 0 || n.Scontrol != "/usr/bin/scontrol" {
			t.Errorf("%+v", n)
		}
	}
	return ours
}

// steps returns the living steps of a job.
func (n node) steps(job int) []spool.Step {
	n.t.Helper()
	all, err := spool.Steps(n.SpoolDir, n.Node)
	if err != nil {
		n.t.Fatal(err)
	}
	alive, _, err := spool.Listening(proc.Default, n.Key.PID, n.SpoolDir, all)
	if err != nil {
		n.t.Fatal(err)
	}
	var own []spool.Step
	for _, step := range alive {
		if step.Job == uint32(job) {
			own = append(own, step)
		}
	}
	return own
}

// ready says whether a job that runs deaf is there, and lives on after SIGTERM.
func (n node) ready(c *cluster.Cluster, job int) bool {
	n.t.Helper()
	return len(n.steps(job)) == 1 && strings.Contains(c.Output(job), "ready")
}

// told asks slurmd's file whether the job's living steps are to end.
func (n node) told(job int) bool {
	n.t.Helper()
	state, err := spool.ReadState(n.SpoolDir)
	if err != nil && !linux.Gone(err) {
		n.t.Fatal(err)
	}
	var latest time.Time
	for _, step := range n.steps(job) {
		if began, err := spool.Started(n.SpoolDir, step); err == nil && began.After(latest) {
			latest = began
		}
	}
	return !latest.IsZero() && state.Ending(uint32(job), latest)
}

// nextRun waits for the next run of a job that was requeued. Slurm would let
// it wait for two minutes. If slurmd takes it for a second copy of the run
// before, Slurm holds the job and drains the node: both are let go.
func (n node) nextRun(c *cluster.Cluster, job int) {
	n.t.Helper()
	waitFor(n.t, "the next run", func() bool {
		if len(n.steps(job)) == 1 && n.ask(job).Record().State == "RUNNING" {
			return true
		}
		if n.ask(job).Record().State == "PENDING" {
			id := strconv.Itoa(job)
			_, _ = c.Run(n.t.Context(), "scontrol", "update", "JobId="+id, "StartTime=now")
			if state, err := c.NodeState(n.t.Context(), n.Node); err == nil && strings.HasPrefix(state, "drained") {
				_, _ = c.Run(n.t.Context(), "scontrol", "update", "NodeName="+n.Node, "State=RESUME")
				_, _ = c.Run(n.t.Context(), "scontrol", "release", id)
			}
		}
		return false
	})
}

func (n node) ask(job int) controller.Answer {
	n.t.Helper()
	answer, err := controller.Ask(n.t.Context(), controller.Question{Scontrol: n.Scontrol, Conf: n.Conf, Job: uint32(job)})
	if err != nil {
		n.t.Fatal(err)
	}
	return answer
}

func start(t *testing.T, options cluster.Options) *cluster.Cluster {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	c, err := cluster.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func submit(t *testing.T, c *cluster.Cluster, job cluster.Job) int {
	t.Helper()
	id, err := c.Submit(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func run(t *testing.T, c *cluster.Cluster, command ...string) {
	t.Helper()
	if out, err := c.Run(t.Context(), command[0], command[1:]...); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
}
