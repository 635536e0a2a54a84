package controller

import (
	"context"
	"fmt"
	"strconv"
)

// mostMessage is the most that is handed to scontrol of a message, in bytes.
const mostMessage = 1500

// Tell has the controller write one line into the job's own output (scontrol
// notify; src/slurmctld/proc_req.c, _slurm_rpc_job_notify: to the srun of an
// interactive job, to standard error of a batch script). It works for running
// jobs only. The text must be printable: it is handed over as one argument, no
// shell is involved. Errors as of Ask.
func Tell(ctx context.Context, q Question, text string) error {
	if len(text) > mostMessage {
		text = text[:mostMessage] + "..."
	}
	if _, err := run(ctx, q.Scontrol, q.Conf, "notify", strconv.FormatUint(uint64(q.Job), 10), text); err != nil {
		return fmt.Errorf("%s notify %d: %w", q.Scontrol, q.Job, err)
	}
	return nil
}
