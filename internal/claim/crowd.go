package claim

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
)

const (
	// Crowd is how many processes in the job's groups make a crowd.
	Crowd = 256
	// sample is how many processes of a crowd are read like any other.
	sample = 32
)

// crowd is how a look deals with a crowd. The list of a group of the job
// proves each process on it, so of a crowd only some, spread over all of it,
// are read in full. If each of these is the job's, by its group and with
// nothing against it, so are the others; else they are read too.
type crowd struct {
	every int      // each one of so many is read in full, 0 if there is no crowd
	met   int      // so far
	brief []*known // those of which no more is read for now
}

func (c crowd) is() bool { return c.every > 0 }

// member is a process on a list of the job's groups.
type member struct {
	place *cgroup.Place // where that list says it is, nil if it has to be asked
	// Of a crowd, what was read of it ahead.
	read  bool
	stat  proc.Stat
	owner uint32
	err   error
}

// readers is how many processes of a crowd are read at once at most.
const readers = 4

// readCrowd reads ahead of the pass who is in the crowd. Nothing that can hang
// is read, and who is left out is read by the pass.
func (s *Scanner) readCrowd(l *look, until time.Time) {
	if len(s.facts) == 0 {
		s.Aside.Begin() // it gets ready meanwhile
	}
	pids := make([]int, 0, len(l.members))
	for pid := range l.members {
		pids = append(pids, pid)
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(readers, runtime.GOMAXPROCS(0)) {
		all.Add(1)
		go func() {
			defer all.Done()
			// A mistake ends the reading here; the pass meets it again where
			// it is written down.
			defer func() { _ = recover() }()
			buffer := make([]byte, 1024)
			for time.Now().Before(until) {
				at := int(next.Add(1)) - 1
				if at >= len(pids) {
					return
				}
				one := l.members[pids[at]]
				one.stat, one.owner, one.err = s.FS.StatOwner(pids[at], buffer)
				one.read = true
			}
		}()
	}
	all.Wait()
}

// list notes who is in a group. Below one of version 2 that is the job's on
// this node, the folder tells the place of all that are on its list.
func (s *Scanner) list(l *look, group cgroup.Group, until time.Time) bool {
	last := ""
	var place *cgroup.Place
	return cgroup.EachMember(group, until, func(folder string, pid int) {
		if folder != last {
			last, place = folder, nil
			if p := cgroup.PlaceOfFolder(folder); group.Version == 2 && p.Belongs(s.Scope.Job) && !p.Stepd {
				place = &p
			}
		}
		l.members[pid] = &member{place: place}
	})
}

// crowdOf says whether a crowd is in the job's groups, and every how many of
// it one is read in full. A hook that ends a part of a job, or that is inside
// the job itself, has to know each process better.
func (s *Scanner) crowdOf(l *look) crowd {
	whole := s.Scope.Step == "" && s.Scope.Task < 0 && !s.Scope.InJob && s.Scope.Ending == nil
	if len(l.members) <= Crowd || !whole || !s.Rules.Cgroup || s.Rules.SpareUser != nil {
		return crowd{}
	}
	return crowd{every: len(l.members) / sample}
}

// meetBrief notes one of a crowd; nil for one that must be read in full. A list
// holds numbers: it proves only who had the number before it was read.
func (s *Scanner) meetBrief(l *look, stat proc.Stat, owner uint32) *known {
	listed := l.members[stat.PID]
	if listed == nil || !l.crowd.is() || listed.place == nil || isSlurmName(stat.Comm) || stat.Start >= l.listedAt {
		return nil
	}
	l.crowd.met++
	if l.crowd.met%l.crowd.every == 0 {
		return nil
	}
	record := &known{facts: Facts{Stat: stat, UID: owner, Place: *listed.place}, brief: true}
	record.facts.Listed = s.listed(record.facts)
	record.status.UID = owner
	if s.Rules.Dispositions {
		status, err := s.FS.Status(stat.PID, s.buffer)
		if err != nil {
			l.missed(err)
			return nil
		}
		record.status, record.facts.UID = status, status.UID
	}
	s.facts[stat.Key()] = record
	l.crowd.brief = append(l.crowd.brief, record)
	return record
}

// uniform says whether all who were read in full are the job's by their group,
// with nothing that speaks against it.
func (s *Scanner) uniform(l *look) bool {
	if s.stepdOf(l) {
		return false
	}
	sampled := 0
	for _, pid := range l.order {
		record := l.records[pid]
		if l.members[pid] == nil || record.brief {
			continue
		}
		facts := record.facts
		facts.Member = true
		if s.allowed(Judge(s.Scope, facts)).Evidence != ByCgroup {
			return false
		}
		sampled++
	}
	return sampled > 0
}

// complete turns those of a crowd into processes like any other.
func (s *Scanner) complete(l *look) {
	for _, record := range l.crowd.brief {
		record.brief = false
		status, err := s.FS.Status(record.facts.Stat.PID, s.buffer)
		if err != nil {
			l.missed(err)
			record.facts.Unread = true
			continue
		}
		record.status, record.facts.UID = status, status.UID
	}
	l.crowd.brief = nil
}

// contains says whether a crowd is all there is: everything of the job's user
// is in the job's groups of version 2, and nothing vanished while it was read.
// What a process starts is where the process is, and only root moves it
// (cgroup-v2.rst, "Organizing Processes and Threads"). So when the kernel
// counts nobody in these groups any more, nobody is left, and to go through
// the remains of the crowd in /proc would show nothing else.
func (s *Scanner) contains(l *look) bool {
	if !l.crowd.is() || l.restless || l.unread != nil || s.Scope.Job.UID == 0 || s.stepdOf(l) {
		return false
	}
	for _, group := range s.groups {
		if group.Version != 2 {
			return false
		}
	}
	for _, pid := range l.order {
		r := l.relatives[pid]
		claimed := r.verdict.Evidence != NoEvidence || r.verdict.Reason != NoReason
		if !r.facts.Member && !s.parents[pid] && (claimed || r.facts.UID == s.Scope.Job.UID) {
			return false
		}
	}
	return true
}
