package hooks

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

func TestSwitchedOff(t *testing.T) {
	j := newJob(t, "")
	p := j.survivor()
	_, before := os.Stat("/run/lastcall")
	if err := os.MkdirAll("/run/lastcall", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hook.OffSwitch, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r, exit, _ := j.run()
	_ = os.Remove(hook.OffSwitch)
	if before != nil {
		_ = os.Remove("/run/lastcall")
	}
	j.wants(r, exit, "off")
	j.alive(p)
	r, exit, _ = j.run()
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

// Told to end, the hook ends, says so, and leaves nobody stopped.
func TestInterrupted(t *testing.T) {
	j := newJob(t, "epilog.grace = \"8s\"\n")
	p := j.survivor("-term", "catch", "-finish", "60s")
	command := j.epilog()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	start := time.Now()
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil || time.Since(start) > 3*time.Second {
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
