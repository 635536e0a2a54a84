package watch

import (
	"errors"
	"sort"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/spool"
)

// person is one process of the roster. What does not change is read once.
type person struct {
	stat    proc.Stat
	uid     uint32
	place   cgroup.Place
	mark    slurm.Mark
	title   slurm.Title // of a slurmstepd
	socket  string      // of a slurmstepd: the path it listens at
	isStepd bool
	read    bool    // the environment was read
	above   *person // the slurmstepd it descends from, nil for none; as of the last pass
	pass    uint32
}

func (p *person) key() proc.Key { return p.stat.Key() }

// roster knows who is on the node, as far as it matters to jobs that were
// told to end. One pass over /proc serves all of these jobs.
type roster struct {
	fs     proc.FS
	aside  *aside.Reader
	people map[int]*person
	order  []*person      // the same, by pid
	bored  map[int]uint32 // of no interest until this pass
	pass   uint32
	buffer []byte
	// insiders says that only processes in steps matter: the environments of
	// all others are not read.
	insiders bool
}

// boredom is for how many passes a process that cannot be a job's is not
// looked at again. Whoever got its number meanwhile is seen a little later;
// the look right before a signal asks everybody.
const boredom = 8

func newRoster(fs proc.FS) *roster {
	return &roster{fs: fs, aside: aside.NewReader(fs), people: map[int]*person{}, bored: map[int]uint32{}, buffer: make([]byte, 64<<10)}
}

// errCrowded says that a pass took too long.
var errCrowded = errors.New("there was no time to look at every process of this node")

// take makes one pass. Who is not there any more is forgotten. After an error
// the roster is not whole.
func (r *roster) take(until time.Time) error {
	r.pass++
	var late error
	err := r.fs.EachPID(func(pid int) bool {
		if r.bored[pid] <= r.pass {
			r.visit(pid)
		}
		if !time.Now().Before(until) {
			late = errCrowded
		}
		return late == nil
	})
	if err = errors.Join(err, late); err != nil {
		return err
	}
	for pid, until := range r.bored {
		if until <= r.pass {
			delete(r.bored, pid)
		}
	}
	r.order = r.order[:0]
	for pid, p := range r.people {
		if p.pass != r.pass {
			delete(r.people, pid)
		}
	}
	r.readMarks(until)
	for pid, p := range r.people {
		if p.above = r.findAbove(p); r.boring(p) {
			delete(r.people, pid)
			r.bored[pid] = r.pass + boredom
			continue
		}
		r.order = append(r.order, p)
	}
	sort.Slice(r.order, func(i, j int) bool { return r.order[i].stat.PID < r.order[j].stat.PID })
	return nil
}

// boring says that a process of root's cannot be of any job.
func (r *roster) boring(p *person) bool {
	return p.uid == 0 && p.read && !p.isStepd && p.above == nil && p.mark.Job == 0 && !p.place.InJob()
}

// forget gives back what the passes have gathered: no job is to end.
func (r *roster) forget() {
	r.aside.Close()
	r.aside = aside.NewReader(r.fs)
	r.people, r.bored, r.order = map[int]*person{}, map[int]uint32{}, nil
}

func (r *roster) visit(pid int) {
	stat, err := r.fs.Stat(pid, r.buffer)
	if err != nil || stat.Dead() || pid == 1 {
		return
	}
	if stat.KernelThread() {
		r.bored[pid] = r.pass + boredom
		return
	}
	p := r.people[pid]
	if p == nil || p.key() != stat.Key() {
		p = r.meet(stat)
		r.people[pid] = p
	}
	p.stat, p.pass = stat, r.pass
}

// meet reads what stays true of a process.
func (r *roster) meet(stat proc.Stat) *person {
	p := &person{stat: stat, place: cgroup.Place{UID: -1, Task: -1}}
	status, err := r.fs.Status(stat.PID, r.buffer)
	if err != nil {
		return p
	}
	p.uid = status.UID
	if text, err := r.fs.Cgroup(stat.PID, r.buffer); err == nil {
		p.place = cgroup.PlaceOf(text)
	}
	if p.uid == 0 && stat.Comm == "slurmstepd" {
		r.meetStepd(p)
	}
	return p
}

// readMarks reads the environments that were not read yet, all together and
// with care; who does not let itself be read is asked again in the next pass.
func (r *roster) readMarks(until time.Time) {
	var unread []*person
	var subjects []aside.Subject
	for pid, p := range r.people {
		if r.insiders && !p.place.InJob() && r.findAbove(p) == nil {
			p.read = true
			continue
		}
		if !p.read && !p.isStepd && pid != r.aside.Child() {
			unread = append(unread, p)
			subjects = append(subjects, aside.Subject{PID: pid, Stuck: p.stat.State == 'D'})
		}
	}
	r.aside.Each(subjects, aside.Environ, until, func(i int, text []byte, err error) {
		if err == nil || linux.Gone(err) {
			unread[i].mark, unread[i].read = slurm.ParseMark(text), true
		}
	})
}

// meetStepd reads the title of a slurmstepd, and the socket it serves: a host
// may run several slurmd with the same job, and titles name no node.
func (r *roster) meetStepd(p *person) {
	line, err := r.aside.One(aside.Subject{PID: p.stat.PID}, aside.Arguments, time.Now().Add(lookLimit))
	if err != nil {
		return
	}
	title, ok := slurm.ParseTitle(line)
	if !ok {
		return
	}
	path, err := r.fs.Executable(p.stat.PID)
	if err != nil || !strings.HasPrefix(path[strings.LastIndexByte(path, '/')+1:], "slurmstepd") {
		return
	}
	p.title, p.isStepd = title, true
	p.socket = spool.SocketOf(r.fs, p.stat.PID, title.Job)
}

// findAbove returns the living slurmstepd a process descends from, nil for none.
func (r *roster) findAbove(p *person) *person {
	for pid, steps := p.stat.Parent, 0; pid > 1 && steps < 1000; steps++ {
		parent := r.people[pid]
		if parent == nil {
			return nil
		}
		if parent.isStepd {
			return parent
		}
		pid = parent.stat.Parent
	}
	return nil
}
