package hooks

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

	"lastcall/internal/forensics/report"
	"lastcall/internal/linux"
	"lastcall/test/states"
)

// step is a step that Slurm could not end: a slurmstepd, as far as the hook
// can tell one, and the step's group with the processes in it.
type step struct {
	*job
	group string // of the job, where slurmstepd is
	below string // of the step
}

func newStep(t *testing.T, toml string) *step {
	t.Helper()
	j := newJob(t, toml)
	top := fmt.Sprintf("/sys/fs/cgroup/freezer/slurm/uid_%d/job_%d", nobody, j.id)
	t.Cleanup(func() {
		removeGroups(top)
		_, _ = syscall.Rmdir(filepath.Dir(top)), syscall.Rmdir("/sys/fs/cgroup/freezer/slurm")
	})
	s := &step{job: j, group: top, below: j.group(top + "/step_batch")}
	if err := os.Link("/bin/sleep", j.dir+"/bin/slurmstepd"); err != nil {
		text, wrong := os.ReadFile("/bin/sleep")
		if wrong != nil || os.WriteFile(j.dir+"/bin/slurmstepd", text, 0o755) != nil {
			t.Fatal(err, wrong)
		}
	}
	stepd := exec.Command(j.dir + "/bin/slurmstepd")
	stepd.Args = []string{fmt.Sprintf("slurmstepd: [%d.batch]", j.id), "120"}
	if err := stepd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = stepd.Process.Kill(), stepd.Wait() })
	s.enter(top, stepd.Process.Pid)
	return s
}

func (s *step) enter(group string, pid int) {
	s.t.Helper()
	if err := os.WriteFile(group+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0); err != nil {
		s.t.Fatal(err)
	}
}

// member starts a process of the step.
func (s *step) member(args ...string) process {
	return s.process(nobody, []string{"SLURM_JOB_ID=" + strconv.Itoa(s.id)}, append([]string{"-cgroup", s.below}, args...)...)
}

// kill sends SIGKILL to those that are stuck already, and waits until they
// show it.
func (s *step) kill(list ...process) {
	s.t.Helper()
	for _, p := range list {
		if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
			s.t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	s.alive(list...)
}

// stuck waits until a thread of the process waits in the kernel in one of
// these states.
func (s *step) stuck(p process, in string) {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		folders, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stack", p.pid))
		for _, folder := range folders {
			if text, _ := os.ReadFile(folder); strings.Contains(string(text), in) {
				return
			}
		}
		if time.Now().After(end) {
			s.t.Fatalf("process %d does not wait in %s", p.pid, in)
		}
	}
}

// unkillable runs the hook the way slurmstepd does: in the job's group, with
// two variables, and its standard error on the given file.
func (s *step) unkillable(errors *os.File) (report.Record, time.Duration) {
	s.t.Helper()
	took := s.runUnkillable(errors)
	return s.record(), took
}

func (s *step) runUnkillable(errors *os.File) time.Duration {
	s.t.Helper()
	command := exec.Command("/bin/sh", "-c", "echo 0 >"+s.group+"/cgroup.procs && exec "+s.dir+"/bin/unkillable")
	command.Env = []string{"SLURM_JOB_ID=" + strconv.Itoa(s.id), "SLURM_STEP_ID=4294967291"}
	command.Dir = "/"
	command.Stderr = errors
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start := time.Now()
	watched := states.Watch(s.t, 2*time.Millisecond, []string{s.dir + "/bin/unkillable"})
	err := command.Run()
	watched()
	if err != nil {
		s.t.Errorf("%v", err)
	}
	if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.t.Logf("%d KiB at most, %s", usage.Maxrss, time.Since(start))
		if usage.Maxrss > 50<<10 {
			s.t.Errorf("%d KiB", usage.Maxrss)
		}
	}
	return time.Since(start)
}

// free says whether somebody else gets the lock of a file now.
func free(path string) bool {
	return exec.Command("flock", "-n", path, "true").Run() == nil
}

func TestUnkillableNamesTheCauseAndTheLock(t *testing.T) {
	tests := []struct {
		name    string
		release bool
		aside   bool // a thread of its own is stuck, and the first one has exited
	}{
		{"reported", false, false},
		{"released", true, false},
		{"released, without its first thread", true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			release := test.release
			if handle, err := linux.OpenThreadPidfd(os.Getpid()); err == nil {
				linux.Close(handle)
			} else if test.aside {
				t.Skip("this kernel has no handles of threads")
			}
			s := newStep(t, "")
			lock := s.dir + "/out/lock"
			if release {
				s.configure(fmt.Sprintf("log.path = %q\nlocks.unkillable = \"release\"\nlocks.release_paths = [%q]\n", s.log(), s.dir+"/out"))
			}
			mounted, thaw := disk(t, s.dir)
			p := s.member("-write-to", mounted+"/data", "-write-aside="+strconv.FormatBool(test.aside), "-lock", "flock:"+lock, "-lock", "posix:"+lock+".posix")
			// The job's own output is on the file system that will be stuck.
			output, err := os.OpenFile(mounted+"/out", os.O_CREATE|os.O_WRONLY, 0o666)
			if err != nil {
				t.Fatal(err)
			}
			do(t, "/sbin/fsfreeze", "-f", mounted)
			s.stuck(p, "percpu_rwsem")
			s.kill(p)
			waiter := exec.Command("flock", lock, "true")
			if err := waiter.Start(); err != nil {
				t.Fatal(err)
			}
			r, took := s.unkillable(output)
			if took > 20*time.Second || r.Verdict != "unkillable" || r.ExitCode != 0 || r.Counts.Unkillable != 1 || r.UID != nobody || r.Step != "batch" {
				t.Errorf("after %s: %+v", took, r)
			}
			s.names(r, p, "frozen-filesystem", mounted)
			s.lockTold(r, lock, release)
			if got := free(lock + ".posix"); !got || free(lock) != release {
				t.Errorf("the lock is free: %v, want %v", !release, release)
			}
			s.alive(p)
			output.Close()
			thaw()
			if err := waiter.Wait(); err != nil {
				t.Errorf("the waiter: %v", err)
			}
		})
	}
}

