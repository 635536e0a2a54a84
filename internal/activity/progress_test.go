package activity

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastcall/internal/proc"
)

var moment = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// sample is a process that has done something before, changed by change.
func sample(pid int, change func(*Sample)) Sample {
	s := Sample{
		Key: proc.Key{PID: pid, Start: 7}, Comm: "saver", At: moment, Term: proc.DispositionCaught,
		CPU: time.Second, IO: proc.IO{ReadCalls: 10, WrittenCalls: 20, ReadDevice: 30, WrittenPages: 40},
		Threads: 2, Looked: true, TCP: 100,
	}
	if change != nil {
		change(&s)
	}
	return s
}

func TestProgress(t *testing.T) {
	later := func(after time.Duration, change func(*Sample)) Sample {
		return sample(1, func(s *Sample) {
			s.At = moment.Add(after)
			if change != nil {
				change(s)
			}
		})
	}
	tests := map[string]struct {
		before, after []Sample
		want          map[Change]uint64
	}{
		"nothing": {[]Sample{sample(1, nil)}, []Sample{later(time.Second, nil)}, nil},
		"a look at a flag": {
			[]Sample{sample(1, nil)}, []Sample{later(time.Second, func(s *Sample) { s.CPU += 20 * time.Millisecond })}, nil,
		},
		"work": {
			[]Sample{sample(1, nil)},
			[]Sample{later(time.Second, func(s *Sample) { s.CPU += 21 * time.Millisecond })},
			map[Change]uint64{UsedCPU: 21e6},
		},
		"work in a short interval": {
			[]Sample{sample(1, nil)},
			[]Sample{later(time.Second/4, func(s *Sample) { s.CPU += 6 * time.Millisecond })},
			map[Change]uint64{UsedCPU: 6e6},
		},
		"work in no interval": {
			[]Sample{sample(1, nil)}, []Sample{later(0, func(s *Sample) { s.CPU++ })}, map[Change]uint64{UsedCPU: 1},
		},
		"a clock set back": {
			[]Sample{sample(1, nil)}, []Sample{later(-time.Hour, func(s *Sample) { s.CPU++ })}, map[Change]uint64{UsedCPU: 1},
		},
		"one byte each": {
			[]Sample{sample(1, nil)},
			[]Sample{later(time.Second, func(s *Sample) { s.IO.ReadCalls++; s.IO.WrittenCalls++; s.TCP++ })},
			map[Change]uint64{Read: 1, Written: 1, Network: 1},
		},
		"from and to storage": {
			[]Sample{sample(1, nil)},
			[]Sample{later(time.Second, func(s *Sample) { s.IO.ReadDevice += 512; s.IO.WrittenPages += 4096 })},
			map[Change]uint64{Read: 512, Written: 4096},
		},
		"a counter that wraps": {
			[]Sample{sample(1, func(s *Sample) { s.IO.WrittenCalls = 1<<64 - 1 })},
			[]Sample{later(time.Second, func(s *Sample) { s.IO.WrittenCalls = 4 })},
			map[Change]uint64{Written: 5},
		},
		"a connection that closed": {
			[]Sample{sample(1, nil)}, []Sample{later(time.Second, func(s *Sample) { s.TCP = 0 })}, map[Change]uint64{Network: 1<<64 - 100},
		},
		"TCP needs two looks": {
			[]Sample{sample(1, func(s *Sample) { s.Looked, s.TCP = false, 0 })}, []Sample{later(time.Second, nil)}, nil,
		},
		"start": {nil, []Sample{sample(1, nil)}, map[Change]uint64{Started: 0}},
		"end":   {[]Sample{sample(1, nil)}, nil, map[Change]uint64{Ended: 0}},
		"found dead": {
			[]Sample{sample(1, nil)}, []Sample{{Key: proc.Key{PID: 1, Start: 7}, At: moment, Gone: true}}, map[Change]uint64{Ended: 0},
		},
		"still dead": {
			[]Sample{{Key: proc.Key{PID: 1, Start: 7}, Gone: true}}, []Sample{{Key: proc.Key{PID: 1, Start: 7}, Gone: true}}, nil,
		},
		"dead before, not listed now": {[]Sample{{Key: proc.Key{PID: 1, Start: 7}, Gone: true}}, nil, nil},
		"the same number, another process": {
			[]Sample{sample(1, nil)}, []Sample{sample(1, func(s *Sample) { s.Key.Start = 8 })}, map[Change]uint64{Started: 0, Ended: 0},
		},
		"unreadable": {
			[]Sample{sample(1, nil)}, []Sample{later(time.Second, func(s *Sample) { s.Unreadable = errors.New("no") })}, map[Change]uint64{Unclear: 0},
		},
		"unreadable before": {
			[]Sample{sample(1, func(s *Sample) { s.Unreadable = errors.New("no") })}, []Sample{later(time.Second, nil)}, map[Change]uint64{Unclear: 0},
		},
		"a thread": {
			[]Sample{sample(1, nil)}, []Sample{later(time.Second, func(s *Sample) { s.Threads = 3 })}, map[Change]uint64{Threaded: 3},
		},
		"a handler set": {
			[]Sample{sample(1, nil)},
			[]Sample{later(time.Second, func(s *Sample) { s.Term = proc.DispositionIgnored })},
			map[Change]uint64{NewDuties: 0},
		},
	}
	for name, test := range tests {
		var got map[Change]uint64
		for _, moved := range Progress(test.before, test.after) {
			if got == nil {
				got = map[Change]uint64{}
			}
			got[moved.Change] = moved.Amount
			if moved.Comm != "saver" && moved.Change != Ended {
				t.Errorf("%s: nobody is named in %+v", name, moved)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestIdleNeedsALook(t *testing.T) {
	for name, test := range map[string]struct {
		sample Sample
		want   bool
	}{
		"looked at":     {Sample{Looked: true}, true},
		"not looked at": {Sample{}, false},
		"gone":          {Sample{Gone: true}, true},
		"vetoed":        {Sample{Looked: true, Vetoes: []Veto{{Reason: Device}}}, false},
		"unreadable":    {Sample{Looked: true, Unreadable: errors.New("no")}, false},
	} {
		if got := test.sample.Idle(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
