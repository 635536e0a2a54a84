package watch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/controller"
	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/slurmd"
	"lastcall/internal/stuck"
	"lastcall/internal/version"
	"lastcall/pkg/locks"
)

const (
	// lookAgain is the time between two looks whether processes that did not
	// die are gone.
	lookAgain = 2 * time.Second
	// askAgain is the time between two questions whether the node is drained.
	askAgain = 10 * time.Second
	// mostAsked bounds these questions: no drain came.
	mostAsked = 30
	// probeTime is how long a file system may take to answer.
	probeTime = 5 * time.Second
)

// waits says whether a node waits for processes that did not die.
func (s *Service) waits() bool {
	for _, n := range s.nodes {
		if len(n.held) > 0 {
			return true
		}
	}
	return false
}

// tend looks after the nodes on which processes did not die.
func (s *Service) tend(ctx context.Context, now time.Time) {
	s.tended = now
	for _, n := range s.nodes {
		if len(n.held) == 0 || n.recovery.asking || now.Before(n.recovery.next) {
			continue
		}
		n.recovery.next = now.Add(lookAgain)
		if n.stillServes() {
			continue
		}
		gone := s.allGone(n)
		switch {
		case !n.recovery.seen && n.recovery.asked >= mostAsked:
			if gone {
				n.release()
			}
		case !n.recovery.seen || gone:
			s.askNode(ctx, n, gone)
		}
	}
}

// stillServes says whether Slurm has not given one of the jobs up yet.
func (n *node) stillServes() bool {
	for id := range n.held {
		if n.jobs[id] != nil {
			return true
		}
	}
	return false
}

// release forgets the processes that did not die.
func (n *node) release() {
	n.held, n.recovery = map[uint32]*held{}, recovery{}
}

func (s *Service) allGone(n *node) bool {
	for _, h := range n.held {
		if s.finder.Gone(h.keys) < len(h.keys) {
			return false
		}
	}
	return true
}

// askNode asks what the controller thinks of a node, and when all is gone
// whether its file systems answer, in a goroutine of its own.
func (s *Service) askNode(ctx context.Context, n *node, gone bool) {
	n.recovery.asking = true
	n.recovery.asked++
	f := s.facts(n, gone)
	folders, before := n.folders(newFinder(s.fs).Own()), n.allLocks()
	instance, seen := n.Instance, n.recovery.seen
	s.working++
	go func() {
		answer, err := controller.AskNode(ctx, instance.Scontrol, instance.Conf, instance.Node)
		f.Now = answer
		if err == nil && gone && seen {
			f.Answers = silentOf(folders)
			f.LocksFree = locksFree(s.fs, before)
			// What took its time may have changed it.
			if answer, err = controller.AskNode(ctx, instance.Scontrol, instance.Conf, instance.Node); err == nil {
				f.Now = answer
			}
			f.Off = off()
			if why := MayResume(f); err == nil && why == "" && !s.observes() {
				err = s.resume(ctx, instance)
			}
		}
		s.do(func() { s.nodeAnswered(n, f, err) })
	}()
}

// facts gathers what is known before the controller is asked.
func (s *Service) facts(n *node, gone bool) Facts {
	f := Facts{
		Allowed: s.Config.OnUnkillable.Resume, Drain: n.recovery.drain, Jobs: map[uint32]bool{}, Gone: gone,
		Today: s.resumes(n.Instance), Most: s.Config.OnUnkillable.ResumesPerDay,
	}
	for id, h := range n.held {
		f.Jobs[id] = true
		if f.Since.IsZero() || h.since.Before(f.Since) {
			f.Since = h.since
		}
	}
	return f
}

// folders are where the file systems in question are mounted. The service may
// see other mounts than the rest of the node (ProtectHome= of systemd): then it
// asks where init sees them.
func (n *node) folders(own []cause.Mount) []string {
	var list []string
	for _, h := range n.held {
		for _, mount := range h.mounts {
			folder := mount.Point
			if !cause.ByPath(own, folder).Same(mount) {
				folder = "/proc/1/root" + folder
			}
			list = append(list, folder)
		}
	}
	return list
}

func (n *node) allLocks() []locks.Held {
	var list []locks.Held
	for _, h := range n.held {
		list = append(list, h.locks...)
	}
	return list
}

// silentOf returns the first of the folders whose file system does not answer.
func silentOf(folders []string) string {
	for _, folder := range folders {
		// One that is still stuck in the question has the answer.
		if aside.Reap() > 0 || aside.Answers(folder, time.Now().Add(probeTime)) != nil {
			return folder
		}
	}
	return ""
}

