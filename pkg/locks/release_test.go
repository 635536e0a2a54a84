package locks

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// A lock is freed though its holder, here stopped, does nothing for it; and
// nobody but the very process, descriptor and lock is touched.
func TestFree(t *testing.T) {
	for kind, wanted := range map[string]error{"flock": nil, "shared": nil, "ofd": nil, "posix": ErrNotOurs, "lease": ErrNotOurs} {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "locked")
			key := holder(t, kind, path)
			if err := syscall.Kill(key.PID, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			held, _, err := HeldBy(proc.Default, []proc.Key{key}, soon())
			if err != nil || len(held) != 1 {
				t.Fatalf("%+v, %v", held, err)
			}
			lock, fd := held[0].Lock, held[0].Holders[0].FD
			other := proc.Key{PID: key.PID, Start: key.Start + 1}
			if err := Free(proc.Default, other, fd, lock); err == nil {
				t.Error("a lock of another process was freed")
			}
			wrong := lock
			wrong.Inode++
			if err := Free(proc.Default, key, fd, wrong); wanted == nil && !errors.Is(err, ErrNotHeld) {
				t.Errorf("another lock: %v", err)
			}
			if err := Free(proc.Default, key, fd, lock); !errors.Is(err, wanted) {
				t.Errorf("got %v, want %v", err, wanted)
			}
			fates, _, _ := Look(proc.Default, held, []proc.Key{key}, soon())
			if want := map[bool]State{true: Freed, false: HeldByJob}[wanted == nil]; fates[0].State != want {
				t.Errorf("%s, want %s", fates[0].State, want)
			}
		})
	}
}

// The first thread has exited; the others still have the descriptor.
func TestFreeAZombieLeadersLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	key := holder(t, "zombie", path)
	held, _, err := HeldBy(proc.Default, []proc.Key{key}, soon())
	if err != nil || len(held) != 1 {
		t.Fatalf("%+v, %v", held, err)
	}
	err = Free(proc.Default, key, held[0].Holders[0].FD, held[0].Lock)
	handle, old := linux.OpenThreadPidfd(os.Getpid())
	if old != nil {
		if !errors.Is(err, ErrExited) {
			t.Errorf("this kernel has no handles of threads: %v", err)
		}
		return
	}
	linux.Close(handle)
	if err != nil {
		t.Error(err)
	}
	if os.Getuid() == 0 {
		if out, err := exec.Command("flock", "-n", path, "true").CombinedOutput(); err != nil {
			t.Errorf("still locked: %v %s", err, out)
		}
	}
}

func TestWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	has, wants := holder(t, "flock", path), holder(t, "waiting", path)
	for until := soon(); ; {
		fates, whole, err := WaitedFor(proc.Default, []proc.Key{wants}, soon())
		if err != nil || !whole {
			t.Fatal(err)
		}
		if len(fates) == 1 && len(fates[0].Holders) == 1 && fates[0].Holders[0].Key == has && fates[0].Holders[0].Path == path && len(fates[0].Waiters) == 1 {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("%+v", fates)
		}
	}
	if fates, _, _ := WaitedFor(proc.Default, []proc.Key{has}, soon()); len(fates) > 0 {
		t.Errorf("who has it waits for it: %+v", fates)
	}
}
