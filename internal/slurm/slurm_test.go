package slurm

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFromEnvironment(t *testing.T) {
	tests := []struct {
		name        string
		environment string
		want        Job
	}{
		{"20.11 epilog", "SLURM_JOB_ID=77 SLURM_JOBID=77 SLURM_JOB_UID=1000 SLURM_UID=1000 SLURM_JOB_USER=ada SLURMD_NODENAME=n1 SLURM_CLUSTER_NAME=alps", Job{ID: 77, UID: 1000, User: "ada", Node: "n1", Cluster: "alps", Restarts: -1}},
		{"22.05 epilog", "SLURM_JOB_ID=77 SLURM_JOB_UID=1000 SLURM_JOB_RESTART_COUNT=2", Job{ID: 77, UID: 1000, Restarts: 2}},
		{"23.02 epilog", "SLURM_JOB_ID=77 SLURM_JOB_UID=0 SLURM_JOB_START_TIME=1795000000", Job{ID: 77, Start: time.Unix(1795000000, 0).UTC(), Restarts: -1}},
		{"26.05 epilog", "SLURM_JOB_ID=77 SLURM_JOB_UID=1 SLURM_JOB_SLUID=s50DM84J1GD700", Job{ID: 77, UID: 1, SLUID: "s50DM84J1GD700", Restarts: -1}},
		{"het job", "SLURM_JOB_ID=78 SLURM_JOB_UID=1 SLURM_HET_JOB_ID=77 SLURM_PACK_JOB_ID=77", Job{ID: 78, UID: 1, HetLeader: 77, Restarts: -1}},
		{"old names alone", "SLURM_JOBID=5 SLURM_UID=6", Job{ID: 5, UID: 6, Restarts: -1}},
		{"the first of a name counts", "SLURM_JOB_ID=5 SLURM_JOB_ID=9 SLURM_UID=6", Job{ID: 5, UID: 6, Restarts: -1}},
	}
	for _, test := range tests {
		got, err := FromEnvironment(strings.Fields(test.environment))
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", test.name, err, diff)
		}
	}
}

func TestNonsenseIsNoIdentity(t *testing.T) {
	tests := []struct{ environment, want string }{
		{"", "SLURM_JOB_ID is missing"},
		{"SLURM_JOB_ID=7", "SLURM_JOB_UID is missing"},
		{"SLURM_JOB_ID= SLURM_JOB_UID=1", "SLURM_JOB_ID is missing"},
		{"SLURM_JOB_ID=0 SLURM_JOB_UID=1", `SLURM_JOB_ID="0": expected the number of a job`},
		{"SLURM_JOB_ID=../7 SLURM_JOB_UID=1", `SLURM_JOB_ID="../7": expected a number`},
		{"SLURM_JOB_ID=-7 SLURM_JOB_UID=1", `SLURM_JOB_ID="-7": expected a number`},
		{"SLURM_JOB_ID=99999999999 SLURM_JOB_UID=1", `SLURM_JOB_ID="99999999999": expected a number`},
		{"SLURM_JOB_ID=7 SLURM_JOBID=8 SLURM_JOB_UID=1", `SLURM_JOBID="8": expected the value of SLURM_JOB_ID`},
		{"SLURM_JOB_ID=7 SLURM_JOB_UID=root", `SLURM_JOB_UID="root": expected a number`},
		{"SLURM_JOB_ID=7 SLURM_JOB_UID=4294967295", `SLURM_JOB_UID="4294967295": expected a user id`},
		{"SLURM_JOB_ID=7 SLURM_JOB_UID=1 SLURM_HET_JOB_ID=x", `SLURM_HET_JOB_ID="x": expected a number`},
		{"SLURM_JOB_ID=7 SLURM_JOB_UID=1 SLURM_JOB_SLUID=../..", `SLURM_JOB_SLUID="../..": expected an s and 13 characters`},
		{"SLURM_JOB_ID=7 SLURM_JOB_UID=1 SLURMD_NODENAME=../n", `SLURMD_NODENAME="../n": expected the name of a node`},
		{"SLURM_JOB_ID=7 SLURM_JOB_UID=1 SLURM_JOB_START_TIME=now", `SLURM_JOB_START_TIME="now": expected a number`},
	}
	for _, test := range tests {
		_, err := FromEnvironment(strings.Fields(test.environment))
		if !errors.Is(err, ErrIdentity) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.environment, err, test.want)
		}
	}
}

