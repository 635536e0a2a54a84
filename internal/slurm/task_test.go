package slurm

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func environ(entries ...string) []byte { return []byte(strings.Join(entries, "\x00") + "\x00") }

func TestParseTask(t *testing.T) {
	const rank, pid, ranks = "SLURM_PROCID=2", "SLURM_TASK_PID=71", "SLURM_GTIDS=0,2,4"
	for name, one := range map[string]struct {
		environ []byte
		want    Task
		ok      bool
	}{
		"a task":                     {environ("A=b", rank, pid, ranks, "SLURMD_NODENAME=n1"), Task{2, 71, []uint32{0, 2, 4}, "n1"}, true},
		"the first of a name counts": {environ(rank, pid, ranks, "SLURM_PROCID=4"), Task{2, 71, []uint32{0, 2, 4}, ""}, true},
		"in any order":               {environ(rank, pid, "SLURM_GTIDS=4,2,0"), Task{2, 71, []uint32{0, 2, 4}, ""}, true},
		"a name that is none":        {environ(rank, pid, ranks, "SLURMD_NODENAME=\x1b[2J"), Task{2, 71, []uint32{0, 2, 4}, ""}, true},
		"after a TaskProlog":         {environ(rank, pid, ranks, "SLURM_SCRIPT_CONTEXT=prolog_task"), Task{2, 71, []uint32{0, 2, 4}, ""}, true},
		"nothing":                    {nil, Task{}, false},
		"no rank":                    {environ(pid, ranks), Task{}, false},
		"no pid":                     {environ(rank, ranks), Task{}, false},
		"pid 0":                      {environ(rank, "SLURM_TASK_PID=0", ranks), Task{}, false},
		"a pid that is none":         {environ(rank, "SLURM_TASK_PID=2147483648", ranks), Task{}, false},
		"no ranks":                   {environ(rank, pid), Task{}, false},
		"ranks without it":           {environ(rank, pid, "SLURM_GTIDS=0,1"), Task{}, false},
		"a rank twice":               {environ(rank, pid, "SLURM_GTIDS=2,2"), Task{}, false},
		"ranks cut off":              {environ(rank, pid, "SLURM_GTIDS=2,"), Task{}, false},
		"ranks that are none":        {environ(rank, pid, "SLURM_GTIDS=2,x"), Task{}, false},
		"a TaskEpilog":               {environ(rank, pid, ranks, "SLURM_SCRIPT_CONTEXT=epilog_task"), Task{}, false},
	} {
		if got, ok := ParseTask(one.environ); ok != one.ok || !reflect.DeepEqual(got, one.want) {
			t.Errorf("%s: %+v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"SLURM_PROCID", "SLURM_TASK_PID", "SLURM_GTIDS", "SLURM_SCRIPT_CONTEXT", "SLURMD_NODENAME"} {
		if !IsHookVariable(name) {
			t.Errorf("the disposable child does not pass %s on", name)
		}
	}
}

func FuzzParseTask(f *testing.F) {
	f.Add(environ("SLURM_PROCID=2", "SLURM_TASK_PID=71", "SLURM_GTIDS=0,2,4"))
	f.Fuzz(func(t *testing.T, text []byte) {
		task, ok := ParseTask(text)
		if ok != (task.PID > 0) || ok != slices.Contains(task.Ranks, task.Rank) || !IsNodeName(task.Node) && task.Node != "" {
			t.Errorf("%q was read as %+v, %v", text, task, ok)
		}
	})
}
