package linux

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestCPUTime(t *testing.T) {
	before, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	counted := usage(t)
	for until := time.Now().Add(10 * time.Second); usage(t)-counted < 50*time.Millisecond && time.Now().Before(until); {
	}
	after, err := CPUTime(os.Getpid())
	if used := after - before; err != nil || used < 40*time.Millisecond || used > usage(t)-counted+20*time.Millisecond {
		t.Errorf("used %s, %v; getrusage says %s", used, err, usage(t)-counted)
	}

	// A child that sleeps uses its start and no more; one that is gone is gone.
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	time.Sleep(100 * time.Millisecond)
	one, err := CPUTime(pid)
	if err != nil {
		t.Error(err)
	}
	time.Sleep(50 * time.Millisecond)
	if two, err := CPUTime(pid); err != nil || one == 0 || two-one > 5*time.Millisecond {
		t.Errorf("%s, then %s: %v", one, two, err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if _, err := CPUTime(pid); !Gone(err) {
		t.Errorf("of a process that is gone: %v", err)
	}
}

func usage(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
