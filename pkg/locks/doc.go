// Package locks finds the kernel's file locks and their true holders.
//
// /proc/locks names the process that called flock(2), which may be long gone
// while a child holds the inherited descriptor; in a pid namespace the lock of
// such a process is not even listed. The truth is in the "lock:" lines of
// /proc/PID/task/TID/fdinfo/FD (proc(5); fs/locks.c, show_fd_locks), so the
// holders are looked for there.
//
// The locked file is never opened and never asked for its status: it may lie
// on a file system that does not answer. Its name is what the link below
// /proc/PID/fd says.
package locks

import (
	"strconv"

	"lastcall/internal/proc"
)

// Kind is the kind of a lock as /proc/locks writes it.
type Kind string

// The kinds (fs/locks.c, lock_get_status).
const (
	FLOCK  Kind = "FLOCK"  // flock(2), belongs to the open file description
	POSIX  Kind = "POSIX"  // fcntl(2) F_SETLK, belongs to the process
	OFDLCK Kind = "OFDLCK" // fcntl(2) F_OFD_SETLK, belongs to the open file description
	LEASE  Kind = "LEASE"  // fcntl(2) F_SETLEASE
	DELEG  Kind = "DELEG"  // a delegation given to an NFS client
	ACCESS Kind = "ACCESS" // old mandatory or share locks
)

// EOF as the end of a range stands for the end of the file, wherever that is.
const EOF = ^uint64(0)

// Device is the number of the file system the locked file is on.
type Device struct {
	Major, Minor uint32
}

func (d Device) String() string {
	return strconv.FormatUint(uint64(d.Major), 10) + ":" + strconv.FormatUint(uint64(d.Minor), 10)
}

// Lock is one lock as the kernel lists it.
type Lock struct {
	Kind       Kind
	State      string // ADVISORY, or for leases ACTIVE, BREAKING, BREAKER
	Mode       string // READ, WRITE, RW, NONE, UNLCK
	Taker      int    // pid that took it; -1 or 0 where the kernel has none to tell
	Device     Device
	Inode      uint64
	Start, End uint64 // bytes; End is EOF for "to the end"
}

// file is what names the locked range: two lines with the same file are about
// the same lock or about its waiters.
type file struct {
	kind       Kind
	device     Device
	inode      uint64
	start, end uint64
}

func (l Lock) file() file {
	return file{kind: l.Kind, device: l.Device, inode: l.Inode, start: l.Start, end: l.End}
}

// Holder is a process that has the lock: through this descriptor of this
// thread.
type Holder struct {
	proc.Key
	Comm string
	UID  uint32 // owner of /proc/PID
	FD   int
	Path string // what the descriptor's link says; may end in " (deleted)"
}

// Waiter is a process that is blocked until it gets the lock.
type Waiter struct {
	proc.Key
	Comm string
}

// Held is a lock with those who hold it. Processes that share one open file
// description, after a fork, hold one lock together.
type Held struct {
	Lock    Lock
	Holders []Holder
}

// Path returns the name of the locked file, "" if no holder's link could be
// read.
func (h Held) Path() string {
	for _, holder := range h.Holders {
		if holder.Path != "" {
			return holder.Path
		}
	}
	return ""
}

// State says what became of a lock.
type State string

// The states.
const (
	Freed       State = "freed"
	HeldByJob   State = "held-by-job"   // a process of the job is still there with it
	HeldByOther State = "held-by-other" // a process outside the job has it now
	HeldUnknown State = "unknown"       // the kernel lists it, but no process shows it
)

// Fate is what became of a lock of the job.
type Fate struct {
	Held    Held // as before the job's processes were ended
	State   State
	Holders []Holder // who holds it now
	Waiters []Waiter // who waits for it now
}
