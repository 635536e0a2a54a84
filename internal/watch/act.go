package watch

import (
	"context"
	"math/rand/v2"
	"sort"
	"strconv"
	"time"

	"lastcall/internal/config"
	"lastcall/internal/controller"
)

// fresh is how long an answer of the controller counts.
const fresh = 3 * time.Second

// actOn does what is next for the jobs that are ready, those that wait
// longest first: questions are rare.
func (s *Service) actOn(ctx context.Context, now time.Time) {
	var ready []*job
	for _, n := range s.nodes {
		for _, j := range n.jobs {
			if j.rule != NoRule && j.refused == "" && !j.asking && !j.ending && j.ended == nil {
				ready = append(ready, j)
			}
		}
	}
	sort.Slice(ready, func(a, b int) bool { return ready[a].ordered.Before(ready[b].ordered) })
	for _, j := range ready {
		s.act(ctx, j, now)
	}
}

func (s *Service) act(ctx context.Context, j *job, now time.Time) {
	switch {
	case off():
		j.clock = Clock{Still: -1, Why: "lastcall is switched off on this node"}
	case j.answer == nil || now.Sub(j.answered) > fresh:
		if !now.Before(j.notBefore) {
			s.ask(ctx, j, now)
		}
	case s.othersReady(j):
		s.end(j)
	}
}

// ask puts one question to the controller, in a goroutine of its own.
func (s *Service) ask(ctx context.Context, j *job, now time.Time) {
	if s.asking || s.pace.Wait(now) > 0 {
		return
	}
	s.asking, j.asking = true, true
	j.asked++
	delay := s.pace.Delay(j.crew.nodes, rand.Float64())
	s.pace.Asked(now.Add(delay))
	question := controller.Question{Scontrol: j.node.Scontrol, Conf: j.node.Conf, Job: j.id, Leader: j.leader}
	limit := s.Config.Watch.ConfirmTimeout
	s.working++
	go func() {
		time.Sleep(delay)
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		answer, err := controller.Ask(ctx, question)
		s.do(func() {
			s.asking = false
			s.pace.Answered(time.Now(), answer.Took, err == nil)
			s.judge(j, answer, err, time.Now())
		})
	}()
}

// judge draws the conclusions from an answer, or from its lack.
func (s *Service) judge(j *job, answer controller.Answer, err error, now time.Time) {
	j.asking, j.answer = false, nil
	record := answer.Record()
	// What an answer allows is done at once: slurmd looks only now and then.
	s.next = now
	switch {
	case err != nil:
		j.clock.Why = "the controller gave no clear answer: " + err.Error()
		j.notBefore = now.Add(min(time.Second<<min(j.asked, 5), 30*time.Second))
	case answer.Leader() != 0:
		j.leader = answer.Leader()
	case !answer.Over():
		j.refused, j.doubted = "the controller says that the job is not over: "+record.State, true
	case !answer.LastNode(j.node.Node):
		j.clock.Why = "other nodes of the job are still at work: " + record.Nodes
		j.notBefore = now.Add(again(j.crew.nodes))
	default:
		if j.refused = s.leaves(j, record); j.refused == "" {
			j.answer, j.answered = &answer, now
		}
	}
}

// leaves says why the site, or doubt, leaves a job to Slurm for good.
func (s *Service) leaves(j *job, record controller.Record) string {
	watch := s.Config.Watch
	user := "user " + strconv.FormatUint(uint64(record.User), 10)
	switch {
	case record.User != j.crew.job.UID:
		return "its processes are not those of the job's " + user
	case record.User < watch.MinUID:
		return user + " is below min_uid"
	case s.Config.Spare.SparesUser(record.User, record.UserName):
		return user + " is on the spare list"
	}
	for _, partition := range watch.Partitions {
		if partition == record.Partition {
			return "jobs of partition " + partition + " are left to Slurm"
		}
	}
	return ""
}

// again is how long to wait before the next question about a job that other
// nodes are still busy with: all of its nodes may be asking.
func again(nodes int) time.Duration {
	return min(2*time.Second+time.Duration(nodes)*50*time.Millisecond, 30*time.Second)
}

// othersReady says whether the other components of a het job that have steps
// on this node may end too.
func (s *Service) othersReady(j *job) bool {
	for _, component := range j.answer.Records {
		other := j.node.jobs[component.Job]
		if component.Job == j.id || other == nil && !j.node.runs(component.Job) {
			continue
		}
		if other == nil || other.rule == NoRule && !other.ending && other.ended == nil {
			j.clock.Why = "component " + strconv.FormatUint(uint64(component.Job), 10) + " of the het job is still at work here"
			return false
		}
	}
	return true
}

// Mode says what the service does: act, or only write down what it would do.
func (s *Service) Mode() config.Mode {
	if s.observes() {
		return config.Observe
	}
	return config.Enforce
}

// observes says whether the site only wants to look.
func (s *Service) observes() bool {
	return s.Config.Mode == config.Observe || s.Config.Watch.Mode == config.Observe
}
