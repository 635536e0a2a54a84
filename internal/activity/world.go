package activity

import (
	"slices"
	"strconv"
	"time"

	"lastcall/internal/linux/sockdiag"
)

// end is one side of a pipe, or a socket.
type end struct {
	kind  kind // kindPipe or kindSocket
	inode uint64
	write bool // of a pipe
}

// holder is who has an end open inside the job.
type holder struct {
	helper bool // a slurmstepd has it
}

// world is what is known about everything the processes of a job could wait
// for.
type world struct {
	reader    *Reader
	until     time.Time
	inside    map[int]bool // pids, helpers too
	launchers map[int]bool // pids of the job that are called srun
	held      map[end]holder
	sockets   map[uint64]*socket
	trouble   error            // why sockets could not be asked for
	search    map[bool]*search // of everybody, or of the user's processes
}

// add notes which ends a process inside the job has open.
func (w *world) add(descriptors []descriptor, who holder) {
	note := func(e end) {
		old := w.held[e]
		w.held[e] = holder{helper: old.helper || who.helper}
	}
	for _, d := range descriptors {
		switch d.kind {
		case kindSocket:
			note(end{kind: kindSocket, inode: d.inode})
		case kindPipe:
			if d.read {
				note(end{kind: kindPipe, inode: d.inode})
			}
			if d.write {
				note(end{kind: kindPipe, inode: d.inode, write: true})
			}
		}
	}
}

func (w *world) holdsSocket(inode uint32) bool {
	_, ok := w.held[end{kind: kindSocket, inode: uint64(inode)}]
	return ok
}

func (w *world) helperHoldsSocket(inode uint32) bool {
	return w.held[end{kind: kindSocket, inode: uint64(inode)}].helper
}

// judge adds the vetoes that the descriptors of a process give, and says what
// it is doing.
func (w *world) judge(p *process) {
	s := p.sample
	stepHere := false
	for _, d := range p.descriptors {
		waits := p.mayWaitOn(d.number)
		switch d.kind {
		case kindPipe:
			s.veto(w.judgePipe(d, waits, s.UID))
		case kindSocket:
			one := w.sockets[d.inode]
			if one == nil {
				one = &socket{}
			}
			s.TCP += one.bytes
			if one.trouble != nil {
				s.unreadable(one.trouble)
			}
			stepHere = stepHere || one.family == familyTCP && w.helperHoldsSocket(one.peer)
			s.veto(judgeSocket(one, waits, w.holdsSocket))
		default:
			s.veto(judgeOther(d))
		}
	}
	if w.trouble != nil && p.hasSocket() {
		s.unreadable(w.trouble)
	}
	if s.Comm == srun && !stepHere && !w.isShepherd(p) {
		s.veto(RemoteStep, "it is an srun, and none of its tasks is connected to it on this node")
	}
	for _, child := range p.children {
		if !w.inside[child] {
			s.veto(Outside, "it waits for its child "+strconv.Itoa(child)+", which is not in the job")
		}
	}
	for _, number := range p.waitsOn {
		s.veto(judgeTarget(p, number))
	}
	s.Doing = p.doing()
}

// srun is the name of Slurm's launcher. Each slurmstepd of its step keeps a
// connection to it for the tasks' input and output, also where these go to
// files (io_initial_client_connect), so one that has no such connection on this
// node has tasks elsewhere, or none yet.
const srun = "srun"

// isShepherd says whether this is the child that an srun leaves at the other
// end of a pipe to clean up after it (srun_job.c, _shepherd_spawn): one thread
// that reads, with no connection but the ports it has inherited.
func (w *world) isShepherd(p *process) bool {
	if !w.launchers[p.sample.Parent] || len(p.calls) != 1 || p.calls[0].known.wait != waitOne {
		return false
	}
	return !slices.ContainsFunc(p.descriptors, func(d descriptor) bool {
		one := w.sockets[d.inode]
		return d.kind == kindSocket && (one == nil || one.family != familyTCP || one.inet.State != sockdiag.Listening)
	})
}

// mayWaitOn says whether a thread may be waiting for what this descriptor
// brings.
func (p *process) mayWaitOn(number int) bool {
	if p.waitsOnAny {
		return true
	}
	return slices.Contains(p.waitsOn, number)
}

func (p *process) hasSocket() bool {
	return slices.ContainsFunc(p.descriptors, func(d descriptor) bool { return d.kind == kindSocket })
}
