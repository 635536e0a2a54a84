package watch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/finished"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// terminate sends SIGTERM to the processes that hang, if nothing speaks
// against it at this very moment. Nothing firmer follows.
func (s *Service) terminate(ctx context.Context, j *running, hung []hang, now time.Time) {
	if off() || s.observes() {
		return
	}
	record := s.hangRecord(j, hung, now, "terminated")
	question, uid, helpers := j.question(), j.crew.job.UID, j.insiders()
	settings := s.Config
	s.working++
	go func() {
		defer s.do(func() { s.write(&record, false) })
		record.Hang.Action = "reported"
		if why := mayTerminate(ctx, question, uid, settings); why != "" {
			record.Warn("it was left alone: " + why)
			return
		}
		l := finished.New(s.fs)
		defer l.Close()
		for _, h := range hung {
			if why := s.signalHung(l, h, helpers); why != "" {
				record.Warn(fmt.Sprintf("process %d was left alone: %s", h.last.Key.PID, why))
				continue
			}
			record.Hang.Action = "terminated"
			record.Counts.Terminated++
		}
		if record.Counts.Terminated == 0 {
			return
		}
		if err := controller.Tell(ctx, question, fmt.Sprintf("lastcall: it was sent SIGTERM %s after it was reported, so that the job goes on", settings.Watch.Finished.TerminateAfter)); err == nil {
			record.Hang.Told = true
		}
	}()
}

// mayTerminate asks the controller whether the job runs, and the configuration
// whether it is left alone; it returns why not.
func mayTerminate(ctx context.Context, q controller.Question, uid uint32, settings config.Config) string {
	ctx, cancel := context.WithTimeout(ctx, settings.Watch.ConfirmTimeout)
	defer cancel()
	answer, err := controller.Ask(ctx, q)
	if err != nil {
		return err.Error()
	}
	record := answer.Record()
	switch {
	case record.State != "RUNNING":
		return "the controller says that the job is " + record.State
	case record.User != uid || uid == 0:
		return fmt.Sprintf("its processes are those of user %d, the job is that of user %d", uid, record.User)
	case uid < settings.Watch.MinUID:
		return fmt.Sprintf("user %d is below min_uid", uid)
	case slices.Contains(settings.Watch.Partitions, record.Partition):
		return "jobs of partition " + record.Partition + " are left alone"
	case settings.Spare.SparesUser(uid, record.UserName):
		return "its user is on the spare list"
	}
	return ""
}

// signalHung looks a last time and sends SIGTERM. It returns why it did not.
func (s *Service) signalHung(l *finished.Looker, h hang, helpers []int) string {
	if slices.Contains(s.Config.Spare.Commands, h.last.Comm) {
		return "its name is on the spare list"
	}
	o := l.Look(h.last.Key, helpers, time.Now().Add(closely))
	if why := whyNotTerm(&h.first, &o); why != "" {
		return why
	}
	if err := s.term(h.last.Key); err != nil {
		return err.Error()
	}
	return ""
}

// whyNotTerm says what speaks against SIGTERM. It is a pure function.
func whyNotTerm(first, now *finished.Observation) string {
	compared := finished.Compare(first, now)
	switch {
	case !compared.Hung:
		return compared.Why
	case !now.Sample.Idle():
		return whyNot(&now.Sample)
	case now.Finding.Kind == finished.Teardown, now.Finding.Kind == finished.ExitHandler:
		return "an exit handler may be saving something"
	}
	return ""
}

// term signals one process: opened first, checked second.
func (s *Service) term(key proc.Key) error {
	fd, err := linux.OpenPidfd(key.PID)
	if err != nil {
		return err
	}
	defer linux.Close(fd)
	if !s.sameProcess(key) {
		return fmt.Errorf("process %d has ended", key.PID)
	}
	return linux.SignalPidfd(fd, linux.SIGTERM)
}

// sameProcess is for other goroutines: it has a buffer of its own.
func (s *Service) sameProcess(key proc.Key) bool {
	stat, err := s.fs.Stat(key.PID, make([]byte, 4096))
	return err == nil && stat.Key() == key && !stat.Dead()
}
