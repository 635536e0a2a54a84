package finished

import (
	"fmt"
	"os"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// patience is the most that one look at one process may take.
const patience = 5 * time.Second

// Examination looks at processes for people.
type Examination struct {
	FS  proc.FS
	Who string // "job 14"
	// Waiting is told why nothing happens for a while; nil means that nobody
	// waits, and nothing is proven to hang.
	Waiting func(text string)
}

// Result is what an examination says of one process.
type Result struct {
	PID      int     `json:"pid"`
	Command  string  `json:"command"`
	Finding  Finding `json:"finding"`
	Shell    *Shell  `json:"shell,omitempty"`
	Looks    int     `json:"looks"`
	Hung     bool    `json:"hung"`
	Pace     Pace    `json:"pace,omitempty"`
	Apart    float64 `json:"apart_seconds,omitempty"`
	Words    string  `json:"words"`
	compared *Compared
}

// Run looks at the processes, and where one has ended a second time after
// Apart: what hangs is proven by both.
func (e Examination) Run(keys []proc.Key) []Result {
	l := New(e.FS)
	defer l.Close()
	results := make([]Result, 0, len(keys))
	first := map[proc.Key]*Observation{}
	for _, key := range keys {
		o := l.Look(key, nil, time.Now().Add(patience))
		r := Result{PID: key.PID, Command: o.Comm, Finding: o.Finding, Looks: 1}
		if o.Finding.State == Ended {
			first[key] = &o
		} else if shell, ok := l.Shell(key.PID); ok {
			r.Shell = &shell
		}
		results = append(results, r)
	}
	if len(first) > 0 && e.Waiting != nil {
		e.Waiting(fmt.Sprintf("%s has finished its work; whether it moves shows in %s", e.Who, Apart))
		time.Sleep(Apart)
		for i, key := range keys {
			if before := first[key]; before != nil {
				results[i].again(before, l.Look(key, nil, time.Now().Add(patience)))
			}
		}
	}
	for i := range results {
		results[i].Words = results[i].words(e.Who)
	}
	return results
}

// again adds a second look.
func (r *Result) again(before *Observation, o Observation) {
	c := Compare(before, &o)
	r.Finding, r.Looks, r.compared = o.Finding, 2, &c
	r.Hung, r.Pace, r.Apart = c.Hung, c.Pace, c.Over.Seconds()
}

func (r *Result) words(who string) string {
	switch {
	case r.Shell != nil:
		return r.Shell.Words(fmt.Sprintf("process %d", r.PID))
	case r.compared != nil && r.Finding.State == Ended:
		return r.Finding.Words(who) + " " + r.compared.Words()
	}
	return r.Finding.Words(who)
}

// Lines is what people read: the processes that have ended first, then what is
// at work, then how many say nothing.
func Lines(who string, results []Result) []string {
	var lines []string
	silent := 0
	for _, state := range []State{Ended, Running, Unsure} {
		for _, r := range results {
			switch {
			case r.Finding.State != state:
			case len(results) > 1 && (r.Finding.Helper || state == Unsure && r.Shell == nil):
				silent++
			case state == Running && len(results) > 1:
				lines = append(lines, r.Finding.Words(fmt.Sprintf("process %d", r.PID)))
			default:
				lines = append(lines, r.Words)
			}
		}
	}
	switch {
	case len(results) == 0:
		return []string{who + ": no process of it was found on this node, or none that may be read"}
	case silent > 0:
		lines = append(lines, fmt.Sprintf("%d of %d processes say nothing: they are no Python, a helper of one, or cannot be read", silent, len(results)))
	}
	return lines
}

// Process names one process.
func Process(fs proc.FS, pid int) ([]proc.Key, error) {
	stat, err := fs.Stat(pid, make([]byte, 4096))
	if err != nil {
		return nil, err
	}
	return []proc.Key{stat.Key()}, nil
}

// Members lists the processes of a job that the caller may read, but not those
// it descends from: by their cgroup, else by their environment.
func Members(fs proc.FS, job uint32) ([]proc.Key, error) {
	const most = 4096
	buffer := make([]byte, 8<<10)
	var keys, unclear []proc.Key
	var subjects []aside.Subject
	mine := ancestors(fs)
	err := fs.EachPID(func(pid int) bool {
		owner, err := fs.Owner(pid)
		if err != nil || mine[pid] || os.Getuid() != 0 && int(owner) != os.Getuid() {
			return true
		}
		stat, err := fs.Stat(pid, buffer)
		if err != nil || stat.Dead() || stat.KernelThread() || stat.Comm == "slurmstepd" {
			return true
		}
		var place cgroup.Place
		if text, err := fs.Cgroup(pid, buffer); err == nil {
			place = cgroup.PlaceOf(text)
		}
		switch {
		case place.Job == job && !place.Stepd:
			keys = append(keys, stat.Key())
		case !place.InJob() || place.Job == 0:
			unclear = append(unclear, stat.Key())
			subjects = append(subjects, aside.Subject{PID: pid, Stuck: stat.State == 'D'})
		}
		return len(keys)+len(unclear) < most
	})
	r := aside.NewReader(fs)
	defer r.Close()
	r.Each(subjects, aside.Environ, time.Now().Add(patience), func(i int, text []byte, err error) {
		if err == nil && slurm.ParseMark(text).Job == job && subjects[i].PID != r.Child() {
			keys = append(keys, unclear[i])
		}
	})
	return keys, err
}

// ancestors are this very program and those above it: they wait for it.
func ancestors(fs proc.FS) map[int]bool {
	mine := map[int]bool{}
	buffer := make([]byte, 4096)
	for pid := os.Getpid(); pid > 1 && !mine[pid]; {
		mine[pid] = true
		stat, err := fs.Stat(pid, buffer)
		if err != nil {
			break
		}
		pid = stat.Parent
	}
	return mine
}
