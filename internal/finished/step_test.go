package finished

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// taskChild is a task of a step with ranks 4 to 7 on this node.
func taskChild(pid, rank int, more ...string) stepChild {
	entries := append([]string{
		fmt.Sprintf("SLURM_PROCID=%d", rank), fmt.Sprintf("SLURM_TASK_PID=%d", pid), "SLURM_GTIDS=4,5,6,7", "SLURMD_NODENAME=n1",
	}, more...)
	return stepChild{proc.Stat{PID: pid, Comm: "solver"}, pid, []byte(strings.Join(entries, "\x00"))}
}

func TestJudgeStep(t *testing.T) {
	other := func(environ string) stepChild { return stepChild{proc.Stat{PID: 50}, 50, []byte(environ)} }
	lies := taskChild(20, 6)
	lies.inside = 21
	inside := taskChild(3, 6)
	inside.stat.PID = 300
	elsewhere := taskChild(20, 5)
	elsewhere.environ = []byte(strings.ReplaceAll(string(elsewhere.environ), "4,5,6,7", "5,6"))
	for name, one := range map[string]struct {
		children []stepChild
		ended    []uint32
		living   []int
	}{
		"three of four ended":           {[]stepChild{taskChild(10, 6)}, []uint32{4, 5, 7}, []int{10}},
		"one ended":                     {[]stepChild{taskChild(10, 7), taskChild(11, 4), taskChild(12, 6)}, []uint32{5}, []int{10, 11, 12}},
		"in a pid namespace of its own": {[]stepChild{inside}, []uint32{4, 5, 7}, []int{300}},

		"all live":                          {[]stepChild{taskChild(10, 4), taskChild(11, 5), taskChild(12, 6), taskChild(13, 7)}, nil, nil},
		"none lives":                        {nil, nil, nil},
		"one is not yet its program":        {[]stepChild{taskChild(10, 6), other("PATH=/bin")}, nil, nil},
		"one has cleared its environment":   {[]stepChild{taskChild(10, 6), other("")}, nil, nil},
		"a TaskEpilog runs":                 {[]stepChild{taskChild(10, 6), taskChild(11, 4, "SLURM_SCRIPT_CONTEXT=epilog_task")}, nil, nil},
		"one has another's number":          {[]stepChild{taskChild(10, 7), lies}, nil, nil},
		"two say that they are the same":    {[]stepChild{taskChild(10, 6), taskChild(11, 6)}, nil, nil},
		"they do not agree who is here":     {[]stepChild{taskChild(10, 6), elsewhere}, nil, nil},
		"one is no task of those that were": {[]stepChild{taskChild(10, 6), taskChild(11, 8)}, nil, nil},
	} {
		step, ok := judgeStep(one.children)
		if ok != (one.ended != nil) {
			t.Errorf("%s: %v", name, ok)
			continue
		}
		var living []int
		for _, rank := range step.Living {
			living = append(living, rank.PID)
		}
		if ok && (!reflect.DeepEqual(step.Ended, one.ended) || !reflect.DeepEqual(living, one.living) || step.Tasks != 4 || step.Node != "n1") {
			t.Errorf("%s: %+v", name, step)
		}
	}
}

func TestCompareStep(t *testing.T) {
	stepd := proc.Stat{PID: 9, Comm: "slurmstepd", Start: 1}
	task := proc.Stat{PID: 10, Parent: 9, Start: 5, UserTicks: 100}
	below := proc.Stat{PID: 8, Parent: 10, Start: 9, SystemTicks: 50}
	zombie := proc.Stat{PID: 11, Parent: 9, State: 'Z', Threads: 1}
	before := []proc.Stat{below, stepd, task, zombie}
	worked, again := below, task
	worked.SystemTicks += 40
	again.Start = 6
	for name, one := range map[string]struct {
		after []proc.Stat
		ok    bool
		cpu   float64
	}{
		"nothing moved":         {before, true, 0},
		"a child of it worked":  {[]proc.Stat{worked, stepd, task}, true, 0.4},
		"a task appeared":       {append([]proc.Stat{{PID: 12, Parent: 9}}, before...), false, 0},
		"it has ended":          {[]proc.Stat{stepd}, false, 0},
		"its number is another": {[]proc.Stat{stepd, again}, false, 0},
		"nothing can be read":   {nil, false, 0},
	} {
		step := Step{Living: []Rank{{PID: 10}}}
		if ok := step.compare(9, before, one.after, time.Second); ok != one.ok || ok && step.Living[0].CPU != one.cpu {
			t.Errorf("%s: %v, %+v", name, ok, step)
		}
	}
}

func TestStepWords(t *testing.T) {
	step := Step{Name: "14.0", Node: "n1", Tasks: 4, Ended: []uint32{0, 1, 3}, Living: []Rank{{2, 70, "solver", 0.98, 1}}}
	const want = `step 14.0: 3 of 4 tasks on node n1 ended; the step, and an srun that started it, wait for rank 2 (pid 70, "solver"), which used 0.98s of a processor in 1.0s`
	if got := step.Words([]Result{{PID: 71, Finding: Finding{State: Ended}}, {PID: 70, Finding: Finding{State: Running}}}); got != want {
		t.Errorf("%s", got)
	}
	if got := step.Words([]Result{{PID: 70, Finding: Finding{State: Ended}}}); got != want+" and has finished its work" {
		t.Errorf("%s", got)
	}
	step.Node, step.Living = "", append(step.Living, make([]Rank, 5)...)
	if got := step.Words(nil); !strings.Contains(got, "on this node ended") || !strings.HasSuffix(got, " and 2 more") {
		t.Errorf("%s", got)
	}
}
