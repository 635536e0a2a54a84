// Package python reads the stacks of a running CPython from outside: which
// threads it has, what they are called, whether they are daemons, and in which
// function, file and line each of them is. The process is neither stopped nor
// traced, and nothing is loaded into it: its memory is read with
// process_vm_readv(2) alone, and no file of its file systems is opened.
//
// The way through:
//
//	image    where the interpreter lies: the ELF image in memory, its symbols
//	layout   where this version keeps what: 3.13 and later publish their own
//	         offsets, older ones are in a table
//	snapshot the threads of each interpreter and their chains of frames
//	decode   names, files and lines of the frames; names of threads
//
// A thread that sleeps cannot change its stack, and the kernel's count of
// switches proves that it slept. The chain of a running one can be cut or lead
// astray: then it is read again, and what cannot be had whole says so.
//
// The memory is the user's, and may hold anything: every length, every chain
// and the time have a limit. A read may hang (linux.ReadPages), so programs
// that must not hang call Read through a disposable child: see Question.
//
// Sources of the offsets: the headers and compiled offsetof programs of
// CPython 3.7 to 3.15 (Include/cpython, Include/internal/pycore_runtime.h,
// pycore_interp.h, pycore_frame.h, pycore_debug_offsets.h); they do not move
// between the patch releases of one minor version.
package python

import (
	"errors"
	"fmt"
)

// ErrNone says that the process is no Python.
var ErrNone = errors.New("no Python in this process")

// UnknownError says that a Python was found whose memory this package cannot
// read for certain. Nothing is concluded from it then.
type UnknownError struct {
	Version string // "3.16", "3.13 (free-threaded)"
	Why     string
}

// Error says which version it is and why it cannot be read.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("cannot read Python %s: %s", e.Version, e.Why)
}

// Flag is a truth value that may be unknown.
type Flag int8

// The values of a Flag.
const (
	Unknown Flag = iota
	No
	Yes
)

// Snapshot is what was read of one process.
type Snapshot struct {
	Version      string // "3.11.7"; "3.9" where the process does not say more
	Path         string // of the image that holds the interpreter, as the kernel names it
	Interpreters int
	// Finalizing says that the main interpreter has been told to end
	// (Py_FinalizeEx, before it waits for threads); Unknown before 3.12.
	Finalizing Flag
	// TearingDown says that Py_FinalizeEx has passed the exit handlers and
	// takes the interpreter apart (_PyRuntimeState.finalizing).
	TearingDown bool
	// Greenlets says that a library is loaded that changes stacks (greenlet,
	// gevent): the outermost frame may be that of a greenlet.
	Greenlets  bool
	LeaderGone bool     // the main thread has left by itself, others go on
	Threads    []Thread // newest first
	Cut        bool     // threads or frames were left out for brevity
}

// Main returns the main thread's state in the main interpreter, nil if it has
// none.
func (s *Snapshot) Main(pid int) *Thread {
	for i := range s.Threads {
		if t := &s.Threads[i]; t.TID == pid && t.Main {
			return t
		}
	}
	return nil
}

// Thread is one thread that runs Python code.
type Thread struct {
	TID     int    // as /proc shows it; 0 if it is not alive
	Main    bool   // it belongs to the main interpreter
	Name    string // of its threading.Thread; "" if it has none, or it could not be read
	Daemon  Flag
	Managed bool    // it runs a threading.Thread
	Frames  []Frame // innermost first
	// Whole says that the frames are exact and complete. Otherwise only Base is
	// to be trusted, and only where it is not nil.
	Whole bool
	Still bool   // it did not run while it was read
	Base  *Frame // the outermost frame, found without the others; 3.11 and later
}

// Outermost returns the frame in which the thread began, nil if that is not
// certain.
func (t *Thread) Outermost() *Frame {
	switch {
	case t.Whole && len(t.Frames) > 0:
		return &t.Frames[len(t.Frames)-1]
	case !t.Whole:
		return t.Base
	}
	return nil
}

// Frame is one call.
type Frame struct {
	Function string // qualified name from 3.11 on, plain before
	File     string
	Line     int     // 0 if the code has none there
	Self     *Object `json:",omitempty"` // what a frame of threading or multiprocessing is about

	address, self uint64
}

// Object is a threading.Thread or a multiprocessing.Process.
type Object struct {
	Name   string
	Daemon Flag
	TID    int // of a thread, as /proc shows it; 0 if not known
	PID    int // of a process, as the Python sees it; 0 if not known
}
