package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/proc"
	"lastcall/test/cluster"
)

// What real jobs do when they do nothing: with an srun, which has threads and
// connections of its own, and with pipes. Their slurmstepds are inside.
func TestIdleJobs(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{FirstJob: 610000}, "")
	for name, test := range map[string]struct {
		script string
		least  int // processes
		idle   bool
	}{
		"a batch script":          {"sleep 1000", 2, true},
		"a pipeline":              {"sleep 1000 | cat", 3, true},
		"two tasks":               {"srun -n2 --overcommit sleep 1000", 5, true},
		"a task, output to files": {"srun -n1 -o /dev/null sleep 1000", 4, true},
		"ignoring":                {"trap '' TERM; sleep 1000 & wait", 2, true},
		"computing":               {"while :; do :; done", 1, false},
		"one of two tasks works":  {"srun -n2 --overcommit sh -c '[ $SLURM_PROCID = 0 ] && while :; do :; done; sleep 1000'", 5, false},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := s.Submit(t.Context(), cluster.Job{Script: "#!/bin/sh\n" + test.script + "\n", UID: nobody})
			if err != nil {
				t.Fatal(err)
			}
			patience := cluster.Patiently(20 * time.Second)
			if !test.idle {
				patience = 5 * time.Second
			}
			idle, told := watchJob(t, id, test.least, patience)
			if idle != test.idle {
				t.Errorf("idle: %v, %s", idle, told)
			}
			_, _ = s.Run(t.Context(), "scancel", fmt.Sprint(id))
		})
	}
}

// watchJob waits until a job has started, and looks at it until it was idle
// for half a second, or patience is over.
func watchJob(t *testing.T, id, least int, patience time.Duration) (idle bool, told string) {
	t.Helper()
	r := activity.New(proc.Default)
	var before []activity.Sample
	started := false
	for until := time.Now().Add(cluster.Patiently(2 * time.Minute)); time.Now().Before(until); time.Sleep(500 * time.Millisecond) {
		keys, steps := processesOf(id)
		now := r.Sample(keys, time.Now().Add(cluster.Patiently(time.Second)))
		r.Look(now, steps, time.Now().Add(cluster.Patiently(time.Second)))
		if !started && len(now) >= least {
			started, until = true, time.Now().Add(patience)
		}
		moved := activity.Progress(before, now)
		working := slices.ContainsFunc(now, func(s activity.Sample) bool { return !s.Idle() || s.Gone })
		if len(now) >= least && len(moved) == 0 && !working {
			return true, ""
		}
		told = fmt.Sprintf("%d processes, %+v, %+v", len(now), moved, now)
		before = now
	}
	if !started {
		t.Fatalf("the job never had %d processes: %s", least, told)
	}
	return false, told
}

// processesOf finds what belongs to a job, by what a test may trust: numbers
// of jobs are far apart between clusters.
func processesOf(id int) (keys []proc.Key, steps []int) {
	buffer := make([]byte, 4096)
	_ = proc.Default.EachPID(func(pid int) bool {
		stat, err := proc.Default.Stat(pid, buffer)
		if err != nil || stat.KernelThread() {
			return true
		}
		if title, _ := os.ReadFile(proc.Default.Path(pid, "cmdline")); strings.HasPrefix(string(title), fmt.Sprintf("slurmstepd: [%d.", id)) {
			steps = append(steps, pid)
			return true
		}
		environ, _ := os.ReadFile(proc.Default.Path(pid, "environ"))
		if strings.Contains("\x00"+string(environ), fmt.Sprintf("\x00SLURM_JOB_ID=%d\x00", id)) {
			keys = append(keys, stat.Key())
		}
		return true
	})
	return keys, steps
}
