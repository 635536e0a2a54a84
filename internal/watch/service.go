package watch

import (
	"context"
	"errors"
	"os"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/aside"
	"lastcall/internal/config"
	"lastcall/internal/controller"
	"lastcall/internal/hook"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/slurmd"
	"lastcall/internal/slurm/spool"
	"lastcall/internal/stuck"
)

// Service is the node service.
type Service struct {
	Config  config.Config
	Source  string            // path of the configuration, for the record
	Log     func(text string) // one line for the service's own log
	Only    string            // serve only the slurmds with this slurm.conf; "" for all of the host
	Verbose bool              // log every look
	Notes   string            // folder for notes to users
	Alive   func()            // called at least once a minute while all is well; may be nil

	fs      proc.FS
	notify  *linux.Notify
	nodes   map[string]*node // by spool folder
	roster  *roster
	finder  *stuck.Examiner
	tended  time.Time
	reader  *activity.Reader
	vigil   *vigil
	pace    controller.Pace
	asking  bool
	results chan func()
	working int // questions and ends that are under way
	next    time.Time
	settled time.Time // when events were last gathered
	checked time.Time
	swept   time.Time
}

// New returns a service that has not looked at anything yet.
func New(settings config.Config, source string, log func(text string)) (*Service, error) {
	notify, err := linux.NewNotify()
	if err != nil {
		return nil, err
	}
	s := &Service{
		Config: settings, Source: source, Log: log, fs: proc.Default, notify: notify,
		nodes: map[string]*node{}, finder: newFinder(proc.Default), roster: newRoster(proc.Default), reader: activity.New(proc.Default),
		vigil: newVigil(proc.Default, settings.Watch.Finished), results: make(chan func(), 64),
	}
	return s, nil
}

// Run serves until ctx is done. It returns nil then: whatever it was doing is
// either done or left to Slurm.
func (s *Service) Run(ctx context.Context) error {
	defer s.notify.Close()
	stop := context.AfterFunc(ctx, s.notify.Wake)
	defer stop()
	for ctx.Err() == nil {
		s.attend(time.Now())
		happened, err := s.notify.Wait(s.pause(time.Now()))
		if err != nil {
			return err
		}
		if happened {
			time.Sleep(s.settling(time.Now()))
		}
		if err := s.notify.Drain(s.event); err != nil {
			return err
		}
		s.collect()
		s.follow(ctx, time.Now())
		s.tend(ctx, time.Now())
		s.keepVigil(ctx, time.Now())
	}
	s.finish()
	return nil
}

// settling is how long events are gathered: most jobs end by themselves within
// moments, and one look serves them all. A look that is due does not wait.
func (s *Service) settling(now time.Time) time.Duration {
	pause := calm
	if now.Sub(s.settled) < hurry {
		pause = crowded
	}
	if s.busy() > 0 {
		pause = min(pause, max(s.next.Sub(now), 0))
	}
	s.settled = now.Add(pause)
	return pause
}

// busy counts the jobs that were told to end.
func (s *Service) busy() int {
	n := 0
	for _, node := range s.nodes {
		n += len(node.jobs)
	}
	return n
}

// pause is how long nothing needs to be done.
func (s *Service) pause(now time.Time) time.Duration {
	for _, n := range s.nodes {
		if n.dirty && n.folder >= 0 {
			return 0
		}
	}
	until := s.checked.Add(s.rhythm())
	if s.busy() > 0 && s.next.Before(until) {
		until = s.next
	}
	if next := s.tended.Add(lookAgain); s.waits() && next.Before(until) {
		until = next
	}
	if due := s.vigil.due(); !due.IsZero() && due.Before(until) && len(s.nodes) > 0 {
		until = due
	}
	return max(until.Sub(now), 0)
}

// rhythm is how often the slurmds are looked after.
func (s *Service) rhythm() time.Duration {
	for _, n := range s.nodes {
		if n.lock == nil {
			return search
		}
	}
	if len(s.nodes) == 0 {
		return search
	}
	return pulse
}

// event notes what happened in a spool folder.
func (s *Service) event(e linux.Event) {
	if e.Lost() {
		for _, n := range s.nodes {
			n.dirty, n.orders = true, true
		}
		return
	}
	for _, n := range s.nodes {
		if n.folder != e.Folder {
			continue
		}
		n.dirty = true
		if e.FolderGone() {
			n.leave()
			s.checked = time.Time{}
		} else if e.Name == spool.StateFile {
			n.orders = true
		}
	}
}

