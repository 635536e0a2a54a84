package controller

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// Limit is how long one call waits if its context has no earlier deadline.
	Limit = 2 * time.Second
	// mostOutput bounds what is read: about 1,000 tasks of an array.
	mostOutput = 2 << 20
	// afterKill is how long a pipe is waited for that somebody else holds.
	afterKill = 500 * time.Millisecond
)

// run runs scontrol once and returns what it printed. It gets its own process
// group, no input, an environment with nothing but slurm.conf and the form of
// times, and is killed when the time is over. Errors wrap ErrNoJob, ErrLate,
// ErrFormat, or come from starting it.
func run(ctx context.Context, scontrol, conf string, arguments ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	command := exec.CommandContext(ctx, scontrol, arguments...)
	command.Env = []string{"SLURM_CONF=" + conf, "SLURM_TIME_FORMAT=%s", "LC_ALL=C"}
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = afterKill
	out, complaint := &bounded{most: mostOutput}, &bounded{most: 4096}
	command.Stdout, command.Stderr = out, complaint
	err := command.Run()
	said := complaint.String()
	switch {
	case out.full:
		return "", fmt.Errorf("more than %d bytes: %w", mostOutput, ErrFormat)
	case ctx.Err() != nil:
		return "", fmt.Errorf("%w: %w", ErrLate, ctx.Err())
	case err != nil && strings.Contains(said, "Invalid job id"):
		return "", fmt.Errorf("%w: %.200q", ErrNoJob, said)
	case err != nil:
		return "", fmt.Errorf("%w: %.200q", err, said)
	}
	return out.String(), nil
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
