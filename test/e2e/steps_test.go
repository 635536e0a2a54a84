package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
)

// script submits a text as nobody's job.
func (s *site) script(out, text string, options ...string) int {
	s.t.Helper()
	return s.submitJob(cluster.Job{
		Script: "#!/bin/bash\n" + text, UID: nobody, Options: options,
		Env: []string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out},
	})
}

const leaveOneThatSaves = `"$MISBEHAVE" -setsid -term catch -finish 300ms -finish-file $OUT/saved -exit -ready $OUT/ready`

// Jobs in containers of Slurm's: with an extern step, and tasks in cgroups.
func TestContained(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{Proctrack: "cgroup", TaskPlugin: "cgroup", Conf: []string{"PrologFlags=Contain"}}, "")
	for name, text := range map[string]string{
		"batch": leaveOneThatSaves + "\n",
		"srun":  "srun -n 1 bash -c '" + leaveOneThatSaves + "'\n",
		"tasks": "srun -n 4 bash -c '[ $SLURM_PROCID != 2 ] || " + leaveOneThatSaves + "'\n",
	} {
		out := s.folder(nobody)
		id := s.script(out, text, "-n", "4")
		if took := s.wait(id); took > cluster.Patiently(30*time.Second) {
			t.Errorf("%s: COMPLETING for %s", name, took)
		}
		s.nothingLeft(id)
		readyOnesGone(t, s, id, out)
		if text, err := os.ReadFile(out + "/saved"); err != nil || string(text) != "saved\n" {
			t.Errorf("%s: the left-over could not save its work: %v", name, err)
		}
		if told := s.Output(id); strings.Count(told, "lastcall: this step left 1 process behind") != 1 {
			t.Errorf("%s: the user was told %q", name, told)
		}
	}
}

// A task that has been forked and does not run yet, since its TaskProlog takes
// its time, is a living task.
func TestATaskThatIsStillStarting(t *testing.T) {
	for _, proctrack := range []string{"linuxproc", "cgroup"} {
		t.Run(proctrack, func(t *testing.T) {
			t.Parallel()
			prolog := filepath.Join(tempDir(t), "prolog")
			if err := os.WriteFile(prolog, []byte("#!/bin/sh\n[ \"$SLURM_PROCID\" != 1 ] || { until [ -s $OUT/ready ]; do sleep 0.1; done; sleep 3; }\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			options := cluster.Options{Proctrack: proctrack, Conf: []string{"TaskProlog=" + prolog}}
			if proctrack == "cgroup" {
				options.TaskPlugin = "cgroup"
			}
			s := newSite(t, options, "")
			out := s.folder(nobody)
			id := s.script(out, `srun -n 2 bash -c '
if [ $SLURM_PROCID = 0 ]; then "$MISBEHAVE" -setsid -exit -ready $OUT/ready
else cp $OUT/ready $OUT/seen; cat /proc/$(cut -d" " -f1 $OUT/ready)/stat >>$OUT/seen; fi'
`, "-n", "2")
			left := s.ready(out+"/ready", 1)[0]
			s.wait(id)
			s.nothingLeft(id)
			seen, err := os.ReadFile(out + "/seen")
			if err != nil || strings.Count(string(seen), "\n") != 2 || !strings.HasPrefix(string(seen), fmt.Sprint(left.pid)) {
				t.Errorf("the second task did not run, or the daemon of the first was gone: %v, %q\n%s", err, seen, s.Output(id))
			}
			if lives(left.pid, left.start) {
				t.Error("the daemon outlives its step")
			}
		})
	}
}

// Tasks of an array and components of a het job are jobs of their own that
// share one number.
func TestArraysAndHetJobs(t *testing.T) {
	t.Parallel()
	// Het jobs are started by the backfill scheduler alone, each component on a
	// node of its own.
	s := newSite(t, cluster.Options{Nodes: 2, Conf: []string{"SchedulerParameters=bf_interval=1,defer_batch,batch_sched_delay=0,sched_min_interval=0"}}, "")
	out := s.folder(nobody)
	s.script(out, `"$MISBEHAVE" -setsid -exit -ready $OUT/ready.$SLURM_ARRAY_TASK_ID
until [ -e $OUT/go.$SLURM_ARRAY_TASK_ID ]; do sleep 0.05; done
`, "--array=0-1")
	first, second := s.ready(out+"/ready.0", 1)[0], s.ready(out+"/ready.1", 1)[0]
	for _, task := range []string{"0", "1"} {
		if err := os.WriteFile(out+"/go."+task, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		gone := map[string]living{"0": first, "1": second}[task]
		for end := time.Now().Add(cluster.Patiently(60 * time.Second)); lives(gone.pid, gone.start); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the left-over of array task %s stays", task)
			}
		}
		if task == "0" {
			s.alive(second)
		}
	}
	s.epilogs(2)

	out = s.folder(nobody)
	id := s.script(out, `"$MISBEHAVE" -setsid -exit -ready $OUT/ready.batch
srun --het-group=0,1 bash -c '"$MISBEHAVE" -setsid -exit -ready $OUT/ready.$SLURM_PROCID'
`, "-n", "1", ":", "-n", "1")
	for _, record := range s.epilogs(2) {
		if int(record.HetLeader) != id || record.Verdict == "no-identity" {
			t.Errorf("%+v", record)
		}
	}
	if left := s.Processes(id); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
	if files, _ := filepath.Glob(out + "/ready*"); len(files) != 3 {
		t.Errorf("%v got ready, want 3\n%s", files, s.Output(id))
	}
	readyOnesGone(t, s, id, out)
}

// epilogs waits for so many records of epilogs, for squeue shows the parts of
// an array or a het job each in its own way.
func (s *site) epilogs(n int) []report.Record {
	s.t.Helper()
	var list []report.Record
	for end := time.Now().Add(cluster.Patiently(3 * time.Minute)); len(list) < n; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			queue, _ := s.Run(s.t.Context(), "squeue", "-o", "%i %T %r")
			s.t.Fatalf("%d epilogs have run, want %d; the queue:\n%s", len(list), n, queue)
		}
		if _, err := os.Stat(s.log); err != nil {
			continue
		}
		for _, record := range s.records() {
			if record.Hook == "epilog" {
				list = append(list, record)
			}
		}
	}
	return list
}
