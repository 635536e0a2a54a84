package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
	"lastcall/test/states"
)

// unkillableAfter is what UnkillableStepTimeout is here, in seconds.
const unkillableAfter = 30

// newStuck starts a cluster of two nodes with the service, a short KillWait
// and a short UnkillableStepTimeout, and watches over the states of all of
// lastcall.
func newStuck(t *testing.T, toml string) *watched {
	t.Helper()
	conf := []string{fmt.Sprintf("UnkillableStepTimeout=%d", unkillableAfter)}
	w := &watched{site: newSite(t, cluster.Options{Nodes: 2, Proctrack: "cgroup", KillWait: 5, Conf: conf}, toml)}
	t.Cleanup(w.forgetResumes)
	w.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("lastcall watch said:\n%s", w.said)
		}
	})
	lastcall := w.bin + "/lastcall"
	t.Cleanup(states.Watch(t, 20*time.Millisecond, []string{w.bin + "/unkillable", w.bin + "/epilog", w.bin + "/taskepilog", lastcall}, lastcall))
	return w
}

// disk mounts a small file system that can be frozen.
func disk(t *testing.T) (mounted string) {
	t.Helper()
	dir := tempDir(t)
	image, mounted := dir+"/disk", dir+"/mounted"
	for _, command := range [][]string{
		{"truncate", "-s", "16M", image},
		{"/sbin/mkfs.ext4", "-q", image},
		{"mkdir", mounted},
		{"mount", "-o", "loop", image, mounted},
		{"chmod", "777", mounted},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		thaw(mounted)
		for range 100 {
			if exec.Command("umount", mounted).Run() == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Errorf("%s is still mounted", mounted)
	})
	return mounted
}

func thaw(mounted string) { _ = exec.Command("/sbin/fsfreeze", "-u", mounted).Run() }

// writer is a job that writes to a file for ever, and holds a lock. It ignores
// SIGTERM, since a fatal SIGTERM is as good as SIGKILL to the kernel.
const writer = "#!/bin/bash\nexec \"$MISBEHAVE\" -term ignore -write-to \"$TARGET\" -lock flock:\"$OUT/lock\" -ready \"$OUT/ready\" -max 10m\n"

// stuckJob starts the writer on the first node and returns it with its
// process.
func (w *watched) stuckJob(target string) (doomed, readyProcess) {
	w.t.Helper()
	out := w.folder(nobody)
	id := w.submitJob(cluster.Job{
		Script: writer, UID: nobody, Options: []string{"-w", w.Nodes[0]},
		Env: []string{"MISBEHAVE=" + w.bin + "/misbehave", "OUT=" + out, "TARGET=" + target},
	})
	p := w.ready(out+"/ready", 1)[0]
	return doomed{id: id, out: out}, readyProcess{p.pid, p.start}
}

type readyProcess struct {
	pid   int
	start uint64
}

// killed waits until SIGKILL is pending for some thread of a process.
func (p readyProcess) killed(t *testing.T) time.Time {
	t.Helper()
	waitFor(t, "SIGKILL", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
		if err != nil {
			t.Fatalf("the process is gone: %v", err)
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, "ShdPnd:"); ok {
				mask, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
				return mask&0x100 != 0
			}
		}
		return false
	})
	return time.Now()
}

// recordOf returns the first record of a hook about a job that is as wanted.
func (w *watched) recordOf(id int, hook string, wanted func(report.Record) bool) *report.Record {
	for _, record := range w.every() {
		if record.Hook == hook && int(record.Job) == id && wanted(record) {
			return &record
		}
	}
	return nil
}

// await waits for such a record.
func (w *watched) await(most time.Duration, id int, hook, verdict string) report.Record {
	w.t.Helper()
	for until := time.Now().Add(most); ; time.Sleep(50 * time.Millisecond) {
		if r := w.recordOf(id, hook, func(r report.Record) bool { return r.Verdict == verdict }); r != nil {
			return *r
		}
		if time.Now().After(until) {
			w.t.Fatalf("no record %s %s of job %d within %s", hook, verdict, id, most)
		}
	}
}

func (w *watched) nodeState() string {
	state, err := w.NodeState(w.t.Context(), w.Nodes[0])
	if err != nil {
		w.t.Error(err)
	}
	return state
}

func flockFree(path string) bool { return exec.Command("flock", "-n", path, "true").Run() == nil }

