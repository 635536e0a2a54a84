package reaper

import "time"

// wait waits until the ends of processes change what is to be done, or the
// time is over: a thousand ends one by one are not a thousand decisions.
func (r *run) wait(most time.Duration) {
	until := r.kernel.Now() + most
	c := r.count()
	r.afterStroke(&c, until)
	for _, m := range r.order {
		if !m.gone && !m.denied {
			if r.hold(m); m.gone {
				c.without(m)
			}
		}
	}
	// A signal may have found the last of them gone already.
	for !c.decided() {
		gone, err := r.kernel.Wait(r.ctx, until-r.kernel.Now())
		if err != nil {
			r.report.Err = err
		}
		for _, handle := range gone {
			if m, ok := r.handles[handle]; ok {
				c.without(m)
				r.lost(m)
			}
		}
		if err != nil || r.ctx.Err() != nil || r.kernel.Now() >= until {
			break
		}
	}
	r.view.Fresh = false
}

// counts is what a wait looks out for.
type counts struct {
	alive, heeding, first  int
	someHeeding, someFirst bool
}

func (r *run) count() counts {
	var c counts
	for _, m := range r.order {
		if m.gone || m.denied {
			continue
		}
		c.alive++
		if !m.Ignores {
			c.heeding++
		}
		if !m.Last {
			c.first++
		}
	}
	c.someHeeding, c.someFirst = c.heeding > 0, c.first > 0
	return c
}

func (c *counts) without(m *member) {
	c.alive--
	if !m.Ignores {
		c.heeding--
	}
	if !m.Last {
		c.first--
	}
}

// decided says that nobody is left, that all who are left ignore SIGTERM now,
// or that the turn of those marked Last has come.
func (c *counts) decided() bool {
	return c.alive == 0 || c.someHeeding && c.heeding == 0 || c.someFirst && c.first == 0
}
