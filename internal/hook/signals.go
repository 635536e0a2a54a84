package hook

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// standFirm keeps a hook alive when whoever reads its output is gone, since a
// job's standard error may be a closed pipe, and when it is told to end while
// it is about to find out whether there is anything to do: a hook that dies of
// a signal drains the node. What takes longer than milliseconds listens; see
// interruptible. To listen from the start would cost each run a quarter more.
func standFirm() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGPIPE, syscall.SIGHUP)
}

// interruptible returns a context that ends when somebody asks the hook to
// end. Inside the job's own cgroup the request is Slurm's to the job, not to
// the hook: a repeated REQUEST_TERMINATE_JOB sends SIGTERM to every process
// there (src/slurmd/slurmd/req.c, _rpc_terminate_job).
func (r *run) interruptible() context.Context {
	if r.record.RunInJob {
		return context.Background()
	}
	asked, cancel := context.WithCancel(context.Background())
	requests := make(chan os.Signal, 1)
	signal.Notify(requests, syscall.SIGTERM, syscall.SIGINT)
	// Both stay until the hook ends: to stop listening would bring back death
	// by signal.
	go func() {
		<-requests
		cancel()
	}()
	return asked
}