// A frozen file system, from scancel to the end: what is written down when,
// who gets the lock, and whether the node comes back.
func TestStuckOnAFrozenFileSystem(t *testing.T) {
	tests := []struct {
		name   string
		toml   string
		free   bool // the lock, while the process is stuck
		admin  bool // gives the drain a reason of its own
		resume bool
	}{
		{name: "as shipped"},
		{name: "released and resumed", toml: "on_unkillable.resume = true\nlocks.unkillable = \"release\"\nlocks.release_paths = [\"/tmp\"]", free: true, resume: true},
		{name: "an admin drains it too", toml: "on_unkillable.resume = true", admin: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newStuck(t, test.toml)
			mounted := disk(t)
			j, p := w.stuckJob(mounted + "/data")
			if out, err := exec.Command("/sbin/fsfreeze", "-f", mounted).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			began := time.Now()
			if err := w.Cancel(t.Context(), j.id); err != nil {
				t.Fatal(err)
			}
			killed := p.killed(t)
			t.Logf("SIGKILL after %.1f s", killed.Sub(began).Seconds())
			w.earlyRecord(j, p, mounted, killed, test.free)
			if test.free {
				w.nextJobGets(j.out + "/lock")
			}
			w.drainedAsEver(j, mounted, test.free, began)
			if test.admin {
				run(t, w.Cluster, "scontrol", "update", "NodeName="+w.Nodes[0], "State=DRAIN", "Reason=Kill task failed, look at the disk")
			}
			time.Sleep(time.Second)
			thaw(mounted)
			w.comesBack(j, p, test.resume)
		})
	}
}

// earlyRecord asserts what is known before Slurm itself asks.
func (w *watched) earlyRecord(j doomed, p readyProcess, mounted string, killed time.Time, free bool) {
	w.t.Helper()
	waitFor(w.t, "the lock to be free, or the record", func() bool {
		if free {
			return flockFree(j.out + "/lock")
		}
		return w.recordOf(j.id, "watch", func(r report.Record) bool { return len(r.Causes) > 0 }) != nil
	})
	took := time.Since(killed)
	w.t.Logf("%.2f s after SIGKILL", took.Seconds())
	if took > unkillableAfter*time.Second {
		w.t.Errorf("it took %s", took)
	}
	r := w.await(time.Minute, j.id, "watch", "unkillable")
	w.causeNamed(r, p.pid, mounted)
	if len(r.Locks) != 1 || (r.Locks[0].Release == "released") != free {
		w.t.Errorf("%+v", r.Locks)
	}
	if !lives(p.pid, p.start) {
		w.t.Error("the process is gone: nothing was proven")
	}
}

// causeNamed asserts file system, call and stack.
func (w *watched) causeNamed(r report.Record, pid int, mounted string) {
	w.t.Helper()
	if len(r.Causes) != 1 || r.Causes[0].Code != "frozen-filesystem" || r.Causes[0].Mount != mounted || r.Causes[0].Call == "" {
		w.t.Errorf("%+v", r.Causes)
	}
	for _, one := range r.Processes {
		if one.PID == pid && len(one.Stack) > 0 && strings.HasPrefix(one.File, mounted) {
			return
		}
	}
	w.t.Errorf("no stack: %+v", r.Processes)
}

// nextJobGets runs a job on the other node that wants the lock.
func (w *watched) nextJobGets(lock string) {
	w.t.Helper()
	id := w.submitJob(cluster.Job{Script: "#!/bin/sh\nflock -w 30 " + lock + " echo got it\n", UID: nobody, Options: []string{"-w", w.Nodes[1]}})
	w.wait(id)
	if got := w.Output(id); got != "got it\n" {
		w.t.Errorf("the next job wrote %q", got)
	}
}

// drainedAsEver asserts what Slurm does, and what the hook wrote.
func (w *watched) drainedAsEver(j doomed, mounted string, free bool, began time.Time) {
	w.t.Helper()
	waitFor(w.t, "the drain", func() bool { return strings.Contains(w.nodeState(), "Kill task failed") })
	w.t.Logf("drained after %.1f s", time.Since(began).Seconds())
	r := w.await(time.Minute, j.id, "unkillable", "unkillable")
	w.causeNamed(r, r.Processes[0].PID, mounted)
	if r.UID != nobody || r.Node != w.Nodes[0] || r.Step != "batch" || r.ExitCode != 0 {
		w.t.Errorf("%+v", r)
	}
	if free != (len(r.Locks) == 0) {
		w.t.Errorf("%+v", r.Locks)
	}
	w.await(time.Minute, j.id, "watch", "drained")
}

