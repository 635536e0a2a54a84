package python

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/proc"
	"lastcall/test/pythons"
)

// TestMain lets this test program be the disposable child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aside.Argument {
		os.Exit(aside.Serve(os.Args[2:], Answers))
	}
	os.Exit(m.Run())
}

// start runs a script and returns its number; it is killed with the test.
func start(t testing.TB, python string, arguments ...string) int {
	t.Helper()
	command := exec.Command(python, arguments...)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command.Process.Pid
}

// wait waits until the answer is yes.
func wait(t testing.TB, what string, yes func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

// told is what Python itself says of a thread.
type told struct {
	TID    int
	Daemon bool
	Stack  [][3]any
}

// What is read from outside is what Python itself says, thread by thread and
// frame by frame.
func TestSameAsPythonSays(t *testing.T) {
	for _, python := range pythons.Found(t) {
		t.Run(pythons.Name(python), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "truth")
			pid := start(t, python, "testdata/truth.py", path)
			wait(t, "the script", func() bool { _, err := os.Stat(path); return err == nil })
			text, err := os.ReadFile(path)
			truth := map[string]told{}
			if err := errors.Join(err, json.Unmarshal(text, &truth)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			s, err := Read(proc.Default, pid, soon())
			if err != nil {
				t.Fatal(err)
			}
			compare(t, pid, s, truth)
		})
	}
}

// compare holds a snapshot against the truth. The main thread went on from
// telling it, so of its stack the outer part is compared.
func compare(t *testing.T, pid int, s *Snapshot, truth map[string]told) {
	t.Helper()
	if len(s.Threads) != len(truth) || s.Interpreters != 1 || s.TearingDown || s.LeaderGone || s.Main(pid) == nil {
		t.Fatalf("%d threads, want %d: %+v", len(s.Threads), len(truth), s)
	}
	frames := 0
	for i := range s.Threads {
		thread := &s.Threads[i]
		if thread.TID == pid {
			thread.Name, thread.Daemon = "MainThread", No
		}
		want, ok := truth[thread.Name]
		if !ok || !thread.Whole || want.Daemon != (thread.Daemon == Yes) || want.TID != 0 && want.TID != thread.TID {
			t.Errorf("thread %d %q: %+v, want %+v", thread.TID, thread.Name, thread, want)
			continue
		}
		stack := want.Stack
		got := thread.Frames
		if thread.TID == pid {
			stack, got = stack[len(stack)-1:], got[len(got)-1:]
			stack[0][2] = float64(got[0].Line)
		}
		if len(stack) != len(got) {
			t.Errorf("%q: %d frames, want %d", thread.Name, len(got), len(stack))
			continue
		}
		for n, f := range got {
			frames++
			function := f.Function[strings.LastIndexByte(f.Function, '.')+1:]
			if function != stack[n][0] || f.File != stack[n][1] || float64(f.Line) != stack[n][2] {
				t.Errorf("%q: frame %d is %s %s:%d, want %v", thread.Name, n, f.Function, f.File, f.Line, stack[n])
			}
		}
	}
	if frames < 180 {
		t.Errorf("only %d frames were compared", frames)
	}
}

// A main thread that never sleeps is always in its script, and reading it does
// not take for ever.
func TestARunningThread(t *testing.T) {
	const script = `
def inner(n):
    return sum(x for x in range(n))
def outer():
    while True:
        inner(20)
outer()
`
	for _, python := range pythons.Found(t) {
		pid := start(t, python, "-c", script)
		wait(t, "the loop", func() bool {
			s, err := Read(proc.Default, pid, soon())
			return err == nil && s.Main(pid) != nil && strings.Contains(fmt.Sprint(s.Main(pid).Frames), "outer")
		})
		whole := 0
		for range 50 {
			s, err := Read(proc.Default, pid, soon())
			if err != nil {
				continue // it changed under the reader every time: nothing is said
			}
			first := s.Main(pid).Outermost()
			if first == nil {
				continue
			}
			whole++
			if !first.Begins() {
				t.Fatalf("%s: its outermost frame is %+v of %+v", python, first, s.Main(pid))
			}
		}
		t.Logf("%s: %d of 50 readings are certain", python, whole)
		if whole < 10 {
			t.Errorf("%s: only %d of 50 readings are certain", python, whole)
		}
	}
}

