package hooks

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// frozenDisk mounts a small file system and freezes it: whoever writes to it
// waits in the kernel, deaf to SIGKILL.
func frozenDisk(t *testing.T, dir string) (mounted string, thaw func()) {
	t.Helper()
	mounted, thaw = disk(t, dir)
	do(t, "/sbin/fsfreeze", "-f", mounted)
	return mounted, thaw
}

// disk mounts a small file system; thaw ends a freeze and unmounts it.
func disk(t *testing.T, dir string) (mounted string, thaw func()) {
	t.Helper()
	image, mounted := dir+"/disk", dir+"/mounted"
	do := func(name string, args ...string) { t.Helper(); do(t, name, args...) }
	do("truncate", "-s", "16M", image)
	do("/sbin/mkfs.ext4", "-q", image)
	do("mkdir", mounted)
	do("mount", "-o", "loop", image, mounted)
	do("chmod", "777", mounted)
	done := false
	thaw = func() {
		if !done {
			done = true
			_ = exec.Command("/sbin/fsfreeze", "-u", mounted).Run()
			for range 50 {
				if exec.Command("umount", mounted).Run() == nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
	t.Cleanup(thaw)
	return mounted, thaw
}

func TestUnkillable(t *testing.T) {
	for _, drain := range []bool{false, true} {
		t.Run(fmt.Sprint("drain=", drain), func(t *testing.T) {
			j := newJob(t, fmt.Sprintf("epilog.drain = %v\nepilog.grace = \"500ms\"\nepilog.deadline = \"30s\"\n", drain))
			mounted, thaw := frozenDisk(t, j.dir)
			// Asked to end, it saves to the disk that does not answer.
			p := j.survivor("-term", "catch", "-finish-file", mounted+"/saved")
			other := j.survivor("-term", "ignore")
			start := time.Now()
			r, exit, _ := j.run()
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
			want := map[bool]int{false: 0, true: 1}[drain]
			if r.Verdict != "unkillable" || exit != want || r.Counts.Unkillable != 1 || r.Counts.Killed != 1 {
				t.Errorf("exit code %d, want %d: %+v", exit, want, r)
			}
			for _, process := range r.Processes {
				if process.PID == p.pid && (process.Outcome != "unkillable" || len(process.Stack)+len(process.Wchan) == 0) {
					t.Errorf("the record does not say where it waits: %+v", process)
				}
			}
			j.dead(other)
			j.alive(p)
			// A second epilog finds it in state D already, and does not hang.
			start = time.Now()
			r, _, _ = j.run()
			if r.Verdict != "unkillable" || time.Since(start) > 20*time.Second {
				t.Errorf("the second run took %s: %+v", time.Since(start), r)
			}
			thaw()
			for end := time.Now().Add(30 * time.Second); p.lives() && time.Now().Before(end); {
				time.Sleep(10 * time.Millisecond)
			}
			j.dead(p)
		})
	}
}

// A process whose first thread sleeps in peace while another is stuck with the
// lock of its memory: its environment does not answer, which must hold neither
// the hook nor what it does about others.
func TestAProcessThatCannotBeRead(t *testing.T) {
	j := newJob(t, "epilog.deadline = \"30s\"\n")
	mounted, thaw := disk(t, j.dir)
	stuck := j.survivor("-hold-memory", mounted+"/page")
	other := j.survivor()
	do(t, "/sbin/fsfreeze", "-f", mounted)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		states, _ := exec.Command("sh", "-c", fmt.Sprintf("cut -d' ' -f3 /proc/%d/task/*/stat", stuck.pid)).Output()
		if strings.Count(string(states), "D") >= 2 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it did not get stuck: %s", states)
		}
	}
	start := time.Now()
	r, exit, said := j.run()
	j.wants(r, exit, "cleaned")
	if took := time.Since(start); took > 20*time.Second || !strings.Contains(said, "stuck in the kernel") {
		t.Errorf("after %s: %s", took, said)
	}
	j.dead(other)
	j.alive(stuck)
	thaw()
}

// With /proc mounted with hidepid root still sees all; and a hook that sees
// nothing does nothing.
func TestHidepid(t *testing.T) {
	j := newJob(t, "")
	p := j.survivor()
	command := exec.Command("unshare", "-m", "sh", "-c", "mount -t proc -o hidepid=2 proc /proc && exec "+j.dir+"/bin/epilog")
	command.Env = j.environment("PATH=" + os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "cleaned") {
		t.Errorf("%v: %s", err, out)
	}
	j.dead(p)
}
