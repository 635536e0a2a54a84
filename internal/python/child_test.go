package python

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/proc"
	"lastcall/test/pythons"
)

func TestThroughTheChild(t *testing.T) {
	python := pythons.Found(t)[0]
	pid := start(t, python, "-c", "import time\ntime.sleep(60)")
	r := aside.NewReader(proc.Default)
	defer r.Close()
	wait(t, "the script", func() bool {
		s, err := Ask(r, aside.Subject{PID: pid}, soon())
		return err == nil && len(s.Threads) == 1 && len(s.Threads[0].Frames) == 1 && s.Threads[0].Frames[0].Line == 2
	})
	if _, err := Ask(r, aside.Subject{PID: start(t, "sleep", "60")}, soon()); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, err := Ask(r, aside.Subject{PID: 1 << 30}, soon()); err == nil {
		t.Error("nobody was read")
	}
}

// In a pid namespace of its own a process has other numbers than for us, and
// its program may be deleted while it runs.
func TestInANamespace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	python := filepath.Join(t.TempDir(), "python3")
	if text, err := os.ReadFile(pythons.Found(t)[0]); err != nil || os.WriteFile(python, text, 0o755) != nil {
		t.Fatal(err)
	}
	outer := start(t, "unshare", "--pid", "--mount", "--fork", "--kill-child", python, "-c", `
import os, sys, threading, time
os.unlink(sys.executable)
threading.Thread(target=lambda: time.sleep(600), name="one").start()`)
	pid := 0
	wait(t, "the namespace", func() bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", outer, outer))
		_, err := fmt.Sscan(string(text), &pid)
		return err == nil
	})
	wait(t, "both threads", func() bool {
		s, err := Read(proc.Default, pid, soon())
		if err != nil || len(s.Threads) != 2 || !strings.HasSuffix(s.Path, "(deleted)") || s.Main(pid) == nil || s.Main(pid).Outermost() == nil {
			return false
		}
		one := s.Threads[0]
		return s.Main(pid).Outermost().Is("_shutdown", "threading.py") && one.Name == "one" && one.TID > pid && one.Whole
	})
}

// A reading leaves no garbage to the next one.
func TestAnAnswerLeavesNothing(t *testing.T) {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1)) // answer sets the child's
	pid := start(t, "sleep", "60")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := answer(proc.Default, pid, nil); err != nil {
		t.Fatal(err)
	}
	if runtime.ReadMemStats(&after); after.NumForcedGC != before.NumForcedGC+1 {
		t.Errorf("its garbage was collected %d times", after.NumForcedGC-before.NumForcedGC)
	}
}

// Whatever the process, the child that reads it stays small.
func TestTheChildIsSmall(t *testing.T) {
	pid := start(t, pythons.Found(t)[0], "-c", `
import threading, time
def deep(n):
    time.sleep(600) if n == 0 else deep(n - 1)
for n in range(300):
    threading.Thread(target=deep, args=(n % 100,)).start()`)
	r := aside.NewReader(proc.Default)
	defer r.Close()
	wait(t, "the threads", func() bool {
		s, err := Read(proc.Default, pid, soon())
		return err == nil && len(s.Threads) == 301
	})
	var s *Snapshot
	// A crowded machine may take longer than a child is given.
	for end, good := time.Now().Add(20*time.Second), 0; good < 5 && time.Now().Before(end); {
		var err error
		if s, err = Ask(r, aside.Subject{PID: pid}, soon()); err == nil {
			good++
		} else {
			good = 0
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Child()))
	if err != nil {
		t.Fatal(err)
	}
	peak := 0
	for line := range strings.Lines(string(text)) {
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &peak)
	}
	t.Logf("%d kB at most; the answer is cut: %v", peak, s != nil && s.Cut)
	if peak == 0 || peak > 24<<10 {
		t.Errorf("the child took %d kB", peak)
	}
}
