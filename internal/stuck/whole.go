package stuck

import (
	"time"

	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

// Case is one job's processes that do not die, and what the site allows.
type Case struct {
	User   uint32     // the job's
	Job    []proc.Key // all its processes
	Policy Policy
	Since  func(proc.Key) time.Duration // 0 for nobody knows
}

// Treat does all there is to do about processes that do not die, by until: it
// names their causes, frees locks, aborts connections, and writes all into the
// record. It returns those that are still there.
func (x *Examiner) Treat(list []Process, c Case, record *forensics.Record, until time.Time) []Process {
	groups := Groups(list)
	x.Fill(record, list, groups, c.Since, soonest(until, 2*taskTime))
	found, err := x.Locks(list, c.Policy, until)
	if err != nil {
		record.Warn(err.Error())
	}
	for _, held := range found.Held {
		for _, holder := range held.Holders {
			for i := range record.Processes {
				if record.Processes[i].PID == holder.PID {
					record.Processes[i].Locks++
				}
			}
		}
	}
	x.AbortAll(groups, list, c, record, until)
	x.look(&found, list, until)
	found.FillLocks(record)
	return x.left(list, record)
}

// AbortAll aborts the connections of silent FUSE daemons and adds to the last
// causes of the record, which are those of the groups, what was done.
func (x *Examiner) AbortAll(groups []Group, list []Process, c Case, record *forensics.Record, until time.Time) {
	first := len(record.Causes) - len(groups)
	for i, group := range groups {
		daemons, done := x.Abort(group, list, c.User, c.Job, c.Policy, until)
		Served(&record.Causes[first+i], daemons, done)
	}
}

// Release frees locks of processes that do not die, and adds to the locks that
// are in the record already what became of these.
func (x *Examiner) Release(list []Process, policy Policy, record *forensics.Record, until time.Time) {
	found, err := x.Locks(list, policy, until)
	if err != nil {
		record.Warn(err.Error())
	}
	x.look(&found, list, until)
	for i, held := range found.Held {
		one := Describe(held)
		for at := range record.Locks {
			there := &record.Locks[at]
			if there.Kind != one.Kind || there.Device != one.Device || there.Inode != one.Inode || there.Start != one.Start || there.End != one.End {
				continue
			}
			there.Release = found.Release[i]
			if i < len(found.Fates) && there.Fate == string(locks.HeldByJob) && found.Fates[i].State != locks.HeldByJob {
				there.Fate = string(found.Fates[i].State)
				record.Counts.LocksFreed++
			}
		}
	}
}

// left returns who is still there and counts everybody.
func (x *Examiner) left(list []Process, record *forensics.Record) []Process {
	index := map[proc.Key]int{}
	for i := range record.Processes {
		index[proc.Key{PID: record.Processes[i].PID, Start: record.Processes[i].Start}] = i
	}
	var rest []Process
	for i := range list {
		outcome := "unkillable"
		if x.Gone([]proc.Key{list[i].Key}) == 1 {
			outcome = "exited"
			record.Counts.Exited++
		} else {
			rest = append(rest, list[i])
			record.Counts.Unkillable++
		}
		if at, ok := index[list[i].Key]; ok {
			record.Processes[at].Outcome = outcome
		}
	}
	return rest
}