// attend keeps the list of slurmds true, now and then.
func (s *Service) attend(now time.Time) {
	if now.Sub(s.checked) < s.rhythm() {
		return
	}
	s.checked = now
	if s.Alive != nil {
		s.Alive()
	}
	aside.Reap()
	alive := len(s.nodes) > 0
	for _, n := range s.nodes {
		alive = alive && n.folder >= 0 && s.same(n.Key)
	}
	if !alive || now.Sub(s.swept) >= sweep {
		s.swept = now
		s.discover()
	}
	for spool, n := range s.nodes {
		err := n.take(s.notify)
		switch {
		case errors.Is(err, linux.ErrLocked):
			s.say(n, "another lastcall watch serves "+spool+"; waiting in case it ends")
		case linux.Gone(err):
			n.leave()
			delete(s.nodes, spool)
		case err != nil:
			s.say(n, err.Error())
		}
	}
}

// same says whether a process is still the same one.
func (s *Service) same(key proc.Key) bool {
	stat, err := s.fs.Stat(key.PID, s.roster.buffer)
	return err == nil && stat.Key() == key
}

// discover finds the slurmds of this host. A folder whose slurmd is gone is
// kept: its steps may live on, and slurmd comes back.
func (s *Service) discover() {
	name, err := os.Hostname()
	if err != nil {
		s.Log(err.Error())
	}
	instances, troubles := slurmd.Host{Proc: s.fs, Name: name}.Find()
	for _, trouble := range troubles {
		s.Log(trouble.Error())
	}
	for _, instance := range instances {
		if s.Only != "" && s.Only != instance.Conf {
			continue
		}
		if n := s.nodes[instance.SpoolDir]; n != nil {
			n.Instance = instance
			continue
		}
		s.nodes[instance.SpoolDir] = &node{Instance: instance, folder: -1, jobs: map[uint32]*job{}, held: map[uint32]*held{}}
		s.Log("serving node " + instance.Node + " of cluster " + instance.Cluster + ", " + instance.SpoolDir)
	}
}

// say logs a line about a node once, until it says something else.
func (s *Service) say(n *node, text string) {
	if n.said != text {
		n.said = text
		s.Log(text)
	}
}

// follow reads what has changed and looks at the jobs when it is time.
func (s *Service) follow(ctx context.Context, now time.Time) {
	had := s.busy()
	for _, n := range s.nodes {
		if !n.dirty || n.folder < 0 {
			continue
		}
		n.dirty = false
		if n.fresh {
			s.sweepNotes(n)
		}
		over, err := n.refresh(now)
		if err != nil && !linux.Gone(err) {
			s.Log(err.Error())
		}
		for _, j := range over {
			s.close(j, now)
		}
	}
	switch {
	case s.busy() == 0 && had > 0:
		s.roster.forget()
		s.reader.Forget()
	case s.busy() > 0 && had == 0:
		// Most are gone before it is worth a look at the whole node.
		s.next = now.Add(calm)
	case s.busy() > 0 && !now.Before(s.next):
		s.look(ctx, now)
	}
}

// look looks at every job that was told to end, and acts.
func (s *Service) look(ctx context.Context, now time.Time) {
	if err := s.roster.take(now.Add(lookLimit)); err != nil {
		// Who was not seen may be at work: nothing is decided.
		s.Log(err.Error())
		s.next = now.Add(s.interval(now, time.Since(now)))
		return
	}
	for _, n := range s.nodes {
		for _, j := range n.jobs {
			s.seeStuck(j, time.Now())
			if j.ending || j.ended != nil || j.refused != "" {
				continue
			}
			j.see(s.roster, s.reader, time.Now())
			j.rule = s.rules().Ready(j.clock, j.look)
			if s.Verbose {
				s.Log(j.String())
			}
		}
	}
	s.actOn(ctx, time.Now())
	s.next = now.Add(s.interval(now, time.Since(now)))
}

// interval is how long after a look that took so long the next one is due.
// slurmd itself looks every ten seconds only after the first ten: then there is
// no hurry, but for the moments around its SIGKILL.
func (s *Service) interval(now time.Time, took time.Duration) time.Duration {
	for _, n := range s.nodes {
		for _, j := range n.jobs {
			if now.Sub(j.ordered) < slurmdHurries || j.nearKill(now) {
				return max(soon, hurriedShare*took)
			}
		}
	}
	return max(later, share*took)
}

func (s *Service) rules() Rules {
	idle := s.Config.Watch.IdleGrace
	return Rules{IdleGrace: idle, IgnoredGrace: s.Config.Watch.IgnoredGrace}
}

// off says whether lastcall is switched off on this node.
func off() bool { return linux.Exists(hook.OffSwitch) }
