package watch

import (
	"errors"
	"slices"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/slurm/slurmd"
	"lastcall/internal/slurm/spool"
)

// node is one slurmd of this host with its spool folder.
type node struct {
	slurmd.Instance
	folder   int          // number of its watch, -1 for none
	lock     *linux.Flock // nil while another service has the folder
	jobs     map[uint32]*job
	held     map[uint32]*held // processes that did not die, by job
	recovery recovery
	dirty    bool   // something happened in the folder
	orders   bool   // cred_state was written
	said     string // the last line about it in the service's log
	fresh    bool   // nothing was read of it yet
}

// tells says whether Slurm has sent SIGTERM to a process when the order came:
// proctrack/cgroup sends it to the children of slurmstepd alone, unless
// SignalChildrenProcesses is set (proctrack_cgroup.c, proctrack_p_signal);
// linuxproc to everything below it, pgid to the process group of the task.
func (n *node) tells(p *person, c *crew) bool {
	below := p.above != nil && c.stepds[p.above.key()]
	switch {
	case n.Proctrack == "pgid":
		return c.groups[p.stat.Group]
	case n.Proctrack == "linuxproc", n.SignalsChildren:
		return below
	}
	return below && p.stat.Parent == p.above.stat.PID
}

// take tries to become the one service that serves the folder.
func (n *node) take(notify *linux.Notify) error {
	if n.lock == nil {
		lock, err := linux.TryFlock(n.SpoolDir)
		if err != nil {
			return err
		}
		n.lock, n.fresh = lock, true
	}
	if n.folder < 0 {
		folder, err := notify.Watch(n.SpoolDir, linux.NotifyCreated|linux.NotifyDeleted|linux.NotifyMovedTo|linux.NotifySelfGone|linux.NotifySelfMoved)
		if err != nil {
			return err
		}
		n.folder, n.dirty = folder, true
	}
	return nil
}

// leave gives the folder up: it is gone, or was replaced.
func (n *node) leave() {
	n.folder = -1
	if n.lock != nil {
		n.lock.Close()
		n.lock = nil
	}
}

// refresh reads which steps live and which jobs are to end. It returns the
// jobs whose steps are gone.
func (n *node) refresh(now time.Time) (over []*job, err error) {
	steps, err := spool.Steps(n.SpoolDir, n.Node)
	if err != nil {
		return nil, err
	}
	live := map[uint32][]spool.Step{}
	for _, step := range steps {
		live[step.Job] = append(live[step.Job], step)
	}
	for id, j := range n.jobs {
		if len(live[id]) == 0 {
			delete(n.jobs, id)
			over = append(over, j)
		} else if n.orders && j.doubted {
			delete(n.jobs, id)
		}
	}
	if len(live) > 0 {
		n.findOrders(live, now)
	}
	n.fresh = false
	return over, nil
}

// findOrders adds the jobs that slurmd was told to end. Where the format of
// cred_state is not known every job may be one, after each time it is
// written: the controller has the last word in any case.
func (n *node) findOrders(live map[uint32][]spool.Step, now time.Time) {
	state, err := spool.ReadState(n.SpoolDir)
	unknown := errors.Is(err, spool.ErrFormat)
	if err != nil && !unknown {
		// It is being written at this moment, and the folder will tell again.
		return
	}
	for id, steps := range live {
		if n.jobs[id] != nil || unknown && !n.orders && !n.fresh || !unknown && !n.ordered(state, id, steps) {
			continue
		}
		j := newJob(n, id, now)
		j.inherited = n.fresh
		n.jobs[id] = j
	}
	n.orders = false
}

// ordered says whether slurmd was told to end the run these steps are of. The
// times of sockets are asked only where some run of the job is to end.
func (n *node) ordered(state spool.State, job uint32, steps []spool.Step) bool {
	ending := func(c spool.Credential) bool { return c.Job == job && c.Ending() }
	if !slices.ContainsFunc(state.Jobs, ending) {
		return false
	}
	for _, step := range steps {
		started, err := spool.Started(n.SpoolDir, step)
		if err != nil || !state.Ending(step.Job, started) {
			return false
		}
	}
	return true
}

// runs says whether a job has a step on this node.
func (n *node) runs(job uint32) bool {
	steps, err := spool.Steps(n.SpoolDir, n.Node)
	for _, step := range steps {
		if step.Job == job {
			return true
		}
	}
	return err != nil
}
