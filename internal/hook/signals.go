package hook

import (
	"context"
	"os/signal"
	"syscall"
)

// ignoreBrokenOutput keeps a hook alive when whoever reads its output is
// gone: a job's standard error may be a closed pipe.
func ignoreBrokenOutput() { signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP) }

// listen makes a request to end something the hook answers, from its start
// on: a hook that dies of a signal drains the node. The function it returns
// ends that.
func (r *run) listen() context.CancelFunc {
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	r.asked = asked
	return stop
}

// interruption returns what ends the ladder early. Inside the job's own
// cgroup the request is Slurm's to the job, not to the hook: a repeated
// REQUEST_TERMINATE_JOB sends SIGTERM to every process there
// (src/slurmd/slurmd/req.c, _rpc_terminate_job).
func (r *run) interruption() context.Context {
	if r.record.RunInJob {
		return context.Background()
	}
	return r.asked
}
