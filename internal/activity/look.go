package activity

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// The most threads and descriptors of one process that are read. A process
// with more is unreadable: it is better left alone than looked at for long.
const (
	maxThreads     = 8192
	maxDescriptors = 8192
)

// A program that looks at a flag now and then is caught awake now and then, on
// a busy node for as long as it waits for a processor. It is given maxNaps
// times the length of nap to fall asleep again, all threads of a job together.
// What it uses meanwhile counts, and IdleCPU is the limit.
const (
	maxNaps = 10
	nap     = time.Millisecond
)

var errCrowd = errors.New("it has too many threads or descriptors to read them all")

// process is a sample under the full look.
type process struct {
	sample      *Sample
	folder      string // below the proc file system: PID, or PID/task/TID where the leader has exited
	namespace   string // the link of its network namespace
	calls       []call
	descriptors []descriptor
	waitsOnAny  bool
	waitsOn     []int // descriptors
	children    []int // read only if a thread waits for one
}

// Look completes samples of one job that Sample has just made: threads,
// descriptors, sockets, and all vetoes. helpers are further processes that
// count as inside the job without being judged, its slurmstepds: a pipe or
// socket that ends there is inside. What there is no time for is unreadable.
func (r *Reader) Look(samples []Sample, helpers []int, until time.Time) {
	w := &world{
		reader: r, until: until, held: map[end]holder{}, inside: map[int]bool{}, launchers: map[int]bool{},
		search: map[bool]*search{},
	}
	r.naps = maxNaps
	processes := make([]*process, 0, len(samples))
	for i := range samples {
		s := &samples[i]
		if s.Gone || s.Unreadable != nil {
			continue
		}
		s.Looked = true
		p := &process{sample: s, folder: strconv.Itoa(s.Key.PID)}
		w.inside[s.Key.PID] = true
		w.launchers[s.Key.PID] = s.Comm == srun
		processes = append(processes, p)
		if err := r.read(p, until); err != nil {
			s.unreadable(err)
		}
		w.add(p.descriptors, holder{})
	}
	for _, pid := range helpers {
		if !w.inside[pid] {
			w.inside[pid] = true
			found, _ := r.descriptors(strconv.Itoa(pid), until)
			w.add(found, holder{helper: true})
		}
	}
	w.findSockets(processes)
	for _, p := range processes {
		w.judge(p)
	}
}

// read reads threads and descriptors of a process.
func (r *Reader) read(p *process, until time.Time) error {
	pid := p.sample.Key.PID
	tids, err := r.fs.Tasks(pid)
	if err != nil {
		return r.unlessGone(pid, err)
	}
	if len(tids) > maxThreads {
		return errCrowd
	}
	if stuck := r.stuckThread(pid, tids); stuck != 0 {
		// What it waits in, and what it has open, is asked of nobody: before
		// Linux 5.10 a thread within execve(2) makes whoever asks wait too
		// (fs/proc/base.c, lock_trace).
		p.sample.NonIdle++
		p.sample.veto(Uninterruptible, "thread "+strconv.Itoa(stuck)+" waits in the kernel"+r.where(strconv.Itoa(pid)+"/task/"+strconv.Itoa(stuck)))
		return nil
	}
	living := tids[:0]
	for _, tid := range tids {
		if !time.Now().Before(until) {
			return ErrLate
		}
		alive, err := r.thread(p, tid)
		if err != nil {
			return err
		}
		if alive {
			living = append(living, tid)
		}
	}
	if slices.ContainsFunc(p.calls, func(c call) bool { return c.known.wait == waitChild }) {
		r.children(p, living)
	}
	return r.tables(p, living, until)
}

// stuckThread returns a thread in state D, 0 for none.
func (r *Reader) stuckThread(pid int, tids []int) int {
	for _, tid := range tids {
		if stat, err := r.fs.TaskStat(pid, tid, r.buffer); err == nil && stat.State == 'D' {
			return tid
		}
	}
	return 0
}

// children notes the children of all threads: any thread may wait for them.
// The lists are missing on kernels without CONFIG_PROC_CHILDREN; a child that
// left the job then goes unseen, since every script waits for its children.
func (r *Reader) children(p *process, living []int) {
	for _, tid := range living {
		folder := strconv.Itoa(p.sample.Key.PID) + "/task/" + strconv.Itoa(tid)
		text, err := linux.ReadAll(string(r.fs)+"/"+folder+"/children", r.buffer, 1<<20)
		if err != nil {
			continue
		}
		for word := range bytes.FieldsSeq(text) {
			if pid, err := strconv.Atoi(string(word)); err == nil {
				p.children = append(p.children, pid)
			}
		}
	}
}

