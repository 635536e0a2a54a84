package reaper

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// lookLimit is what every look may take, as long as there is as much time.
const lookLimit = 3 * time.Second

// member is a Member with the handle the kernel gave for it.
type member struct {
	Member
	handle  int
	tried   bool // a handle was asked for
	held    bool
	struck  bool // hit by the target's stroke, and waited for with all who were
	gone    bool
	denied  bool          // we may not signal it
	firstAt time.Duration // of its first signal, -1 for none
	goneAt  time.Duration
}

type run struct {
	ctx     context.Context
	ladder  Ladder
	target  Target
	kernel  Kernel
	start   time.Duration
	members map[Key]*member
	handles map[int]*member
	order   []*member
	view    View
	partial bool // the last look did not see everybody
	report  Report
}

// Reap runs the ladder on the target until nobody is left, nothing more can
// be done, the deadline is over or ctx is done. It returns the report in any
// case.
func Reap(ctx context.Context, ladder Ladder, target Target, kernel Kernel) Report {
	if target == nil || kernel == nil {
		return Report{Err: errNoTarget}
	}
	r := &run{
		ctx: ctx, ladder: ladder, target: target, kernel: kernel, start: kernel.Now(),
		members: map[Key]*member{}, handles: map[int]*member{},
		view: View{FirstAsk: -1, LastKill: -1},
	}
	for r.look(); r.report.Hold == ""; {
		action := Decide(ladder, r.now())
		r.apply(action)
		if action.Done {
			break
		}
		if action.Look {
			r.look()
		} else {
			r.wait(action.Wait)
		}
	}
	return r.finish()
}

// now completes the view for a decision.
func (r *run) now() View {
	r.view.Now = r.kernel.Now() - r.start
	r.view.Cut = r.ctx.Err() != nil
	r.view.Alive = r.view.Alive[:0]
	for _, m := range r.order {
		if !m.gone && !m.denied {
			r.view.Alive = append(r.view.Alive, m.Member)
		}
	}
	return r.view
}

// look asks the target who is there.
func (r *run) look() {
	left := r.ladder.Deadline - (r.kernel.Now() - r.start)
	// A look that takes half of the time that is left is cut off, so that there
	// is time to act on what it found.
	limit := max(left/2, min(left, lookLimit), 0)
	seen, err := r.target.Look(time.Now().Add(limit))
	r.view.Looks++
	if r.view.Firm {
		r.view.Firmly++
	}
	if err != nil {
		r.report.Err = err
		r.view.Failed++
	} else {
		r.view.Failed = 0
		r.report.Hold = seen.Hold
		r.merge(seen)
	}
	// One that failed shows nothing, and is made again; but not for ever.
	r.view.Fresh = err == nil || r.view.Failed >= failedLooks
}

func (r *run) merge(seen Seen) {
	present := make(map[Key]bool, len(seen.Survivors))
	newcomers := 0
	for _, survivor := range seen.Survivors {
		present[survivor.Key] = true
		if m, ok := r.members[survivor.Key]; ok {
			m.Survivor = survivor
			r.back(m)
			continue
		}
		newcomers++
		m := &member{Member: Member{Survivor: survivor}, firstAt: -1}
		r.members[survivor.Key] = m
		r.order = append(r.order, m)
	}
	for _, m := range r.order {
		if !present[m.Key] && !seen.Restless && !seen.Partial {
			r.lost(m)
		}
	}
	if newcomers == 0 && !seen.Partial {
		r.view.Quiet++
	} else {
		r.view.Quiet = 0
	}
	r.view.Grew = r.view.Grew || newcomers > 0 && r.view.Looks > 1
	r.partial = seen.Partial
	if seen.Restless {
		r.view.Restless++
	} else {
		r.view.Restless = 0
	}
}