func TestStepFromEnvironment(t *testing.T) {
	job := Job{ID: 77, Restarts: -1}
	run := job
	run.SLUID = "s50DM84J1GD700"
	for environment, want := range map[string]struct {
		job  Job
		step string
	}{
		"SLURM_JOB_ID=77 SLURM_STEP_ID=4294967291":                             {job, "batch"},
		"SLURM_JOBID=77 SLURM_STEPID=3":                                        {job, "3"},
		"SLURM_JOB_ID=77 SLURM_STEP_ID=0 SLURM_JOB_SLUID=s50DM84J1GD700 A=../": {run, "0"},
	} {
		got, step, err := StepFromEnvironment(strings.Fields(environment))
		if got != want.job || step != want.step || err != nil {
			t.Errorf("%s: %+v, %s, %v", environment, got, step, err)
		}
	}
	for environment, want := range map[string]string{
		"SLURM_STEP_ID=3":                                     "SLURM_JOB_ID is missing",
		"SLURM_JOB_ID=0 SLURM_STEP_ID=3":                      `SLURM_JOB_ID="0": expected the number of a job`,
		"SLURM_JOB_ID=77":                                     `SLURM_STEP_ID="": expected the number of a step`,
		"SLURM_JOB_ID=77 SLURM_STEP_ID=../3":                  `SLURM_STEP_ID="../3": expected the number of a step`,
		"SLURM_JOB_ID=77 SLURM_STEP_ID=3 SLURM_STEPID=4":      `SLURM_STEPID="4": expected the value of SLURM_STEP_ID`,
		"SLURM_JOB_ID=77 SLURM_STEP_ID=3 SLURM_JOB_SLUID=../": `SLURM_JOB_SLUID="../": expected an s and 13 characters`,
	} {
		if _, _, err := StepFromEnvironment(strings.Fields(environment)); !errors.Is(err, ErrIdentity) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", environment, err, want)
		}
	}
}

func FuzzFromEnvironment(f *testing.F) {
	f.Add("SLURM_JOB_ID=77\nSLURM_JOB_UID=1000\nSLURMD_NODENAME=n1")
	f.Fuzz(func(t *testing.T, text string) {
		job, err := FromEnvironment(strings.Split(text, "\n"))
		if err != nil {
			if !errors.Is(err, ErrIdentity) || job != (Job{}) {
				t.Errorf("%q: %+v, %v", text, job, err)
			}
			return
		}
		if job.ID == 0 || strings.ContainsAny(job.Node, "/\x00 ") || job.SLUID != "" && !IsSLUID(job.SLUID) {
			t.Errorf("%q was read as %+v", text, job)
		}
	})
}

func TestHetJobsShowTheirLeader(t *testing.T) {
	het, plain := Job{ID: 78, HetLeader: 77}, Job{ID: 78}
	if !het.Names(77) || het.Names(78) || !plain.Names(78) || plain.Names(77) {
		t.Error("a component's processes carry the leader's id, others their own")
	}
}

