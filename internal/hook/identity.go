package hook

import (
	"fmt"
	"os"

	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/config"
	"lastcall/internal/linux"
	"lastcall/internal/slurm"
)

// identify finds out for which job, step and task the hook was started.
func (r *run) identify() (claim.Scope, error) {
	job, err := slurm.FromEnvironment(r.environment)
	if err != nil {
		return claim.Scope{}, err
	}
	scope := claim.Scope{Job: job, Task: -1}
	own, err := r.fs.Cgroup(os.Getpid(), make([]byte, 8<<10))
	if err != nil && !linux.Gone(err) {
		return claim.Scope{}, fmt.Errorf("reading the hook's own cgroup: %w", err)
	}
	place := cgroup.PlaceOf(own)
	if r.name == TaskEpilog && place.SLUID != "" {
		// Root put this hook there; its environment is the user's, and in
		// Slurm 26.05 a TaskEpilog's does not name the run.
		scope.Job.SLUID = place.SLUID
	}
	scope.InJob = place.Belongs(scope.Job)
	if r.name == TaskEpilog {
		err = r.identifyStep(&scope, place)
	}
	r.fillIdentity(scope)
	return scope, err
}

// identifyStep narrows the scope to the step whose task has ended. The
// environment of a TaskEpilog is the user's: the title of the slurmstepd
// above, which belongs to root, has the last word.
func (r *run) identifyStep(scope *claim.Scope, place cgroup.Place) error {
	if uid := os.Getuid(); int64(scope.Job.UID) != int64(uid) {
		return fmt.Errorf("SLURM_JOB_UID=%d: this program runs as user %d: %w", scope.Job.UID, uid, slurm.ErrIdentity)
	}
	// A task is told of restarts only if there were any.
	scope.Job.Restarts = max(scope.Job.Restarts, 0)
	mark := slurm.ParseMark(joined(r.environment))
	scope.Launcher = mark.Launcher
	scope.Step = mark.Step
	if scope.InJob && place.Step != "" {
		scope.Step = place.Step
	}
	if line, err := r.fs.CommandLine(os.Getppid(), make([]byte, 256)); err == nil {
		title, ok := slurm.ParseTitle(line)
		if !ok {
			return fmt.Errorf("the parent process is no slurmstepd: %w", slurm.ErrIdentity)
		}
		if !scope.Job.Names(title.Job) && title.Job != scope.Job.ID {
			return fmt.Errorf("SLURM_JOB_ID=%d: the slurmstepd above serves job %d: %w", scope.Job.ID, title.Job, slurm.ErrIdentity)
		}
		if title.Step != "" {
			scope.Step = title.Step
		}
	}
	if scope.Step == "" {
		// Slurm sets no step id in batch scripts (seen on 22.05).
		scope.Step = "batch"
	}
	if r.settings.Scope == config.ScopeTask {
		if mark.Task < 0 {
			return fmt.Errorf("SLURM_PROCID is missing: %w", slurm.ErrIdentity)
		}
		scope.Task = mark.Task
	}
	return nil
}

// joined gives an environment the form it has in /proc/PID/environ.
func joined(environment []string) []byte {
	var text []byte
	for _, entry := range environment {
		text = append(append(text, entry...), 0)
	}
	return text
}

func (r *run) fillIdentity(scope claim.Scope) {
	job := scope.Job
	r.record.Job, r.record.HetLeader, r.record.SLUID = job.ID, job.HetLeader, job.SLUID
	r.record.UID, r.record.User = int64(job.UID), job.User
	r.record.Cluster, r.record.Node = job.Cluster, job.Node
	r.record.Step = scope.Step
	r.record.RunInJob = scope.InJob && r.name == Epilog
}