// tables reads the descriptors of a process: one table for all its threads,
// but a thread may have one of its own (unshare(2), CLONE_FILES). A leader
// that has exited shows none, so a living thread is asked.
func (r *Reader) tables(p *process, living []int, until time.Time) error {
	pid := p.sample.Key.PID
	for i, tid := range living {
		folder := strconv.Itoa(pid)
		if tid != pid {
			folder += "/task/" + strconv.Itoa(tid)
		}
		if i > 0 && linux.SameDescriptors(living[0], tid) {
			continue
		}
		found, err := r.descriptors(folder, until)
		p.descriptors = append(p.descriptors, found...)
		if err := r.unlessGone(pid, err); err != nil {
			return err
		}
		if i == 0 {
			p.folder = folder
			p.namespace, _ = linux.Link(string(r.fs) + "/" + folder + "/ns/net")
		}
	}
	return nil
}

// unlessGone passes an error on if the process is still there: a file that is
// missing on this kernel must not look like a process that has ended.
func (r *Reader) unlessGone(pid int, err error) error {
	if !linux.Gone(err) {
		return err
	}
	if _, gone := r.fs.Stat(pid, r.buffer); linux.Gone(gone) {
		return nil
	}
	return err
}

// thread notes where a thread is and what speaks against calling it idle.
// alive is false for one that has ended.
func (r *Reader) thread(p *process, tid int) (alive bool, err error) {
	folder := strconv.Itoa(p.sample.Key.PID) + "/task/" + strconv.Itoa(tid)
	stat, c, err := r.place(p.sample, tid, folder)
	reason, why := judgeThread(stat, c)
	for err == nil && reason == Running && r.naps > 0 {
		r.naps--
		time.Sleep(nap)
		stat, c, err = r.place(p.sample, tid, folder)
		reason, why = judgeThread(stat, c)
	}
	if linux.Gone(err) || err == nil && stat.Zombie() {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("thread %d: %w", tid, err)
	}
	p.calls = append(p.calls, c)
	if reason != "" {
		p.sample.NonIdle++
		if reason == Uninterruptible {
			why += r.where(folder)
		}
		p.sample.veto(reason, "thread "+strconv.Itoa(tid)+" "+why)
	}
	switch c.known.wait {
	case waitAny:
		p.waitsOnAny = true
	case waitOne:
		p.waitsOn = append(p.waitsOn, c.descriptor)
	}
	return true, nil
}

// errNoCall says that the call of a living thread cannot be read.
var errNoCall = errors.New("this kernel does not tell where a thread is")

// place reads where a thread is. Only its stat can say that it is gone.
func (r *Reader) place(s *Sample, tid int, folder string) (proc.Stat, call, error) {
	text, trouble := linux.Read(string(r.fs)+"/"+folder+"/syscall", r.buffer)
	var c call
	if trouble == nil {
		c, trouble = parseCall(text)
		c = c.of(s.Comm)
	}
	stat, err := r.fs.TaskStat(s.Key.PID, tid, r.buffer)
	if err == nil && linux.Gone(trouble) && !stat.Zombie() {
		trouble = errNoCall
	}
	if err == nil {
		err = trouble
	}
	if stat.Zombie() {
		err = nil
	}
	return stat, c, err
}

// judgeThread tells why a thread is not idle, "" if it may be.
func judgeThread(stat proc.Stat, c call) (Reason, string) {
	switch {
	case stat.Exiting():
		return Exiting, "is on its way out"
	case stat.State == 'D':
		return Uninterruptible, "waits in the kernel"
	case stat.State == 'T':
		return Stopped, "is stopped"
	case stat.State == 't':
		return Traced, "is held by a debugger"
	case stat.State != 'S' || c.running:
		return Running, "is running"
	case c.known.wait == waitNothing:
		return BusyCall, "is " + c.place()
	}
	return "", ""
}

// descriptors reads a table of descriptors. What was read comes back with an
// error too.
func (r *Reader) descriptors(folder string, until time.Time) ([]descriptor, error) {
	var found []descriptor
	var trouble error
	err := linux.EachDescriptor(string(r.fs)+"/"+folder+"/fd", r.names, func(one linux.Descriptor) bool {
		d := parseDescriptor(one.Target)
		d.number, d.read, d.write = one.Number, one.Read, one.Write
		found = append(found, d)
		switch {
		case len(found) > maxDescriptors:
			trouble = errCrowd
		case len(found)%256 == 0 && !time.Now().Before(until):
			trouble = ErrLate
		}
		return trouble == nil
	})
	return found, errors.Join(err, trouble)
}
