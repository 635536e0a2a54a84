package finished

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/proc"
	"lastcall/internal/python"
	"lastcall/test/pythons"
)

// TestMain lets this test program be the disposable child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aside.Argument {
		os.Exit(aside.Serve(os.Args[2:], python.Answers))
	}
	os.Exit(m.Run())
}

const forever = `
import threading, time, sys, os
def monitor():
    while True:
        time.sleep(5)
`

// programs are what a look has to tell apart: what it says of each, and a part
// of the sentence.
var programs = []struct {
	name, text string
	state      State
	kind       Kind
	words      string
}{
	{
		"a forgotten thread", forever + `threading.Thread(target=monitor, name="forgotten").start()`,
		Ended, Threads, `MainThread waits in threading._shutdown for thread "forgotten" (not a daemon), which is at <string>:5 in monitor. Fix: daemon=True`,
	},
	{"a forgotten thread after sys.exit", forever + `threading.Thread(target=monitor, name="forgotten").start()
sys.exit(3)`, Ended, Threads, `for thread "forgotten"`},
	{
		"two of three threads", forever + `for n in range(3):
    threading.Thread(target=monitor, name="t%d" % n, daemon=n == 1).start()`,
		Ended, Threads, `"t2" (not a daemon), which is at <string>:5 in monitor; thread "t0" (not a daemon)`,
	},
	{"an executor", forever + `from concurrent.futures import ThreadPoolExecutor
ThreadPoolExecutor(1).submit(monitor)`, Ended, Executor, `MainThread waits in concurrent.futures for thread "ThreadPoolExecutor-0_0"`},
	{"a child", forever + `import multiprocessing
multiprocessing.get_context("fork").Process(target=monitor, name="left").start()`, Ended, Child, `MainThread waits in multiprocessing for child process "left" (pid `},
	{"an exit handler", forever + `import atexit
atexit.register(monitor)`, Ended, ExitHandler, "exit handler monitor does not return; MainThread is at <string>:5 in monitor"},
	{"a finalizer", forever + `class Last:
    def __del__(self, sleep=time.sleep):
        sleep(600)
keep = Last()`, Ended, Teardown, "the interpreter is being taken apart"},
	{"an exit handler in C", forever + `import ctypes
libc = ctypes.CDLL(None)
libc.__cxa_atexit(ctypes.cast(libc.pause, ctypes.c_void_p), None, None)`, Ended, NativeExit, "an exit handler of a library does not return"},
	{"the main thread left", forever + `import ctypes
threading.Thread(target=monitor, name="heir").start()
ctypes.CDLL(None).pthread_exit(None)`, Ended, LeaderGone, `its main thread has exited and these go on: thread "heir"`},

	{"asleep", forever + `monitor()`, Running, "", "MainThread is at <string>:5 in monitor"},
	{"a daemon thread and a script", forever + `threading.Thread(target=monitor, daemon=True).start()
time.sleep(600)`, Running, "", "at <string>:7"},
	{"a long join", forever + `t = threading.Thread(target=monitor)
t.start()
t.join()`, Running, "", "has not ended"},
	{"waits for input", forever + `sys.stdin.read()`, Running, "", "at <string>:6"},
	{"a server", `import socketserver
socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler).serve_forever()`, Running, "", "at <string>:2"},
	{"asyncio", `import asyncio
async def main():
    await asyncio.sleep(600)
asyncio.get_event_loop_policy().new_event_loop().run_until_complete(main())`, Running, "", "at <string>:4"},
	{"an executor in use", forever + `from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    pool.submit(monitor)`, Running, "", "at <string>:"},
	{"a pool in use", forever + `import multiprocessing
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(time.sleep, [600, 600])`, Running, "", "at <string>:8"},
	{"a long call in C", `import hashlib
hashlib.pbkdf2_hmac("sha256", b"a", b"b", 10**9)`, Running, "", "at <string>:2"},
	{"its own exit function", forever + `import atexit
def _shutdown():
    time.sleep(600)
_shutdown()`, Running, "", "at <string>:8 in _shutdown"},
}

// expect waits until a look says what is expected, and that it stays so.
func expect(t *testing.T, l *Looker, key proc.Key, state State, kind Kind, words string) Observation {
	t.Helper()
	agreed := 0
	for until := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		o := l.Look(key, nil, time.Now().Add(10*time.Second))
		if agreed++; o.Finding.State != state || o.Finding.Kind != kind || !strings.Contains(o.Finding.Words("job 14"), words) {
			agreed = 0
		}
		if agreed == 3 {
			return o
		}
		if time.Now().After(until) {
			t.Fatalf("found %s, want %s %s: %s", o.Finding.Words("job 14"), state, kind, words)
		}
	}
}

