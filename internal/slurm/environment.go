package slurm

import (
	"fmt"
	"strings"
	"time"
)

// lookup finds a variable in an environment of the form NAME=value. As for
// getenv(3), the first one counts.
func lookup(environment []string, name string) string {
	for _, entry := range environment {
		if rest, ok := strings.CutPrefix(entry, name); ok && strings.HasPrefix(rest, "=") {
			return rest[1:]
		}
	}
	return ""
}

// FromEnvironment reads the job's identity from the environment of a hook.
// An error wraps ErrIdentity and says which variable is missing or wrong and
// what would be right.
func FromEnvironment(environment []string) (Job, error) {
	r := reader{environment: environment}
	job := Job{
		ID:        r.required("SLURM_JOB_ID", "SLURM_JOBID"),
		UID:       r.user("SLURM_JOB_UID", "SLURM_UID"),
		HetLeader: r.optional("SLURM_HET_JOB_ID", "SLURM_PACK_JOB_ID"),
		User:      lookup(environment, "SLURM_JOB_USER"),
		Cluster:   lookup(environment, "SLURM_CLUSTER_NAME"),
		Start:     r.time("SLURM_JOB_START_TIME"),
		Restarts:  r.restarts(),
	}
	if r.err == nil && job.ID == 0 {
		r.complain("SLURM_JOB_ID", "0", "the number of a job")
	}
	if sluid := lookup(environment, "SLURM_JOB_SLUID"); sluid != "" {
		if !IsSLUID(sluid) {
			r.complain("SLURM_JOB_SLUID", sluid, "an s and 13 characters")
		}
		job.SLUID = sluid
	}
	node, ok := nodeName(lookup(environment, "SLURMD_NODENAME"))
	if !ok {
		r.complain("SLURMD_NODENAME", lookup(environment, "SLURMD_NODENAME"), "the name of a node")
	}
	job.Node = node
	if r.err != nil {
		return Job{}, r.err
	}
	return job, nil
}

// StepFromEnvironment reads the job and the step from the environment of an
// UnkillableStepProgram, which holds no more than their numbers
// (step_terminate_monitor.c, _call_external_program).
func StepFromEnvironment(environment []string) (job Job, step string, err error) {
	r := reader{environment: environment}
	job = Job{ID: r.required("SLURM_JOB_ID", "SLURM_JOBID"), SLUID: lookup(environment, "SLURM_JOB_SLUID"), Restarts: -1}
	number := r.either("SLURM_STEP_ID", "SLURM_STEPID")
	step = stepName(number)
	switch {
	case r.err != nil:
	case job.ID == 0:
		r.complain("SLURM_JOB_ID", "0", "the number of a job")
	case step == "":
		r.complain("SLURM_STEP_ID", number, "the number of a step")
	case job.SLUID != "" && !IsSLUID(job.SLUID):
		r.complain("SLURM_JOB_SLUID", job.SLUID, "an s and 13 characters")
	}
	return job, step, r.err
}

// reader takes numbers from an environment and keeps the first complaint.
type reader struct {
	environment []string
	err         error
}

func (r *reader) complain(name, value, right string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s=%.40q: expected %s: %w", name, value, right, ErrIdentity)
	}
}

// either returns the value that stands under one of two names. When both are
// there they must agree.
func (r *reader) either(name, older string) string {
	value, old := lookup(r.environment, name), lookup(r.environment, older)
	if value == "" {
		return old
	}
	if old != "" && old != value {
		r.complain(older, old, "the value of "+name)
	}
	return value
}

func (r *reader) optional(name, older string) uint32 {
	value := r.either(name, older)
	if value == "" {
		return 0
	}
	n, ok := number(value)
	if !ok {
		r.complain(name, value, "a number")
	}
	return n
}

func (r *reader) required(name, older string) uint32 {
	if r.either(name, older) == "" && r.err == nil {
		r.err = fmt.Errorf("%s is missing: %w", name, ErrIdentity)
	}
	return r.optional(name, older)
}

// user reads the user id. The top number is no user but (uid_t)-1, "none".
func (r *reader) user(name, older string) uint32 {
	uid := r.required(name, older)
	if uid == ^uint32(0) {
		r.complain(name, r.either(name, older), "a user id")
	}
	return uid
}

func (r *reader) time(name string) time.Time {
	seconds := r.optional(name, name)
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0).UTC()
}

// restarts reads how often the job was requeued: the Epilog is always told
// from 22.05 on, a task only if it ever happened.
func (r *reader) restarts() int {
	value := r.either("SLURM_JOB_RESTART_COUNT", "SLURM_RESTART_COUNT")
	if value == "" {
		return -1
	}
	n, ok := number(value)
	if !ok {
		r.complain("SLURM_JOB_RESTART_COUNT", value, "a number")
	}
	return int(n)
}
