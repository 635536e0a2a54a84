// Package claim decides whose process a process is. Every process that may be
// signalled has a written proof, and every process that looks like the job's
// but is left alone has a written reason.
//
// The decision (judge, kin) is apart from the reading (scan), so that a table
// can hold it.
package claim

import (
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Evidence is the kind of proof that a process belongs to the job.
type Evidence string

// The kinds of proof, the strongest first.
const (
	NoEvidence Evidence = ""
	ByCgroup   Evidence = "cgroup"  // in the job's own groups, which only root hands out
	ByEnviron  Evidence = "environ" // carries the job's id, and everything else agrees
	ByKin      Evidence = "kin"     // child of, or in one session with, a proven process
	ByUID      Evidence = "uid"     // the site says so, and the user has nothing else here
	ByStep     Evidence = "step"    // descends from the slurmstepd of a step that was told to end
)

// Reason says why a process that looks like the job's is left alone.
type Reason string

// The reasons for sparing.
const (
	NoReason      Reason = ""
	Slurms        Reason = "slurm"         // a program of Slurm itself
	Listed        Reason = "spare-list"    // the site's configuration spares it
	OtherJob      Reason = "other-job"     // inside another job, by cgroup or by its slurmstepd
	OtherStep     Reason = "other-step"    // of a step, or a task, that is not over
	OtherRun      Reason = "other-run"     // of another run of the same job id
	OtherCluster  Reason = "other-cluster" // of a cluster or node with another name
	Hidden        Reason = "hidden-parent" // a process that cannot be seen is above it: maybe another job's slurmstepd
	LiveStep      Reason = "live-step"     // a slurmstepd still runs the job here
	LoginSession  Reason = "login"         // in a login session or a user's own services
	Allocation    Reason = "salloc"        // in the terminal session of a waiting salloc
	NoTask        Reason = "no-task"       // names the job but never was a task: a shell of salloc
	Older         Reason = "older"         // started before the job
	RootElsewhere Reason = "root"          // a root process outside slurmd's own cgroup
	HooksOwn      Reason = "hook"          // beside the hook, in the part of a step that is Slurm's
	LeftStep      Reason = "left-step"     // has left the steps, which are still there: the Epilog's business
)

// Facts is what is known about one process when it is judged.
type Facts struct {
	Stat        proc.Stat
	UID         uint32 // real user
	Place       cgroup.Place
	Member      bool        // listed in a group of this job that is on this node
	Mark        slurm.Mark  // of its environment; zero if that could not be read
	Unread      bool        // its environment could not be read
	Above       slurm.Title // the living slurmstepd it descends from
	HasAbove    bool
	AboveHook   bool // that slurmstepd is the one the hook runs under
	AboveEnding bool // that slurmstepd is one of Scope.Ending
	HiddenAbove bool // it descends from a process that cannot be seen (hidepid, another user's)
	ForeignLed  bool // the leader of its session lives and is another user's
	SlurmsOwn   bool // a program of Slurm: root's, with Slurm's name and executable
	SameCgroup  bool // in the very cgroup the hook was started in
	Salloc      bool // shares the terminal session of a salloc
	LoginTree   bool // is or descends from a login server, or has a terminal
	Listed      bool // on the site's spare list
	Started     time.Time
}

// Scope is whose processes are looked for.
type Scope struct {
	Job   slurm.Job
	Step  string // "" for all steps of the job
	Task  int    // -1 for all tasks
	InJob bool   // the hook itself sits in the job's groups (RunInJob, TaskEpilog)
	// Launcher is SLURM_STEP_LAUNCHER_PORT of the hook's own environment: two
	// runs of one job id may both have a step 0.
	Launcher string
	// Ending, if not nil, names the slurmstepd processes of a run that was told
	// to end and whose steps are still there. Then only what is in these steps
	// is claimed, and nothing else of the job.
	Ending map[proc.Key]bool
}

// serves says whether a slurmstepd with this title runs a step of the job,
// whichever run of it. The title of a het component shows its own number.
func (s Scope) serves(title slurm.Title) bool {
	return title.Job == s.Job.ID || s.Job.Names(title.Job)
}

// slack is by how much a process may seem older than its job: the start of a
// job is a whole second of the controller's clock, that of a process a tick
// of the node's.
const slack = 5 * time.Second
