package e2e

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
)

// The dry run: by root from outside, and by the user within the job.
func TestInspect(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{Proctrack: "cgroup"}, "")
	out := s.folder(nobody)
	script := `"$MISBEHAVE" -term ignore -lock flock:$OUT/own -ready $OUT/ready &
flock $OUT/other true &
srun --overlap -n1 sh -c "$LASTCALL inspect" >$OUT/inspected 2>&1
touch $OUT/done
sleep 600
`
	holder := exec.Command("flock", out+"/other", "sleep", "600")
	holder.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = syscall.Kill(-holder.Process.Pid, syscall.SIGKILL), holder.Wait() })
	waitFor(t, "the lock", func() bool { return !flockFree(out + "/other") })
	id := s.submitJob(cluster.Job{
		Script: "#!/bin/bash\n" + script, UID: nobody,
		Env: []string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out, "LASTCALL=" + s.bin + "/lastcall"},
	})
	deaf := s.ready(out+"/ready", 1)[0]
	waitFor(t, "the user's own look", func() bool { return exec.Command("test", "-e", out+"/done").Run() == nil })
	asJSON, err := exec.Command(s.bin+"/lastcall", "inspect", "--json", "-node", s.Nodes[0], strconv.Itoa(id)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, asJSON)
	}
	var r report.Record
	if err := report.Read(strings.NewReader(string(asJSON)), func(one report.Record) { r = one }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	found := false
	for _, p := range r.Processes {
		if p.PID == deaf.pid {
			found = p.Sigterm == "ignored" && p.Locks == 1 && p.Evidence == "cgroup" && p.Proof == "step_batch" && len(p.Would) == 2
		}
	}
	if !found || r.Hook != "inspect" || r.UID != nobody || r.Node != s.Nodes[0] {
		t.Errorf("%+v", r)
	}
	byPath := map[string]report.Lock{}
	for _, lock := range r.Locks {
		byPath[lock.Path] = lock
	}
	if own := byPath[out+"/own"]; own.Fate != "held-by-job" || len(own.HeldBy) != 1 || own.HeldBy[0].PID != deaf.pid {
		t.Errorf("%+v", r.Locks)
	}
	if other := byPath[out+"/other"]; other.Fate != "held-by-other" || len(other.Waiters) != 1 || len(other.HeldBy) == 0 {
		t.Errorf("%+v", r.Locks)
	}
	table, err := exec.Command(s.bin+"/lastcall", "inspect", "-node", s.Nodes[0], strconv.Itoa(id)).CombinedOutput()
	text, _ := exec.Command("cat", out+"/inspected").Output()
	for who, shown := range map[string]string{"root": string(table), "the user": string(text)} {
		shown = strings.Join(strings.Fields(shown), " ")
		for _, want := range []string{"PID", fmt.Sprintf("%d misbehave S ignored 1", deaf.pid), "what would be done", "taskepilog: SIGTERM", out + "/own"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s does not see %q, %v:\n%s", who, want, err, shown)
			}
		}
	}
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Error(err)
	}
	s.wait(id)
}
