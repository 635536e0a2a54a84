package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/slurm"
	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// living is a process by pid and start time.
type living struct {
	name  string
	pid   int
	start uint64
}

// ready waits until so many processes said they are ready, and returns them.
func (s *site) ready(path string, n int) []living {
	s.t.Helper()
	for end := time.Now().Add(cluster.Patiently(3 * time.Minute)); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(path)
		if strings.Count(string(text), "\n") < n {
			continue
		}
		var list []living
		for line := range strings.Lines(string(text)) {
			one := living{name: filepath.Base(path)}
			if _, err := fmt.Sscan(line, &one.pid, &one.start); err != nil {
				s.t.Fatal(err)
			}
			list = append(list, one)
		}
		return list
	}
	s.t.Fatalf("%s: fewer than %d processes got ready", path, n)
	return nil
}

// innocent starts a process beside Slurm that must live on; the test ends it.
func (s *site) innocent(name string, uid int, env ...string) living {
	s.t.Helper()
	out := s.folder(uid)
	args := []string{"-setsid", "-ready", out + "/ready"}
	if uid != 0 {
		args = append(args, "-uid", strconv.Itoa(uid))
	}
	command := exec.Command(s.bin+"/misbehave", args...)
	command.Env = env
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	one := s.ready(out+"/ready", 1)[0]
	one.name = name
	s.t.Cleanup(func() {
		if lives(one.pid, one.start) {
			_ = syscall.Kill(one.pid, syscall.SIGKILL)
		}
		_ = command.Wait()
	})
	return one
}

func (s *site) alive(list ...living) {
	s.t.Helper()
	for _, one := range list {
		if !lives(one.pid, one.start) {
			s.t.Errorf("%s (%d) is dead", one.name, one.pid)
		}
	}
}

func TestInnocentsLive(t *testing.T) {
	for _, proctrack := range proctracks {
		t.Run(proctrack, func(t *testing.T) {
			t.Parallel()
			innocents(newSite(t, cluster.Options{Proctrack: proctrack}, ""))
		})
	}
}

func innocents(s *site) {
	t := s.t
	out, otherOut := s.folder(nobody), s.folder(nobody)
	id := s.submit("gated.sh", nobody, out)
	other := s.submit("other.sh", nobody, otherOut, fmt.Sprintf("TARGET=%d", id))
	planted := fmt.Sprintf("SLURM_JOB_ID=%d", id)
	list := append(
		s.ready(otherOut+"/ready", 2),
		s.innocent("another user's, with the job id planted", games, planted, "SLURM_PROCID=0"),
		s.innocent("root's, with the job id planted", 0, planted, "SLURM_PROCID=0"),
		s.innocent("the user's, without Slurm", nobody, "HOME=/"),
		s.innocent("the user's shell of an allocation", nobody, planted),
		s.innocent("the user's task of another cluster", nobody, planted, "SLURM_PROCID=0", "SLURM_CLUSTER_NAME=elsewhere"),
		s.innocent("the user's task of another node", nobody, planted, "SLURM_PROCID=0", "SLURMD_NODENAME=elsewhere"),
		s.innocent("the user's task of another run", nobody, planted, "SLURM_PROCID=0", "SLURM_RESTART_COUNT=3"),
	)
	if err := os.WriteFile(out+"/go", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.wait(id)
	s.alive(list...)
	if state := s.State(t.Context(), other); state != "RUNNING" {
		t.Errorf("the user's other job is %s", state)
	}
	for _, one := range s.ready(out+"/ready", 1) {
		if lives(one.pid, one.start) {
			t.Errorf("the left-over %d is alive", one.pid)
		}
	}
	spared := map[string]int{}
	for _, process := range s.record(id).Processes {
		if process.Spared != "" {
			spared[process.Spared]++
		}
	}
	want := map[string]int{"no-task": 1, "other-cluster": 2, "other-run": 1, "other-job": 1}
	if s.Place.Version.Has(slurm.StartInEpilog) {
		// There a task also tells when its job has started: that differs first,
		// unless both did in one second.
		delete(want, "other-job")
	}
	for reason, least := range want {
		if spared[reason] < least {
			t.Errorf("%d processes were spared as %s, want %d: %v", spared[reason], reason, least, spared)
		}
	}
	if err := s.Cancel(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	s.wait(other)
	s.nothingLeft(other)
}

// A salloc waits in a terminal of its user; when its job is cancelled the
// shell in it is the user's own and stays.
func TestTheShellOfAnAllocationLives(t *testing.T) {
	t.Parallel()
	const id = 7000
	s := newSite(t, cluster.Options{FirstJob: id}, "")
	out := s.folder(nobody)
	command := s.Command(t.Context(), nobody, nil, "salloc", s.bin+"/misbehave", "-term", "ignore", "-ready", out+"/ready")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	shell := s.ready(out+"/ready", 1)[0]
	if err := s.WaitState(t.Context(), id, "RUNNING"); err != nil {
		t.Fatal(err)
	}
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.wait(id)
	s.alive(shell)
	reason := "not in the record"
	for _, process := range s.record(id).Processes {
		if process.PID == shell.pid {
			reason = process.Spared
		}
	}
	if reason != "salloc" {
		t.Errorf("the shell was spared as %s", reason)
	}
	_ = syscall.Kill(shell.pid, syscall.SIGKILL)
	_ = command.Wait()
}

func TestTaskScope(t *testing.T) {
	ways := map[string]cluster.Options{"environment": {}, "group": {Proctrack: "cgroup", TaskPlugin: "cgroup"}}
	for way, options := range ways {
		for scope, want := range map[string]bool{"step": true, "task": false} {
			t.Run(scope+", known by "+way, func(t *testing.T) {
				t.Parallel()
				taskScope(newSite(t, options, fmt.Sprintf("taskepilog.scope = %q", scope)), want)
			})
		}
	}
}

// taskScope asserts whether what the first task leaves lives on as long as
// its sibling.
func taskScope(s *site, want bool) {
	t := s.t
	out := s.folder(nobody)
	id := s.submitJob(cluster.Job{
		Script: jobs.Script("tasks.sh"), UID: nobody, Options: []string{"-n", "2"},
		Env: []string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out},
	})
	left := s.ready(out+"/ready", 1)[0]
	// Long enough for a TaskEpilog of the first task to have acted; if it is to
	// act, a busy machine gets more.
	most := cluster.Patiently(3 * time.Second)
	if !want {
		most = cluster.Patiently(time.Minute)
	}
	for end := time.Now().Add(most); time.Now().Before(end) && lives(left.pid, left.start); {
		time.Sleep(20 * time.Millisecond)
	}
	if got := lives(left.pid, left.start); got != want {
		t.Errorf("while its sibling runs, the daemon of the first task is alive: %v, want %v", got, want)
	}
	if state := s.State(t.Context(), id); state != "RUNNING" {
		t.Errorf("the job is %s", state)
	}
	if err := os.WriteFile(out+"/end", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.wait(id)
	s.nothingLeft(id)
	if lives(left.pid, left.start) {
		t.Error("the daemon outlives its step")
	}
}

// Two nodes on one host: the epilog of one node never touches what the job
// still does on the other.
func TestTwoNodes(t *testing.T) {
	for _, proctrack := range []string{"pgid", "cgroup"} {
		t.Run(proctrack, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, cluster.Options{Nodes: 2, Proctrack: proctrack}, "")
			out := s.folder(nobody)
			id := s.submitJob(cluster.Job{
				Script: "#!/bin/bash\nsrun -N 2 --ntasks-per-node=1 bash -c '\"$MISBEHAVE\" -setsid -exit -ready $OUT/ready.$SLURM_NODEID'\nsleep 0.5\n",
				UID:    nobody, Options: []string{"-N", "2"},
				Env: []string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out},
			})
			s.wait(id)
			s.nothingLeft(id)
			readyOnesGone(t, s, id, out)
			nodes := map[string]bool{}
			for _, record := range s.records() {
				nodes[record.Node] = true
			}
			if len(nodes) != 2 {
				t.Errorf("records of the nodes %v, want two", nodes)
			}
		})
	}
}

