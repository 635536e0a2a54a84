package aside

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain lets this test program be the disposable child, as the hooks are.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Argument {
		os.Exit(Serve(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func TestEnvironOfAProcess(t *testing.T) {
	command := exec.Command("sleep", "60")
	command.Env = []string{"SECRET=1", "SLURM_JOB_ID=77", "SLURM_PROCID=0", "SLURM_JOB_IDX=1"}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	got, err := Environ(command.Process.Pid)
	if err != nil || string(got) != "SLURM_JOB_ID=77\x00SLURM_PROCID=0\x00" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestServeRefusesNonsense(t *testing.T) {
	for _, arguments := range [][]string{nil, {"x"}, {"-1"}, {"1", "2"}} {
		if got := Serve(arguments); got != 2 {
			t.Errorf("%q: exit code %d", arguments, got)
		}
	}
}

// A child that does not answer costs the limit and no more.
func TestAChildThatHangsIsLeft(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = collect(command.Process.Pid, int(read.Fd()), start.Add(100*time.Millisecond))
	if err == nil || !strings.Contains(err.Error(), ErrLate.Error()) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
	_ = command.Wait()
}

func FuzzOnlySlurm(f *testing.F) {
	f.Add([]byte("SECRET=1\x00SLURM_JOB_ID=77\x00SLURM_STEP_ID"))
	f.Fuzz(func(t *testing.T, environ []byte) {
		kept := onlySlurm(environ)
		if len(kept) > pipeSize+len(environ) || len(kept) > 0 && kept[len(kept)-1] != 0 {
			t.Errorf("%q", kept)
		}
		for entry := range bytes.SplitSeq(bytes.TrimSuffix(kept, []byte{0}), []byte{0}) {
			if len(entry) > 0 && !bytes.HasPrefix(entry, []byte("SLURM")) {
				t.Errorf("%q travels", entry)
			}
		}
	})
}
