package activity

import (
	"time"

	"lastcall/internal/proc"
)

// IdleCPU is the processor time a second up to which a process counts as not
// moving. A program that wakes up ten times a second to look at a flag or a
// queue uses 0.1 to 1 ms for it, an interpreter's idle event loop up to 5 ms;
// what saves, compresses or computes uses as much as it gets, and even one that
// waits for a slow disk most of the time shows up in its bytes. The kernel's
// clock counts nanoseconds, so the limit holds over short intervals too.
const IdleCPU = 20 * time.Millisecond

// Change is what moved.
type Change string

// The changes Progress tells.
const (
	Started   Change = "started"   // a process that was not there before
	Ended     Change = "ended"     // a process that is gone, or dead
	UsedCPU   Change = "cpu"       // more than IdleCPU a second
	Read      Change = "read"      // bytes read, through calls or from storage
	Written   Change = "written"   // bytes written, through calls or into mapped pages
	Network   Change = "network"   // bytes acknowledged or received by TCP
	Threaded  Change = "threads"   // a thread came or went
	Unclear   Change = "unclear"   // it could not be read: that counts as work
	NewDuties Change = "signalled" // what SIGTERM does to it has changed
)

// Moved is one change of one process between two samples.
type Moved struct {
	Key    proc.Key
	Comm   string // as in Sample
	Change Change
	// Amount is nanoseconds for UsedCPU, bytes for Read, Written and Network,
	// and the new number for Threaded; 0 for the others.
	Amount uint64
}

// Progress tells what moved between two samples of the same job, in the order
// of after, then what has ended. Nothing is forgiven: a single byte is
// progress. TCP is compared only where both samples were looked at.
func Progress(before, after []Sample) []Moved {
	past := make(map[proc.Key]*Sample, len(before))
	for i := range before {
		past[before[i].Key] = &before[i]
	}
	var moved []Moved
	for i := range after {
		now := &after[i]
		old := past[now.Key]
		delete(past, now.Key)
		moved = compare(moved, old, now)
	}
	for i := range before {
		if old := &before[i]; past[old.Key] != nil && !old.Gone {
			moved = append(moved, Moved{Key: old.Key, Comm: old.Comm, Change: Ended})
		}
	}
	return moved
}

// compare adds what moved in one process; old is nil for a new one.
func compare(moved []Moved, old, now *Sample) []Moved {
	add := func(change Change, amount uint64) {
		comm := now.Comm
		if comm == "" && old != nil {
			comm = old.Comm
		}
		moved = append(moved, Moved{Key: now.Key, Comm: comm, Change: change, Amount: amount})
	}
	switch {
	case now.Gone:
		if old != nil && !old.Gone {
			add(Ended, 0)
		}
		return moved
	case old == nil || old.Gone:
		add(Started, 0)
		return moved
	case now.Unreadable != nil || old.Unreadable != nil:
		add(Unclear, 0)
		return moved
	}
	if used := now.CPU - old.CPU; used > idleCPUOver(now.At.Sub(old.At)) {
		add(UsedCPU, uint64(used))
	}
	if n := (now.IO.ReadCalls - old.IO.ReadCalls) + (now.IO.ReadDevice - old.IO.ReadDevice); n != 0 {
		add(Read, n)
	}
	if n := (now.IO.WrittenCalls - old.IO.WrittenCalls) + (now.IO.WrittenPages - old.IO.WrittenPages); n != 0 {
		add(Written, n)
	}
	if old.Looked && now.Looked && now.TCP != old.TCP {
		add(Network, now.TCP-old.TCP)
	}
	if now.Threads != old.Threads {
		add(Threaded, uint64(now.Threads))
	}
	if now.Term != old.Term {
		add(NewDuties, 0)
	}
	return moved
}

// idleCPUOver scales the limit to an interval. Without one, any use counts.
func idleCPUOver(interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	return time.Duration(float64(IdleCPU) * interval.Seconds())
}
