// Package aside reads what may hang. The environment of a process is read
// through its memory, and on a process that is stuck in the kernel this read
// may wait for a lock as long as the process does (mmap_lock; on older kernels
// not even SIGKILL ends that wait). So a disposable child does it, and is left
// behind when it does not answer in time.
package aside

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Argument is the first argument that turns a hook into the disposable child.
const Argument = "-read-environ-of"

// Limit is how long one answer may take.
const Limit = 500 * time.Millisecond

// ErrLate says that the child did not answer in time.
var ErrLate = errors.New("no answer in time")

// Environ returns the part of the environment of pid that lastcall reads. The
// child is this very program; its answer goes through a pipe of its own, so
// that slurmd, which waits for the hook's output to be closed, never waits
// for it.
func Environ(pid int) ([]byte, error) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("pipe for a careful read of %d: %w", pid, err)
	}
	defer syscall.Close(ends[0])
	null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		syscall.Close(ends[1])
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	child, err := syscall.ForkExec("/proc/self/exe", []string{"lastcall", Argument, strconv.Itoa(pid)}, &syscall.ProcAttr{
		Files: []uintptr{uintptr(null), uintptr(ends[1]), uintptr(null)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	syscall.Close(null)
	syscall.Close(ends[1])
	if err != nil {
		return nil, fmt.Errorf("starting a careful read of %d: %w", pid, err)
	}
	return collect(child, ends[0], time.Now().Add(Limit))
}

// collect takes the answer, or ends the child and leaves it to init.
func collect(child, from int, until time.Time) ([]byte, error) {
	watch, err := linux.NewWatch()
	if err != nil {
		return nil, err
	}
	defer watch.Close()
	if err := watch.Add(from, 0); err != nil {
		return nil, err
	}
	ready, err := watch.Wait(nil, time.Until(until))
	if err != nil || len(ready) == 0 {
		_ = syscall.Kill(child, syscall.SIGKILL)
		_, _ = syscall.Wait4(child, nil, syscall.WNOHANG, nil)
		return nil, fmt.Errorf("reading the environment of a stuck process: %w", errors.Join(ErrLate, err))
	}
	// The child writes once and at most what a pipe takes whole.
	answer := make([]byte, pipeSize)
	n, err := syscall.Read(from, answer)
	_ = syscall.Kill(child, syscall.SIGKILL)
	_, _ = syscall.Wait4(child, nil, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of a careful read: %w", err)
	}
	return answer[:max(n, 0)], nil
}

// pipeSize is what fits into a pipe without waiting (pipe(7)).
const pipeSize = 64 << 10

// Serve is the disposable child: it writes what Environ asked for and returns
// the exit code.
func Serve(arguments []string) int {
	if len(arguments) != 1 {
		return 2
	}
	pid, err := strconv.Atoi(arguments[0])
	if err != nil || pid <= 0 {
		return 2
	}
	environ, err := proc.Default.Environ(pid, nil)
	if err != nil {
		return 1
	}
	linux.Say(1, onlySlurm(environ))
	return 0
}

// onlySlurm keeps the variables lastcall reads, so that nothing else of a
// user's environment travels.
func onlySlurm(environ []byte) []byte {
	var kept []byte
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, _, ok := bytes.Cut(entry, []byte("="))
		if ok && slurm.IsHookVariable(string(name)) && len(kept)+len(entry) < pipeSize {
			kept = append(append(kept, entry...), 0)
		}
	}
	return kept
}
