// Package controller puts the one question to slurmctld that a node cannot
// answer by itself: has this job been told to end, and is this node the last
// one that has not come back? It runs scontrol, which speaks the protocol of
// the installed Slurm; nothing is linked and no shell is involved.
package controller

import (
	"errors"
	"time"

	"lastcall/internal/slurm/conf"
)

// Errors of Ask. With any error, and without an answer, nothing may be ended.
var (
	// ErrNoJob says that the controller does not know the job (any more).
	ErrNoJob = errors.New("the controller does not know the job")
	// ErrAmbiguous says that the answer holds a key twice or more records
	// than it should: text a user wrote into a job looks like an answer.
	ErrAmbiguous = errors.New("the answer can be read in two ways")
	// ErrFormat says that the answer is not one scontrol gives.
	ErrFormat = errors.New("not an answer of scontrol")
	// ErrLate says that there was no answer in time.
	ErrLate = errors.New("no answer in time")
)

// Record is what scontrol shows of one job, one task of an array, or one
// component of a het job. Values that can hold what a user wrote are not kept.
type Record struct {
	Job       uint32 // raw id
	Array     uint32 // id of the array, 0 for other jobs
	HetLeader uint32 // id of the het job's first component, 0 for other jobs
	HetOffset int    // number of the component

	// State is the word of job_state_string (slurm_protocol_defs.c, the same
	// from 20.11 to 26.05): where flags are set it is the first of them, and
	// COMPLETING comes before all. So a job that is cancelled and not over
	// yet says COMPLETING, one that is over CANCELLED, and one that runs
	// again PENDING, CONFIGURING or RUNNING.
	State string

	// Nodes is the hostlist of the nodes. While the job is COMPLETING these
	// are only those that have not come back (job_mgr.c, pack_job: the names
	// of node_bitmap_cg); "" for none.
	Nodes string

	User      uint32
	UserName  string // as the controller knows it
	Partition string
	Start     time.Time // of this run; zero before it
	End       time.Time // when it was told to end, or is expected to; zero if not known
	Suspended time.Time // when it was last suspended or resumed; zero if never
	Restarts  int       // how often it was requeued
	Requeue   bool      // may be requeued
}

// Completing says that the job was told to end and a node of it has not come
// back.
func (r Record) Completing() bool { return r.State == "COMPLETING" }

// over lists the states of a job of which nothing runs any more.
var over = map[string]bool{
	"COMPLETED": true, "CANCELLED": true, "FAILED": true, "TIMEOUT": true, "NODE_FAIL": true,
	"PREEMPTED": true, "BOOT_FAIL": true, "DEADLINE": true, "OUT_OF_MEMORY": true,
}

// Answer is what the controller says of a job: its record, or of a het job
// the records of the components that were shown.
type Answer struct {
	Job     uint32 // the job that was asked for
	Records []Record
	Took    time.Duration // how long the answer took
}

// Record returns the record of the job that was asked for.
func (a Answer) Record() Record {
	for _, record := range a.Records {
		if record.Job == a.Job {
			return record
		}
	}
	return Record{}
}

// Leader returns the id of the het job's first component if the answer lacks
// components: scontrol shows them all only when asked for that id (job_mgr.c,
// pack_one_job). Otherwise it returns 0.
func (a Answer) Leader() uint32 {
	leader := a.Record().HetLeader
	if leader == 0 || leader == a.Job {
		return 0
	}
	for _, record := range a.Records {
		if record.Job == leader {
			return 0
		}
	}
	return leader
}

// Over says that the job was told to end: it is COMPLETING, and of a het job
// every component is that or nothing of it is left. With a component missing
// from the answer it is false.
func (a Answer) Over() bool {
	if len(a.Records) == 0 || a.Leader() != 0 || !a.Record().Completing() {
		return false
	}
	for _, record := range a.Records {
		if !record.Completing() && !over[record.State] {
			return false
		}
	}
	return true
}

// LastNode says that node is the only one that has not come back. Without
// Over it says nothing.
func (a Answer) LastNode(node string) bool {
	found := false
	for _, record := range a.Records {
		if !record.Completing() {
			continue
		}
		names, err := conf.Hosts(record.Nodes)
		if err != nil {
			return false
		}
		for _, name := range names {
			if name != node {
				return false
			}
			found = true
		}
	}
	return found
}
