package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
	"lastcall/test/states"
)

// unkillableAfter is a short UnkillableStepTimeout.
const unkillableAfter = 30 * time.Second

// newStuck starts a cluster of two nodes with the service, a short KillWait
// and that UnkillableStepTimeout, and watches over the states of all of
// lastcall.
func newStuck(t *testing.T, after time.Duration, toml string) *watched {
	t.Helper()
	conf := []string{fmt.Sprintf("UnkillableStepTimeout=%.0f", after.Seconds())}
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

func freezeDisk(t *testing.T, mounted string) {
	t.Helper()
	if out, err := exec.Command("/sbin/fsfreeze", "-f", mounted).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func thaw(mounted string) { _ = exec.Command("/sbin/fsfreeze", "-u", mounted).Run() }

// writer is a job with a process that writes to a file for ever, and holds a
// lock. It ignores SIGTERM, since a fatal SIGTERM is as good as SIGKILL to the
// kernel. The task itself, bash, dies of SIGKILL: slurm.NoTimeoutForTasks.
const writer = "#!/bin/bash\ntrap '' TERM\n\"$MISBEHAVE\" -term ignore -write-to \"$TARGET\" -lock flock:\"$OUT/lock\" -ready \"$OUT/ready\" -max 10m\nexit\n"

// taskItself is the same with the process in the task's place.
var taskItself = strings.Replace(writer, "\"$MISBEHAVE\"", "exec \"$MISBEHAVE\"", 1)

// stuckJob starts the writer on the first node and returns it with its
// process.
func (w *watched) stuckJob(target string) (doomed, readyProcess) {
	w.t.Helper()
	return w.stuckScript(writer, target)
}

func (w *watched) stuckScript(script, target string) (doomed, readyProcess) {
	w.t.Helper()
	out := w.folder(nobody)
	id := w.submitJob(cluster.Job{
		Script: script, UID: nobody, Options: []string{"-w", w.Nodes[0]},
		Env: []string{"MISBEHAVE=" + w.bin + "/misbehave", "OUT=" + out, "TARGET=" + target},
	})
	p := w.ready(out+"/ready", 1)[0]
	return doomed{id: id, out: out}, readyProcess{p.pid, p.start}
}

type readyProcess struct {
	pid   int
	start uint64
}

// killed waits until SIGKILL is pending for some thread of a process, or the
// process is gone.
func (p readyProcess) killed(t *testing.T) time.Time {
	t.Helper()
	waitFor(t, "SIGKILL", func() bool {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.pid))
		pending := len(files) == 0
		for _, file := range files {
			text, _ := os.ReadFile(file)
			for line := range strings.Lines(string(text)) {
				if name, value, _ := strings.Cut(line, ":"); name == "ShdPnd" || name == "SigPnd" {
					mask, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
					pending = pending || mask&0x100 != 0
				}
			}
		}
		return pending
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
			w := newStuck(t, unkillableAfter, test.toml)
			mounted := disk(t)
			j, p := w.stuckJob(mounted + "/data")
			freezeDisk(t, mounted)
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
	if took > unkillableAfter {
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

// causeNamed asserts user, file system, call and stack.
func (w *watched) causeNamed(r report.Record, pid int, mounted string) {
	w.t.Helper()
	if r.UID != nobody {
		w.t.Errorf("%s says user %d", r.Hook, r.UID)
	}
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
	if r.Node != w.Nodes[0] || r.Step != "batch" || r.ExitCode != 0 {
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
