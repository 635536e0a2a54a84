package hooks

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
)

// silentDaemon mounts a FUSE file system of a user whose daemon answers
// nothing.
func (s *step) silentDaemon(user int, more ...string) (mounted string, daemon *exec.Cmd) {
	s.t.Helper()
	mounted = s.dir + "/remote"
	if err := os.MkdirAll(mounted, 0o777); err != nil {
		s.t.Fatal(err)
	}
	daemon = exec.Command(s.dir+"/bin/silentfuse", append([]string{"-on", mounted, "-user", strconv.Itoa(user)}, more...)...)
	out, err := daemon.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	daemon.Stderr = os.Stderr
	if err := daemon.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		_ = syscall.Unmount(mounted, syscall.MNT_DETACH)
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		s.t.Fatalf("%q, %v", line, err)
	}
	return mounted, daemon
}

// A killed process that waits for a silent daemon is freed by the end of its
// connection; whatever speaks against that leaves it.
func TestASilentFUSEDaemon(t *testing.T) {
	tests := []struct {
		name  string
		toml  string
		user  int
		more  []string
		abort string
		gone  bool
	}{
		{"silent", "", nobody, nil, "aborted: 1 of 1 processes are gone now", true},
		{"another user's mount", "", 5, nil, "left alone: it is not the job's user who mounted it", false},
		{"switched off", "on_unkillable.abort_fuse = false\n", nobody, nil, "left alone: [on_unkillable] abort_fuse is false", false},
		{"observe", "mode = \"observe\"\n", nobody, nil, "would be aborted", false},
		{"at work", "", nobody, []string{"-busy"}, "left alone: its daemon is at work", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStep(t, test.toml)
			mounted, daemon := s.silentDaemon(test.user, test.more...)
			p := s.member("-write-to", mounted+"/data")
			s.stuck(p, "request_wait_answer")
			// A request that the daemon has not taken yet ends with the process.
			time.Sleep(time.Second)
			s.kill(p)
			r, took := s.unkillable(nil)
			if len(r.Causes) != 1 || r.Causes[0].Code != "fuse" || r.Causes[0].Mount != mounted || r.Causes[0].Abort != test.abort {
				t.Fatalf("%+v", r.Causes)
			}
			if !test.gone {
				s.alive(p)
				if r.Verdict != "unkillable" {
					t.Errorf("%+v", r)
				}
				return
			}
			s.dead(p)
			if took > 20*time.Second || r.Counts.Exited != 1 || r.Counts.Unkillable != 0 {
				t.Errorf("after %s: %+v", took, r)
			}
			if d := r.Causes[0].Daemons; len(d) != 1 || d[0].PID != daemon.Process.Pid {
				t.Errorf("the daemon is %d, the record says %+v", daemon.Process.Pid, d)
			}
		})
	}
}

// Who else uses the mount is not to suffer.
func TestASharedFUSEMountIsLeft(t *testing.T) {
	s := newStep(t, "")
	mounted, daemon := s.silentDaemon(nobody)
	p := s.member("-write-to", mounted+"/data")
	s.stuck(p, "request_wait_answer")
	time.Sleep(time.Second)
	s.kill(p)
	// Somebody else has a folder of it open.
	const path = 0x200000 // O_PATH: the daemon is not asked
	folder, err := syscall.Open(mounted, path|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "600")
	other.ExtraFiles = []*os.File{os.NewFile(uintptr(folder), mounted)}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = other.Process.Kill(), other.Wait() })
	if err := daemon.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Process.Signal(syscall.SIGCONT) }()
	r, _ := s.unkillable(nil)
	if r.Causes[0].Abort != "left alone: a process outside the job uses it" || !strings.Contains(r.Causes[0].Text, fmt.Sprintf("silentfuse, process %d, is stopped", daemon.Process.Pid)) {
		t.Errorf("%+v", r.Causes)
	}
	s.alive(p)
}

// What the end of a connection sets free is not unkillable any more: it must
// not drain the node.
func TestAnAbortedConnectionDrainsNothing(t *testing.T) {
	s := newStep(t, "epilog.drain = true\nepilog.grace = \"500ms\"\n")
	mounted, _ := s.silentDaemon(nobody)
	p := s.survivor("-write-to", mounted+"/data")
	s.stuck(p, "request_wait_answer")
	// A request that the daemon has not taken yet ends with the process.
	time.Sleep(time.Second)
	r, exit, _ := s.run()
	s.wants(r, exit, "cleaned")
	s.dead(p)
	if len(r.Causes) != 1 || r.Causes[0].Abort != "aborted: 1 of 1 processes are gone now" || r.Counts.Unkillable != 0 || r.Counts.Killed != 1 {
		t.Errorf("%+v", r)
	}
	for _, process := range r.Processes {
		if process.PID == p.pid && process.Outcome != "killed" {
			t.Errorf("%+v", process)
		}
	}
}
