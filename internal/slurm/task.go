package slurm

import (
	"bytes"
	"slices"
	"strings"
)

// Task is what slurmstepd writes into the environment of each task, from within
// the process that becomes it (src/slurmd/slurmstepd/task.c, exec_task).
type Task struct {
	Rank  uint32   // SLURM_PROCID
	PID   int      // SLURM_TASK_PID, its number in its own pid namespace
	Ranks []uint32 // SLURM_GTIDS: the ranks of all tasks of its step on its node
	Node  string   // SLURMD_NODENAME, "" if not told
}

// ParseTask reads the environment of a task. ok is false for one that was not
// written for a task, or not by Slurm, and for that of a TaskEpilog. A task
// keeps the SLURM_SCRIPT_CONTEXT=prolog_task of its TaskProlog (task.c,
// _run_script_and_set_env).
func ParseTask(environ []byte) (task Task, ok bool) {
	var seen names
	said := map[string]string{}
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		if name, value, ok := bytes.Cut(entry, []byte("=")); ok && seen.first(name) {
			said[string(name)] = string(value)
		}
	}
	rank, isRank := number(said["SLURM_PROCID"])
	pid, isPID := number(said["SLURM_TASK_PID"])
	if said["SLURM_SCRIPT_CONTEXT"] == "epilog_task" || !isRank || !isPID || pid == 0 || pid >= 1<<31 {
		return Task{}, false
	}
	task = Task{Rank: rank, PID: int(pid)}
	task.Node, _ = nodeName(said["SLURMD_NODENAME"])
	for text := range strings.SplitSeq(said["SLURM_GTIDS"], ",") {
		one, isRank := number(text)
		if !isRank {
			return Task{}, false
		}
		task.Ranks = append(task.Ranks, one)
	}
	slices.Sort(task.Ranks)
	if len(slices.Compact(slices.Clone(task.Ranks))) != len(task.Ranks) || !slices.Contains(task.Ranks, rank) {
		return Task{}, false
	}
	return task, true
}
