package finished

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastcall/internal/proc"
	"lastcall/test/pythons"
)

// neverEnds looks at a process for a while, once it is at its script.
func neverEnds(t *testing.T, key proc.Key, wants ...State) {
	t.Helper()
	l := New(proc.Default)
	defer l.Close()
	seen := map[State]int{}
	for until := time.Now().Add(30 * time.Second); seen[wants[0]] < 10; time.Sleep(50 * time.Millisecond) {
		o := l.Look(key, nil, time.Now().Add(10*time.Second))
		if seen[o.Finding.State]++; o.Finding.State == Ended {
			t.Fatal(o.Finding.Words("job 14"))
		}
		if time.Now().After(until) {
			t.Fatalf("seen %v, the last: %s", seen, o.Finding.Words("job 14"))
		}
	}
}

// Programs that look like one that has finished, and are at work.
func TestNoFalseVerdict(t *testing.T) {
	for _, path := range pythons.Found(t) {
		for name, one := range map[string]struct {
			text  string
			state State
		}{
			"busy": {"while True: pass", Running},
			"workers that feed the main program": {forever + `import multiprocessing
c = multiprocessing.get_context("fork")
tasks, results = c.Queue(), c.Queue()
def work():
    while True:
        results.put(tasks.get())
for n in range(2):
    c.Process(target=work, daemon=True).start()
results.get()`, Running},
			"two interpreters": {`try:
    import _interpreters as inner
except ImportError:
    import _xxsubinterpreters as inner
inner.run_string(inner.create(), "import time\ntime.sleep(600)")`, Running},
		} {
			if name == "two interpreters" && exec.Command(path, "-c", "import _xxsubinterpreters").Run() != nil && exec.Command(path, "-c", "import _interpreters").Run() != nil {
				t.Logf("%s: this version cannot have two interpreters", path)
				continue
			}
			t.Run(pythons.Name(path)+"/"+name, func(t *testing.T) { neverEnds(t, begin(t, path, one.text), one.state) })
		}
	}
}

// A program that embeds Python calls a function of it in the same way as Python
// itself calls what comes after a program. Up to 3.11 nothing else tells, and
// it counts as unsure; later the interpreter says that it was told to end.
func TestEmbedded(t *testing.T) {
	for _, path := range pythons.Found(t) {
		t.Run(pythons.Name(path), func(t *testing.T) {
			out, err := exec.Command(path, "-c", "import sys; print(sys.base_prefix, sys.executable, sys.version_info[1])").Output()
			fields := strings.Fields(string(out))
			if err != nil || len(fields) != 3 {
				t.Fatalf("%q, %v", out, err)
			}
			text, err := os.ReadFile(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			solver := filepath.Join(t.TempDir(), "solver")
			if err := os.WriteFile(solver, text, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PYTHONHOME", fields[0])
			// A function that is called with no frame of a program below it.
			key := begin(t, solver, forever+"import atexit\natexit.register(monitor)")
			l := New(proc.Default)
			defer l.Close()
			if minor := fields[2]; len(minor) == 1 || minor < "12" {
				expect(t, l, key, Unsure, "", "")
			} else {
				expect(t, l, key, Ended, ExitHandler, "")
			}
		})
	}
}
