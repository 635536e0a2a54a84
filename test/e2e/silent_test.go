package e2e

import (
	"bufio"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// A FUSE daemon that is silent, from the beginning or only after it was seen
// at work: its connection is aborted, and the node is not drained at all.
func TestASilentFUSEDaemonCostsNoNode(t *testing.T) {
	t.Parallel()
	// One after the other: before Linux 6.15 each daemon of the user may be that
	// of either.
	for _, busy := range []bool{false, true} {
		t.Run("busy at first="+strconv.FormatBool(busy), func(t *testing.T) {
			after := 2 * cluster.Patiently(unkillableAfter)
			w := newStuck(t, after, "")
			mounted, daemon := w.silentDaemon("-busy=" + strconv.FormatBool(busy))
			j, p := w.stuckJob(mounted + "/data")
			if err := w.Cancel(t.Context(), j.id); err != nil {
				t.Fatal(err)
			}
			killed := p.killed(t)
			if busy {
				r := w.await(after, j.id, "watch", "unkillable")
				want := "left alone: its daemon is at work"
				if cluster.Patiently(1) > 1 { // or there was no time to look
					want = "left alone: "
				}
				if len(r.Causes) != 1 || !strings.HasPrefix(r.Causes[0].Abort, want) {
					t.Errorf("%+v", r.Causes)
				}
				_ = daemon.Process.Signal(syscall.SIGSTOP)
			}
			w.wait(j.id)
			t.Logf("the job was over %.1f s after SIGKILL", time.Since(killed).Seconds())
			if took := time.Since(killed); took > after {
				t.Errorf("it took %s", took)
			}
			r := w.await(cluster.Patiently(time.Minute), j.id, "watch", "cleaned")
			if len(r.Causes) != 1 || r.Causes[0].Code != "fuse" || !strings.HasPrefix(r.Causes[0].Abort, "aborted: ") {
				t.Errorf("%+v", r.Causes)
			}
			w.nothingLeft(j.id)
			if !flockFree(j.out + "/lock") {
				t.Error("the lock is held")
			}
		})
	}
}

// silentDaemon mounts a FUSE file system of nobody whose daemon answers
// nothing.
func (w *watched) silentDaemon(more ...string) (mounted string, daemon *exec.Cmd) {
	w.t.Helper()
	mounted = tempDir(w.t)
	daemon = exec.Command(w.bin+"/silentfuse", append([]string{"-on", mounted, "-user", strconv.Itoa(nobody)}, more...)...)
	out, err := daemon.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGCONT)
		stop(daemon, syscall.SIGTERM)
		_ = syscall.Unmount(mounted, syscall.MNT_DETACH)
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		w.t.Fatalf("%q, %v", line, err)
	}
	return mounted, daemon
}
