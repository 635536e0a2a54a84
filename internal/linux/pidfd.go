package linux

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// OpenPidfd opens a handle of the process pid, pidfd_open(2), kernel 5.3 and
// later. The handle means this process for ever, whoever gets the number
// next. ENOSYS tells an older kernel, ESRCH a process that is gone; the other
// errors are those of the manual page.
func OpenPidfd(pid int) (int, error) {
	fd, err := again(func() (int, error) { return unix.PidfdOpen(pid, 0) })
	if err != nil {
		return -1, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	return fd, nil
}

// SignalPidfd sends signal to the process behind the handle,
// pidfd_send_signal(2), kernel 5.1 and later. Signal 0 only asks.
func SignalPidfd(fd int, signal Signal) error {
	if err := unix.PidfdSendSignal(fd, unix.Signal(signal), nil, 0); err != nil {
		return fmt.Errorf("pidfd_send_signal %d: %w", int(signal), err)
	}
	return nil
}

// SignalPid sends signal to whatever process has the number pid now, kill(2).
// It is for kernels without pidfd only, right after the start time was read.
func SignalPid(pid int, signal Signal) error {
	if err := unix.Kill(pid, unix.Signal(signal)); err != nil {
		return fmt.Errorf("kill %d with %d: %w", pid, int(signal), err)
	}
	return nil
}

// Close closes a descriptor; an error of close(2) changes nothing for a
// caller that only looked.
func Close(fd int) { _ = unix.Close(fd) }

// Signal is a signal number of signal(7).
type Signal = unix.Signal

// The signals the ladder uses.
const (
	SIGTERM = unix.SIGTERM
	SIGKILL = unix.SIGKILL
	SIGSTOP = unix.SIGSTOP
	SIGCONT = unix.SIGCONT
)
