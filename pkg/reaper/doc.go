// Package reaper ends what a job left on a node: gently first, then firmly,
// and always by its deadline.
//
// It knows nothing about Slurm. The caller's Target says who belongs to the
// job, and proves it; Decide, a pure function, says what to do next from what
// is seen; a Kernel carries it out. Reap is the loop between the three.
//
// The ladder:
//
//  1. Everybody gets SIGTERM once, then SIGCONT, since a stopped process must
//     wake up to die. Nobody gets a second SIGTERM, not even after somebody
//     else's: some programs take it as "now, hard".
//  2. The grace runs. If everyone left ignores SIGTERM it is cut to
//     IgnoredGrace. A process that blocks SIGTERM is not ignoring it: it may
//     sit in sigwait(3) and be saving its work.
//  3. A new look, since survivors may have forked. Where the set grows it is
//     first stopped until two looks in a row find nobody new; then everyone
//     gets SIGKILL.
//  4. Looks until nobody is left. What does not die of SIGKILL within Settle
//     is unkillable: it is reported and not waited for.
//
// Survivors marked Last (servers of a file system the others may be writing
// to) are left alone in each of these steps until nobody else is left.
package reaper

import "time"

// Key names one process for ever: its pid and its start time in clock ticks
// since boot (proc(5), /proc/PID/stat field 22). Pids alone are handed out
// again, on a busy node within minutes.
type Key struct {
	PID   int
	Start uint64
}

// Survivor is a living process of the job.
type Survivor struct {
	Key
	Ignores bool // SIGTERM is ignored (SigIgn of /proc/PID/status), not merely blocked
	Last    bool // others depend on it: end it after them
	// Told says that somebody else has asked it to end before: it gets no
	// SIGTERM, and the grace is not for it.
	Told bool
}

// Seen is what one look at the target found.
type Seen struct {
	Survivors []Survivor
	// Restless says that processes vanished while they were read, so that a
	// child of theirs may have been missed.
	Restless bool
	// Partial says that the time was over before everybody was looked at: who
	// is missing may still be there.
	Partial bool
	// Hold, if not empty, is a reason to signal nobody at all from now on.
	Hold string
}

// Target is what is to become empty.
type Target interface {
	// Look returns every living process of the job, zombies not counted. It
	// must prove for each that it is the job's, and return by the time given.
	Look(until time.Time) (Seen, error)
}

// Whole is a Target that can end its processes in one stroke no fork can
// outrun, like cgroup.kill. It must do so only where nobody else is hit.
type Whole interface {
	// KillWhole is called right before the members get SIGKILL one by one, and
	// returns whom it has hit: they get no SIGKILL of their own then. Only
	// those for whom member is true may be hit.
	KillWhole(member func(pid int) bool) (hit []int)
	// Emptied waits until everybody who was hit by the last stroke has ended,
	// but no longer than so long, and says whether that is so.
	Emptied(most time.Duration) bool
}

// Ladder holds the times of the ladder.
type Ladder struct {
	Grace        time.Duration // from SIGTERM to SIGKILL; 0 means no SIGTERM at all
	IgnoredGrace time.Duration // the grace where everybody left ignores SIGTERM
	Settle       time.Duration // how long a process may take to die of SIGKILL
	Deadline     time.Duration // for all of it
}

// Outcome says how a survivor ended.
type Outcome string

// The outcomes.
const (
	Exited     Outcome = "exited"     // by itself, before it was signalled
	Terminated Outcome = "terminated" // after SIGTERM
	Killed     Outcome = "killed"     // after SIGKILL
	Unkillable Outcome = "unkillable" // not within Settle after SIGKILL
	Left       Outcome = "left"       // alive: the ladder was cut short or held
)

// Result is what became of one survivor.
type Result struct {
	Key     Key
	Outcome Outcome
	Asked   bool          // it got SIGTERM
	Took    time.Duration // from its first signal to its end; 0 if not signalled
}

// Method says how the kernel was asked to signal.
type Method string

// The methods. Without pidfds (before Linux 5.3) a process is signalled by
// its number right after its start time was read again.
const (
	ByPidfd Method = "pidfd"
	ByPID   Method = "pid"
)

// Report is what a run of the ladder did.
type Report struct {
	Results   []Result
	Looks     int
	Method    Method
	Escalated string // why SIGKILL was used, "" if it was not
	Hold      string // the target's reason to stop, "" if none
	Cut       bool   // ended early because the context was done
	Late      bool   // ended by the deadline, before a look had found nobody
	Unproven  bool   // the last look failed or was partial: nothing shows that nobody is left
	Err       error  // the last look or signal that failed, nil if none did
}

// Alive says whether the report leaves any process alive.
func (r Report) Alive() bool {
	for _, result := range r.Results {
		if result.Outcome == Unkillable || result.Outcome == Left {
			return true
		}
	}
	return false
}
