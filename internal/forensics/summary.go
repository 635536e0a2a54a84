package forensics

import (
	"sort"
	"strconv"
	"strings"
	"time"
)

// Summary is the run in one plain line, for slurmd's log.
func (r *Record) Summary() string {
	var b strings.Builder
	b.WriteString("lastcall " + r.Hook + ": ")
	if r.Job != 0 {
		b.WriteString("job " + strconv.FormatUint(uint64(r.Job), 10) + ": ")
	}
	b.WriteString(string(r.Verdict))
	if r.Hang != nil {
		b.WriteString(": " + r.Hang.Action + ": " + Quote(r.Hang.Text, maxArgument))
	}
	c := r.Counts
	if c.Ended() > 0 {
		b.WriteString(": " + strconv.Itoa(c.Ended()) + " ended (" + strconv.Itoa(c.Terminated) +
			" by SIGTERM, " + strconv.Itoa(c.Killed) + " by SIGKILL)")
	}
	part(&b, c.Exited, "exited by itself", "exited by themselves")
	part(&b, c.Unkillable, "unkillable", "unkillable")
	part(&b, c.Left, "left alive", "left alive")
	part(&b, c.Spared, "spared", "spared")
	if c.Locks > 0 {
		b.WriteString(", " + strconv.Itoa(c.LocksFreed) + " of " + plural(c.Locks, "lock", "locks") + " freed")
	}
	b.WriteString(", " + r.Phases.Total.Round(100*time.Microsecond).String())
	for _, warning := range r.Warnings {
		b.WriteString("; " + Quote(warning, maxArgument))
	}
	return b.String()
}

func part(b *strings.Builder, n int, one, many string) {
	if n > 0 {
		b.WriteString(", " + plural(n, one, many))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// UserLines is what the job's user reads in the job's own output: nothing, or
// one or two lines that say what was ended and why.
func (r *Record) UserLines() []string {
	if r.Counts.Survivors() == r.Counts.Exited {
		return nil
	}
	verb := "ended "
	if r.Mode == "observe" {
		verb = "would end "
	}
	lines := []string{"lastcall: this step left " + plural(r.Counts.Survivors(), "process", "processes") +
		" behind; " + verb + names(r.Processes, func(p Process) bool { return p.Spared == "" && p.Outcome != "exited" })}
	if r.Counts.Killed > 0 {
		lines[0] += "; " + strconv.Itoa(r.Counts.Killed) + " by SIGKILL"
	}
	var more []string
	ignoring := func(p Process) bool { return p.Spared == "" && p.Sigterm == "ignored" }
	if list := names(r.Processes, ignoring); list != "" {
		more = append(more, "SIGTERM was ignored by "+list)
	}
	if paths := lockPaths(r.Locks); paths != "" {
		more = append(more, plural(len(r.Locks), "lock was", "locks were")+" held on "+paths)
	}
	if r.Counts.Unkillable+r.Counts.Left > 0 {
		more = append(more, plural(r.Counts.Unkillable+r.Counts.Left, "process is", "processes are")+" still there")
	}
	if len(more) > 0 {
		lines = append(lines, "lastcall: "+strings.Join(more, "; "))
	}
	return lines
}

// mostNames is how many different names one sentence lists.
const mostNames = 5

// names lists the names of the processes wanted, most frequent first.
func names(processes []Process, wanted func(Process) bool) string {
	count := map[string]int{}
	for _, p := range processes {
		if wanted(p) {
			count[p.Comm]++
		}
	}
	list := make([]string, 0, len(count))
	for name := range count {
		list = append(list, name)
	}
	sort.Slice(list, func(i, j int) bool {
		if count[list[i]] != count[list[j]] {
			return count[list[i]] > count[list[j]]
		}
		return list[i] < list[j]
	})
	for i, name := range list {
		list[i] = Quote(name, 64)
		if count[name] > 1 {
			list[i] += " x" + strconv.Itoa(count[name])
		}
	}
	return limited(list)
}

func limited(list []string) string {
	if len(list) > mostNames {
		more := len(list) - mostNames
		list = append(list[:mostNames:mostNames], strconv.Itoa(more)+" more")
	}
	return strings.Join(list, ", ")
}

func lockPaths(locks []Lock) string {
	seen := map[string]bool{}
	var list []string
	for _, lock := range locks {
		path := lock.Path
		if path == "" {
			path = "inode " + strconv.FormatUint(lock.Inode, 10) + " of device " + lock.Device
		}
		if !seen[path] {
			seen[path] = true
			list = append(list, Quote(path, 200))
		}
	}
	return limited(list)
}
