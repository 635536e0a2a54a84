package reaper

import "time"

const (
	// gentleLooks is how many looks the gentle part may take: a job that
	// forks faster than its processes end never comes to the end of it.
	gentleLooks = 64
	// stopLooks is how many looks may be spent on stopping a growing set.
	stopLooks = 64
	// restlessLooks is how often a look is repeated because processes
	// vanished while they were read.
	restlessLooks = 32
	// failedLooks is how often in a row a look may fail before nothing more
	// can be known.
	failedLooks = 4
)

// Member is one living survivor and what was done to it so far.
type Member struct {
	Survivor
	Asked    bool // got SIGTERM
	Stopped  bool // got SIGSTOP from us
	Killed   bool
	KilledAt time.Duration
}

// View is all a decision depends on. Times count from the start of the run.
type View struct {
	Now      time.Duration
	FirstAsk time.Duration // when the first SIGTERM was sent, -1 for never
	LastKill time.Duration // when the last SIGKILL was sent, -1 for never
	Firm     bool          // the gentle part is over
	Fresh    bool          // Alive is from a look made just now
	Looks    int           // looks made so far
	Firmly   int           // looks made since the gentle part ended
	Quiet    int           // looks in a row that found nobody new
	Grew     bool          // a look after the first found somebody new
	Restless int           // looks in a row during which processes vanished
	Failed   int           // looks in a row that did not work
	Cut      bool          // the caller wants an end now
	Alive    []Member
}

// Action is what to do next: first Ask, Stop and Kill, then Look or Wait,
// unless Done.
type Action struct {
	Ask  []Key         // SIGTERM, then SIGCONT
	Stop []Key         // SIGSTOP
	Kill []Key         // SIGKILL
	Firm string        // not empty: the gentle part ends here, and why
	Look bool          // look again at once
	Wait time.Duration // wait for ends, at most this long
	Done bool
}

// Decide says what to do next. It is a pure function: the same view gives the
// same action.
func Decide(l Ladder, v View) Action {
	switch {
	case v.Cut || v.Now >= l.Deadline:
		// A process must not stay stopped for ever because of us.
		return Action{Kill: keys(v.Alive, func(m Member) bool { return m.Stopped && !m.Killed }), Done: true}
	case len(v.Alive) == 0:
		return afterLast(v)
	}
	front := front(l, v)
	if !v.Firm {
		if action, ok := gently(l, v, front); ok {
			return action.by(l, v)
		}
	}
	return firmly(l, v, front).by(l, v)
}

// by keeps a wait within the deadline.
func (a Action) by(l Ladder, v View) Action {
	a.Wait = min(a.Wait, l.Deadline-v.Now)
	return a
}

// afterLast ends the run only after looks that prove nobody is left: two
// where the set once grew, and more while processes vanish under the reader.
func afterLast(v View) Action {
	if v.Failed >= failedLooks {
		return Action{Done: true}
	}
	needed := 1
	if v.Grew {
		needed = 2
	}
	restless := v.Restless > 0 && v.Restless < restlessLooks
	if !v.Fresh || v.Quiet < needed || restless {
		return Action{Look: true}
	}
	return Action{Done: true}
}

// front returns the members whose turn it is: those marked Last wait until
// all others are gone or have proven unkillable.
func front(l Ladder, v View) []Member {
	var first, last []Member
	for _, m := range v.Alive {
		switch {
		case m.Last:
			last = append(last, m)
		case !m.Killed || v.Now-m.KilledAt < l.Settle:
			first = append(first, m)
		}
	}
	if len(first) > 0 {
		return first
	}
	return last
}

// gently asks and waits; it returns false when the grace is over and the set
// is known as it is now.
func gently(l Ladder, v View, front []Member) (Action, bool) {
	if l.Grace <= 0 {
		return Action{}, false
	}
	ask := keys(front, func(m Member) bool { return !m.Asked && !m.Told })
	if v.FirstAsk < 0 && len(ask) == 0 {
		return Action{}, false
	}
	if v.FirstAsk < 0 {
		return Action{Ask: ask, Wait: graceOf(l, front)}, true
	}
	left := v.FirstAsk + graceOf(l, front) - v.Now
	if left > 0 && v.Looks <= gentleLooks {
		return Action{Ask: ask, Wait: left}, true
	}
	if !v.Fresh {
		return Action{Look: true}, true
	}
	return Action{}, false
}

// graceOf returns the grace for these members: short if each one of them
// ignores SIGTERM.
func graceOf(l Ladder, members []Member) time.Duration {
	for _, m := range members {
		if !m.Ignores {
			return l.Grace
		}
	}
	return min(l.Grace, l.IgnoredGrace)
}

// why names the reason for the firm part.
func why(l Ladder, v View, front []Member) string {
	switch {
	case v.Firm:
		return ""
	case l.Grace <= 0:
		return "no grace configured"
	case v.FirstAsk < 0:
		return "everybody was asked to end before"
	case v.Looks > gentleLooks:
		return "new processes appear without end"
	case graceOf(l, front) < l.Grace:
		return "all that is left ignores SIGTERM"
	}
	return "grace is over"
}

// firmly stops a set that grows until it is quiet, kills, and waits for the
// end of it.
func firmly(l Ladder, v View, front []Member) Action {
	kill := keys(front, func(m Member) bool { return !m.Killed })
	if len(kill) == 0 {
		if left := v.LastKill + l.Settle - v.Now; left > 0 {
			return Action{Wait: left}
		}
		return Action{Done: true}
	}
	if !v.Fresh {
		return Action{Look: true}
	}
	// The users of a file system took the whole grace: its server, whose turn
	// begins now, has not been asked yet, and holds what they wrote.
	ask := keys(front, func(m Member) bool { return m.Last && !m.Asked && !m.Told && !m.Ignores })
	if len(ask) > 0 && l.Grace > 0 {
		return Action{Ask: ask, Wait: min(l.Grace, l.IgnoredGrace), Firm: why(l, v, front)}
	}
	action := Action{Firm: why(l, v, front)}
	// Where looking itself takes long there is no time to wait for quiet.
	if v.Grew && v.Firmly < stopLooks && v.Now < l.Deadline/2 {
		action.Stop = keys(front, func(m Member) bool { return !m.Killed && !m.Stopped })
		if len(action.Stop) > 0 || v.Quiet < 2 {
			action.Look = true
			return action
		}
	}
	action.Kill = kill
	action.Wait = l.Settle
	return action
}

func keys(members []Member, wanted func(Member) bool) []Key {
	var list []Key
	for _, m := range members {
		if wanted(m) {
			list = append(list, m.Key)
		}
	}
	return list
}
