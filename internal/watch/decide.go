package watch

import "time"

// Rules says when a job that was told to end is ended before Slurm would.
type Rules struct {
	IdleGrace    time.Duration // negative: idle jobs are left to Slurm
	IgnoredGrace time.Duration
}

// Look is what one look at the processes of a job found.
type Look struct {
	Now      time.Duration // since the order to end was noticed
	InSteps  int           // living processes in the job's steps
	All      int           // these and the ones that have left the steps
	Ignoring int           // of all, how many ignore SIGTERM
	Untold   int           // of those in the steps, how many would heed a SIGTERM and never got one
	Moved    []string      // what moved since the look before
	Vetoes   []string      // what speaks against calling the job idle, whatever moved
}

// Clock is what is kept of a job from look to look.
type Clock struct {
	Still time.Duration // since when nothing moves and nothing speaks against idle; negative: not now
	Why   string        // what the last look that found the job working saw
}

// NewClock returns the clock of a job nobody has looked at.
func NewClock() Clock { return Clock{Still: -1} }

// After returns the clock after a further look. What moved before this look
// ends the stillness before it, what speaks against idle also the one after.
func (c Clock) After(l Look) Clock {
	switch {
	case len(l.Vetoes) > 0:
		return Clock{Still: -1, Why: l.Vetoes[0]}
	case len(l.Moved) > 0:
		return Clock{Still: l.Now, Why: l.Moved[0]}
	case c.Still < 0:
		c.Still = l.Now
	}
	return c
}

// Rule names why a job is ended.
type Rule string

// The rules.
const (
	NoRule  Rule = ""
	Ignored Rule = "ignored" // all that is left ignores SIGTERM, and nothing moves
	Idle    Rule = "idle"    // all that is left is idle
)

// Ready says by which rule a job may be ended as far as this node can tell;
// NoRule if it may not. It is a pure function of what was seen.
func (r Rules) Ready(c Clock, l Look) Rule {
	if l.InSteps == 0 || c.Still < 0 {
		return NoRule
	}
	still := l.Now - c.Still
	switch {
	case l.Ignoring == l.All && still >= r.IgnoredGrace:
		return Ignored
	case r.IdleGrace >= 0 && still >= r.IdleGrace:
		return Idle
	}
	return NoRule
}
