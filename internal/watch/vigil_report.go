package watch

import (
	"context"
	"fmt"
	"time"

	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/finished"
	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/internal/version"
)

// hang is a process that was proven finished and hung.
type hang struct {
	first, last finished.Observation
	compared    finished.Compared
}

// weighLooks puts the looks of now together with the first ones. It returns those
// processes that are proven to hang, and when to look again; the first looks
// it keeps are those of processes that go on waiting for the same.
func weighLooks(first map[proc.Key]finished.Observation, now []finished.Observation, at time.Time, after time.Duration) (hung []hang, again time.Time) {
	again = at.Add(after)
	seen := map[proc.Key]bool{}
	for _, o := range now {
		seen[o.Key] = true
		old, ok := first[o.Key]
		if !ok {
			first[o.Key], again = o, at.Add(finished.Apart)
			continue
		}
		switch compared := finished.Compare(&old, &o); {
		case compared.Hung:
			hung = append(hung, hang{old, o, compared})
		case compared.Over < finished.Apart:
			again = old.At.Add(finished.Apart)
		default:
			first[o.Key] = o
		}
	}
	for key := range first {
		if !seen[key] {
			delete(first, key)
		}
	}
	return hung, again
}

// lookedClosely takes the result of a close look.
func (s *Service) lookedClosely(ctx context.Context, j *running, ended []finished.Observation, now time.Time) {
	s.vigil.looking = false
	hung, again := weighLooks(j.ended, ended, now, s.vigil.rules.After)
	j.lookAt = again
	if s.Verbose {
		s.Log(fmt.Sprintf("job %d is quiet for %s: %d processes have finished, %d hang", j.job, now.Sub(j.since).Round(time.Second), len(ended), len(hung)))
	}
	if len(hung) == 0 || j.since.IsZero() {
		return
	}
	if j.node.jobs[j.job] != nil {
		// It was told to end in the meantime.
		return
	}
	if !j.told {
		j.told = true
		s.report(ctx, j, hung, now)
		j.done = s.vigil.rules.Action != config.Terminate || s.observes()
	}
	wait := s.vigil.rules.TerminateAfter
	due, ripe := j.hungSince.Add(wait), ripeOf(hung, wait)
	switch {
	case j.done:
	case !j.hungSince.IsZero() && now.Before(due):
		j.lookAt = due
	case j.hungSince.IsZero(), len(ripe) == 0:
		j.hungSince, j.lookAt = now, now.Add(wait)
	default:
		j.done = true
		s.terminate(ctx, j, ripe, now)
	}
}

// ripeOf returns those that have waited for the same for so long: of one job,
// others may have begun to hang only now.
func ripeOf(hung []hang, wait time.Duration) []hang {
	var ripe []hang
	for _, h := range hung {
		if h.compared.Over >= wait {
			ripe = append(ripe, h)
		}
	}
	return ripe
}

// hangRecord describes a job that hangs.
func (s *Service) hangRecord(j *running, hung []hang, now time.Time, action string) forensics.Record {
	h := hung[0]
	f := h.last.Finding
	hang := &forensics.Hang{
		Text: f.Words(fmt.Sprintf("job %d", j.job)) + " " + h.compared.Words(), Kind: string(f.Kind), PID: h.last.Key.PID, Python: f.Python,
		Pace: string(h.compared.Pace), Quiet: now.Sub(j.since), Apart: h.compared.Over, Grounds: f.Grounds, Others: len(hung) - 1, Action: action,
	}
	for _, w := range f.Waits {
		hang.Waits = append(hang.Waits, w.String())
	}
	return forensics.Record{
		Time: now, Hook: "watch", Release: version.Version, Mode: string(s.Mode()), Config: s.Source, Cluster: j.node.Cluster,
		Node: j.node.Node, Job: j.job, UID: int64(j.crew.job.UID), SLUID: j.crew.job.SLUID, Verdict: forensics.Finished, Hang: hang,
	}
}

// report writes it down and tells the user once.
func (s *Service) report(ctx context.Context, j *running, hung []hang, now time.Time) {
	action := "reported"
	if s.observes() || off() {
		action = "observed"
	}
	record := s.hangRecord(j, hung, now, action)
	question := j.question()
	s.working++
	go func() {
		if action == "reported" {
			if err := controller.Tell(ctx, question, "lastcall: "+record.Hang.Text); err != nil {
				record.Warn("the user could not be told: " + err.Error())
			} else {
				record.Hang.Told = true
			}
		}
		s.do(func() { s.write(&record, false) })
	}()
}
