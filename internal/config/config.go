// Package config reads lastcall.toml. A hook must never fail because of its
// configuration: on any trouble it goes on with safe defaults and says what
// would be right, with file and line.
package config

import (
	"time"
)

// Mode says whether the hooks act.
type Mode string

// The modes.
const (
	Enforce Mode = "enforce"
	Observe Mode = "observe" // find, record, and do nothing
)

// Claims says which kinds of evidence count; see docs/design.md.
type Claims struct {
	Cgroup, Environ, Kin, UID bool
}

// Scope says for what taskepilog acts.
type Scope string

// The scopes.
const (
	ScopeStep Scope = "step" // once, when the last task of the step has ended
	ScopeTask Scope = "task" // for each task, on that task's left-overs
)

// Hook is the part of the configuration that one hook reads.
type Hook struct {
	Enabled      bool
	Grace        time.Duration // from SIGTERM to SIGKILL; 0: no SIGTERM
	IgnoredGrace time.Duration // the grace where all that is left ignores SIGTERM
	Deadline     time.Duration // for the hook as a whole
	Claims       Claims
	Drain        bool  // epilog: exit 1, which drains the node, if something proved unkillable
	Scope        Scope // taskepilog
}

// Never as an idle grace means that idle jobs are left to Slurm.
const Never time.Duration = -1

// Watch is the part of the configuration for lastcall watch.
type Watch struct {
	Mode         Mode
	IdleGrace    time.Duration // how long all of a job must be idle before it is ended; Never for not at all
	IgnoredGrace time.Duration // the same where everybody left ignores SIGTERM
	// ConfirmTimeout is how long one question to the controller may take.
	ConfirmTimeout time.Duration
	Partitions     []string // whose jobs are left to Slurm
	MinUID         uint32   // jobs of users below it are left to Slurm
	Finished       Finished
}

// Action is what is done about a job that has finished its work and still runs.
type Action string

// The actions.
const (
	Report    Action = "report"    // write it down, and tell the user once
	Terminate Action = "terminate" // and later send SIGTERM to the process that hangs
)

// Finished is the part of the configuration for jobs that have finished their
// work and still run.
type Finished struct {
	After          time.Duration // how long a job must have been quiet before it is looked at closely; Never for not at all
	Action         Action
	TerminateAfter time.Duration // from the report to SIGTERM
}

// Release says what happens to the locks of processes that do not die.
type Release string

// The choices.
const (
	ReportLocks  Release = "report"  // name them, their holders and their waiters
	ReleaseLocks Release = "release" // free those below the site's paths
)

// Locks is the part of the configuration about locks.
type Locks struct {
	Unkillable   Release
	ReleasePaths []string // absolute
}

// OnUnkillable is what else may be done about processes that do not die.
type OnUnkillable struct {
	AbortFUSE     bool // end the connection of a FUSE file system whose daemon is silent
	Resume        bool // resume a node that Slurm drained for it, once all is gone
	ResumesPerDay int  // the most for one node
}

// Spare is the site's list of what is never signalled.
type Spare struct {
	Users    []string // names or numbers
	Commands []string // exact names as `ps -o comm` shows them
}

// Config is the whole of lastcall.toml.
type Config struct {
	Mode       Mode
	LogPath    string // where the records go
	Spare      Spare
	Epilog     Hook
	TaskEpilog Hook
	Unkillable Hook
	Watch      Watch

	Locks        Locks
	OnUnkillable OnUnkillable
}

// Default returns what holds without a file.
func Default() Config {
	claims := Claims{Cgroup: true, Environ: true, Kin: true}
	return Config{
		Mode:    Enforce,
		LogPath: "/var/log/slurm/lastcall.jsonl",
		Epilog: Hook{
			Enabled: true, Grace: 2 * time.Second, IgnoredGrace: time.Second,
			Deadline: 10 * time.Second, Claims: claims,
		},
		TaskEpilog: Hook{
			Enabled: true, Grace: 3 * time.Second, IgnoredGrace: time.Second,
			Deadline: 5 * time.Second, Claims: claims, Scope: ScopeStep,
		},
		Unkillable: Hook{Enabled: true, Deadline: time.Minute, Claims: Claims{Cgroup: true}},
		Watch: Watch{
			Mode: Enforce, IdleGrace: 5 * time.Second, IgnoredGrace: time.Second, ConfirmTimeout: 2 * time.Second,
			Finished: Finished{After: 5 * time.Minute, Action: Report, TerminateAfter: 30 * time.Minute},
		},
		Locks:        Locks{Unkillable: ReportLocks},
		OnUnkillable: OnUnkillable{AbortFUSE: true, ResumesPerDay: 3},
	}
}
