package e2e

import (
	"strings"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/internal/slurm"
	"lastcall/test/cluster"
	"lastcall/test/states"
)

// Without the service, what Slurm runs itself says and frees the same, later.
func TestUnkillableStepProgramAlone(t *testing.T) {
	tests := []struct {
		name   string
		script string
		epilog string
	}{
		// slurmstepd gives up, and the Epilog finds what is left.
		{"a process of the task", writer, "unkillable"},
		// It waits for its task, so to the Epilog the step lives.
		{"the task itself", taskItself, "live-step"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.script == taskItself && untimed(t) {
				t.Skip("this Slurm runs no UnkillableStepProgram for a stuck task of a cancelled job")
			}
			conf := []string{"UnkillableStepTimeout=5"}
			toml := "locks.unkillable = \"release\"\nlocks.release_paths = [\"/tmp\"]"
			w := &watched{site: newSite(t, cluster.Options{Proctrack: "cgroup", KillWait: 5, Conf: conf}, toml)}
			t.Cleanup(states.Watch(t, 20*time.Millisecond, []string{w.bin + "/unkillable", w.bin + "/epilog", w.bin + "/taskepilog"}))
			mounted := disk(t)
			j, p := w.stuckScript(test.script, mounted+"/data")
			freezeDisk(t, mounted)
			if err := w.Cancel(t.Context(), j.id); err != nil {
				t.Fatal(err)
			}
			r := w.await(cluster.Patiently(time.Minute), j.id, "unkillable", "unkillable")
			w.causeNamed(r, p.pid, mounted)
			if len(r.Locks) != 1 || r.Locks[0].Release != "released" || r.Locks[0].Fate != "freed" || !flockFree(j.out+"/lock") {
				t.Errorf("%+v", r.Locks)
			}
			if !lives(p.pid, p.start) {
				t.Error("the process is gone: nothing was proven")
			}
			// The Epilog that follows does not hang on it.
			e := w.await(cluster.Patiently(time.Minute), j.id, "epilog", test.epilog)
			if e.Phases.Total > 9000 {
				t.Errorf("the epilog took %.0f ms", e.Phases.Total)
			}
			thaw(mounted)
			waitFor(t, "the end of the process", func() bool { return !lives(p.pid, p.start) })
		})
	}
}

// untimed says whether this Slurm has slurm.NoTimeoutForTasks.
func untimed(t *testing.T) bool {
	t.Helper()
	place, err := cluster.Here()
	if err != nil {
		t.Fatal(err)
	}
	return place.Version.Has(slurm.NoTimeoutForTasks)
}

// The stuck process is the task itself: where Slurm sets no time for it, the
// node stays COMPLETING and nobody is told but by the service, and all is well
// as soon as the file system is.
func TestStuckIsTheTaskItself(t *testing.T) {
	t.Parallel()
	w := newStuck(t, unkillableAfter, "on_unkillable.resume = true")
	mounted := disk(t)
	j, p := w.stuckScript(taskItself, mounted+"/data")
	freezeDisk(t, mounted)
	if err := w.Cancel(t.Context(), j.id); err != nil {
		t.Fatal(err)
	}
	w.causeNamed(w.await(cluster.Patiently(time.Minute), j.id, "watch", "unkillable"), p.pid, mounted)
	if untimed(t) {
		time.Sleep(2 * unkillableAfter)
		if state := w.nodeState(); strings.HasPrefix(state, "drain") || w.recordOf(j.id, "unkillable", func(report.Record) bool { return true }) != nil {
			t.Errorf("the node is %s: this Slurm sets a time for it", state)
		}
	} else {
		w.await(cluster.Patiently(time.Minute), j.id, "watch", "drained")
	}
	thaw(mounted)
	waitFor(t, "the end of the process", func() bool { return !lives(p.pid, p.start) })
	waitFor(t, "the node", func() bool { return strings.HasPrefix(w.nodeState(), "idle") })
}