func keyOf(t *testing.T, pid int) proc.Key {
	t.Helper()
	stat, err := proc.Default.Stat(pid, make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	return stat.Key()
}

// begin runs a script with an input that never comes.
func begin(t *testing.T, python, text string) proc.Key {
	t.Helper()
	command := exec.Command(python, "-W", "ignore", "-c", text)
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	key := keyOf(t, command.Process.Pid)
	children := New(proc.Default)
	t.Cleanup(func() {
		for _, child := range children.children(key.PID) {
			if p, err := os.FindProcess(child); err == nil {
				_ = p.Kill()
			}
		}
		_ = command.Process.Kill()
		input.Close()
		_ = command.Wait()
	})
	return key
}

// Every version gives the same answer to each program.
func TestEveryProgram(t *testing.T) {
	for _, path := range pythons.Found(t) {
		t.Run(pythons.Name(path), func(t *testing.T) {
			l := New(proc.Default)
			defer l.Close()
			for _, one := range programs {
				t.Run(one.name, func(t *testing.T) {
					key := begin(t, path, one.text)
					o := expect(t, l, key, one.state, one.kind, one.words)
					if one.state == Ended && len(o.Finding.Grounds) == 0 {
						t.Error("it proves nothing")
					}
					if one.kind == Child && !strings.HasPrefix(o.Finding.Waits[0].Command, "python") {
						t.Errorf("the child is not named: %+v", o.Finding.Waits)
					}
				})
			}
		})
	}
}

// A child of multiprocessing has the frames of its parent below its own.
func TestWorkers(t *testing.T) {
	l := New(proc.Default)
	defer l.Close()
	for name, one := range map[string]struct {
		text  string
		state State
		kind  Kind
	}{
		"at work": {forever + `import multiprocessing
p = multiprocessing.get_context("fork").Process(target=monitor)
p.start(); p.join()`, Running, ""},
		"its target has ended": {forever + `import multiprocessing
def work():
    threading.Thread(target=monitor, name="in the child").start()
p = multiprocessing.get_context("fork").Process(target=work)
p.start(); p.join()`, Ended, Threads},
	} {
		key := begin(t, pythons.Found(t)[0], one.text)
		var child []int
		for until := time.Now().Add(30 * time.Second); len(child) == 0 && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			child = l.children(key.PID)
		}
		if len(child) != 1 {
			t.Fatalf("%s: children %v", name, child)
		}
		o := expect(t, l, keyOf(t, child[0]), one.state, one.kind, "")
		if !o.Finding.Worker {
			t.Errorf("%s: %+v", name, o.Finding)
		}
		expect(t, l, key, Running, "", "")
	}
}

// A Python that starts may wait for long: its libraries are on a file system
// that does not answer. None of the frames it begins with is those of a program.
func TestStarting(t *testing.T) {
	for _, path := range pythons.Found(t) {
		folder := t.TempDir()
		codecs, err := exec.Command(path, "-I", "-c", "import encodings; print(encodings.__path__[0], end='')").Output()
		if err == nil {
			err = os.CopyFS(filepath.Join(folder, "encodings"), os.DirFS(string(codecs)))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "encodings", "slow.py"), []byte("import time\ntime.sleep(600)\n"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("PYTHONPATH", folder)
		t.Setenv("PYTHONIOENCODING", "slow")
		key := begin(t, path, "pass")
		l := New(proc.Default)
		defer l.Close()
		o := expect(t, l, key, Unsure, "", "it is starting")
		if o.Finding.Python == "" {
			t.Errorf("%s: %+v", path, o.Finding)
		}
	}
}

// A child that a thread forked goes on in the frames of that thread: its main
// thread began with none of a program.
func TestForkedByAThread(t *testing.T) {
	const text = forever + `
def work():
    if os.fork() == 0:
        monitor()
threading.Thread(target=work).start()
time.sleep(600)`
	for _, path := range pythons.Found(t) {
		l := New(proc.Default)
		defer l.Close()
		key := begin(t, path, text)
		var child []int
		for until := time.Now().Add(30 * time.Second); len(child) == 0 && time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
			child = l.children(key.PID)
		}
		if len(child) != 1 {
			t.Fatalf("%s: children %v", path, child)
		}
		expect(t, l, keyOf(t, child[0]), Unsure, "", "nothing can be said")
	}
}
