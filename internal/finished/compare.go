package finished

import (
	"fmt"
	"slices"
	"time"

	"lastcall/internal/activity"
)

// Pace is what a process did between two looks.
type Pace string

// The paces.
const (
	Asleep    Pace = "asleep"    // nothing that counts
	Heartbeat Pace = "heartbeat" // a little, like a line in a log now and then
	Finishing Pace = "finishing" // it may still be at work
)

// The most a heartbeat may use: a loop that wakes up now and then to look, or
// to write that it is alive, stays far below; what saves or sends results does
// not. A single byte over a network is no heartbeat.
const (
	heartbeatCPU   = 10 * time.Millisecond // a second
	heartbeatBytes = 1024                  // a second
	asleepCPU      = time.Millisecond      // a second
)

// Compared is what two looks at one process say together.
type Compared struct {
	Hung  bool // proven ended by both, and not finishing
	Pace  Pace
	Over  time.Duration // how far they lie apart
	CPU   time.Duration
	Bytes uint64
	Why   string // why it is not hung
}

// Compare puts two looks together. It is a pure function.
func Compare(first, second *Observation) Compared {
	c := Compared{Over: second.At.Sub(first.At), Pace: Finishing}
	a, b := &first.Sample, &second.Sample
	switch {
	case first.Key != second.Key || b.Gone:
		c.Why = "it has ended"
		return c
	case first.Finding.State != Ended || second.Finding.State != Ended:
		c.Why = "its main program was not proven ended both times"
		return c
	case a.Unreadable != nil || b.Unreadable != nil:
		c.Why = "what it does could not be read"
		return c
	}
	c.CPU = b.CPU - a.CPU
	c.Bytes = b.IO.ReadCalls - a.IO.ReadCalls + b.IO.WrittenCalls - a.IO.WrittenCalls +
		b.IO.ReadDevice - a.IO.ReadDevice + b.IO.WrittenPages - a.IO.WrittenPages
	network := a.Looked && b.Looked && a.TCP != b.TCP
	if c.Pace = paceOf(c.CPU, c.Bytes, c.Over); network {
		c.Pace = Finishing
	}
	switch {
	case c.Over < Apart:
		c.Why = fmt.Sprintf("it was looked at for %s only", c.Over.Round(time.Second))
	case network:
		c.Why = "it is talking over a network"
	case c.Pace == Finishing:
		c.Why = fmt.Sprintf("it is still at work: %s of a processor and %d bytes in %s", c.CPU.Round(time.Millisecond), c.Bytes, c.Over.Round(time.Second))
	case !same(first.Finding, second.Finding):
		c.Why = "it waits for something else than before"
	default:
		c.Hung = true
	}
	return c
}

func paceOf(cpu time.Duration, bytes uint64, over time.Duration) Pace {
	seconds := over.Seconds()
	switch {
	case cpu <= time.Duration(float64(asleepCPU)*seconds) && bytes == 0:
		return Asleep
	case cpu <= time.Duration(float64(heartbeatCPU)*seconds) && float64(bytes) <= heartbeatBytes*seconds:
		return Heartbeat
	}
	return Finishing
}

// same says whether both wait for the same. The lines may differ: a thread in
// a loop is now here, now there.
func same(a, b Finding) bool {
	return a.Kind == b.Kind && slices.EqualFunc(a.Waits, b.Waits, func(a, b Wait) bool {
		return a.Thread == b.Thread && a.TID == b.TID && a.Process == b.Process && a.PID == b.PID
	})
}

// pulse is the time over which what a job did is averaged at least: a loop
// that does a little every few seconds may do it just between two samples.
const pulse = 10 * time.Second

// Quiet says whether the processes of a job did so little between two samples
// that it is worth a closer look: what all of them did together is no more
// than a heartbeat, and none came or went.
func Quiet(before, after []activity.Sample) bool {
	if len(before) != len(after) || len(after) == 0 {
		return false
	}
	var cpu, over time.Duration
	var bytes uint64
	for i := range after {
		a, b := &before[i], &after[i]
		if a.Key != b.Key || a.Gone != b.Gone || a.Unreadable != nil || b.Unreadable != nil {
			return false
		}
		over = max(over, b.At.Sub(a.At))
		cpu += b.CPU - a.CPU
		bytes += b.IO.ReadCalls - a.IO.ReadCalls + b.IO.WrittenCalls - a.IO.WrittenCalls +
			b.IO.ReadDevice - a.IO.ReadDevice + b.IO.WrittenPages - a.IO.WrittenPages
	}
	return over > 0 && paceOf(cpu, bytes, max(over, pulse)) != Finishing
}
