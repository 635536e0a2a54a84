package finished

import (
	"fmt"
	"slices"

	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Step is a step some of whose tasks on this node have ended while others
// live: the step, and the srun and the script that wait for it, wait for these.
type Step struct {
	Name   string   `json:"step"` // "14.0"
	Node   string   `json:"node,omitempty"`
	Tasks  int      `json:"tasks"` // of the step on this node
	Ended  []uint32 `json:"ended"` // ranks
	Living []Rank   `json:"living"`
}

// Rank is a task that lives.
type Rank struct {
	Rank    uint32  `json:"rank"`
	PID     int     `json:"pid"`
	Command string  `json:"command"`
	CPU     float64 `json:"cpu_seconds"` // what it and all below it used
	Over    float64 `json:"over_seconds"`
}

// stepChild is a living child of a slurmstepd.
type stepChild struct {
	stat    proc.Stat
	inside  int    // its number in its own pid namespace
	environ []byte // empty if it could not be read
}

// judgeStep tells which tasks of a step have ended, by all living children of
// its slurmstepd. Slurm forks all tasks of a node before it lets the first call
// execve(2) (src/slurmd/slurmstepd/mgr.c, _fork_all_tasks), and only execve
// makes what exec_task of task.c prepares an environment that others see: a
// child with the rank, the pid and the ranks of a task in its environment proves
// that all these were started, and those that are no longer there have ended.
// A child without, like a task that does not run its program yet, one whose
// program has cleared its environment, or a TaskEpilog, may be any rank: then
// nothing is said. It is a pure function.
func judgeStep(children []stepChild) (Step, bool) {
	var s Step
	var ranks []uint32
	for i, child := range children {
		task, ok := slurm.ParseTask(child.environ)
		if !ok || task.PID != child.inside {
			return Step{}, false
		}
		if i == 0 {
			s.Node, ranks, s.Ended = task.Node, task.Ranks, slices.Clone(task.Ranks)
		}
		at := slices.Index(s.Ended, task.Rank)
		if at < 0 || !slices.Equal(task.Ranks, ranks) {
			return Step{}, false
		}
		s.Ended = slices.Delete(s.Ended, at, at+1)
		s.Living = append(s.Living, Rank{Rank: task.Rank, PID: child.stat.PID, Command: child.stat.Comm})
	}
	s.Tasks = len(ranks)
	return s, len(s.Ended) > 0
}

// Words says what the step waits for. results are what is known of its
// processes.
func (s Step) Words(results []Result) string {
	node := "this node"
	if s.Node != "" {
		node = "node " + s.Node
	}
	text := fmt.Sprintf("step %s: %d of %d tasks on %s ended; the step, and an srun that started it, wait for ", s.Name, len(s.Ended), s.Tasks, node)
	for i, rank := range s.Living[:min(len(s.Living), mostWaits)] {
		if i > 0 {
			text += ", "
		}
		text += rank.words(results)
	}
	if more := len(s.Living) - mostWaits; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (r Rank) words(results []Result) string {
	text := fmt.Sprintf("rank %d (pid %d, %s), which used %.2fs of a processor in %.1fs", r.Rank, r.PID, quoted(r.Command), r.CPU, r.Over)
	if slices.ContainsFunc(results, func(one Result) bool { return one.PID == r.PID && one.Finding.State == Ended }) {
		text += " and has finished its work"
	}
	return text
}
