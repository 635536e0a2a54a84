package python

import (
	"errors"
	"testing"
)

func TestSettle(t *testing.T) {
	inner := Frame{Function: "inner", File: "a.py", address: 1}
	module := Frame{Function: "<module>", File: "a.py", address: 2}
	stale := Frame{Function: "_shutdown", File: "/usr/lib/python3.11/threading.py", address: 3}
	for name, one := range map[string]struct {
		frames []Frame
		base   *Frame
		wrong  error
		still  bool
		whole  bool
		outer  string // "" if it is not certain
	}{
		"asleep":                            {[]Frame{inner, module}, &module, nil, true, true, "<module>"},
		"asleep, on a stack of another one": {[]Frame{inner}, &module, nil, true, true, "inner"},
		"asleep, not readable":              {[]Frame{inner}, &module, errTorn, true, false, "<module>"},
		"asleep without frames":             {nil, &stale, nil, true, true, ""},
		"running, all of it":                {[]Frame{inner, module}, &module, nil, false, true, "<module>"},
		"running, a part of it":             {[]Frame{inner}, &module, nil, false, false, "<module>"},
		"running, led astray":               {[]Frame{inner, stale}, &module, nil, false, false, "<module>"},
		"running, not readable":             {[]Frame{inner, module}, nil, errTorn, false, false, ""},
		"running without frames":            {nil, &stale, nil, false, false, ""},
		"before 3.11, all of it":            {[]Frame{inner, module}, nil, nil, false, true, "<module>"},
		"before 3.11, a part of it":         {[]Frame{inner}, nil, nil, false, false, ""},
	} {
		s := state{Thread: Thread{Frames: one.frames, Base: one.base}, wrong: one.wrong}
		s.settle(one.still)
		outer := ""
		if f := s.Outermost(); f != nil {
			outer = f.Function
		}
		if s.Whole != one.whole || s.Still != one.still || outer != one.outer {
			t.Errorf("%s: whole %v, outermost %q", name, s.Whole, outer)
		}
	}
}

// What an earlier try has found out is kept, of the very same thread only.
func TestKeep(t *testing.T) {
	torn := errors.New("torn")
	whole := func(tid int) *state {
		return &state{Thread: Thread{TID: tid, Whole: true, Managed: true, Name: "one", Daemon: Yes}, address: 8, object: 9}
	}
	part := func(tid int) *state { return &state{Thread: Thread{TID: tid}, address: 8, wrong: torn} }
	best := map[uint64]*state{}
	if open := keep(best, []*state{part(7)}); open != 1 {
		t.Errorf("%d are open, want 1", open)
	}
	if open := keep(best, []*state{whole(7)}); open != 0 {
		t.Errorf("%d are open, want 0", open)
	}
	all := []*state{part(7)}
	if open := keep(best, all); open != 0 || !all[0].Whole || all[0].Name != "one" {
		t.Errorf("%d are open, %+v", open, all[0])
	}
	all = []*state{part(8)}
	if open := keep(best, all); open != 1 || all[0].Whole || all[0].Name != "" {
		t.Errorf("another thread: %d are open, %+v", open, all[0])
	}
	if open := keep(best, []*state{part(0)}); open != 0 {
		t.Errorf("who is not alive is waited for: %d", open)
	}
	best = map[uint64]*state{}
	named := part(7)
	named.Managed, named.Name, named.Daemon = true, "one", No
	keep(best, []*state{named})
	all = []*state{part(7)}
	if open := keep(best, all); open != 1 || !all[0].Managed || all[0].Name != "one" || all[0].Daemon != No {
		t.Errorf("%d are open, %+v", open, all[0])
	}
}
