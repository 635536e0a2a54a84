package finished

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

func TestShell(t *testing.T) {
	l := New(proc.Default)
	defer l.Close()
	for name, one := range map[string]struct {
		script string
		want   bool
	}{
		"waits for the background": {"sleep 60 & wait", true},
		"waits for the foreground": {"sleep 60; true", false},
		"waits for both":           {"sleep 60 & sleep 61; true", false},
		"has no child":             {"read x", false},
		"is in the background":     {"trap '' INT QUIT; sleep 60 & wait", false},
		"is at work":               {"sleep 60 & while :; do :; done", false},
	} {
		command := exec.Command("/bin/bash", "-c", one.script)
		input, err := command.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, child := range l.children(command.Process.Pid) {
				_ = syscall.Kill(child, syscall.SIGKILL)
			}
			_ = command.Process.Kill()
			input.Close()
			_ = command.Wait()
		})
		seen := false
		for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			shell, is := l.Shell(command.Process.Pid)
			seen = is
			if is && !strings.Contains(shell.Words("it"), `it is a shell at its `+"`wait`"+`, for "sleep" (`) {
				t.Errorf("%s: %s", name, shell.Words("it"))
			}
		}
		if seen != one.want {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

// Without waiting, what has ended is told from what is at work, and nothing is
// said to hang.
func TestExamineOnce(t *testing.T) {
	python := pythons(t)[0]
	hangs := begin(t, python, forever+`threading.Thread(target=monitor, name="forgotten").start()`)
	works := begin(t, python, forever+"monitor()")
	l := New(proc.Default)
	defer l.Close()
	expect(t, l, hangs, Ended, Threads, "")
	expect(t, l, works, Running, "", "")
	results := Examination{FS: proc.Default, Who: "job 14"}.Run([]proc.Key{works, hangs, {PID: 1 << 30}})
	lines := Lines("job 14", results)
	if len(lines) != 3 || !strings.HasPrefix(lines[0], `job 14 has finished its work: MainThread waits in threading._shutdown for thread "forgotten"`) ||
		!strings.Contains(lines[1], "is at work") || !strings.Contains(lines[2], "1 of 3 processes say nothing") {
		t.Errorf("%q", lines)
	}
	if results[1].Hung || strings.Contains(results[1].Words, "will not end") {
		t.Errorf("%+v", results[1])
	}
	if got := Lines("job 14", nil); len(got) != 1 || !strings.Contains(got[0], "no process of it was found") {
		t.Errorf("%q", got)
	}
}

func TestMembers(t *testing.T) {
	command := exec.Command("sleep", "60")
	command.Env = []string{"SLURM_JOB_ID=987654321"}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	keys, err := Members(proc.Default, 987654321)
	if err != nil || len(keys) != 1 || keys[0].PID != command.Process.Pid {
		t.Errorf("%v, %v", keys, err)
	}
	if keys, _ := Members(proc.Default, 987654322); len(keys) != 0 {
		t.Errorf("%v", keys)
	}
}
