package controller

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	start := time.Unix(1795000000, 0)
	type step struct {
		at   time.Duration // since the start
		took time.Duration // of the answer
		good bool
		wait time.Duration // from then on
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"one a second", []step{{0, 20 * time.Millisecond, true, 980 * time.Millisecond}, {time.Second, 0, true, time.Second}}},
		{"slow answers double the pause", []step{
			{0, 600 * time.Millisecond, true, 2 * time.Second},
			{3 * time.Second, 600 * time.Millisecond, true, 4 * time.Second},
			{8 * time.Second, 2 * time.Second, false, 8 * time.Second},
		}},
		{"a quick answer ends it", []step{
			{0, 2 * time.Second, false, 2 * time.Second},
			{5 * time.Second, 10 * time.Millisecond, true, 990 * time.Millisecond},
			{10 * time.Second, 2 * time.Second, false, 2 * time.Second},
		}},
		{"a failure that is quick", []step{{0, time.Millisecond, false, 2 * time.Second}}},
	}
	for _, test := range tests {
		var pace Pace
		for i, step := range test.steps {
			now := start.Add(step.at)
			if wait := pace.Wait(now); wait != 0 {
				t.Errorf("%s, %d: not yet for %s", test.name, i, wait)
			}
			pace.Asked(now)
			if wait := pace.Wait(now); wait != every {
				t.Errorf("%s, %d: right after a question %s", test.name, i, wait)
			}
			now = now.Add(step.took)
			pace.Answered(now, step.took, step.good)
			if wait := pace.Wait(now); wait != step.wait {
				t.Errorf("%s, %d: %s, want %s", test.name, i, wait, step.wait)
			}
		}
	}
}

func TestPauseHasAnEnd(t *testing.T) {
	var pace Pace
	now := time.Unix(1795000000, 0)
	for range 100 {
		now = now.Add(pace.Wait(now))
		pace.Asked(now)
		pace.Answered(now, time.Second, false)
	}
	if wait := pace.Wait(now); wait != longest {
		t.Errorf("after many failures %s", wait)
	}
}

// Several questions may be out at a time: the answer to one does not cut the
// pause short that another one earned.
func TestAPauseIsNotCutShort(t *testing.T) {
	var pace Pace
	now := time.Unix(1795000000, 0)
	pace.Asked(now)
	for _, good := range []bool{false, false, false, true, false} {
		pace.Answered(now, time.Millisecond, good)
	}
	if wait := pace.Wait(now); wait != 8*time.Second {
		t.Errorf("%s, want 8s", wait)
	}
}

func TestDelay(t *testing.T) {
	tests := []struct {
		nodes int
		share float64
		want  time.Duration
	}{
		{1, 0, 0},
		{1, 0.5, 50 * time.Millisecond},
		{0, 0.5, 50 * time.Millisecond},
		{101, 0.5, 550 * time.Millisecond},
		{1 << 30, 0.5, 10 * time.Second},
	}
	for _, test := range tests {
		var pace Pace
		if got := pace.Delay(test.nodes, test.share); got != test.want {
			t.Errorf("%d nodes, %v: %s, want %s", test.nodes, test.share, got, test.want)
		}
	}
}
