package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// fcntl commands the syscall package lacks (include/uapi/linux/fcntl.h).
const (
	setOFDLock = 37
	setLease   = 1024
)

// takeLocks takes every lock asked for. With passLock it then starts a child
// that inherits the descriptors, and returns true: the taker exits and the
// kernel goes on naming it.
func (o *options) takeLocks() (bool, error) {
	files := o.held
	for _, lock := range o.locks {
		kind, path, ok := strings.Cut(lock, ":")
		if !ok {
			return true, fmt.Errorf("-lock %q: write kind:path", lock)
		}
		file, err := o.take(kind, path)
		if err != nil {
			return true, fmt.Errorf("-lock %s: %w", lock, err)
		}
		files = append(files, file)
	}
	if !o.passLock {
		// The descriptors are for life: nothing may close them.
		o.held = files
		return false, nil
	}
	child := *o
	child.locks, child.passLock = nil, false
	_, err := o.again(child, nil, files...)
	return true, err
}

func (o *options) take(kind, path string) (*os.File, error) {
	flags, flock, posix := os.O_RDWR, syscall.LOCK_EX, int16(syscall.F_WRLCK)
	if o.shared {
		flock, posix = syscall.LOCK_SH, syscall.F_RDLCK
	}
	if kind == "lease" && o.shared {
		flags = os.O_RDONLY
	}
	file, err := os.OpenFile(path, flags|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	fd := file.Fd()
	switch kind {
	case "flock":
		return file, syscall.Flock(int(fd), flock)
	case "posix":
		return file, syscall.FcntlFlock(fd, syscall.F_SETLKW, &syscall.Flock_t{Type: posix, Len: 100})
	case "ofd":
		return file, syscall.FcntlFlock(fd, setOFDLock, &syscall.Flock_t{Type: posix, Start: 5})
	case "lease":
		_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, setLease, uintptr(posix))
		if errno != 0 {
			return file, errno
		}
		return file, nil
	}
	return nil, fmt.Errorf("%q is no kind of lock; use flock, posix, ofd or lease", kind)
}
