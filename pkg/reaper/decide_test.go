package reaper

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var ladder = Ladder{Grace: 2 * time.Second, IgnoredGrace: time.Second, Settle: 2 * time.Second, Deadline: 10 * time.Second}

func alive(pid int, change ...func(*Member)) Member {
	m := Member{Survivor: Survivor{Key: Key{PID: pid, Start: 1}}}
	for _, c := range change {
		c(&m)
	}
	return m
}

func asked(m *Member)   { m.Asked = true }
func ignores(m *Member) { m.Ignores = true }
func told(m *Member)    { m.Told = true }
func last(m *Member)    { m.Last = true }
func stopped(m *Member) { m.Stopped = true }

func killedAt(at time.Duration) func(*Member) {
	return func(m *Member) { m.Killed, m.KilledAt = true, at }
}

func pids(list ...int) []Key {
	var result []Key
	for _, pid := range list {
		result = append(result, Key{PID: pid, Start: 1})
	}
	return result
}

func TestDecide(t *testing.T) {
	const s = time.Second
	never := time.Duration(-1)
	noGrace := ladder
	noGrace.Grace = 0
	tests := []struct {
		name   string
		ladder Ladder
		view   View
		want   Action
	}{
		{"nobody was there", ladder, View{FirstAsk: never, LastKill: never, Fresh: true, Looks: 1, Quiet: 1}, Action{Done: true}},
		{"nobody left is proven by a look", ladder, View{FirstAsk: 0, LastKill: never, Looks: 1}, Action{Look: true}},
		{"a set that grew needs two quiet looks", ladder, View{Fresh: true, Looks: 2, Quiet: 1, Grew: true}, Action{Look: true}},
		{"processes vanished under the reader", ladder, View{Fresh: true, Looks: 1, Quiet: 1, Restless: 1}, Action{Look: true}},
		{"looks that fail again and again", ladder, View{Fresh: true, Looks: 4, Failed: failedLooks}, Action{Done: true}},
		{"a look that fails once", ladder, View{Fresh: true, Looks: 1, Failed: 1}, Action{Look: true}},
		{"but not for ever", ladder, View{Fresh: true, Looks: 40, Quiet: 40, Restless: restlessLooks}, Action{Done: true}},
		{
			"everybody is asked at first", ladder,
			View{FirstAsk: never, LastKill: never, Fresh: true, Looks: 1, Alive: []Member{alive(7), alive(8, ignores)}},
			Action{Ask: pids(7, 8), Wait: 2 * s},
		},
		{
			"whom somebody else has asked is not asked again", ladder,
			View{FirstAsk: never, LastKill: never, Fresh: true, Looks: 1, Alive: []Member{alive(7), alive(8, told)}},
			Action{Ask: pids(7), Wait: 2 * s},
		},
		{
			"all were asked by somebody else: no grace of ours", ladder,
			View{FirstAsk: never, LastKill: never, Fresh: true, Looks: 1, Alive: []Member{alive(8, told)}},
			Action{Kill: pids(8), Firm: "everybody was asked to end before", Wait: 2 * s},
		},
		{
			"nobody is asked twice", ladder,
			View{Now: s / 2, FirstAsk: 0, LastKill: never, Alive: []Member{alive(7, asked), alive(9)}},
			Action{Ask: pids(9), Wait: s * 3 / 2},
		},
		{
			"all ignore: a shorter grace", ladder,
			View{Now: s / 2, FirstAsk: 0, LastKill: never, Alive: []Member{alive(7, asked, ignores)}},
			Action{Wait: s / 2},
		},
		{
			"one of them heeds: the whole grace", ladder,
			View{Now: s, FirstAsk: 0, LastKill: never, Alive: []Member{alive(7, asked, ignores), alive(8, asked)}},
			Action{Wait: s},
		},
		{
			"grace over: look before anything firm", ladder,
			View{Now: 2 * s, FirstAsk: 0, LastKill: never, Looks: 1, Alive: []Member{alive(7, asked)}},
			Action{Look: true},
		},
		{
			"grace over and looked: kill", ladder,
			View{Now: 2 * s, FirstAsk: 0, LastKill: never, Looks: 2, Quiet: 1, Fresh: true, Alive: []Member{alive(7, asked)}},
			Action{Kill: pids(7), Wait: 2 * s, Firm: "grace is over"},
		},
		{
			"no grace: kill at once, without SIGTERM", noGrace,
			View{FirstAsk: never, LastKill: never, Fresh: true, Looks: 1, Alive: []Member{alive(7)}},
			Action{Kill: pids(7), Wait: 2 * s, Firm: "no grace configured"},
		},
		{
			"a set that grows is stopped first", noGrace,
			View{FirstAsk: never, LastKill: 0, Firm: true, Fresh: true, Looks: 2, Grew: true, Alive: []Member{alive(7, killedAt(0)), alive(8)}},
			Action{Stop: pids(8), Look: true},
		},
		{
			"one quiet look is not yet quiet", noGrace,
			View{FirstAsk: never, LastKill: 0, Firm: true, Fresh: true, Looks: 3, Quiet: 1, Grew: true, Alive: []Member{alive(8, stopped)}},
			Action{Look: true},
		},
		{
			"quiet: kill all that is stopped", noGrace,
			View{FirstAsk: never, LastKill: 0, Firm: true, Fresh: true, Looks: 4, Quiet: 2, Grew: true, Alive: []Member{alive(8, stopped), alive(9, stopped)}},
			Action{Kill: pids(8, 9), Wait: 2 * s},
		},
		{
			"a set that never is quiet is killed all the same", noGrace,
			View{FirstAsk: never, LastKill: 0, Firm: true, Fresh: true, Firmly: stopLooks, Looks: 90, Grew: true, Alive: []Member{alive(8)}},
			Action{Kill: pids(8), Wait: 2 * s},
		},
		{
			"the server of a file system waits for its users", ladder,
			View{FirstAsk: never, LastKill: never, Fresh: true, Looks: 1, Alive: []Member{alive(7), alive(8, last)}},
			Action{Ask: pids(7), Wait: 2 * s},
		},
		{
			"its users are gone: the server's turn", ladder,
			View{Now: s, FirstAsk: 0, LastKill: never, Looks: 1, Alive: []Member{alive(8, last)}},
			Action{Ask: pids(8), Wait: s},
		},
		{
			"its user is stuck: the server may be what it waits for", ladder,
			View{Now: 5 * s, FirstAsk: 0, LastKill: 2 * s, Firm: true, Fresh: true, Looks: 3, Quiet: 2, Alive: []Member{alive(7, killedAt(2*s)), alive(8, last)}},
			Action{Ask: pids(8), Wait: s},
		},
		{
			"the server was asked by somebody else", ladder,
			View{Now: 5 * s, FirstAsk: 0, LastKill: 2 * s, Firm: true, Fresh: true, Looks: 3, Quiet: 2, Alive: []Member{alive(8, last, told)}},
			Action{Kill: pids(8), Wait: 2 * s},
		},
		{
			"the server was asked", ladder,
			View{Now: 6 * s, FirstAsk: 0, LastKill: 2 * s, Firm: true, Fresh: true, Looks: 4, Quiet: 3, Alive: []Member{alive(7, killedAt(2*s)), alive(8, last, asked)}},
			Action{Kill: pids(8), Wait: 2 * s},
		},
		{
			"without a grace the server is not asked either", noGrace,
			View{Now: 5 * s, FirstAsk: never, LastKill: 2 * s, Firm: true, Fresh: true, Looks: 3, Quiet: 2, Alive: []Member{alive(8, last)}},
			Action{Kill: pids(8), Wait: 2 * s},
		},
		{
			"killed: wait for it", ladder,
			View{Now: 3 * s, FirstAsk: 0, LastKill: 2 * s, Firm: true, Alive: []Member{alive(7, killedAt(2*s))}},
			Action{Wait: s},
		},
		{
			"unkillable is not waited for", ladder,
			View{Now: 4 * s, FirstAsk: 0, LastKill: 2 * s, Firm: true, Alive: []Member{alive(7, killedAt(2*s))}},
			Action{Done: true},
		},
		{
			"no wait beyond the deadline", ladder,
			View{Now: 9500 * time.Millisecond, FirstAsk: 9 * s, LastKill: never, Alive: []Member{alive(7, asked)}},
			Action{Wait: s / 2},
		},
		{
			"at the deadline nobody stays stopped", ladder,
			View{Now: 10 * s, Firm: true, Alive: []Member{alive(7, stopped), alive(8)}},
			Action{Kill: pids(7), Done: true},
		},
		{
			"cut short: the same", ladder,
			View{Now: s, Cut: true, Alive: []Member{alive(7, stopped), alive(8, asked)}},
			Action{Kill: pids(7), Done: true},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Decide(test.ladder, test.view)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
