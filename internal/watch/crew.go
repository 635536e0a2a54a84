package watch

import (
	"path/filepath"

	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// crew is who belongs to one job on one node, as the roster shows it. It says
// whom to look at; whom to signal is proven again by package claim.
type crew struct {
	job     slurm.Job
	user    uint32 // the job's as a slurmstepd proves it, now or before; 0 if none did
	stepds  map[proc.Key]bool
	beside  map[proc.Key]bool // slurmstepd of the same job id on another node of this host
	groups  map[int]bool      // process groups of the tasks
	inside  []*person         // in the steps
	outside []*person         // of the job, but not in the steps any more
	hooks   []*person         // a TaskEpilog at work
	unread  *person           // of the user and perhaps of the job: it could not be asked
	nodes   int               // how many nodes the job has, as far as its processes say
	off     bool              // LASTCALL_WATCH=off
}

// crewOf finds the processes of the job: spool is the folder with the sockets
// of the node's slurmstepd, and the job's UID what an earlier look proved.
func (r *roster) crewOf(job slurm.Job, spool string) crew {
	c := crew{job: job, user: job.UID, stepds: map[proc.Key]bool{}, beside: map[proc.Key]bool{}, groups: map[int]bool{}}
	for _, p := range r.order {
		if !p.isStepd || p.title.Job != job.ID {
			continue
		}
		if filepath.Dir(p.socket) != spool {
			c.beside[p.key()] = true
			continue
		}
		c.stepds[p.key()] = true
		if c.job.SLUID == "" {
			c.job.SLUID = p.place.SLUID
		}
	}
	c.job.UID = c.userOf(r)
	member := map[proc.Key]bool{}
	for _, p := range r.order {
		c.place(p, member)
	}
	c.addKin(r.order, member)
	return c
}

// userOf finds the job's user by the cgroup of its slurmstepd, else by the
// processes below it, else it is who it was proven to be before. Else all
// processes in the job's groups have to be one user's: once its tasks have
// ended their children are below init. Root's do not tell: before Slurm 25.05
// the extern step keeps one of root's in every job.
func (c *crew) userOf(r *roster) uint32 {
	inGroups, several := uint32(0), false
	for _, p := range r.order {
		switch {
		case c.stepds[p.key()] && p.place.UID >= 0:
			c.user = uint32(p.place.UID)
			return c.user
		case p.above != nil && c.stepds[p.above.key()] && p.uid != 0:
			c.user = p.uid
			return c.user
		case p.above == nil && !p.isStepd && !p.place.Stepd && p.uid != 0 && len(c.stepds) > 0 && p.place.Belongs(c.job):
			several = several || inGroups != 0 && inGroups != p.uid
			inGroups = p.uid
		}
	}
	if c.user != 0 || several {
		return c.user
	}
	return inGroups
}

// place sorts one process in by its cgroup, its slurmstepd and its mark.
func (c *crew) place(p *person, member map[proc.Key]bool) {
	above := p.above
	below := above != nil && c.stepds[above.key()]
	inGroup := p.place.Belongs(c.job) && len(c.stepds) > 0
	switch {
	case p.isStepd:
		return
	case (below || inGroup) && (p.place.Stepd || p.mark.Script == "epilog_task" || p.stat.Comm == "slurmstepd"):
		c.hooks = append(c.hooks, p)
		return
	case below, inGroup && above == nil:
		c.inside = append(c.inside, p)
		c.groups[p.stat.Group] = c.groups[p.stat.Group] || below && p.stat.Parent == above.stat.PID
	case above != nil || p.uid != c.job.UID:
		return
	case p.read && c.names(p.mark):
		c.outside = append(c.outside, p)
	case !p.read && !p.place.InJob():
		c.unread = p
		return
	default:
		return
	}
	member[p.key()] = true
	c.off = c.off || p.mark.WatchOff
	c.nodes = max(c.nodes, p.mark.Nodes)
}

// names says whether a mark is this job's on this node.
func (c *crew) names(mark slurm.Mark) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return c.job.Names(mark.Job) && !differ(mark.Node, c.job.Node) && !differ(mark.Cluster, c.job.Cluster)
}

// addKin adds the user's processes that descend from the job's, or share a
// session with them, though their environment is gone.
func (c *crew) addKin(people []*person, member map[proc.Key]bool) {
	pids, sessions := map[int]bool{}, map[int]bool{}
	note := func(list []*person) {
		for _, p := range list {
			pids[p.stat.PID], sessions[p.stat.Session] = true, true
		}
	}
	note(c.inside)
	note(c.outside)
	for changed := true; changed; {
		changed = false
		for _, p := range people {
			if member[p.key()] || p.isStepd || p.uid != c.job.UID || p.mark.Job != 0 || p.place.InJob() {
				continue
			}
			if pids[p.stat.Parent] || sessions[p.stat.Session] && p.stat.Session > 1 {
				member[p.key()], changed = true, true
				c.outside = append(c.outside, p)
				note([]*person{p})
			}
		}
	}
}

// all returns everyone whose work may not be cut short.
func (c *crew) all() []*person {
	return append(append([]*person(nil), c.inside...), c.outside...)
}

// helpers are the slurmstepd: a pipe that ends there does not leave the job.
func (c *crew) helpers() []int {
	var pids []int
	for key := range c.stepds {
		pids = append(pids, key.PID)
	}
	return pids
}