// hold takes hold of a process before its first signal, or before its end is
// waited for. One that is gone by then is kept in the report: it was there.
func (r *run) hold(m *member) {
	if m.tried || m.gone {
		return
	}
	m.tried = true
	handle, err := r.kernel.Open(m.Key)
	if err != nil {
		// Gone, or not to be had: without a handle there is no proof whom a
		// signal would reach.
		if r.kernel.Gone(err) {
			r.lost(m)
		} else {
			r.report.Err = err
		}
		return
	}
	m.handle, m.held = handle, true
	r.handles[handle] = m
}

func (r *run) lost(m *member) {
	if m.gone {
		return
	}
	m.gone, m.goneAt = true, r.kernel.Now()-r.start
	r.letGo(m)
}

func (r *run) letGo(m *member) {
	if m.held {
		delete(r.handles, m.handle)
		r.kernel.Close(m.handle)
		m.held = false
	}
}

func (r *run) apply(action Action) {
	now := r.kernel.Now() - r.start
	if action.Firm != "" {
		r.view.Firm = true
		r.report.Escalated = action.Firm
	}
	for _, key := range action.Ask {
		m := r.members[key]
		m.Asked = true
		r.signal(m, syscall.SIGTERM, now)
		r.signal(m, syscall.SIGCONT, now)
		if r.view.FirstAsk < 0 {
			r.view.FirstAsk = now
		}
	}
	for _, key := range action.Stop {
		m := r.members[key]
		m.Stopped = true
		r.signal(m, syscall.SIGSTOP, now)
	}
	if len(action.Kill) > 0 {
		r.kill(action.Kill, now)
	}
	if len(action.Ask)+len(action.Stop)+len(action.Kill) > 0 {
		r.view.Fresh = false
	}
}

func (r *run) signal(m *member, signal syscall.Signal, now time.Duration) {
	r.hold(m)
	if !m.held || m.gone {
		return
	}
	err := r.kernel.Signal(m.handle, m.Key, signal)
	switch {
	case err == nil:
		if m.firstAt < 0 {
			m.firstAt = now
		}
	case r.kernel.Gone(err):
		r.lost(m)
	case errors.Is(err, syscall.EPERM):
		// Of a user we have no power over (kill(2)): not to be waited for.
		m.denied = true
		r.report.Err = err
	default:
		r.report.Err = err
	}
}

// finish closes every handle and writes the report.
func (r *run) finish() Report {
	now := r.kernel.Now() - r.start
	for _, m := range r.order {
		if r.report.Hold != "" && m.Stopped && !m.Killed && !m.gone {
			r.signal(m, syscall.SIGCONT, now)
		}
		r.letGo(m)
		result := Result{Key: m.Key, Asked: m.Asked && m.firstAt >= 0, Outcome: outcome(r.ladder, m, now)}
		if m.gone && m.firstAt >= 0 {
			result.Took = m.goneAt - m.firstAt
		}
		r.report.Results = append(r.report.Results, result)
	}
	r.report.Looks = r.view.Looks
	r.report.Method = r.kernel.Method()
	r.report.Cut = r.ctx.Err() != nil
	r.report.Unproven = r.view.Failed > 0 || r.partial
	// Everybody known may be gone: without a look since then, nothing is proven.
	proven := !r.report.Alive() && r.view.Fresh && r.view.Restless == 0 && !r.report.Unproven
	r.report.Late = now >= r.ladder.Deadline && !proven
	return r.report
}

func outcome(l Ladder, m *member, now time.Duration) Outcome {
	switch {
	case !m.gone && (m.firstAt < 0 || m.denied):
		return Left
	case !m.gone && m.Killed && now-m.KilledAt >= min(l.Settle, unkillableAfter):
		return Unkillable
	case !m.gone:
		return Left
	case m.firstAt < 0:
		return Exited
	case m.Killed:
		return Killed
	}
	return Terminated
}

// unkillableAfter is how long after SIGKILL a process must still be there to
// be called unkillable when the deadline ends the wait before Settle does.
const unkillableAfter = time.Second
