package aside

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// TestMain lets this test program be the disposable child, as the hooks are.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Argument {
		os.Exit(Serve(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

func sleeper(t *testing.T, env ...string) int {
	t.Helper()
	command := exec.Command("sleep", "60")
	command.Env = env
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	// Within execve(2) there is no environment for a moment.
	for end := soon(); ; time.Sleep(time.Millisecond) {
		if text, _ := proc.Default.Environ(command.Process.Pid, nil); len(text) > 0 || time.Now().After(end) {
			return command.Process.Pid
		}
	}
}

// opener starts a process that waits within openat(2).
func opener(t *testing.T, fifo string) int {
	t.Helper()
	command := exec.Command("cat", fifo)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command.Process.Pid
}

func TestFilesOfAProcess(t *testing.T) {
	pid := sleeper(t, "SECRET=1", "SLURM_JOB_ID=77", "SLURM_PROCID=0", "SLURM_JOB_IDX=1")
	r := NewReader(proc.Default)
	defer r.Close()
	for file, want := range map[File]string{Environ: "SLURM_JOB_ID=77\x00SLURM_PROCID=0\x00", Arguments: "sleep\x0060\x00"} {
		for _, stuck := range []bool{false, true} {
			if got, err := r.One(Subject{pid, stuck}, file, soon()); err != nil || string(got) != want {
				t.Errorf("%c: %q, %v", file, got, err)
			}
		}
	}
	if got, err := r.One(Subject{PID: 1 << 30}, Environ, soon()); !linux.Gone(err) || len(got) > 0 {
		t.Errorf("nobody: %q, %v", got, err)
	}
	if os.Getuid() == 0 {
		if got, err := r.One(Subject{PID: pid}, Stack, soon()); err != nil || !strings.Contains(string(got), "sleep") {
			t.Errorf("stack: %q, %v", got, err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	pid := sleeper(t, "SLURM_JOB_ID=77", "SLURM_CLUSTER_NAME="+strings.Repeat("x", 50_000))
	var subjects []Subject
	for i := range 2*batch + 3 {
		subjects = append(subjects, Subject{PID: []int{pid, 1 << 30}[i%2], Stuck: i%3 == 0})
	}
	r := NewReader(proc.Default)
	defer r.Close()
	seen := map[int]int{}
	r.Each(subjects, Environ, soon().Add(time.Minute), func(i int, text []byte, err error) {
		seen[i]++
		if i%2 == 0 && (err != nil || len(text) < 50_000) || i%2 == 1 && !linux.Gone(err) {
			t.Fatalf("%d: %d bytes, %v", i, len(text), err)
		}
	})
	if len(seen) != len(subjects) {
		t.Errorf("%d answers, want %d", len(seen), len(subjects))
	}
}

// The kernel gives a user who has many pipes the smallest ones there are
// (pipe(7), pipe-user-pages-soft): nobody waits for the other then.
func TestThePipesMayBeSmall(t *testing.T) {
	r := NewReader(proc.Default)
	defer r.Close()
	r.Begin()
	const setPipeSize = 1031 // F_SETPIPE_SZ of fcntl(2)
	for _, fd := range []int{r.to, r.from} {
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), setPipeSize, 4096); errno != 0 {
			t.Fatal(errno)
		}
	}
	answers, done := 0, make(chan bool)
	child := r.child
	go func() {
		defer close(done)
		subjects := make([]Subject, 3000)
		for i := range subjects {
			subjects[i].PID = 1 << 30
		}
		r.Each(subjects, Environ, soon(), func(_ int, _ []byte, err error) {
			if linux.Gone(err) {
				answers++
			}
		})
	}()
	select {
	case <-done:
	case <-time.After(9 * time.Second):
		_ = syscall.Kill(child, syscall.SIGKILL) // which ends the wait
		<-done
		t.Fatal("each waits for the other")
	}
	if answers != 3000 {
		t.Errorf("%d answers", answers)
	}
}

// hanging is a /proc with one process whose environment never answers: a
// pipe that nobody writes to.
func hanging(t *testing.T) proc.FS {
	t.Helper()
	root := t.TempDir()
	for pid, hangs := range map[string]bool{"10": true, "11": false, "12": true} {
		if err := os.Mkdir(filepath.Join(root, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, pid, "environ")
		if err := os.WriteFile(path, []byte("SLURM_JOB_ID=77\x00"), 0o644); err != nil {
			t.Fatal(err)
		}
		if hangs {
			if err := errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return proc.FS(root)
}

// A process that does not answer costs the limit, no more, and not the
// answers of the others.
func TestOneThatHangsIsLeft(t *testing.T) {
	r := NewReader(hanging(t))
	defer r.Close()
	began := time.Now()
	got := map[int]error{}
	r.Each([]Subject{{PID: 10}, {PID: 11}, {PID: 12, Stuck: true}}, Environ, soon(), func(i int, text []byte, err error) {
		got[i] = err
		if i == 1 && string(text) != "SLURM_JOB_ID=77\x00" {
			t.Errorf("%q", text)
		}
	})
	if !errors.Is(got[0], ErrLate) || got[1] != nil || !errors.Is(got[2], ErrLate) || len(got) != 3 {
		t.Errorf("%v", got)
	}
	if took := time.Since(began); took < 2*limit || took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestTheTimeIsKept(t *testing.T) {
	r := NewReader(hanging(t))
	defer r.Close()
	began, late := time.Now(), 0
	r.Each(make([]Subject, 3000), Environ, began.Add(-time.Second), func(int, []byte, error) { late++ })
	r.Each([]Subject{{PID: 10}, {PID: 12}}, Environ, began.Add(100*time.Millisecond), func(_ int, _ []byte, err error) {
		if !errors.Is(err, ErrLate) {
			t.Error(err)
		}
		late++
	})
	if took := time.Since(began); late != 3002 || took > 5*time.Second {
		t.Errorf("%d answers after %s", late, took)
	}
}

// Without children, a process in state D is not read at all.
func TestWithoutAChild(t *testing.T) {
	pid := sleeper(t, "SLURM_JOB_ID=77")
	r := NewReader(proc.Default)
	r.broken = true
	if got, err := r.One(Subject{PID: pid}, Environ, soon()); err != nil || string(got) != "SLURM_JOB_ID=77\x00" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := r.One(Subject{PID: pid, Stuck: true}, Environ, soon()); !errors.Is(err, errNoChild) {
		t.Errorf("%q, %v", got, err)
	}
}

// reapedSoon asks for a child until it is gone: one that does not die at once,
// as on a busy machine, is reaped later.
func reapedSoon(child int) (err error) {
	for end := soon(); err != syscall.ESRCH && time.Now().Before(end); time.Sleep(time.Millisecond) {
		Reap()
		err = syscall.Kill(child, 0)
	}
	return err
}

func TestACloseLeavesNoChild(t *testing.T) {
	r := NewReader(hanging(t))
	if _, err := r.One(Subject{PID: 11}, Environ, soon()); err != nil {
		t.Fatal(err)
	}
	child := r.child
	r.Close()
	if err := reapedSoon(child); err != syscall.ESRCH {
		t.Errorf("the child %d is still there: %v", child, err)
	}
}

// A child that is not needed ends by itself, and there is another when one is.
func TestADismissedChild(t *testing.T) {
	r := NewReader(hanging(t))
	defer r.Close()
	r.Begin()
	child := r.child
	r.Dismiss()
	for end := soon(); ; time.Sleep(time.Millisecond) {
		if state, _ := proc.Default.Stat(child, make([]byte, 1024)); state.Zombie() {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the child %d does not end", child)
		}
	}
	if child == 0 || r.Child() != child {
		t.Errorf("%d, then %d", child, r.Child())
	}
	if text, err := r.One(Subject{PID: 11}, Environ, soon()); err != nil || string(text) != "SLURM_JOB_ID=77\x00" || r.Child() == child {
		t.Errorf("%q, %v, child %d", text, err, r.Child())
	}
	if err := reapedSoon(child); err != syscall.ESRCH {
		t.Errorf("the first child was not reaped: %v", err)
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	for _, arguments := range [][]string{nil, {"/proc", "1"}} {
		if got := Serve(arguments); got == 0 {
			t.Errorf("%q: exit code %d", arguments, got)
		}
	}
	for _, pid := range []int{0, -1} {
		if text, err := read(proc.Default, pid, Environ, make([]byte, 4096)); err != syscall.EINVAL {
			t.Errorf("%d: %q, %v", pid, text, err)
		}
	}
	if text, err := read(proc.Default, os.Getpid(), '?', make([]byte, 4096)); err != syscall.EINVAL {
		t.Errorf("%q, %v", text, err)
	}
}

func TestPath(t *testing.T) {
	if got := path(7, Arguments); got != "/proc/"+strconv.Itoa(7)+"/cmdline" {
		t.Error(got)
	}
}

func FuzzOnlySlurm(f *testing.F) {
	f.Add([]byte("SECRET=1\x00SLURM_JOB_ID=77\x00SLURM_STEP_ID"))
	f.Fuzz(func(t *testing.T, environ []byte) {
		kept := onlySlurm(environ)
		if len(kept) > maxEnviron || len(kept) > 0 && kept[len(kept)-1] != 0 {
			t.Errorf("%q", kept)
		}
		for entry := range bytes.SplitSeq(bytes.TrimSuffix(kept, []byte{0}), []byte{0}) {
			if len(entry) > 0 && !bytes.HasPrefix(entry, []byte("SLURM")) {
				t.Errorf("%q travels", entry)
			}
		}
	})
}

func BenchmarkEach1000(b *testing.B) {
	subjects := make([]Subject, 1000)
	for i := range subjects {
		subjects[i].PID = os.Getpid()
	}
	r := NewReader(proc.Default)
	defer r.Close()
	for b.Loop() {
		r.Each(subjects, Environ, soon(), func(_ int, _ []byte, err error) {
			if err != nil {
				b.Fatal(err)
			}
		})
	}
}
