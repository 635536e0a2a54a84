// Package finished tells whether a process whose work is done lives on: its
// main program has ended, and something it started keeps it alive. The log of
// such a job says that all is done, and Slurm shows it RUNNING.
//
// The verdict is a proof and never a guess. CPython runs what comes after the
// main program on the main thread with no frame of the program below it
// (Python/pylifecycle.c, Py_FinalizeEx): first threading._shutdown, which
// waits for threads that are no daemons, then the exit handlers, among them
// those of concurrent.futures and multiprocessing, then the interpreter is
// taken apart. So the outermost frame of the main thread tells, and from 3.12
// on a flag of the interpreter as well. Others begin without a frame of a
// program too, and prove nothing: a Python that is starting, a child forked by
// a thread, a greenlet. What is not certain is Unsure.
//
// One look proves that the main program has ended. That it hangs takes two at
// least Apart from each other, with the same result, and nothing that moved in
// between: see Compare. Java programs are not judged: which of their threads
// are daemons cannot be read from outside. Of what is no Python, Shell and Steps
// say what the kernel proves.
package finished

import (
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/proc"
	"lastcall/internal/python"
)

// Apart is how far two looks that are to prove a hang must lie apart.
const Apart = 30 * time.Second

// State is what a look at a process came to.
type State string

// The states.
const (
	Ended   State = "ended"   // its main program has ended, and it is still there
	Running State = "running" // its main program has not ended
	Unsure  State = "unsure"  // nothing is proven
)

// Kind is why an ended process is still there.
type Kind string

// The kinds.
const (
	Threads     Kind = "threads"      // threading._shutdown waits for threads that are no daemons
	Executor    Kind = "executor"     // concurrent.futures waits for its workers
	Child       Kind = "child"        // multiprocessing waits for a process, or for a queue to be read
	ExitHandler Kind = "exit-handler" // an exit handler is running
	Teardown    Kind = "teardown"     // the interpreter is being taken apart
	NativeExit  Kind = "native-exit"  // the interpreter is gone, exit handlers of libraries run
	LeaderGone  Kind = "leader-gone"  // the main thread has exited, others go on
)

// Place is a line of code.
type Place struct {
	Function string `json:"function"`
	File     string `json:"file"`
	Line     int    `json:"line"`
}

// Wait is one thing that is waited for: a thread, or a child process.
type Wait struct {
	Thread  string `json:"thread,omitempty"`
	TID     int    `json:"tid,omitempty"`
	Daemon  bool   `json:"daemon,omitempty"`
	Process string `json:"process,omitempty"` // name of a multiprocessing.Process
	PID     int    `json:"pid,omitempty"`     // as its parent sees it
	Command string `json:"command,omitempty"`
	At      *Place `json:"at,omitempty"`     // innermost line of the user's own code
	Inside  *Place `json:"inside,omitempty"` // innermost line of all, if that is another one
}

// Finding is what one look at a process found.
type Finding struct {
	State   State    `json:"state"`
	Kind    Kind     `json:"kind,omitempty"`
	Python  string   `json:"python,omitempty"` // its version
	Main    *Place   `json:"main,omitempty"`   // where the main thread is
	Outer   *Place   `json:"outer,omitempty"`  // and what it was called for
	Worker  bool     `json:"worker,omitempty"` // a child of multiprocessing
	Helper  bool     `json:"helper,omitempty"` // a process multiprocessing runs for itself: it ends with its parent
	Waits   []Wait   `json:"waits,omitempty"`
	Grounds []string `json:"grounds,omitempty"` // what proves it
	Why     string   `json:"why,omitempty"`     // nothing is proven
}

// Facts is what is known of a process.
type Facts struct {
	PID      int
	Program  string // path of its executable, as the kernel names it
	Snapshot *python.Snapshot
	Wrong    error // why there is no snapshot
}

// Observation is one look at a process.
type Observation struct {
	Key     proc.Key
	At      time.Time
	Comm    string
	Finding Finding
	Sample  activity.Sample
}
