package hook

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this test program be a hook that hangs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "hang" {
		r := newRun(TaskEpilog, nil)
		time.AfterFunc(100*time.Millisecond, r.giveUp)
		select {}
	}
	os.Exit(m.Run())
}

// The watchdog ends a hook that hangs, with 0, and says so; it does not hang
// itself when nobody reads what it says.
func TestTheWatchdog(t *testing.T) {
	for _, full := range []bool{false, true} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if full {
			_ = write.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			for err == nil {
				_, err = write.Write(make([]byte, 4096))
			}
		}
		if err := syscall.SetNonblock(int(write.Fd()), false); err != nil {
			t.Fatal(err)
		}
		command := exec.Command(os.Args[0], "hang")
		command.Stderr = write
		start := time.Now()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		write.Close()
		if err := command.Wait(); err != nil || time.Since(start) > 5*time.Second {
			t.Errorf("full %v: %v after %s", full, err, time.Since(start))
		}
		if !full {
			said := make([]byte, 200)
			n, _ := read.Read(said)
			if !strings.Contains(string(said[:n]), "still running after its deadline") {
				t.Errorf("it said %q", said[:n])
			}
		}
		read.Close()
	}
}

// The promise of the README: 10 s and 5 s, and a watchdog soon after.
func TestDeadlines(t *testing.T) {
	for name, most := range map[string]time.Duration{Epilog: 10 * time.Second, TaskEpilog: 5 * time.Second} {
		r := newRun(name, nil)
		if got := r.until().Sub(r.start); got != most {
			t.Errorf("%s ends after %s, want %s", name, got, most)
		}
		if reserve+settle >= most || patience > time.Second {
			t.Errorf("%s: no room within %s", name, most)
		}
	}
}
