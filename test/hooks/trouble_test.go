package hooks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/internal/hook"
)

func TestWithoutAnIdentityNothingIsTouched(t *testing.T) {
	j := newJob(t, "")
	p := j.survivor()
	for _, bad := range []string{"SLURM_JOB_ID=", "SLURM_JOB_ID=x", "SLURM_JOB_UID=-1"} {
		// os/exec lets the last of a name win.
		out, err := j.epilog(bad).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", bad, err)
		}
		name, _, _ := strings.Cut(bad, "=")
		if r := j.record(); r.Verdict != "no-identity" || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], name) || !strings.Contains(string(out), name) {
			t.Errorf("%s: %+v, and it said %q", bad, r, out)
		}
	}
	j.alive(p)
}

func TestNothingToDo(t *testing.T) {
	j := newJob(t, "")
	r, exit, said := j.run()
	j.wants(r, exit, "clean")
	if !strings.HasPrefix(said, "lastcall epilog: job ") || strings.Count(said, "\n") != 1 {
		t.Errorf("it said %q", said)
	}
}

func TestConfigurationTrouble(t *testing.T) {
	j := newJob(t, "")
	j.configure("mode = \"enforce\"\n[log]\npath = \"" + j.log() + "\"\n[epilog]\ngrase = \"1s\"\n")
	p := j.survivor()
	command := j.epilog()
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `lastcall.toml:5: unknown key "grase" in [epilog]; did you mean "grace"?`) {
		t.Errorf("%v: %s", err, out)
	}
	j.dead(p)

	j = newJob(t, "")
	if err := os.Chmod(j.dir+"/bin/lastcall.toml", 0o666); err != nil {
		t.Fatal(err)
	}
	out, err = j.epilog().CombinedOutput()
	if err != nil || !strings.Contains(string(out), "nobody but root may write it") {
		t.Errorf("%v: %s", err, out)
	}
}

// The switch is on in a /run of this hook's own: on the host it would switch
// off what other tests look at in this moment.
func TestSwitchedOff(t *testing.T) {
	j := newJob(t, "")
	p := j.survivor()
	command := exec.Command("unshare", "-m", "sh", "-c", "mount -t tmpfs run /run && mkdir "+filepath.Dir(hook.OffSwitch)+
		" && touch "+hook.OffSwitch+" && exec "+j.dir+"/bin/epilog")
	command.Env = j.environment("PATH=" + os.Getenv("PATH"))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	j.wants(j.record(), 0, "off")
	j.alive(p)
	r, exit, _ := j.run()
	j.wants(r, exit, "cleaned")
	j.dead(p)
}

func TestALogThatCannotBeWrittenChangesNothing(t *testing.T) {
	j := newJob(t, "")
	j.configure("log.path = \"/proc/version/log\"\n")
	p := j.survivor()
	out, err := j.epilog().CombinedOutput()
	if err != nil || !strings.Contains(string(out), "no record was written") || !strings.Contains(string(out), "1 ended") {
		t.Errorf("%v: %s", err, out)
	}
	j.dead(p)
}

func TestABrokenPipeForItsOutput(t *testing.T) {
	j := newJob(t, "")
	p := j.survivor()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close()
	command := j.epilog()
	command.Stdout, command.Stderr = write, write
	if err := command.Run(); err != nil {
		t.Errorf("exit: %v", err)
	}
	write.Close()
	j.dead(p)
}

// Nobody reads what the hook says: it does its work, and ends.
func TestAFullPipeForItsOutput(t *testing.T) {
	j := newJob(t, "epilog.deadline = \"60s\"\n")
	p := j.survivor()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	if _, err := write.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	_ = write.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	for filled := 0; ; {
		n, err := write.Write(make([]byte, 4096))
		if filled += n; err != nil {
			break
		}
	}
	// From here on it blocks, as slurmd's does.
	if err := syscall.SetNonblock(int(write.Fd()), false); err != nil {
		t.Fatal(err)
	}
	command := j.epilog()
	command.Stdout, command.Stderr = write, write
	start := time.Now()
	if err := command.Run(); err != nil || time.Since(start) > 30*time.Second {
		t.Errorf("exit: %v after %s", err, time.Since(start))
	}
	if r := j.record(); r.Verdict != "cleaned" {
		t.Errorf("%+v", r)
	}
	j.dead(p)
}

