package activity

import (
	"errors"
	"maps"
	"time"

	"lastcall/internal/proc"
)

// Whoever asks about a process within execve(2) may have to wait for it, and
// the state of the process does not show that: syscall, io and kcmp(2) take a
// lock that execve holds (fs/proc/base.c, lock_trace and do_io_accounting),
// before Linux 5.7 while it reads the program, since then while it closes what
// is to be closed on the way. Both wait for a file system, which may be dead.
// Linux 6.18.44 was seen to do so for stat, wchan and links as well. So reads
// are done by a goroutine that is left behind when it does not come back.
const (
	// patience is the most time the cheap look takes for one process.
	patience = 500 * time.Millisecond
	// mostHanging is the most goroutines that are left behind. Each holds a
	// thread, and a Go program that has 10000 is ended by its runtime.
	mostHanging = 64
)

// errHangs says that an earlier read has not come back: nobody is sent after it.
var errHangs = errors.New("an earlier look at it, or at too many others, has not come back")

// eyes are what one read needs. Who is left behind keeps them.
type eyes struct {
	fs     proc.FS
	buffer []byte
	names  []byte
	naps   int // how often Look may still wait for a thread to fall asleep
}

func newEyes(fs proc.FS) *eyes {
	return &eyes{fs: fs, buffer: make([]byte, 8<<10), names: make([]byte, 2<<10)}
}

// within has do read about a process, and does not wait for it longer than
// until. After an error do may still be at it: what it writes to is lost.
func (r *Reader) within(pid int, until time.Time, do func(*eyes)) error {
	if !time.Now().Before(until) {
		return ErrLate
	}
	if len(r.hanging) > 0 {
		maps.DeleteFunc(r.hanging, func(_ int, back chan struct{}) bool {
			select {
			case <-back:
				return true
			default:
				return false
			}
		})
		if r.hanging[pid] != nil || len(r.hanging) >= mostHanging {
			return errHangs
		}
	}
	mine, back := r.eyes, make(chan struct{})
	go func() {
		defer close(back)
		do(mine)
	}()
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	select {
	case <-back:
		return nil
	case <-over.C:
		r.hanging[pid], r.eyes = back, newEyes(r.fs)
		return ErrLate
	}
}