func TestParseMark(t *testing.T) {
	none := Mark{Task: -1, Restarts: -1}
	with := func(change func(*Mark)) Mark {
		m := none
		change(&m)
		return m
	}
	tests := []struct {
		environ string
		want    Mark
	}{
		{"", none},
		{"PATH=/bin HOME=/ XSLURM_JOB_ID=5 SLURM_JOB_IDX=6 SLURM_JOB_ID", none},
		{"SLURM_JOB_ID=77 SLURM_JOB_ID=78", with(func(m *Mark) { m.Job = 77 })},
		{"SLURM_JOB_ID=x", none},
		{"SLURM_JOB_ID=77 SLURM_PROCID=3 SLURM_STEP_ID=0", with(func(m *Mark) { m.Job, m.Task, m.HasTask, m.Step = 77, 3, true, "0" })},
		{"SLURM_STEP_ID=4294967291 SLURM_TASK_PID=9", with(func(m *Mark) { m.Step, m.HasTask = "batch", true })},
		{
			"SLURM_SCRIPT_CONTEXT=epilog_task LASTCALL_WATCH=off SLURM_JOB_NUM_NODES=12",
			with(func(m *Mark) { m.Script, m.WatchOff, m.Nodes = "epilog_task", true, 12 }),
		},
		{"LASTCALL_WATCH=of LASTCALL_WATCHES=off SLURM_JOB_NUM_NODES=1048576", none},
		{
			"SLURM_CLUSTER_NAME=a SLURMD_NODENAME=b SLURM_JOB_SLUID=c SLURM_RESTART_COUNT=2 SLURM_STEP_LAUNCHER_PORT=5",
			with(func(m *Mark) { m.Cluster, m.Node, m.SLUID, m.Restarts, m.Launcher = "a", "b", "c", 2, "5" }),
		},
	}
	for _, test := range tests {
		got := ParseMark([]byte(strings.ReplaceAll(test.environ, " ", "\x00")))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: %s", test.environ, diff)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add([]byte("SLURM_JOB_ID=77\x00SLURM_PROCID=0\x00SLURM_STEP_ID=4294967291\x00"))
	f.Fuzz(func(t *testing.T, environ []byte) {
		m := ParseMark(environ)
		if m.Job != 0 && !strings.Contains(string(environ), "SLURM_JOB_ID=") || m.Task < -1 || m.Restarts < -1 {
			t.Errorf("%q was read as %+v", environ, m)
		}
	})
}

func TestParseTitle(t *testing.T) {
	tests := []struct {
		arguments string
		want      Title
		ok        bool
	}{
		{"slurmstepd: [11.batch]", Title{11, "batch"}, true},
		{"slurmstepd: [11.0]\x00\x00\x00", Title{11, "0"}, true},
		{"slurmstepd: [11.extern] ", Title{11, "extern"}, true},
		{"slurmstepd: [11.3+1]", Title{11, "3+1"}, true},
		{"slurmstepd: [11.ba", Title{11, "batch"}, true},
		{"slurmstepd: [11.1", Title{11, ""}, true}, // may be step 1 or 12
		{"slurmstepd: [11.", Title{11, ""}, true},
		{"slurmstepd: [11", Title{}, false}, // may be job 11 or 112
		{"slurmstepd: [0.batch]", Title{}, false},
		{"/usr/sbin/slurmstepd", Title{}, false},
		{"/usr/sbin/slurmstepd\x00infinity", Title{}, false},
		{"", Title{}, false},
		{"x slurmstepd: [11.batch]", Title{}, false},
	}
	for _, test := range tests {
		got, ok := ParseTitle([]byte(test.arguments))
		if got != test.want || ok != test.ok {
			t.Errorf("%q: %+v, %v", test.arguments, got, ok)
		}
	}
}

func FuzzParseTitle(f *testing.F) {
	f.Add([]byte("slurmstepd: [11.batch]"))
	f.Add([]byte("slurmstepd: [11.ext"))
	f.Fuzz(func(t *testing.T, arguments []byte) {
		title, ok := ParseTitle(arguments)
		if ok != (title.Job != 0) || ok && !strings.HasPrefix(string(arguments), "slurmstepd: [") {
			t.Errorf("%q: %+v, %v", arguments, title, ok)
		}
	})
}
