package aside

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

// A number that does not fit is refused, not cut to another process's.
func TestFreeByRefusesWhatDoesNotFit(t *testing.T) {
	good := []string{"/proc", "4194304", "1", "3", "FLOCK", "0", "0", "1", "0", "0"}
	if err := freeBy(good); err == nil || errors.Is(err, strconv.ErrRange) {
		t.Errorf("nobody there: %v", err)
	}
	for i, text := range map[int]string{1: "18446744073709551615", 3: "4294967299", 5: "4294967296", 6: "4294967296"} {
		bad := slices.Clone(good)
		bad[i] = text
		if err := freeBy(bad); !errors.Is(err, strconv.ErrRange) {
			t.Errorf("argument %d as %s: %v", i, text, err)
		}
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

// A frozen file system does not answer; the child that asked stays until it is
// thawed, and is reaped then. Nothing of this program waits for it.
func TestAFrozenFileSystemDoesNotAnswer(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	image, mounted := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	run := func(name string, arguments ...string) {
		t.Helper()
		if out, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	run("truncate", "-s", "16M", image)
	run("/sbin/mkfs.ext4", "-q", image)
	run("mount", "-o", "loop", image, mounted)
	t.Cleanup(func() { _ = exec.Command("umount", mounted).Run() })
	if err := Answers(mounted, soon()); err != nil {
		t.Error(err)
	}
	run("/sbin/fsfreeze", "-f", mounted)
	began := time.Now()
	err := Answers(mounted, began.Add(300*time.Millisecond))
	took, stuck := time.Since(began), Reap()
	run("/sbin/fsfreeze", "-u", mounted)
	if !errors.Is(err, ErrLate) || took > 3*time.Second || stuck != 1 {
		t.Errorf("%v after %s, %d children left", err, took, stuck)
	}
	for until := soon(); Reap() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the child is still there")
		}
	}
	if err := Answers(mounted, soon()); err != nil {
		t.Error(err)
	}
}
