package hook

import (
	"context"
	"os/signal"
	"syscall"
)

// ignoreBrokenOutput keeps a hook alive when whoever reads its output is
// gone: a job's standard error may be a closed pipe.
func ignoreBrokenOutput() { signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP) }

// interruptible returns a context that ends when somebody asks the hook to
// end. Inside the job's own cgroup the request is Slurm's to the job, not to
// the hook: a repeated REQUEST_TERMINATE_JOB sends SIGTERM to every process
// there (src/slurmd/slurmd/req.c, _rpc_terminate_job).
func (r *run) interruptible() (context.Context, context.CancelFunc) {
	if r.record.RunInJob {
		signal.Ignore(syscall.SIGTERM)
		return context.Background(), func() {}
	}
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}
