package finished

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/aside"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/python"
)

// Looker looks at processes. It is not for two goroutines at once.
type Looker struct {
	fs       proc.FS
	aside    *aside.Reader
	activity *activity.Reader
	buffer   []byte
}

// New returns a Looker at the processes of that proc file system. Close it
// after use.
func New(fs proc.FS) *Looker {
	return &Looker{fs: fs, aside: aside.NewReader(fs), activity: activity.New(fs), buffer: make([]byte, 8<<10)}
}

// Close ends the disposable child.
func (l *Looker) Close() { l.aside.Close() }

// Look looks at one process; what it has open is read only if it has ended.
// helpers are processes that count as inside its
// job, see activity.Look.
func (l *Looker) Look(key proc.Key, helpers []int, until time.Time) Observation {
	o := Observation{Key: key, At: time.Now()}
	samples := l.activity.Sample([]proc.Key{key}, until)
	o.Sample = samples[0]
	o.Comm = o.Sample.Comm
	if o.Sample.Gone {
		o.Finding.unsure("it has ended")
		return o
	}
	facts := Facts{PID: key.PID}
	facts.Program, _ = l.fs.Executable(key.PID)
	stuck := false
	if stat, err := l.fs.Stat(key.PID, l.buffer); err == nil {
		stuck = stat.State == 'D'
	}
	facts.Snapshot, facts.Wrong = python.Ask(l.aside, aside.Subject{PID: key.PID, Stuck: stuck}, until)
	o.Finding = Judge(facts)
	// A number may have been given away meanwhile.
	if stat, err := l.fs.Stat(key.PID, l.buffer); err != nil || stat.Key() != key {
		o.Finding = Finding{}
		o.Finding.unsure("it has ended")
		return o
	}
	if o.Finding.State != Ended {
		return o
	}
	// Reading all that it has open is worth it only now.
	l.activity.Look(samples, helpers, until)
	o.Sample = samples[0]
	l.nameChildren(key.PID, &o.Finding)
	return o
}

// nameChildren adds the commands of child processes that are waited for. In a
// pid namespace of its own a child has another number for its parent: then it
// is looked for among the children of the process.
func (l *Looker) nameChildren(pid int, f *Finding) {
	for i := range f.Waits {
		w := &f.Waits[i]
		if w.PID == 0 {
			continue
		}
		for _, child := range l.children(pid) {
			status, err := l.fs.Status(child, l.buffer)
			if err != nil || status.NamespacePID != w.PID {
				continue
			}
			if stat, err := l.fs.Stat(child, l.buffer); err == nil {
				w.Command = stat.Comm
				if child != w.PID {
					w.Command = fmt.Sprintf("%s, here %d", stat.Comm, child)
				}
			}
		}
	}
}

// children lists the children of a process (proc_pid_task(5), children; needs
// CONFIG_PROC_CHILDREN, and is empty without).
func (l *Looker) children(pid int) []int {
	tids, err := l.fs.Tasks(pid)
	if err != nil {
		return nil
	}
	var list []int
	const most = 256
	for _, tid := range tids[:min(len(tids), most)] {
		text, err := linux.ReadAll(l.fs.Path(pid, "task/"+strconv.Itoa(tid)+"/children"), l.buffer, 64<<10)
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}
