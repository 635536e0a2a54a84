// Package stuck looks at processes that do not die: SIGKILL is pending, or
// they are exiting, and they are not gone. It says what each waits for, frees
// what can be freed, and never waits for them: what may hang is read and done
// by disposable children (package aside). It sends no signal.
package stuck

import (
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/proc"
)

// Process is one that does not die.
type Process struct {
	Key       proc.Key
	Comm      string
	UID       uint32 // real user
	State     byte   // of the thread
	Thread    int    // the thread that is looked at: one in state D if there is one
	Pending   bool   // SIGKILL is pending
	Exiting   bool
	Dumping   bool
	Namespace string // link of its mount namespace, "" while it exits

	Wchan   string
	Syscall string
	Stack   []string
	Cause   cause.Cause

	ticks    uint64 // processor time of the process
	resident uint64
}

// Examiner looks at processes. Its owner closes Aside.
type Examiner struct {
	FS      proc.FS
	Aside   *aside.Reader
	Silence time.Duration // how long a FUSE daemon has to do nothing; a second unless set
	buffer  []byte
	mounts  map[string][]cause.Mount // by namespace
	own     []cause.Mount
}

// New returns an Examiner.
func New(fs proc.FS, reader *aside.Reader) *Examiner {
	return &Examiner{FS: fs, Aside: reader, Silence: Silence, buffer: make([]byte, 16<<10), mounts: map[string][]cause.Mount{}}
}

// between is the time between the two looks that tell slow from stuck.
const between = 100 * time.Millisecond
