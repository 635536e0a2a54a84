package watch

import (
	"errors"
	"strings"
	"testing"
	"time"

	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/slurmd"
)

// answer is what the controller says of job 77 of user 1000.
func answer(change func(*controller.Record)) controller.Answer {
	record := controller.Record{Job: 77, State: "COMPLETING", Nodes: "n1", User: 1000, UserName: "ada", Partition: "main"}
	change(&record)
	return controller.Answer{Job: 77, Records: []controller.Record{record}}
}

func TestJudge(t *testing.T) {
	same := func(*controller.Record) {}
	component := answer(func(r *controller.Record) { r.HetLeader, r.HetOffset = 76, 1 })
	tests := []struct {
		name    string
		answer  controller.Answer
		err     error
		ends    bool
		refused string // for good
		why     string // for now
	}{
		{name: "over, and this is the last node", answer: answer(same), ends: true},
		{name: "no answer", err: controller.ErrLate, why: "no clear answer"},
		{name: "it runs", answer: answer(func(r *controller.Record) { r.State = "RUNNING" }), refused: "not over: RUNNING"},
		{name: "it is suspended", answer: answer(func(r *controller.Record) { r.State = "SUSPENDED" }), refused: "not over: SUSPENDED"},
		{name: "the next run waits", answer: answer(func(r *controller.Record) { r.State = "PENDING" }), refused: "not over: PENDING"},
		{name: "other nodes too", answer: answer(func(r *controller.Record) { r.Nodes = "n[1-2]" }), why: "other nodes"},
		{name: "other nodes only", answer: answer(func(r *controller.Record) { r.Nodes = "n2" }), why: "other nodes"},
		{name: "another user's", answer: answer(func(r *controller.Record) { r.User = 1001 }), refused: "not those of the job's user 1001"},
		{name: "a partition that is left alone", answer: answer(func(r *controller.Record) { r.Partition = "debug" }), refused: "partition debug"},
		{name: "a user on the spare list", answer: answer(func(r *controller.Record) { r.UserName = "bea" }), refused: "user 1000 is on the spare list"},
		{name: "a component of a het job alone", answer: component},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &Service{Config: config.Default()}
			s.Config.Watch.Partitions = []string{"debug"}
			s.Config.Spare.Users = []string{"bea"}
			j := newJob(&node{Instance: slurmd.Instance{Node: "n1"}}, 77, time.Now())
			j.crew.job = slurm.Job{ID: 77, UID: 1000}
			j.asking = true
			s.judge(j, test.answer, test.err, time.Now())
			if (j.answer != nil) != test.ends || j.asking {
				t.Errorf("may be ended: %v", j.answer != nil)
			}
			if !strings.Contains(j.refused, test.refused) || (j.refused == "") != (test.refused == "") {
				t.Errorf("refused: %q, want %q", j.refused, test.refused)
			}
			if !strings.Contains(j.clock.Why, test.why) {
				t.Errorf("left for now: %q, want %q", j.clock.Why, test.why)
			}
			if test.why != "" && !j.notBefore.After(time.Now()) {
				t.Error("the next question may be asked at once")
			}
			if test.answer.Leader() != 0 && j.leader != 76 {
				t.Errorf("the leader to ask for is %d", j.leader)
			}
		})
	}
}

func TestMinUID(t *testing.T) {
	s := &Service{Config: config.Default()}
	s.Config.Watch.MinUID = 1001
	j := newJob(&node{Instance: slurmd.Instance{Node: "n1"}}, 77, time.Now())
	j.crew.job = slurm.Job{ID: 77, UID: 1000}
	s.judge(j, answer(func(*controller.Record) {}), nil, time.Now())
	if j.answer != nil || !strings.Contains(j.refused, "below min_uid") {
		t.Errorf("%+v", j)
	}
}

// Without an answer the questions get rarer.
func TestAnswersThatDoNotCome(t *testing.T) {
	s := &Service{Config: config.Default()}
	j := newJob(&node{}, 77, time.Now())
	now, last := time.Now(), time.Duration(0)
	for range 8 {
		j.asked++
		s.judge(j, controller.Answer{}, errors.New("x"), now)
		pause := j.notBefore.Sub(now)
		if pause < last || pause < time.Second || pause > time.Minute {
			t.Errorf("after %d questions the pause is %s, before it was %s", j.asked, pause, last)
		}
		last = pause
	}
	if last < 10*time.Second {
		t.Errorf("after 8 questions in vain the pause is only %s", last)
	}
}

// The components of a het job that are on one node end together.
func TestOthersReady(t *testing.T) {
	both := controller.Answer{Job: 77, Records: []controller.Record{{Job: 77}, {Job: 78}}}
	tests := []struct {
		name  string
		other func(n *node)
		want  bool
	}{
		{"the other is not here", func(*node) {}, true},
		{"the other is idle too", func(n *node) { n.jobs[78] = &job{id: 78, rule: Idle} }, true},
		{"the other is being ended", func(n *node) { n.jobs[78] = &job{id: 78, ending: true} }, true},
		{"the other works", func(n *node) { n.jobs[78] = &job{id: 78} }, false},
	}
	for _, test := range tests {
		n := folder(t, told(), "77.0")
		j := newJob(n, 77, time.Now())
		j.answer, n.jobs[77] = &both, j
		test.other(n)
		if got := (&Service{}).othersReady(j); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
	n := folder(t, told(), "77.0", "78.0")
	j := newJob(n, 77, time.Now())
	j.answer = &both
	if (&Service{}).othersReady(j) {
		t.Error("the other has a step here that was not told to end")
	}
}
