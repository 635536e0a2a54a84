package finished

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// moment is how long the living tasks are watched for what they use.
const moment = time.Second

// Steps returns the steps of a job on this node that wait for some of their
// tasks while others have ended. node is Slurm's name of this node, "" where
// there is only one. It takes a second if there are any.
func Steps(fs proc.FS, job uint32, node string) []Step {
	before, at := processes(fs), time.Now()
	reader := aside.NewReader(fs)
	defer reader.Close()
	stepds := map[int]Step{}
	for _, stat := range before {
		name, ok := served(fs, reader, stat, job)
		if !ok {
			continue
		}
		step, ok := judgeStep(read(fs, reader, childrenOf(before, stat.PID)))
		if ok && (node == "" || step.Node == "" || step.Node == node) {
			step.Name = name
			stepds[stat.PID] = step
		}
	}
	if len(stepds) == 0 {
		return nil
	}
	time.Sleep(moment)
	after, over := processes(fs), time.Since(at)
	var steps []Step
	for pid, step := range stepds {
		if step.compare(pid, before, after, over) {
			steps = append(steps, step)
		}
	}
	slices.SortFunc(steps, func(a, b Step) int { return strings.Compare(a.Name, b.Name) })
	return steps
}

// compare adds what the living tasks used between two lists of all processes.
// The slurmstepd must have the same children in both: the first list may be of
// a step that was starting, where some would be missing. It is a pure function.
func (s *Step) compare(stepd int, before, after []proc.Stat, over time.Duration) bool {
	for i := range s.Living {
		rank := &s.Living[i]
		rank.CPU, rank.Over = max(used(after, rank.PID)-used(before, rank.PID), 0).Seconds(), over.Seconds()
	}
	return slices.Equal(keysOf(childrenOf(before, stepd)), keysOf(childrenOf(after, stepd)))
}

// processes lists all processes, by their numbers; none if one that is there
// cannot be read. What children of proc_pid_task(5) says is not used: it may
// leave out living children when others end.
func processes(fs proc.FS) []proc.Stat {
	var list []proc.Stat
	whole := true
	buffer := make([]byte, 4096)
	err := fs.EachPID(func(pid int) bool {
		stat, err := fs.Stat(pid, buffer)
		if err == nil {
			list = append(list, stat)
		}
		whole = err == nil || linux.Gone(err)
		return whole
	})
	if err != nil || !whole {
		return nil
	}
	slices.SortFunc(list, func(a, b proc.Stat) int { return a.PID - b.PID })
	return list
}

// served returns the name of the step, like "14.0", if the process is a
// slurmstepd of the job.
func served(fs proc.FS, reader *aside.Reader, stat proc.Stat, job uint32) (string, bool) {
	if stat.Comm != "slurmstepd" {
		return "", false
	}
	if status, err := fs.Status(stat.PID, make([]byte, 8<<10)); err != nil || status.UID != 0 {
		return "", false
	}
	line, _ := reader.One(aside.Subject{PID: stat.PID, Stuck: stat.State == 'D'}, aside.Arguments, time.Now().Add(patience))
	title, ok := slurm.ParseTitle(line)
	return fmt.Sprintf("%d.%s", job, title.Step), ok && title.Job == job && title.Step != ""
}

// childrenOf returns the living children of a process.
func childrenOf(list []proc.Stat, pid int) []proc.Stat {
	var children []proc.Stat
	for _, stat := range list {
		if stat.Parent == pid && !stat.Dead() {
			children = append(children, stat)
		}
	}
	return children
}

func keysOf(list []proc.Stat) []proc.Key {
	keys := make([]proc.Key, 0, len(list))
	for _, stat := range list {
		keys = append(keys, stat.Key())
	}
	return keys
}

// read adds what the children say of themselves.
func read(fs proc.FS, reader *aside.Reader, stats []proc.Stat) []stepChild {
	children := make([]stepChild, len(stats))
	subjects := make([]aside.Subject, len(stats))
	buffer := make([]byte, 8<<10)
	for i, stat := range stats {
		children[i].stat, subjects[i] = stat, aside.Subject{PID: stat.PID, Stuck: stat.State == 'D'}
		if status, err := fs.Status(stat.PID, buffer); err == nil {
			children[i].inside = status.NamespacePID
		}
	}
	reader.Each(subjects, aside.Environ, time.Now().Add(patience), func(i int, text []byte, err error) {
		if err == nil {
			children[i].environ = slices.Clone(text)
		}
	})
	return children
}

// used is the processor time of a process and all below it.
func used(list []proc.Stat, pid int) time.Duration {
	var sum time.Duration
	below := map[int]bool{pid: true}
	for grown := true; grown; {
		grown = false
		for _, stat := range list {
			if below[stat.Parent] && !below[stat.PID] {
				below[stat.PID], grown = true, true
			}
		}
	}
	for _, stat := range list {
		if below[stat.PID] {
			sum += time.Duration(stat.UserTicks+stat.SystemTicks) * proc.Tick
		}
	}
	return sum
}
