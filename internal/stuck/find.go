package stuck

import (
	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// mostThreads is how many threads of one process are looked at.
const mostThreads = 512

// Find returns those of the processes that do not die. A process that ends by
// itself shows nothing of the kind; one that was killed a moment ago does, and
// the caller has to ask again.
func (x *Examiner) Find(keys []proc.Key) []Process {
	var found []Process
	for _, key := range keys {
		if p, ok := x.one(key); ok {
			found = append(found, p)
		}
	}
	return found
}

// one looks at a process. All that is left of its threads must be about to
// die: a single thread may exit on its own.
func (x *Examiner) one(key proc.Key) (Process, bool) {
	stat, err := x.FS.Stat(key.PID, x.buffer)
	if err != nil || stat.Key() != key || stat.Dead() || stat.KernelThread() {
		return Process{}, false
	}
	status, err := x.FS.Status(key.PID, x.buffer)
	if err != nil {
		return Process{}, false
	}
	p := Process{
		Key: key, Comm: stat.Comm, UID: status.UID, Dumping: stat.DumpingCore() || status.CoreDumping,
		ticks: stat.UserTicks + stat.SystemTicks, resident: status.Resident,
	}
	if stat.Threads <= 1 {
		p.take(key.PID, stat, status)
		return p, p.Pending || p.Exiting
	}
	return p, x.threads(&p)
}

// take makes a thread the one that is looked at.
func (p *Process) take(tid int, stat proc.Stat, status proc.Status) {
	p.Thread, p.State, p.Pending, p.Exiting = tid, stat.State, status.KillPending(), stat.Exiting()
}

// threads looks at all threads of a process and says whether all are about to
// die.
func (x *Examiner) threads(p *Process) bool {
	tids, _ := x.FS.Tasks(p.Key.PID)
	for _, tid := range tids[:min(len(tids), mostThreads)] {
		stat, err := x.FS.TaskStat(p.Key.PID, tid, x.buffer)
		if err != nil || stat.Zombie() {
			continue
		}
		status, err := x.FS.TaskStatus(p.Key.PID, tid, x.buffer)
		if err != nil {
			continue
		}
		if !status.KillPending() && !stat.Exiting() {
			return false
		}
		if p.Thread == 0 || p.State != 'D' && stat.State == 'D' {
			p.take(tid, stat, status)
		}
	}
	return p.Thread != 0
}

// namespace returns the link of a thread's mount namespace, "" for a thread
// that has left it already.
func (x *Examiner) namespace(tid int) string {
	link, err := linux.Link(x.FS.Path(tid, "ns/mnt"))
	if err != nil {
		return ""
	}
	return link
}
