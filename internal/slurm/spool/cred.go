package spool

import (
	"time"

	"lastcall/internal/linux"
)

// Credential is what slurmd remembers of a job's right to start steps here
// (job_state_t of src/slurmd/slurmd/cred_context.c; before 23.11
// src/common/slurm_cred.c, in 23.02 src/interfaces/cred.c). Only the
// credentials of jobs are returned; the list of single steps' credentials that
// follows in the file says nothing about the end of a job.
//
// All times are whole seconds.
type Credential struct {
	Job   uint32
	SLUID uint64 // id of the run, from 25.11 on; 0 where the format has none

	// Created is when slurmd first heard of the job, by this node's clock.
	Created time.Time

	// Revoked is when slurmctld made the request to end the job, by the clock
	// of the controller (kill_job_msg_t.time); zero while the job may run.
	// slurmd sets it as the first thing after REQUEST_TERMINATE_JOB,
	// REQUEST_KILL_TIMELIMIT, REQUEST_KILL_PREEMPTED or REQUEST_ABORT_JOB
	// (_rpc_terminate_job, _rpc_abort_job: cred_revoke, then
	// save_cred_state), before it signals anybody; also for a node that a job
	// gives back while it lives on elsewhere, and when the Prolog failed.
	// scancel --signal, the end of a single step, suspend and a warning
	// signal do not set it. A repeated request does not change it (EEXIST),
	// unless a run that was requeued never started a step here.
	Revoked time.Time

	// Expires is when slurmd may forget the job; zero until nothing of it is
	// left on this node. cred_begin_expiration sets it right before the
	// Epilog starts, to that moment plus cred_expire (120 s by default), and
	// the file is written again. Nobody is waited for any more then.
	//
	// After a restart of slurmd between the two, it is Revoked plus 600 s
	// (_job_state_unpack), although steps may be left; see Ending.
	Expires time.Time
}

// restored is what slurmd adds to Revoked for a job it was ending when it was
// stopped (_job_state_unpack: "revoke has no expiration").
const restored = 600 * time.Second

// Ending says that slurmd was told to end the job and has not come to the
// Epilog: what is left of its steps is being waited for. A slurmd that was
// restarted in between still waits, since slurmctld repeats its request.
func (c Credential) Ending() bool {
	if c.Revoked.IsZero() {
		return false
	}
	return c.Expires.IsZero() || c.Expires.Equal(c.Revoked.Add(restored))
}

// State is the content of cred_state.
type State struct {
	// Written is when the file was written, by the clock of this host and to
	// the file system's precision. Zero if the state was parsed from memory.
	Written time.Time
	Jobs    []Credential
}

// Ending says whether slurmd was told to end the run of the job whose steps
// began at started, by the times of their sockets (Started).
//
// The file alone is not enough: slurmd writes it when a job is to end and when
// srun started a step, but not when a batch script starts. A requeued job
// gets a fresh entry in slurmd's memory (cred_handle_reissue), while the file
// still holds the entry of the run before. If slurmd was killed while it ended
// that run, the entry says so for ever. So what was written before the steps
// began does not count.
//
// From 25.11 on each run has a SLUID and an entry of its own, and the entry of
// such a run before stays in memory too (_list_find_job_state). So only the
// entry that was made last counts.
func (s State) Ending(job uint32, started time.Time) bool {
	if !s.Written.After(started) {
		return false
	}
	var last Credential
	for _, credential := range s.Jobs {
		if credential.Job == job && !credential.Created.Before(last.Created) {
			last = credential
		}
	}
	return last.Ending()
}

// Started returns when the step began: the time its socket was made. It is of
// the same clock as State.Written.
func Started(dir string, step Step) (time.Time, error) {
	return linux.Modified(dir + "/" + step.Socket)
}

// mostState is how much of cred_state is read: room for 100,000 entries.
const mostState = 8 << 20

// ReadState reads cred_state in the spool folder dir. That it is not there
// (linux.Gone) is normal before the first job, and for a moment whenever
// slurmd writes it.
func ReadState(dir string) (State, error) {
	path := dir + "/" + StateFile
	// The time first: if the file is replaced in between, the content is
	// newer than it seems, and at worst does not count yet.
	written, err := linux.Modified(path)
	if err != nil {
		return State{}, err
	}
	text, err := linux.ReadAll(path, nil, mostState)
	if err != nil {
		return State{}, err
	}
	state, err := ParseState(text)
	if err != nil {
		return State{}, err
	}
	state.Written = written
	return state, nil
}