// From 3.12 on the interpreter says itself that it was told to end.
func TestFinalizing(t *testing.T) {
	const thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
	for _, python := range pythons.Found(t) {
		for _, one := range []struct {
			text, outer string
			flag        Flag
		}{{thread, "_shutdown", Yes}, {thread + "time.sleep(600)", "<module>", No}} {
			pid := start(t, python, "-c", one.text)
			var s *Snapshot
			wait(t, one.outer, func() bool {
				var err error
				s, err = Read(proc.Default, pid, soon())
				return err == nil && len(s.Threads) == 2 && s.Main(pid) != nil && s.Main(pid).Still && s.Main(pid).Outermost() != nil &&
					s.Main(pid).Outermost().Function == one.outer
			})
			var minor int
			if _, err := fmt.Sscanf(s.Version, "3.%d", &minor); err != nil {
				t.Fatal(err)
			}
			want := one.flag
			if minor < 12 {
				want = Unknown
			}
			if s.Finalizing != want || s.TearingDown {
				t.Errorf("%s in %s: finalizing %d, want %d; torn down: %v", python, one.outer, s.Finalizing, want, s.TearingDown)
			}
		}
	}
}

// A greenlet has a stack of its own, and begins with a frame of its own. The
// library itself is not needed to see whether it is there.
func TestGreenlets(t *testing.T) {
	library := filepath.Join(t.TempDir(), "_greenlet.cpython-311-x86_64-linux-gnu.so")
	const script = "import mmap, sys, time\nf = open(sys.argv[1])\nm = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)\ntime.sleep(600)"
	for path, want := range map[string]bool{library: true, filepath.Join(filepath.Dir(library), "other.so"): false} {
		if err := os.WriteFile(path, make([]byte, page), 0o644); err != nil {
			t.Fatal(err)
		}
		pid := start(t, pythons.Found(t)[0], "-c", script, path)
		var s *Snapshot
		wait(t, "the script", func() bool {
			var err error
			s, err = Read(proc.Default, pid, soon())
			return err == nil && s.Main(pid) != nil && len(s.Main(pid).Frames) > 0 && s.Main(pid).Frames[0].Line == 4
		})
		if s.Greenlets != want {
			t.Errorf("%s: %v", path, s.Greenlets)
		}
	}
}

// A thread slept if it is asleep and its switches were not counted meanwhile.
func TestSlept(t *testing.T) {
	asleep, busy := start(t, "sleep", "60"), start(t, "sh", "-c", "while :; do :; done")
	k := &target{fs: proc.Default, buffer: make([]byte, 8<<10)}
	status := func(pid int) proc.Status {
		all, err := k.statuses()
		if err != nil || len(all) != 1 {
			t.Fatalf("%v, %v", all, err)
		}
		return all[pid]
	}
	k.pid = asleep
	wait(t, "sleep", func() bool { before := status(asleep); return before.State == 'S' && k.slept(asleep, before) })
	before := status(asleep)
	before.Switches--
	if k.slept(asleep, before) {
		t.Error("it ran, and slept")
	}
	k.pid = busy
	wait(t, "the loop", func() bool { return status(busy).State == 'R' })
	for range 100 {
		if k.slept(busy, status(busy)) {
			t.Fatal("who runs does not sleep")
		}
	}
}

func TestNoPython(t *testing.T) {
	pid := start(t, "sleep", "60")
	if _, err := Read(proc.Default, pid, soon()); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, err := Read(proc.Default, 1<<30, soon()); err == nil {
		t.Error("nobody was read")
	}
}

func BenchmarkRead(b *testing.B) {
	pid := start(b, pythons.Found(b)[0], "-c", "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()")
	wait(b, "the script", func() bool {
		s, err := Read(proc.Default, pid, soon())
		return err == nil && len(s.Threads) == 2
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(proc.Default, pid, soon()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTarget reports how much slower a program runs its own loop while it
// is read a hundred times a second: target-ratio, 1 for not at all.
func BenchmarkTarget(b *testing.B) {
	command := exec.Command(pythons.Found(b)[0], "-c", `import time
while True:
    began = time.perf_counter()
    for n in range(200000): pass
    print(time.perf_counter() - began, flush=True)`)
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = command.Process.Kill(); _ = command.Wait() }()
	lines := bufio.NewScanner(out)
	median := func() float64 {
		var took []float64
		for len(took) < 100 && lines.Scan() {
			one, err := strconv.ParseFloat(lines.Text(), 64)
			if err != nil {
				b.Fatal(err)
			}
			took = append(took, one)
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	var alone, watched float64
	for b.Loop() {
		alone += median()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for tick := time.NewTicker(10 * time.Millisecond); ; {
				select {
				case <-stop:
					return
				case <-tick.C:
					_, _ = Read(proc.Default, command.Process.Pid, soon())
				}
			}
		}()
		watched += median()
		close(stop)
		<-stopped
	}
	b.ReportMetric(watched/alone, "target-ratio")
}
