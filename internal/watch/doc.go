// Package watch is the node service: it frees a node that is COMPLETING early
// when nothing is worth waiting for, and never ends a process that may still
// be saving somebody's work. In doubt it leaves a job to Slurm: the worst case
// of watch is stock Slurm.
//
// The way of a job through it:
//
//	order    slurmd writes in its spool folder that it was told to end the job
//	look     who is in its steps (roster, crew), and what they do (activity)
//	ready    all ignore SIGTERM, or all are idle, for long enough (decide)
//	ask      one question to the controller: over, and this node the last one?
//	end      proof, capture, SIGTERM to those never told, SIGKILL (claim, reaper)
//	record   what was done, or why it was left to Slurm
//
// Everything happens in one goroutine but the questions and the ends, which
// hand their results back to it. Nothing is kept on disk: a service that is
// started again finds the jobs that are being ended again.
package watch

import "time"

const (
	// calm is how long events are gathered before anything is looked at, and
	// crowded the same where they come within hurry of the last ones: on a node
	// where ten jobs end a second each look costs a third of a millisecond.
	calm    = 100 * time.Millisecond
	crowded = 300 * time.Millisecond
	hurry   = time.Second
	// soon is the time between two looks at the jobs that were told to end: four
	// of them are a little more than the second of ignored_grace. later is the
	// same once the last order is older than slurmdHurries: slurmd looks every
	// second for so long, and every ten seconds after it (req.c,
	// pause_for_job_completion).
	soon          = 255 * time.Millisecond
	later         = time.Second
	slurmdHurries = 10 * time.Second
	// share is how many times as long as a look takes it is until the next: a
	// crowded node is looked at less often. hurriedShare is the same while slurmd
	// looks every second: there is most to win, and it is soon over.
	share        = 10
	hurriedShare = 2
	// worthTelling is how long a job may take to end by itself without a record.
	worthTelling = 2 * time.Second
	// lookLimit is the most one look at everybody may take.
	lookLimit = 2 * time.Second
	// pulse is how often the service makes sure that its slurmds are the same.
	pulse = 30 * time.Second
	// sweep is how often it looks for further ones on this host.
	sweep = 5 * time.Minute
	// search is how often it looks while it knows none, or another service
	// serves one.
	search = 10 * time.Second
)
