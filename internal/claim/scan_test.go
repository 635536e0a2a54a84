package claim

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// TestMain lets this test program be the disposable child, as the hooks are.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aside.Argument {
		os.Exit(aside.Serve(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// spawn starts a process with the environment in a session of its own.
func spawn(t testing.TB, uid int, env ...string) int {
	t.Helper()
	command := exec.Command("/bin/sleep", "60")
	command.Env = env
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if uid != os.Getuid() {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	// Within execve(2) there is no environment for a moment.
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if text, _ := proc.Default.Environ(command.Process.Pid, nil); len(text) > 0 || time.Now().After(end) {
			return command.Process.Pid
		}
	}
}

const user = 65534

func scanner(t testing.TB, id int) *Scanner {
	t.Helper()
	scope := Scope{Job: slurm.Job{ID: uint32(id), UID: user, Restarts: -1}, Task: -1}
	s, err := NewScanner(proc.Default, scope, Rules{Cgroup: true, Environ: true, Kin: true}, nil, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Aside.Close)
	return s
}

// A look without time says that it has not seen everybody.
func TestALookIsCutOff(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	id := 4_000_000 + os.Getpid()
	spawn(t, user, "SLURM_JOB_ID="+strconv.Itoa(id), "SLURM_PROCID=0")
	s := scanner(t, id)
	if result, err := s.Look(time.Now()); err != nil || !result.Partial {
		t.Errorf("without time: %+v, %v", result, err)
	}
	if result, err := s.Look(time.Now().Add(30 * time.Second)); err != nil || result.Partial || len(result.Claimed) != 1 {
		t.Errorf("with time: %+v, %v", result, err)
	}
}

func TestLook(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	id := 3_000_000 + os.Getpid()
	mark := "SLURM_JOB_ID=" + strconv.Itoa(id)
	mine := spawn(t, user, mark, "SLURM_PROCID=0")
	shell := spawn(t, user, mark)
	spawn(t, 5, mark, "SLURM_PROCID=0")
	s := scanner(t, id)
	for range 2 { // the second look knows them
		result, err := s.Look(time.Now().Add(5 * time.Second))
		if err != nil || len(result.Claimed) != 1 || len(result.Spared) != 1 || result.LiveStep || result.Unread != nil {
			t.Fatalf("%+v, %v", result, err)
		}
		if c := result.Claimed[0]; c.Stat.PID != mine || c.Evidence != ByEnviron || c.Proof != mark {
			t.Errorf("%+v", c)
		}
		if p := result.Spared[0]; p.Stat.PID != shell || p.Reason != NoTask {
			t.Errorf("%+v", p)
		}
	}
	late := spawn(t, user, mark, "SLURM_PROCID=1")
	result, err := s.Look(time.Now().Add(5 * time.Second))
	if err != nil || len(result.Claimed) != 2 || result.Claimed[1].Stat.PID != late {
		t.Errorf("the newcomer %d is missing: %+v, %v", late, result, err)
	}
}

// BenchmarkLookForeign is the price of a node full of other users' processes.
func BenchmarkLookForeign(b *testing.B) {
	s := scanner(b, 2_999_999)
	for b.Loop() {
		if _, err := s.Look(time.Now().Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	scope, f := epilog(), ours()
	for b.Loop() {
		if Judge(scope, f).Evidence != ByEnviron {
			b.Fatal()
		}
	}
}
