// Package activity tells from outside what the processes of a job do, so that
// somebody else can decide whether a job that was told to end is idle or still
// at work. To call a working process idle destroys somebody's results, so what
// cannot be read counts as working, and idle is a narrow word: every thread
// waits in a call of a short list, and everything it could wait for is inside
// the job.
//
// There are two looks. Sample is cheap and enough to see progress, and before
// the next one Busy may do. Look reads threads, descriptors and sockets, and
// finds the reasons, here called vetoes, why a process must not be called idle.
//
// Both are made for processes that may be stuck in the kernel: they read stat,
// status, io, wchan, syscall, the lists of threads and descriptors, and links.
// They never touch the memory of a process (cmdline, environ, maps) and never
// follow a descriptor's link to the file behind it.
package activity

import (
	"time"

	"lastcall/internal/proc"
)

// Sample is what one process was doing at one moment.
type Sample struct {
	Key     proc.Key
	Comm    string // at most 15 bytes, any bytes: the process chooses them
	Parent  int
	UID     uint32 // real user
	At      time.Time
	Term    proc.Disposition // what SIGTERM does to it
	CPU     time.Duration    // user and system, all threads, since it began
	IO      proc.IO          // bytes since it began
	Threads int              // living ones

	// Gone says that nothing of the process runs any more; all else is empty.
	Gone bool
	// Unreadable is why something could not be read; the counters are not to
	// be trusted then.
	Unreadable error

	// Looked says that Look has been here. What follows is empty before,
	// except for the vetoes that the cheap look finds.
	Looked  bool
	NonIdle int    // threads that are not in a call of the idle list
	TCP     uint64 // bytes acknowledged and received by its connections on this node
	Doing   string // for people: "nanosleep", "poll (3 pipes, 1 socket)"
	Vetoes  []Veto
}

// Idle says that nothing speaks against calling the process idle at this
// moment. It is half of the answer: that nothing moves is Progress's. A process
// that is gone is idle, one that was not looked at is not.
func (s *Sample) Idle() bool {
	return s.Gone || s.Looked && s.Unreadable == nil && len(s.Vetoes) == 0
}

// Reason is the kind of a veto; its text is what the record shows.
type Reason string

// The reasons why a process must not be called idle.
const (
	Unreadable      Reason = "unreadable"      // something of it could not be read
	Uninterruptible Reason = "uninterruptible" // state D: it waits for a device or a file system
	DumpingCore     Reason = "core-dump"       // the kernel writes its core file
	Traced          Reason = "traced"          // a debugger holds it
	Terminal        Reason = "terminal"        // somebody may be typing
	Stopped         Reason = "stopped"         // state T: it would go on if it were continued
	Exiting         Reason = "exiting"         // in exit(2): a file system may be taking its last writes
	Running         Reason = "running"         // a thread is on a processor, or waits for one
	BusyCall        Reason = "busy-call"       // a thread is in a call that is not of the idle list
	OffNode         Reason = "off-node"        // a connection leaves this node
	Unsent          Reason = "unsent"          // data it has sent was not taken yet
	Unread          Reason = "unread"          // data waits for it
	Outside         Reason = "outside"         // the other end of a pipe or socket is not in the job
	OddSocket       Reason = "odd-socket"      // a socket whose other end nobody can tell
	OddDescriptor   Reason = "odd-descriptor"  // a descriptor of a kind that is not known
	Device          Reason = "device"          // RDMA, GPU, FUSE: work goes on without the process
	Ring            Reason = "io-uring"        // calls run in the kernel without a thread
	Container       Reason = "container"       // a client of a container service: the work is elsewhere
	RemoteStep      Reason = "srun"            // an srun whose tasks are not seen on this node
)

// Veto is one reason why a process must not be called idle, with a sentence
// for the record. Names that a process chose are quoted in it.
type Veto struct {
	Reason Reason
	Text   string
}
