package controller

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// Limit is how long Ask waits if its context has no earlier deadline.
	Limit = 2 * time.Second
	// mostOutput bounds what is read: about 1,000 tasks of an array.
	mostOutput = 2 << 20
	// afterKill is how long a pipe is waited for that somebody else holds.
	afterKill = 500 * time.Millisecond
)

// Question is what to ask.
type Question struct {
	Scontrol string // path of scontrol; the caller has made sure that only root can change it
	Conf     string // path of slurm.conf
	Job      uint32 // raw id of the job
	Leader   uint32 // of a het job the id of its first component if known, else 0
}

// Ask asks once. scontrol gets its own process group, no input, an
// environment with nothing but slurm.conf and the form of times, and is
// killed when the time is over. Errors wrap ErrNoJob, ErrLate, ErrAmbiguous,
// ErrFormat, or come from starting it.
func Ask(ctx context.Context, q Question) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	asked := q.Job
	if q.Leader != 0 {
		asked = q.Leader
	}
	// Options before the command, as in the manual: getopt(3) of scontrol
	// (scontrol.c, main) knows both since before 20.11. A job of a federation
	// is looked for on this cluster alone.
	command := exec.CommandContext(ctx, q.Scontrol, "--oneliner", "--local", "show", "job", strconv.FormatUint(uint64(asked), 10))
	command.Env = []string{"SLURM_CONF=" + q.Conf, "SLURM_TIME_FORMAT=%s", "LC_ALL=C"}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = afterKill
	out, complaint := &bounded{most: mostOutput}, &bounded{most: 4096}
	command.Stdout, command.Stderr = out, complaint
	began := time.Now()
	err := command.Run()
	took := time.Since(began)
	if out.full {
		return Answer{Took: took}, fmt.Errorf("%s for job %d: more than %d bytes: %w", q.Scontrol, asked, mostOutput, ErrFormat)
	}
	if ctx.Err() != nil {
		return Answer{Took: took}, fmt.Errorf("%s for job %d: %w: %w", q.Scontrol, asked, ErrLate, ctx.Err())
	}
	if err != nil {
		said := complaint.String()
		if strings.Contains(said, "Invalid job id") {
			err = ErrNoJob
		}
		return Answer{Took: took}, fmt.Errorf("%s for job %d: %w: %.200q", q.Scontrol, asked, err, said)
	}
	answer, err := Parse(out.String(), asked, q.Job)
	answer.Took = took
	if err != nil {
		return answer, fmt.Errorf("%s for job %d: %w", q.Scontrol, asked, err)
	}
	return answer, nil
}

// bounded keeps what is written up to a limit and then fails, which closes
// the writer's pipe. The buffer is no embedded one: io.Copy would fill it past
// Write.
type bounded struct {
	kept bytes.Buffer
	most int
	full bool
}

func (b *bounded) Write(data []byte) (int, error) {
	if b.kept.Len()+len(data) > b.most {
		b.full = true
		return 0, io.ErrShortWrite
	}
	return b.kept.Write(data)
}

func (b *bounded) String() string { return b.kept.String() }