// A disk that is full half way through a record loses that record, not the
// ones after it.
func TestAFullDisk(t *testing.T) {
	j := newJob(t, "")
	disk := j.dir + "/disk"
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	log := disk + "/log.jsonl"
	j.configure("log.path = \"" + log + "\"\n")
	filler, err := os.Create(disk + "/filler")
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	// One page is left for the log; a record of ten processes needs more.
	for left := 15 * 4096; left > 0; left -= 4096 {
		if _, err := filler.Write(make([]byte, 4096)); err != nil {
			t.Fatal(err)
		}
	}
	var ps []process
	for range 10 {
		ps = append(ps, j.survivor())
	}
	out, err := j.epilog().CombinedOutput()
	if err != nil || !strings.Contains(string(out), "10 ended") || !strings.Contains(string(out), "no record was written") {
		t.Errorf("%v: %s", err, out)
	}
	j.dead(ps...)
	if err := filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if out, err := j.epilog().CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var verdicts []string
	err = report.Read(file, func(r report.Record) { verdicts = append(verdicts, r.Verdict) })
	if len(verdicts) != 1 || verdicts[0] != "clean" || err == nil {
		t.Errorf("read %v, %v", verdicts, err)
	}
}

func TestTwoAtOnce(t *testing.T) {
	j := newJob(t, "")
	ps := []process{j.survivor("-term", "ignore"), j.survivor(), j.survivor("-term", "catch", "-finish", "200ms")}
	var wait sync.WaitGroup
	for range 4 {
		command := j.epilog()
		wait.Go(func() {
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wait.Wait()
	j.dead(ps...)
}

// Told to end before it knows whether there is anything to end, the hook goes
// on: to die of the signal would drain the node.
func TestInterruptedAtTheStart(t *testing.T) {
	j := newJob(t, "")
	for range 20 {
		command := j.epilog()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		untilIgnored(command.Process.Pid, syscall.SIGPIPE, true)
		for range 3 {
			_ = command.Process.Signal(syscall.SIGTERM)
		}
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// untilIgnored waits until the process ignores the signal, or does not.
func untilIgnored(pid int, signal syscall.Signal, want bool) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, ignored, _ := strings.Cut(string(status), "SigIgn:\t")
		mask, _ := strconv.ParseUint(ignored[:min(16, len(ignored))], 16, 64)
		if err != nil || mask&(1<<(signal-1)) != 0 == want {
			return
		}
	}
}

// Told to end, the hook ends, says so, and leaves nobody stopped.
func TestInterrupted(t *testing.T) {
	j := newJob(t, "epilog.grace = \"40s\"\nepilog.deadline = \"60s\"\n")
	p := j.survivor("-term", "catch", "-finish", "60s")
	command := j.epilog()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	untilIgnored(command.Process.Pid, syscall.SIGPIPE, true)
	untilIgnored(command.Process.Pid, syscall.SIGTERM, false)
	time.Sleep(100 * time.Millisecond)
	start := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil || time.Since(start) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	if r := j.record(); r.Verdict != "interrupted" || r.Counts.Left != 1 {
		t.Errorf("%+v", r)
	}
	j.alive(p)
}

func TestTaskEpilogWantsASlurmstepd(t *testing.T) {
	j := newJob(t, "")
	p := j.survivor()
	command := j.epilog()
	command.Path = j.dir + "/bin/taskepilog"
	command.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	out, err := command.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %q", err, out)
	}
	j.alive(p)
}
