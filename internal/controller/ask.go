package controller

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// Question is what to ask.
type Question struct {
	Scontrol string // path of scontrol; the caller has made sure that only root can change it
	Conf     string // path of slurm.conf
	Job      uint32 // raw id of the job
	Leader   uint32 // of a het job the id of its first component if known, else 0
}

// Ask asks once, for no longer than Limit. Errors wrap ErrNoJob, ErrLate,
// ErrAmbiguous, ErrFormat, or come from starting scontrol.
func Ask(ctx context.Context, q Question) (Answer, error) {
	asked := q.Job
	if q.Leader != 0 {
		asked = q.Leader
	}
	began := time.Now()
	// Options before the command, as in the manual: getopt(3) of scontrol
	// (scontrol.c, main) knows both since before 20.11. A job of a federation
	// is looked for on this cluster alone.
	out, err := run(ctx, q.Scontrol, q.Conf, "--oneliner", "--local", "show", "job", strconv.FormatUint(uint64(asked), 10))
	took := time.Since(began)
	if err != nil {
		return Answer{Took: took}, fmt.Errorf("%s for job %d: %w", q.Scontrol, asked, err)
	}
	answer, err := Parse(out, asked, q.Job)
	answer.Took = took
	if err != nil {
		return answer, fmt.Errorf("%s for job %d: %w", q.Scontrol, asked, err)
	}
	return answer, nil
}
