package capture

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/claim"
	"lastcall/internal/proc"
)

// TestMain lets this test program be the disposable child, as the hooks are.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aside.Argument {
		os.Exit(aside.Serve(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func sleeper(t *testing.T) claim.Claimed {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", "trap '' TERM; sleep 60; exit", "with\x1b[2J", strings.Repeat("x", 1000))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	time.Sleep(50 * time.Millisecond)
	buffer := make([]byte, 8192)
	stat, err := proc.Default.Stat(command.Process.Pid, buffer)
	if err != nil {
		t.Fatal(err)
	}
	status, err := proc.Default.Status(command.Process.Pid, buffer)
	if err != nil {
		t.Fatal(err)
	}
	return claim.Claimed{Stat: stat, Status: status, Evidence: claim.ByKin, Proof: "child of 1"}
}

func camera(t *testing.T) *Camera {
	t.Helper()
	reader := aside.NewReader(proc.Default)
	t.Cleanup(reader.Close)
	return NewCamera(proc.Default, reader)
}

func TestSurvivors(t *testing.T) {
	one := sleeper(t)
	crowd := make([]claim.Claimed, Detailed+10)
	for i := range crowd {
		crowd[i] = one
	}
	c := camera(t)
	list := c.Survivors(crowd, time.Now().Add(10*time.Second))
	if len(list) != len(crowd) {
		t.Fatalf("%d are described", len(list))
	}
	p := list[0]
	if p.PID != one.Stat.PID || p.Start != one.Stat.Start || p.UID != uint32(os.Getuid()) || p.Sigterm != "ignored" ||
		p.Evidence != "kin" || p.Proof != "child of 1" || p.Age < 0 || p.Age > time.Hour || p.Resident == 0 || p.Wchan == "" {
		t.Errorf("%+v", p)
	}
	if !strings.HasPrefix(p.Command, "/bin/sh -c trap '' TERM; sleep 60; exit with\x1b[2J xxx") || len(p.Command) > aside.MaxArguments {
		t.Errorf("%q", p.Command)
	}
	// Of a crowd only the first are described in full.
	if list[Detailed-1].Command == "" || list[Detailed].Command != "" || list[Detailed].Wchan != "" || list[Detailed].Sigterm != "ignored" {
		t.Errorf("%+v, %+v", list[Detailed-1], list[Detailed])
	}
	brief := one
	brief.Brief, brief.Status = true, proc.Status{UID: one.Status.UID}
	few := camera(t).Survivors([]claim.Claimed{brief, one, brief}, time.Now().Add(10*time.Second))
	if p := few[0]; p.Command != "" || p.Wchan != "" || p.Sigterm != "" || p.UID != one.Status.UID || p.Comm == "" || p.Proof == "" {
		t.Errorf("%+v", p)
	}
	if few[1].Command != list[0].Command || few[1].Sigterm != "ignored" || few[2].Command != "" {
		t.Errorf("%+v", few)
	}
	if more := c.Survivors(crowd[:1], time.Now().Add(time.Second)); more[0].Command != "" {
		t.Errorf("%+v", more[0])
	}
}

func TestSpared(t *testing.T) {
	one := sleeper(t)
	p := camera(t).Spared(claim.Spared{Stat: one.Stat, UID: 7, Reason: claim.Allocation})
	if p.Spared != "salloc" || p.Outcome != "spared" || p.UID != 7 || p.Evidence != "" {
		t.Errorf("%+v", p)
	}
}
