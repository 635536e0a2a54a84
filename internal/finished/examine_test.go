package finished

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
	"lastcall/test/pythons"
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
	python := pythons.Found(t)[0]
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
	if mine := ancestors(proc.Default); !mine[os.Getpid()] || !mine[os.Getppid()] || mine[command.Process.Pid] {
		t.Errorf("this program descends from %v", mine)
	}
}

// The cgroup tells first, and what an environment says does not count where
// the cgroup is another job's.
func TestMembersByCgroup(t *testing.T) {
	root := t.TempDir()
	self, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(self), " ")
	const scope = "0::/system.slice/slurmstepd.scope/"
	for pid, group := range map[string]string{
		"100": scope + "job_7/step_0/user/task_0", "101": scope + "job_7/step_0/slurm", "102": scope + "job_8/step_0/user/task_0", "103": "0::/",
	} {
		folder := filepath.Join(root, pid)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"stat": pid + " " + rest, "cgroup": group + "\n", "environ": "SLURM_JOB_ID=7\x00"} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	keys, err := Members(proc.FS(root), 7)
	pids := map[int]bool{}
	for _, key := range keys {
		pids[key.PID] = true
	}
	if err != nil || !reflect.DeepEqual(pids, map[int]bool{100: true, 103: true}) {
		t.Errorf("%v, %v", keys, err)
	}
}
