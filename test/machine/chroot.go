package machine

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// RunChroot runs the tests of in inside the image's root, on this host's
// kernel and cgroups, and puts what they left into out.
func (i Image) RunChroot(ctx context.Context, in Input, settings Settings, out string, limit time.Duration, console io.Writer) (bool, error) {
	work, err := os.MkdirTemp("", "lastcall-chroot-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(work)
	if err := in.copyFor(work+"/in", settings); err != nil {
		return false, err
	}
	script, err := guest.ReadFile("guest/chroot.sh")
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(work+"/chroot.sh", script, 0o755); err != nil {
		return false, err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// --kill-child: with this program the first process of the namespaces
	// ends, and with that one everything in them.
	place := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child=KILL",
		"nice", "-n", "5", "sh", work+"/chroot.sh", i.Root(), work+"/in")
	place.Stdout, place.Stderr = console, console
	place.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	placeErr := place.Run()
	if err := os.MkdirAll(out, 0o755); err != nil {
		return false, err
	}
	found, _ := filepath.Glob(work + "/in/out/*")
	for _, path := range found {
		if _, err := command(context.Background(), "cp", path, out+"/"); err != nil {
			return false, err
		}
	}
	if _, err := os.Stat(out + "/status"); err != nil {
		return false, fmt.Errorf("%w: %v", ErrLost, placeErr)
	}
	return placeErr == nil, nil
}
