package controller

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// mostMessage is the most that is handed to scontrol of a message, in bytes.
const mostMessage = 1500

// Tell has the controller write one line into the job's own output (scontrol
// notify; src/slurmctld/proc_req.c, _slurm_rpc_job_notify: to the srun of an
// interactive job, to standard error of a batch script). It works for running
// jobs only. The text must be printable: it is handed over as one argument, no
// shell is involved. Errors as of Ask.
func Tell(ctx context.Context, q Question, text string) error {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	if len(text) > mostMessage {
		text = text[:mostMessage] + "..."
	}
	command := exec.CommandContext(ctx, q.Scontrol, "notify", strconv.FormatUint(uint64(q.Job), 10), text)
	command.Env = []string{"SLURM_CONF=" + q.Conf, "LC_ALL=C"}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = afterKill
	complaint := &bounded{most: 4096}
	command.Stdout, command.Stderr = complaint, complaint
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s notify %d: %w: %w", q.Scontrol, q.Job, ErrLate, ctx.Err())
	case err != nil:
		return fmt.Errorf("%s notify %d: %w: %.200q", q.Scontrol, q.Job, err, complaint.String())
	}
	return nil
}
