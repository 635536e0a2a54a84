// Package linux holds the thin system calls everything else is built on. It
// is the only package that imports golang.org/x/sys/unix, so that each call
// has one place with its limits and its source.
//
// Files are read with open(2) and read(2) alone: the os package would start
// the network poller (about 0.1 ms of each hook's run), and nothing read here
// can be polled anyway.
package linux

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// Errno is the kernel's error number as the standard library knows it.
type Errno = syscall.Errno

// Gone says whether err means that what was asked for does not exist any
// more: ENOENT for a file, ESRCH for a process (proc(5) readers get it when
// the process ends half way), ENODEV for a removed cgroup. For a program that
// wants things to be gone this is good news, not a failure.
func Gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV)
}

// Denied says whether err means that the caller lacks the right to look or
// act: EPERM or EACCES.
func Denied(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

// again repeats call for as long as a signal interrupts it (signal(7),
// "Interruption of system calls").
func again[T any](call func() (T, error)) (T, error) {
	for {
		value, err := call()
		if err != unix.EINTR {
			return value, err
		}
	}
}