// names asserts that the record has the cause, with its place, and the stack.
func (s *step) names(r report.Record, p process, code, mount string) {
	s.t.Helper()
	if len(r.Causes) != 1 || r.Causes[0].Code != code || r.Causes[0].Mount != mount || r.Causes[0].Function == "" {
		s.t.Errorf("the cause is %+v", r.Causes)
	}
	for _, one := range r.Processes {
		if one.PID == p.pid {
			if len(one.Stack) == 0 || one.Cause != code || one.Evidence != "cgroup" || !strings.HasPrefix(one.File, mount) {
				s.t.Errorf("%+v", one)
			}
			return
		}
	}
	s.t.Errorf("the process is not in the record: %+v", r.Processes)
}

// lockTold asserts what the record says about the two locks.
func (s *step) lockTold(r report.Record, path string, release bool) {
	s.t.Helper()
	if len(r.Locks) != 2 {
		s.t.Fatalf("%+v", r.Locks)
	}
	for _, lock := range r.Locks {
		switch {
		case lock.Kind == "POSIX":
			if lock.Fate != "held-by-job" || !strings.Contains(lock.Release, "belongs to the process") {
				s.t.Errorf("%+v", lock)
			}
		case release && (lock.Release != "released" || lock.Fate == "held-by-job"),
			!release && (!strings.Contains(lock.Release, "reported only") || lock.Fate != "held-by-job" || len(lock.Waiters) != 1 || len(lock.Holders) != 1):
			s.t.Errorf("%+v", lock)
		}
	}
}

// A log on the file system that is stuck is not written to.
func TestUnkillableWithTheLogOnTheStuckDisk(t *testing.T) {
	s := newStep(t, "")
	mounted, thaw := disk(t, s.dir)
	s.configure(fmt.Sprintf("log.path = %q\n", mounted+"/log.jsonl"))
	if err := os.WriteFile(mounted+"/log.jsonl", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p := s.member("-write-to", mounted+"/data")
	do(t, "/sbin/fsfreeze", "-f", mounted)
	s.stuck(p, "percpu_rwsem")
	s.kill(p)
	if took := s.runUnkillable(nil); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	thaw()
}

func TestUnkillableWithFiveHundred(t *testing.T) {
	s := newStep(t, "")
	mounted, thaw := frozenDisk(t, s.dir)
	script := fmt.Sprintf(`echo 0 >%s/cgroup.procs
for i in $(seq 500); do setpriv --reuid %d --clear-groups sh -c 'exec 9>%s/out/l.$0; flock -n 9; echo x >%s/f' $i & done; sleep 60`, s.below, nobody, s.dir, mounted)
	crowd := exec.Command("/bin/bash", "-c", script)
	crowd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := crowd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-crowd.Process.Pid, syscall.SIGKILL)
		_ = crowd.Wait()
	})
	for end := time.Now().Add(60 * time.Second); s.countD() < 500; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %d got stuck", s.countD())
		}
	}
	_ = syscall.Kill(-crowd.Process.Pid, syscall.SIGKILL)
	time.Sleep(300 * time.Millisecond)
	r, took := s.unkillable(nil)
	if took > 20*time.Second || r.Counts.Unkillable != 500 || len(r.Causes) != 1 || r.Causes[0].Count != 500 || r.Counts.Locks != 500 {
		t.Errorf("after %s: %+v %+v %v", took, r.Counts, r.Causes, r.Warnings)
	}
	thaw()
}

// countD counts the processes of the step in state D.
func (s *step) countD() int {
	n := 0
	text, _ := os.ReadFile(s.below + "/cgroup.procs")
	for pid := range strings.FieldsSeq(string(text)) {
		stat, _ := os.ReadFile("/proc/" + pid + "/stat")
		if strings.Contains(string(stat), ") D ") {
			n++
		}
	}
	return n
}

func TestUnkillableWithoutAnIdentity(t *testing.T) {
	s := newStep(t, "")
	for _, bad := range [][]string{{"SLURM_JOB_ID=" + strconv.Itoa(s.id)}, {"SLURM_JOB_ID=x", "SLURM_STEP_ID=0"}, {"SLURM_JOB_ID=3999999", "SLURM_STEP_ID=0"}} {
		command := exec.Command(s.dir + "/bin/unkillable")
		command.Env = bad
		if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%v: %s", err, out)
		}
		if r := s.record(); r.Verdict != "no-identity" || len(r.Warnings) != 1 {
			t.Errorf("%v: %+v", bad, r)
		}
	}
}
