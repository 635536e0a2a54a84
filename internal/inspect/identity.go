package inspect

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/spool"
)

// identity is what the node itself tells of a job.
type identity struct {
	job    slurm.Job
	stepds map[proc.Key]bool
}

// helpers are the pids of the slurmstepd.
func (i identity) helpers() []int {
	var pids []int
	for key := range i.stepds {
		pids = append(pids, key.PID)
	}
	return pids
}

// search goes through the processes for those that name a job.
type search struct {
	fs     proc.FS
	id     uint32
	buffer []byte
	stepds map[proc.Key]served
	places map[string]int64 // by node, the user by the cgroup of a process, or whose it is
	runs   map[string]int64 // by SLUID, the user of a process in a group of that name
	others []aside.Subject  // processes of users in no group of the job
	owners []uint32         // real user of each of these
}

// served is what a slurmstepd of the job serves, as far as that can be seen.
type served struct {
	node  string
	sluid string // of the run, from Slurm 26.05 with version 2
}

// identify looks for the job's slurmstepd and its user: by the cgroups, by who
// runs in them, and at last by what processes say of themselves. A host may
// run the nodes of several clusters, whose jobs have the same numbers: node
// tells which is meant, "" for the only one.
func identify(fs proc.FS, id uint32, node string) (identity, error) {
	s := search{fs: fs, id: id, buffer: make([]byte, 64<<10), stepds: map[proc.Key]served{}, places: map[string]int64{}, runs: map[string]int64{}}
	if err := fs.EachPID(func(pid int) bool { s.visit(pid); return true }); err != nil {
		return identity{}, err
	}
	if node == "" {
		nodes := s.nodes()
		if len(nodes) > 1 {
			return identity{}, fmt.Errorf("job %d is on several nodes of this host, %s: say which with -node", id, strings.Join(nodes, ", "))
		}
		if len(nodes) == 1 {
			node = nodes[0]
		}
	}
	who := identity{job: slurm.Job{ID: id, Node: node, Restarts: -1, UID: uint32(os.Getuid())}, stepds: map[proc.Key]bool{}}
	for key, serves := range s.stepds {
		if serves.node == "" || node == "" || serves.node == node {
			who.stepds[key] = true
			who.job.SLUID = max(who.job.SLUID, serves.sluid) // "" says nothing
		}
	}
	uid, ok := s.runs[who.job.SLUID]
	if !ok {
		uid, ok = s.places[node]
	}
	if !ok {
		uid, ok = s.places[""]
	}
	if !ok {
		uid, ok = s.marked(node)
	}
	if ok {
		who.job.UID = uint32(uid)
	}
	return who, nil
}

// marked returns the user of a process that names the job in its environment.
func (s *search) marked(node string) (uid int64, ok bool) {
	reader := aside.NewReader(s.fs)
	defer reader.Close()
	reader.Each(s.others, aside.Environ, time.Now().Add(limit), func(i int, environ []byte, err error) {
		mark := slurm.ParseMark(environ)
		if !ok && err == nil && mark.Job == s.id && (node == "" || mark.Node == "" || mark.Node == node) {
			uid, ok = int64(s.owners[i]), true
		}
	})
	return uid, ok
}

// nodes lists the nodes whose groups or slurmstepd name the job.
func (s *search) nodes() []string {
	seen := map[string]bool{}
	for _, serves := range s.stepds {
		seen[serves.node] = true
	}
	for node := range s.places {
		seen[node] = true
	}
	delete(seen, "")
	var list []string
	for node := range seen {
		list = append(list, node)
	}
	slices.Sort(list)
	return list
}

func (s *search) visit(pid int) {
	stat, err := s.fs.Stat(pid, s.buffer)
	if err != nil || stat.KernelThread() || stat.Dead() {
		return
	}
	status, err := s.fs.Status(pid, s.buffer)
	if err != nil {
		return
	}
	text, _ := s.fs.Cgroup(pid, s.buffer)
	place := cgroup.PlaceOf(text)
	if stat.Comm == "slurmstepd" && status.UID == 0 {
		s.visitStepd(stat, place)
	}
	switch {
	case place.Job == s.id && place.UID >= 0:
		s.places[place.Node] = place.UID
	case place.Job == s.id && !place.Stepd && status.UID != 0:
		if _, ok := s.places[place.Node]; !ok {
			s.places[place.Node] = int64(status.UID)
		}
	case place.SLUID != "" && !place.Stepd && status.UID != 0:
		s.runs[place.SLUID] = int64(status.UID)
	case status.UID != 0:
		s.others = append(s.others, aside.Subject{PID: pid, Stuck: stat.State == 'D'})
		s.owners = append(s.owners, status.UID)
	}
}

// visitStepd notes a slurmstepd of the job with its node: by its socket, which
// only root sees, or by its cgroup. That names the run too, where it does not
// name the job.
func (s *search) visitStepd(stat proc.Stat, place cgroup.Place) {
	line, _ := s.fs.CommandLine(stat.PID, s.buffer[:256])
	title, ok := slurm.ParseTitle(line)
	if !ok || title.Job != s.id {
		return
	}
	node := spool.NodeOf(spool.SocketOf(s.fs, stat.PID, s.id), s.id)
	if node == "" {
		node = place.Node
	}
	s.stepds[stat.Key()] = served{node, place.SLUID}
}