// A job that gives one of its nodes back goes on at the other: there are two
// groups of its name on this host then, and the epilog is for one of them.
func TestANodeGivenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{Nodes: 2, Proctrack: "cgroup"}, "")
	out := s.folder(nobody)
	id := s.submitJob(cluster.Job{
		Script: "#!/bin/bash\nsrun -N 2 --ntasks-per-node=1 bash -c '\"$MISBEHAVE\" -setsid -exit -ready $OUT/ready.$SLURM_NODEID; sleep 1000'\n",
		UID:    nobody, Options: []string{"-N", "2", "--no-kill"},
		Env: []string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out},
	})
	first, second := s.ready(out+"/ready.0", 1)[0], s.ready(out+"/ready.1", 1)[0]
	stranger := s.member("on the node given back", nest(t, s.groupOf(second.pid)+"/sub"), games)
	if _, err := s.Run(t.Context(), "scontrol", "update", "JobId="+strconv.Itoa(id), "NodeList="+s.Nodes[0]); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(cluster.Patiently(90 * time.Second)); lives(stranger.pid, stranger.start) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	s.dead(second, stranger)
	s.alive(first)
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.wait(id)
	s.nothingLeft(id)
	s.dead(first)
}

// A cancelled job whose tasks ignore SIGTERM is Slurm's business until the
// last step is gone; the hooks must not make that longer or worse.
func TestCancelled(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{}, "")
	out := s.folder(nobody)
	id := s.submit("ignore.sh", nobody, out)
	s.ready(out+"/ready", 3)
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	took := s.wait(id)
	s.nothingLeft(id)
	if took > cluster.Patiently(30*time.Second) {
		t.Errorf("COMPLETING for %s with KillWait=5", took)
	}
}

func TestObserveTouchesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{}, `mode = "observe"`)
	out := s.folder(nobody)
	id := s.submit("leftovers.sh", nobody, out)
	s.wait(id)
	left := s.Processes(id)
	if len(left) != 5 {
		t.Errorf("%d processes are left, want the 5 that stock Slurm leaves", len(left))
	}
	record := s.record(id)
	if record.Verdict != "observed" || record.Counts.Left != 5 || record.Counts.Locks != 1 {
		t.Errorf("verdict %s, %+v", record.Verdict, record.Counts)
	}
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