// locksFree says whether nobody of those that are gone holds a lock any more.
// Whoever has it now got it in the meantime.
func locksFree(fs proc.FS, before []locks.Held) bool {
	var keys []proc.Key
	for _, one := range before {
		for _, holder := range one.Holders {
			keys = append(keys, holder.Key)
		}
	}
	fates, whole, err := locks.Look(fs, before, keys, time.Now().Add(lookLimit))
	for _, fate := range fates {
		if fate.State == locks.HeldByJob || fate.State == locks.HeldUnknown && fate.Held.Lock.Kind != locks.POSIX {
			return false
		}
	}
	return whole && err == nil
}

// nodeAnswered takes what the controller said.
func (s *Service) nodeAnswered(n *node, f Facts, err error) {
	r := &n.recovery
	r.asking = false
	r.next = time.Now().Add(lookAgain)
	switch {
	case err != nil:
		s.say(n, err.Error())
		r.next = time.Now().Add(askAgain)
	case !r.seen && notOurs(f) == "":
		r.seen, r.drain = true, f.Now
		s.tell(n, f, forensics.Drained, "")
		r.next = time.Now()
	case !r.seen && f.Now.Drained():
		s.Log("node " + n.Node + " is left as it is: " + notOurs(f))
		n.release()
	case !r.seen:
		r.next = time.Now().Add(askAgain)
		if f.Gone && r.asked > 3 {
			n.release()
		}
	default:
		s.decided(n, f)
	}
}

// decided writes down whether a node was resumed.
func (s *Service) decided(n *node, f Facts) {
	why := MayResume(f)
	// Only what may change by itself is waited for, and only if nothing else
	// keeps the node drained anyway.
	well := f
	well.Answers, well.LocksFree = "", true
	temporary := why != MayResume(well)
	if temporary {
		n.recovery.next = time.Now().Add(askAgain)
	}
	switch {
	case why == "" && s.observes():
		s.tell(n, f, forensics.Observed, "it would be resumed now")
	case why == "":
		s.tell(n, f, forensics.Resumed, "")
	case temporary && n.recovery.lastWhy != why:
		n.recovery.lastWhy = why
		s.Log("node " + n.Node + " is not resumed yet: " + why)
		return
	case temporary:
		return
	default:
		s.tell(n, f, forensics.LeftDrained, why)
	}
	n.release()
}

// tell writes a record about the node: one for each job whose processes did
// not die.
func (s *Service) tell(n *node, f Facts, verdict forensics.Verdict, why string) {
	for _, h := range n.held {
		record := h.start
		record.Time, record.Hook, record.Release, record.Mode, record.Config = time.Now(), "watch", version.Version, string(s.Mode()), s.Source
		record.Verdict = verdict
		record.Warn(fmt.Sprintf("node %s: drained with %q by %s", n.Node, f.Now.Reason, f.Now.By))
		if why != "" {
			record.Warn(why)
		}
		s.write(&record, false)
	}
}

// resumesPath names the file with the times at which a node was resumed.
func (s *Service) resumesPath(n slurmd.Instance) string {
	return filepath.Dir(s.Notes) + "/resumed." + n.Cluster + "." + n.Node
}

// resumes counts how often the node was resumed within a day. What cannot be
// read counts as too often.
func (s *Service) resumes(n slurmd.Instance) int {
	if s.Notes == "" {
		return 0
	}
	text, err := os.ReadFile(s.resumesPath(n))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		s.Log(err.Error())
		return 1 << 20
	}
	count := 0
	for line := range strings.Lines(string(text)) {
		at, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err == nil && time.Since(time.Unix(at, 0)) < 24*time.Hour {
			count++
		}
	}
	return count
}

// resume has the controller give the node back. That is noted first: what
// cannot be counted has no limit.
func (s *Service) resume(ctx context.Context, n slurmd.Instance) error {
	if err := s.noteResume(n); err != nil {
		return fmt.Errorf("node %s is not resumed, which could not be noted: %w", n.Node, err)
	}
	return controller.Resume(ctx, n.Scontrol, n.Conf, n.Node)
}

func (s *Service) noteResume(n slurmd.Instance) error {
	if s.Notes == "" {
		return nil
	}
	path := s.resumesPath(n)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, time.Now().Unix())
	return errors.Join(err, file.Close())
}

// newFinder returns what asks only things that never block.
func newFinder(fs proc.FS) *stuck.Examiner { return stuck.New(fs, nil) }
