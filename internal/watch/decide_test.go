package watch

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var asShipped = Rules{IdleGrace: 5 * time.Second, IgnoredGrace: time.Second}

// looks plays looks half a second apart and returns the rule of the last.
func looks(rules Rules, list ...Look) Rule {
	clock, rule := NewClock(), NoRule
	for i, l := range list {
		l.Now = time.Duration(i) * 500 * time.Millisecond
		clock = clock.After(l)
		rule = rules.Ready(clock, l)
	}
	return rule
}

func times(n int, l Look) []Look {
	var list []Look
	for range n {
		list = append(list, l)
	}
	return list
}

func TestReady(t *testing.T) {
	deaf := Look{InSteps: 2, All: 2, Ignoring: 2}
	idle := Look{InSteps: 2, All: 2, Ignoring: 1, Untold: 1}
	moved, vetoed := idle, idle
	moved.Moved, vetoed.Vetoes = []string{"7 wrote"}, []string{"7 is in a file system"}
	deafMoved, deafVetoed := deaf, deaf
	deafMoved.Moved, deafVetoed.Vetoes = moved.Moved, vetoed.Vetoes
	escaped := Look{InSteps: 2, All: 3, Ignoring: 2}
	gone := Look{All: 1, Ignoring: 1}
	never := Rules{IdleGrace: -1, IgnoredGrace: time.Second}
	tests := []struct {
		name  string
		rules Rules
		looks []Look
		want  Rule
	}{
		{"one look proves nothing", asShipped, times(1, deaf), NoRule},
		{"all ignore, still for half a second", asShipped, times(2, deaf), NoRule},
		{"all ignore, still for a second", asShipped, times(3, deaf), Ignored},
		{"all ignore, but one moves", asShipped, append(times(5, deaf), deafMoved), NoRule},
		{"all ignore, one moved a second ago", asShipped, append([]Look{deaf, deafMoved}, times(2, deaf)...), Ignored},
		{"all ignore, but one writes to a file system that waits", asShipped, times(9, deafVetoed), NoRule},
		{"one heeds: not by the short rule", asShipped, times(10, idle), NoRule},
		{"idle for five seconds", asShipped, times(11, idle), Idle},
		{"idle, but it moved three seconds ago", asShipped, append(append(times(10, idle), moved), times(6, idle)...), NoRule},
		{"idle again for five seconds", asShipped, append(append(times(10, idle), moved), times(10, idle)...), Idle},
		{"a veto starts the wait anew", asShipped, append(append(times(10, idle), vetoed), times(10, idle)...), NoRule},
		{"a veto now", asShipped, append(times(20, idle), vetoed), NoRule},
		{"idle is off", never, times(100, idle), NoRule},
		{"idle is off, all ignore", never, times(3, deaf), Ignored},
		{"one that left the steps heeds", asShipped, times(4, escaped), NoRule},
		{"nobody is in the steps any more", asShipped, times(50, gone), NoRule},
	}
	for _, test := range tests {
		if got := looks(test.rules, test.looks...); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// Whatever is seen: nothing that moved or had a veto within the grace is ever
// called ready.
func TestReadyNeverEndsWhatMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := Rules{
			IdleGrace:    time.Duration(rapid.IntRange(-1, 20).Draw(t, "idle")) * 500 * time.Millisecond,
			IgnoredGrace: time.Duration(rapid.IntRange(1, 6).Draw(t, "ignored")) * 500 * time.Millisecond,
		}
		clock, lastMove := NewClock(), time.Duration(0)
		for i := range rapid.IntRange(1, 60).Draw(t, "looks") {
			l := Look{Now: time.Duration(i) * 500 * time.Millisecond, InSteps: rapid.IntRange(0, 2).Draw(t, "in")}
			l.All = l.InSteps + rapid.IntRange(0, 1).Draw(t, "out")
			l.Ignoring = rapid.IntRange(0, l.All).Draw(t, "deaf")
			if rapid.Bool().Draw(t, "moved") {
				l.Moved = []string{"x"}
			}
			if rapid.IntRange(0, 9).Draw(t, "veto") == 0 {
				l.Vetoes = []string{"x"}
			}
			if i == 0 || len(l.Moved)+len(l.Vetoes) > 0 {
				lastMove = l.Now
			}
			clock = clock.After(l)
			rule, quiet := rules.Ready(clock, l), l.Now-lastMove
			switch {
			case rule != NoRule && (l.InSteps == 0 || len(l.Vetoes) > 0):
				t.Fatalf("ready by %s: %+v", rule, l)
			case rule == Ignored && (quiet < rules.IgnoredGrace || l.Ignoring < l.All):
				t.Fatalf("ready by ignored after %s: %+v", quiet, l)
			case rule == Idle && (quiet < rules.IdleGrace || rules.IdleGrace < 0):
				t.Fatalf("ready by idle after %s: %+v", quiet, l)
			}
		}
	})
}