// comesBack asserts that the process ends, and what becomes of the node.
func (w *watched) comesBack(j doomed, p readyProcess, resume bool) {
	w.t.Helper()
	waitFor(w.t, "the end of the process", func() bool { return !lives(p.pid, p.start) })
	ended := time.Now()
	if resume {
		w.await(time.Minute, j.id, "watch", "resumed")
		waitFor(w.t, "the node", func() bool { return strings.HasPrefix(w.nodeState(), "idle") })
		w.t.Logf("the node was back %.1f s after the last process had ended", time.Since(ended).Seconds())
		id := w.submitJob(cluster.Job{Script: "#!/bin/sh\necho hello\n", UID: nobody, Options: []string{"-w", w.Nodes[0]}})
		w.wait(id)
		if w.Output(id) != "hello\n" {
			w.t.Errorf("%q", w.Output(id))
		}
		return
	}
	r := w.await(time.Minute, j.id, "watch", "left-drained")
	w.t.Log(r.Warnings)
	time.Sleep(3 * time.Second)
	if state := w.nodeState(); !strings.HasPrefix(state, "drain") {
		w.t.Errorf("the node is %s", state)
	}
}

// A FUSE daemon that is silent: its connection is aborted, and the node is not
// drained at all.
func TestASilentFUSEDaemonCostsNoNode(t *testing.T) {
	t.Parallel()
	w := newStuck(t, "")
	mounted := tempDir(t)
	daemon := exec.Command(w.bin+"/silentfuse", "-on", mounted, "-user", strconv.Itoa(nobody))
	out, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(daemon, syscall.SIGTERM)
		_ = syscall.Unmount(mounted, syscall.MNT_DETACH)
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	j, p := w.stuckJob(mounted + "/data")
	if err := w.Cancel(t.Context(), j.id); err != nil {
		t.Fatal(err)
	}
	killed := p.killed(t)
	w.wait(j.id)
	t.Logf("the job was over %.1f s after SIGKILL", time.Since(killed).Seconds())
	if took := time.Since(killed); took > unkillableAfter*time.Second {
		t.Errorf("it took %s", took)
	}
	r := w.await(time.Minute, j.id, "watch", "cleaned")
	if len(r.Causes) != 1 || r.Causes[0].Code != "fuse" || !strings.HasPrefix(r.Causes[0].Abort, "aborted: ") {
		t.Errorf("%+v", r.Causes)
	}
	w.nothingLeft(j.id)
	if !flockFree(j.out + "/lock") {
		t.Error("the lock is held")
	}
}

// Without the service, what Slurm runs itself says and frees the same, later.
func TestUnkillableStepProgramAlone(t *testing.T) {
	t.Parallel()
	conf := []string{"UnkillableStepTimeout=5"}
	toml := "locks.unkillable = \"release\"\nlocks.release_paths = [\"/tmp\"]"
	w := &watched{site: newSite(t, cluster.Options{Proctrack: "linuxproc", KillWait: 5, Conf: conf}, toml)}
	t.Cleanup(states.Watch(t, 20*time.Millisecond, []string{w.bin + "/unkillable", w.bin + "/epilog", w.bin + "/taskepilog"}))
	mounted := disk(t)
	j, p := w.stuckJob(mounted + "/data")
	if out, err := exec.Command("/sbin/fsfreeze", "-f", mounted).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := w.Cancel(t.Context(), j.id); err != nil {
		t.Fatal(err)
	}
	r := w.await(60*time.Second, j.id, "unkillable", "unkillable")
	w.causeNamed(r, p.pid, mounted)
	if len(r.Locks) != 1 || r.Locks[0].Release != "released" || r.Locks[0].Fate != "freed" || !flockFree(j.out+"/lock") {
		t.Errorf("%+v", r.Locks)
	}
	if !lives(p.pid, p.start) {
		t.Error("the process is gone: nothing was proven")
	}
	// The Epilog that follows does not hang on it. The slurmstepd still waits
	// for its task, so to the Epilog the step lives.
	e := w.await(60*time.Second, j.id, "epilog", "live-step")
	if e.Phases.Total > 9000 {
		t.Errorf("the epilog took %.0f ms", e.Phases.Total)
	}
	thaw(mounted)
	waitFor(t, "the end of the process", func() bool { return !lives(p.pid, p.start) })
}
