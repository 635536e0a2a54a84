package activity

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// start runs a program in a session of its own until the test is over.
func start(t testing.TB, name string, args ...string) proc.Key {
	t.Helper()
	return launch(t, exec.Command(name, args...))
}

func launch(t testing.TB, command *exec.Cmd) proc.Key {
	t.Helper()
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setsid = true
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = command.Process.Kill()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("process %d does not die", command.Process.Pid)
		}
	})
	return keyOf(t, command.Process.Pid)
}

func keyOf(t testing.TB, pid int) proc.Key {
	t.Helper()
	stat, err := proc.Default.Stat(pid, make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	return stat.Key()
}

// soon gives a look enough time.
func soon() time.Time { return time.Now().Add(10 * time.Second) }

// eventually waits until ok says so.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not in 10 s: %s", what)
}

func TestSampleOfASleeper(t *testing.T) {
	key := start(t, "sleep", "60")
	r := New(proc.Default)
	idle(t, r, []proc.Key{key})
	before := r.Sample([]proc.Key{key}, soon())
	s := before[0]
	if s.Comm != "sleep" || s.Threads != 1 || s.Term != proc.DispositionDefault || s.CPU <= 0 || s.Gone || s.Unreadable != nil || s.Looked {
		t.Errorf("%+v", s)
	}
	time.Sleep(200 * time.Millisecond)
	if moved := Progress(before, r.Sample([]proc.Key{key}, soon())); len(moved) != 0 {
		t.Errorf("a sleeper moved: %+v", moved)
	}
}

func TestSampleOfWhatIsNotThere(t *testing.T) {
	key := start(t, "sleep", "60")
	other := key
	other.Start++
	r := New(proc.Default)
	for _, s := range r.Sample([]proc.Key{other, {PID: 1 << 22, Start: 1}}, soon()) {
		if !s.Gone || s.Unreadable != nil {
			t.Errorf("%+v", s)
		}
	}
	// A zombie that nobody reaps has ended all the same.
	child := exec.Command("true")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }()
	dead := keyOf(t, child.Process.Pid)
	eventually(t, "dead", func() bool { return r.Sample([]proc.Key{dead}, soon())[0].Gone })

	// No time is no proof of anything.
	if s := r.Sample([]proc.Key{key}, time.Now())[0]; s.Gone || s.Unreadable == nil || s.Idle() || s.Vetoes[0].Reason != Unreadable {
		t.Errorf("%+v", s)
	}
}

func TestBusy(t *testing.T) {
	r := New(proc.Default)
	for role, want := range map[string]bool{"cpu": true, "worker-thread": true, "zombie-worker": true, "flag": false, "pause": false} {
		keys := stage(t, role)
		time.Sleep(100 * time.Millisecond) // until it has begun
		since := r.Sample(keys, soon())
		time.Sleep(300 * time.Millisecond)
		got := r.Busy(since)
		// A crowded machine may give it no time for a while.
		for end := time.Now().Add(10 * time.Second); want && !got && time.Now().Before(end); got = r.Busy(since) {
			since = r.Sample(keys, soon())
			time.Sleep(100 * time.Millisecond)
		}
		if got != want {
			t.Errorf("%s: %v", role, got)
		}
	}
	if r.Busy(nil) || r.Busy([]Sample{{Key: proc.Key{PID: 1 << 22}, Gone: true}}) || !r.Busy([]Sample{{Key: proc.Key{PID: 1 << 22}}}) {
		t.Error("only a process that ended since is progress")
	}
}

// A kernel that does not count bytes makes everything unreadable, not gone.
func TestNoCounters(t *testing.T) {
	key := start(t, "sleep", "60")
	root := t.TempDir()
	for _, file := range []string{"stat", "status"} {
		text, err := os.ReadFile(proc.Default.Path(key.PID, file))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, strconv.Itoa(key.PID), file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := New(proc.FS(root)).Sample([]proc.Key{key}, soon())[0]
	if s.Gone || s.Unreadable == nil || s.Comm != "sleep" {
		t.Errorf("%+v", s)
	}
}

func BenchmarkBusy(b *testing.B) {
	r := New(proc.Default)
	since := r.Sample([]proc.Key{start(b, "sleep", "60")}, soon())
	for b.Loop() {
		r.Busy(since)
	}
}

func BenchmarkSample(b *testing.B) {
	r := New(proc.Default)
	keys := []proc.Key{start(b, "sleep", "60")}
	b.ReportAllocs()
	for b.Loop() {
		if s := r.Sample(keys, soon()); s[0].Gone {
			b.Fatal("gone")
		}
	}
}
