package reaper

import (
	"syscall"
	"time"
)

// strokeTime is how long those who were hit by one stroke are waited for
// together before each of them is held.
const strokeTime = 500 * time.Millisecond

func (r *run) kill(victims []Key, now time.Duration) {
	hit := r.strike(victims)
	for _, key := range victims {
		m := r.members[key]
		m.Killed, m.KilledAt = true, now
		if hit[m.PID] && m.firstAt < 0 {
			m.firstAt = now
		}
		if m.struck = hit[m.PID] && !m.held; !m.struck {
			r.signal(m, syscall.SIGKILL, now)
		}
	}
	r.view.LastKill = now
}

// strike lets the target end in one stroke whom it can, of the victims and
// those killed before, and returns who was hit.
func (r *run) strike(victims []Key) map[int]bool {
	whole, ok := r.target.(Whole)
	if !ok {
		return nil
	}
	members := make(map[int]bool, len(victims))
	for _, m := range r.order {
		if !m.gone && m.Killed {
			members[m.PID] = true
		}
	}
	for _, key := range victims {
		members[key.PID] = true
	}
	pids := whole.KillWhole(func(pid int) bool { return members[pid] })
	hit := make(map[int]bool, len(pids))
	for _, pid := range pids {
		hit[pid] = true
	}
	return hit
}

// afterStroke waits for all that were hit by one stroke together. When they
// do not end soon, each gets a SIGKILL of its own: it may have been moved out
// of the way, and who does not die must be known by name.
func (r *run) afterStroke(c *counts, until time.Duration) {
	var struck []*member
	for _, m := range r.order {
		if m.struck && !m.gone {
			struck = append(struck, m)
		}
	}
	if len(struck) == 0 {
		return
	}
	until = min(until, r.kernel.Now()+strokeTime)
	empty := false
	for !empty && r.ctx.Err() == nil && r.kernel.Now() < until {
		empty = r.target.(Whole).Emptied(min(until-r.kernel.Now(), waitSlice))
	}
	now := r.kernel.Now() - r.start
	for _, m := range struck {
		if empty {
			r.lost(m)
		} else {
			m.struck = false
			r.signal(m, syscall.SIGKILL, now)
		}
		if m.gone {
			c.without(m)
		}
	}
}

// back corrects what was believed of a process that is seen again: it was moved
// out of the way of a stroke, or one look could not see it.
func (r *run) back(m *member) {
	if m.gone {
		m.gone, m.tried, m.struck, m.Killed = false, false, false, false
	}
}
