package activity

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// ErrLate says that the time was over before something could be read.
var ErrLate = errors.New("no time left to read it")

// Reader looks at processes. It keeps its buffers from look to look, and is
// not for two goroutines at once.
type Reader struct {
	fs     proc.FS
	buffer []byte
	names  []byte
	late   chan answer       // of a question about sockets that was not waited for any longer
	shut   map[end]time.Time // ends that were open nowhere, and when that was seen
	naps   int               // how often Look may still wait for a thread to fall asleep
}

// New makes a reader of the processes below fs.
func New(fs proc.FS) *Reader {
	return &Reader{fs: fs, buffer: make([]byte, 8<<10), names: make([]byte, 2<<10), shut: map[end]time.Time{}}
}

// Forget gives back what was kept about jobs that are gone.
func (r *Reader) Forget() { clear(r.shut) }

// Busy asks the cheapest question: has one of these processes used more than
// IdleCPU since, or ended? It takes one call for each process and opens no
// file, so that hundreds of jobs that compute can be asked often; false means
// that a Sample has to tell.
func (r *Reader) Busy(since []Sample) bool {
	for i := range since {
		s := &since[i]
		if s.Gone || s.Unreadable != nil {
			continue
		}
		cpu, err := linux.CPUTime(s.Key.PID)
		if err != nil || cpu < s.CPU || cpu-s.CPU > idleCPUOver(time.Since(s.At)) {
			return true
		}
	}
	return false
}

// Sample takes the cheap look at the processes, in the order of keys. A
// process for which no time is left is unreadable.
func (r *Reader) Sample(keys []proc.Key, until time.Time) []Sample {
	samples := make([]Sample, len(keys))
	for i, key := range keys {
		s := &samples[i]
		s.Key, s.At = key, time.Now()
		err := ErrLate
		if s.At.Before(until) {
			err = r.quick(s)
		}
		switch {
		case linux.Gone(err):
			*s = Sample{Key: key, Comm: s.Comm, At: s.At, Gone: true}
		case err != nil:
			s.unreadable(err)
		}
	}
	return samples
}

// unreadable notes what could not be read. The first trouble is enough.
func (s *Sample) unreadable(err error) {
	if s.Unreadable != nil {
		return
	}
	s.Unreadable = err
	s.veto(Unreadable, fmt.Sprintf("it cannot be read: %s", err))
}

// veto adds a reason. One of each kind is enough: a process may have a
// thousand connections.
func (s *Sample) veto(reason Reason, text string) {
	if reason == "" || s.vetoed(reason) {
		return
	}
	s.Vetoes = append(s.Vetoes, Veto{Reason: reason, Text: text})
}

func (s *Sample) vetoed(reason Reason) bool {
	return slices.ContainsFunc(s.Vetoes, func(v Veto) bool { return v.Reason == reason })
}

// errOther and errDead say that nothing of the process runs any more: its
// number belongs to another one, or only its entry is left for its parent.
var (
	errOther = fmt.Errorf("its number was given to another process: %w", linux.Errno(3))
	errDead  = fmt.Errorf("it has ended: %w", linux.Errno(3))
)

// quick reads the counters first and the start time last: a number that still
// belongs to the process then has belonged to it all the time. Only stat and
// status can say that it is gone; a counter that is missing on this kernel
// must not.
func (r *Reader) quick(s *Sample) error {
	pid := s.Key.PID
	cpu, noClock := linux.CPUTime(pid)
	io, noIO := r.fs.IO(pid, r.buffer)
	stat, err := r.fs.Stat(pid, r.buffer)
	if err != nil {
		return err
	}
	s.Comm = stat.Comm
	if stat.Start != s.Key.Start {
		return errOther
	}
	if stat.Dead() {
		return errDead
	}
	status, err := r.status(pid, stat)
	if err != nil {
		return err
	}
	s.Parent, s.UID, s.CPU, s.IO, s.Threads = stat.Parent, status.UID, cpu, io, stat.Threads
	s.Term = status.Disposition(int(linux.SIGTERM))
	r.state(s, stat, status)
	if err := errors.Join(noClock, noIO); err != nil {
		s.unreadable(err)
	}
	return nil
}

// status reads the status of the process, or of a living thread where the
// leader has exited: signals and tracers are asked of who still runs.
func (r *Reader) status(pid int, stat proc.Stat) (proc.Status, error) {
	if stat.Zombie() {
		tids, _ := r.fs.Tasks(pid)
		for _, tid := range tids {
			if tid == pid {
				continue
			}
			if status, err := r.fs.TaskStatus(pid, tid, r.buffer); err == nil {
				return status, nil
			}
		}
	}
	return r.fs.Status(pid, r.buffer)
}

// state finds the vetoes that stat and status show.
func (r *Reader) state(s *Sample, stat proc.Stat, status proc.Status) {
	switch {
	case stat.Zombie():
		// The leader alone has exited; the threads are asked in Look.
	case stat.Exiting():
		s.veto(Exiting, "it is on its way out, and may be waiting for a file system to take its last writes")
	case stat.State == 'D':
		s.veto(Uninterruptible, "it waits in the kernel"+r.where(strconv.Itoa(s.Key.PID)))
	case stat.State == 'T':
		s.veto(Stopped, "it is stopped, and would go on if it were continued")
	case stat.State != 'S' && stat.State != 't' && stat.State != 'R':
		s.veto(Running, "it is in state "+string(rune(stat.State)))
	}
	if stat.DumpingCore() || status.CoreDumping {
		s.veto(DumpingCore, "the kernel is writing its core file")
	}
	if status.Tracer != 0 || stat.State == 't' {
		s.veto(Traced, "process "+strconv.Itoa(status.Tracer)+" traces it")
	}
	if stat.Terminal != 0 {
		s.veto(Terminal, "it has a terminal: somebody may be typing")
	}
}

// where says in which function of the kernel the thread below folder waits.
func (r *Reader) where(folder string) string {
	wchan, err := linux.Read(string(r.fs)+"/"+folder+"/wchan", r.buffer)
	if err != nil || len(wchan) == 0 || string(wchan) == "0" {
		return ""
	}
	return " in " + strconv.Quote(string(wchan))
}
