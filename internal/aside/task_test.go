package aside

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

func TestAnswers(t *testing.T) {
	folder := t.TempDir()
	if err := Answers(folder, soon()); err != nil {
		t.Error(err)
	}
	if names, _ := os.ReadDir(folder); len(names) > 0 {
		t.Errorf("something was left: %v", names)
	}
	if err := Answers(folder, time.Now()); !errors.Is(err, ErrLate) {
		t.Errorf("no time: %v", err)
	}
}

func TestAChildSaysWhatWentWrong(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	if err := AbortFUSE(1<<19+7, soon()); !errors.Is(err, ErrTask) || !strings.Contains(err.Error(), "abort") {
		t.Errorf("a connection that is not there: %v", err)
	}
	if err := do(soon(), "nonsense", "x"); !errors.Is(err, ErrTask) {
		t.Errorf("%v", err)
	}
}

func TestFreeInAChild(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "locked"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	stat, err := proc.Default.Stat(os.Getpid(), make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	held, _, err := locks.HeldBy(proc.Default, []proc.Key{stat.Key()}, soon())
	if err != nil || len(held) != 1 {
		t.Fatalf("%+v, %v", held, err)
	}
	if err := Free(proc.Default, held[0].Holders[0], held[0].Lock, soon()); err != nil {
		t.Fatal(err)
	}
	if held, _, _ = locks.HeldBy(proc.Default, []proc.Key{stat.Key()}, soon()); len(held) != 0 {
		t.Errorf("%+v", held)
	}
}

// The path of a call is read where the process keeps it.
func TestCallPath(t *testing.T) {
	r := NewReader(proc.Default)
	defer r.Close()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	pid := opener(t, fifo)
	for until := soon(); ; time.Sleep(5 * time.Millisecond) {
		text, err := r.One(Subject{PID: pid}, Path, soon())
		if err == nil && string(text) == fifo {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%q, %v", text, err)
		}
	}
}
