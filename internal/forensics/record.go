// Package forensics is the record of a run: who was there, what was done to
// them, and why. One JSON object a line, so that any tool can read it;
// docs/record.md describes every key.
package forensics

import "time"

// Version is the version of the record's schema. It rises when a key changes
// its meaning or goes away, not when one is added.
const Version = 1

// Verdict is the outcome of a run in one word.
type Verdict string

// The verdicts; docs/record.md says what each means for an admin.
const (
	Clean       Verdict = "clean"         // nothing of the job was there
	Cleaned     Verdict = "cleaned"       // everything of the job was ended
	SparedOnly  Verdict = "spared-only"   // only processes that may not be touched
	LiveStep    Verdict = "live-step"     // the job still runs here: nothing was touched
	Observed    Verdict = "observed"      // observe mode: left-overs found and left
	Off         Verdict = "off"           // switched off on this node or in the configuration
	NoIdentity  Verdict = "no-identity"   // the environment names no job
	Unkillable  Verdict = "unkillable"    // something did not die of SIGKILL
	Deadline    Verdict = "deadline"      // the time was over before everything was ended
	Interrupted Verdict = "interrupted"   // somebody ended the hook
	LeftToSlurm Verdict = "left-to-slurm" // watch: the job was still working, or nobody could tell
	Drained     Verdict = "drained"       // watch: Slurm drained the node because of an unkillable process
	Resumed     Verdict = "resumed"       // watch: the node was resumed, its processes are gone
	LeftDrained Verdict = "left-drained"  // watch: the node stays drained
	Failed      Verdict = "failed"        // looking for left-overs, or signalling them, did not work
	Bug         Verdict = "bug"           // a mistake of lastcall's own
)

// Record is what one run of a hook writes.
type Record struct {
	Time      time.Time // when the hook started
	Hook      string    // "epilog", "taskepilog", "unkillable", "watch" or "inspect"
	Release   string    // lastcall's version
	Mode      string    // "enforce" or "observe"
	Config    string    // path of the configuration, "" for the defaults
	Cluster   string
	Node      string
	User      string
	UID       int64 // -1 if unknown
	Job       uint32
	HetLeader uint32
	SLUID     string
	Step      string // taskepilog's step, "" for the whole job
	RunInJob  bool   // the Epilog ran inside the job's own cgroup
	Verdict   Verdict
	ExitCode  int
	Phases    Phases
	Counts    Counts
	Looks     int    // passes over /proc
	Method    string // "pidfd" or "pid"
	Escalated string // why SIGKILL was used, "" if it was not
	Watch     *Watch // nil for the hooks
	Causes    []Cause
	Processes []Process
	Locks     []Lock
	Groups    []Group
	Omitted   int // processes and locks left out to keep the line short
	Warnings  []string
}

// Cause is what processes of the job that do not die wait for.
type Cause struct {
	Code     string // a word of package cause
	Text     string // one sentence
	Count    int    // processes
	Function string // in the kernel
	Call     string
	While    string
	Type     string // of the file system, "" if none is known
	Source   string
	Mount    string
	File     string        // of one of the processes
	Since    time.Duration // 0 if not known
	Daemons  []Party       // who serves the FUSE file system
	Abort    string        // what was done about its connection
}

// Warn adds a sentence an admin should read.
func (r *Record) Warn(text string) { r.Warnings = append(r.Warnings, text) }

// Watch is what the node service says about a job that was told to end.
type Watch struct {
	Rule     string        // why it was ended: "ignored" or "idle"; "" if it was not
	Reason   string        // why it was left to Slurm, or what the last look that found it working saw
	Order    time.Time     // when the service noticed that the job was told to end
	ToEnd    time.Duration // from then until lastcall acted, 0 if it did not
	ToEmpty  time.Duration // from then until the steps were empty
	Still    time.Duration // how long nothing had moved by then
	KillWait time.Duration // what stock Slurm would have waited
	Asked    int           // questions to the controller
}

// Phases is how long each part took.
type Phases struct {
	Identity, Claim, Ladder, Locks, Total time.Duration
}

// Counts sums the processes and locks up.
type Counts struct {
	Exited, Terminated, Killed, Unkillable, Left int
	Spared                                       int
	Locks, LocksFreed                            int
}

// Survivors is how many processes of the job were found.
func (c Counts) Survivors() int {
	return c.Exited + c.Terminated + c.Killed + c.Unkillable + c.Left
}

// Ended is how many of them this run ended.
func (c Counts) Ended() int { return c.Terminated + c.Killed }

// Process is one process, as of the look that found it.
type Process struct {
	PID      int
	Start    uint64 // clock ticks since boot
	Parent   int
	Session  int
	UID      uint32
	Comm     string
	Command  string // arguments, blanks between
	State    string
	Sigterm  string // default, ignored, blocked, caught; "" if not asked
	Evidence string
	Proof    string
	Spared   string // the reason, "" for a survivor
	Threads  int
	Age, CPU time.Duration
	Resident uint64 // bytes
	Wchan    string
	Syscall  string   // of an unkillable process
	Stack    []string // of an unkillable process
	Thread   int      // of an unkillable process: whose stack this is, 0 for the first
	Cause    string   // of an unkillable process: a word of package cause
	File     string   // of an unkillable process: what its call is about
	Locks    int
	Doing    string   // watch: what it waited in
	Told     string   // watch: who had told it to end, "slurm" or "lastcall"; "" for nobody
	Would    []string // inspect: what each program would do
	Outcome  string
	Took     time.Duration
}

// Lock is one file lock of the job.
type Lock struct {
	Kind    string
	Mode    string
	Device  string
	Inode   uint64
	Start   uint64
	End     string // number or EOF
	Path    string
	Taker   int // pid that took it as the kernel says
	Holders []Party
	Fate    string
	Release string  // of an unkillable process's lock: "released", or why not
	HeldBy  []Party // after the run
	Waiters []Party
}

// Party is a process in its relation to a lock.
type Party struct {
	PID  int
	Comm string
	UID  uint32
}

// Group is a cgroup of the job of which folders were removed because nobody
// was in them any more.
type Group struct {
	Path    string // the job's own folder
	Removed int    // how many folders, its own counted too
	Gone    bool   // nothing of it is left
}
