package machine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// RunHost runs the tests of in right here.
func RunHost(ctx context.Context, in Input, settings Settings, out string, limit time.Duration, console io.Writer) (bool, error) {
	work, err := os.MkdirTemp("", "lastcall-host-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	if err := in.copyFor(work+"/in", settings); err != nil {
		return false, err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tests := exec.CommandContext(ctx, "bash", work+"/in/run.sh", work+"/in", out)
	tests.Stdout, tests.Stderr = console, console
	err = tests.Run()
	if ctx.Err() != nil {
		return false, fmt.Errorf("the tests took more than %s: %w", limit, ErrLost)
	}
	return err == nil, nil
}
