package target

import (
	"time"

	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/internal/stuck"
	"lastcall/pkg/locks"
)

// lockTime is the most that one search among the locks may take.
const lockTime = 500 * time.Millisecond

// mostLocks is how many locks a record lists.
const mostLocks = 256

// FindLocks notes the locks of the survivors while they still hold them.
func (t *Target) FindLocks(until time.Time) {
	held, complete, err := locks.HeldBy(t.FS, t.survivors(), soonest(until, lockTime))
	if err != nil {
		t.Record.Warn(err.Error())
	}
	if !complete {
		t.Record.Warn("not all locks could be found in " + lockTime.String())
	}
	t.held = held
	for _, one := range held {
		for _, holder := range one.Holders {
			for i := range t.processes {
				if t.processes[i].PID == holder.PID {
					t.processes[i].Locks++
				}
			}
		}
	}
}

func (t *Target) survivors() []proc.Key {
	list := make([]proc.Key, 0, len(t.processes))
	for _, process := range t.processes {
		list = append(list, proc.Key{PID: process.PID, Start: process.Start})
	}
	return list
}

// LookAtLocks finds out what became of the locks.
func (t *Target) LookAtLocks(until time.Time) {
	until = soonest(until, lockTime)
	fates, complete, err := locks.Look(t.FS, t.held, t.survivors(), until)
	if err != nil {
		t.Record.Warn(err.Error())
	}
	if !complete {
		t.Record.Warn("the holders of a lock could not be found in " + lockTime.String())
	}
	t.fates = fates
}

// fillLocks writes the locks into the record: their fates, or in observe mode
// just what is held.
func (t *Target) fillLocks() {
	record := t.Record
	record.Counts.Locks = len(t.held)
	for i, held := range t.held {
		one := stuck.Describe(held)
		if i < len(t.fates) {
			fate := t.fates[i]
			one.Fate = string(fate.State)
			one.HeldBy = stuck.Parties(fate.Holders)
			for _, waiter := range fate.Waiters {
				one.Waiters = append(one.Waiters, forensics.Party{PID: waiter.PID, Comm: waiter.Comm})
			}
			if fate.State == locks.Freed {
				record.Counts.LocksFreed++
			}
		} else {
			one.Fate = string(locks.HeldByJob)
		}
		if i < mostLocks {
			record.Locks = append(record.Locks, one)
		} else {
			record.Omitted++
		}
	}
}
