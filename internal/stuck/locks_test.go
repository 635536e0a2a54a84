package stuck

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

// TestMain lets this test program be the disposable child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aside.Argument {
		os.Exit(aside.Serve(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// A lock belongs to all that share its open file: one of them, which is none of
// those that do not die, keeps it from being freed for as long as it has it.
func TestALockSharedWithALivingProcessIsLeft(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "lastcall-") // a tmpfs everywhere
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file, err := os.Create(dir + "/locked")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("sleep", "60")
	command.ExtraFiles = []*os.File{file}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = command.Process.Kill(), command.Wait() })
	stat, err := proc.Default.Stat(command.Process.Pid, make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	list := []Process{{Key: stat.Key(), Pending: true, Cause: cause.Cause{Code: cause.NFS}}}
	policy := Policy{Release: true, ReleasePaths: []string{dir}}
	x := New(proc.Default, nil)
	tell := func(policy Policy, until time.Duration, want string, state locks.State) {
		t.Helper()
		found, err := x.Locks(list, policy, time.Now().Add(until))
		if err != nil || len(found.Release) != 1 || found.Release[0] != want {
			t.Errorf("%v: %q, want %q", err, found.Release, want)
		}
		fates, _, _ := locks.Look(proc.Default, found.Held, Keys(list), time.Now().Add(5*time.Second))
		if len(fates) != 1 || fates[0].State != state {
			t.Errorf("%+v, want %s", fates, state)
		}
	}
	observe := policy
	observe.Observe = true
	// This test has the lock too.
	tell(policy, 5*time.Second, reasonOutside, locks.HeldByJob)
	tell(observe, 5*time.Second, reasonOutside, locks.HeldByJob)
	file.Close()
	// Nobody has looked who else has it: a pass over all processes that is late
	// says nothing.
	if locks.Everyone(proc.Default, nil, time.Now()) {
		t.Error("all were asked in no time")
	}
	tell(observe, 5*time.Second, wouldRelease, locks.HeldByJob)
	tell(policy, 5*time.Second, released, locks.Freed)
}
