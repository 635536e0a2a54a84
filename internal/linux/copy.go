package linux

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// OpenThreadPidfd opens a handle of one thread, PIDFD_THREAD of
// pidfd_open(2), kernel 6.9 and later; EINVAL before that.
func OpenThreadPidfd(tid int) (int, error) {
	fd, err := again(func() (int, error) { return unix.PidfdOpen(tid, unix.O_EXCL) })
	if err != nil {
		return -1, fmt.Errorf("pidfd_open of thread %d: %w", tid, err)
	}
	return fd, nil
}

// CopyDescriptor makes a copy of descriptor fd of the process behind the
// handle, pidfd_getfd(2), kernel 5.6 and later. Both are one open file
// description from then on. ESRCH tells a process that has given its
// descriptors back already, EBADF that it has no such one. Closing the copy
// may flush, and so hang, where the file system does.
func CopyDescriptor(pidfd, fd int) (int, error) {
	copied, err := again(func() (int, error) { return unix.PidfdGetfd(pidfd, fd, 0) })
	if err != nil {
		return -1, fmt.Errorf("pidfd_getfd of descriptor %d: %w", fd, err)
	}
	return copied, nil
}

// Unflock takes back the flock(2) of an open file description.
func Unflock(fd int) error {
	if err := unix.Flock(fd, unix.LOCK_UN); err != nil {
		return fmt.Errorf("flock LOCK_UN: %w", err)
	}
	return nil
}

// UnlockRange takes back the lock of an open file description on length bytes
// from start, 0 for all to the end of the file (F_OFD_SETLK of fcntl(2)).
func UnlockRange(fd int, start, length int64) error {
	lock := unix.Flock_t{Type: unix.F_UNLCK, Start: start, Len: length}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock); err != nil {
		return fmt.Errorf("fcntl F_OFD_SETLK: %w", err)
	}
	return nil
}

// KeepDescriptors makes every descriptor from 3 on one that programs started
// from here do not inherit (FD_CLOEXEC): whoever started a hook may have left
// some open, and a child that is left behind must not hold them.
func KeepDescriptors() {
	if unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Before Linux 5.11.
	names, _ := Names("/proc/self/fd")
	for _, name := range names {
		if fd, err := strconv.Atoi(name); err == nil && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// ReadMemory reads the memory of a process at address through its file mem
// (proc_pid_mem(5)) into buffer and returns the part that could be read. It
// may wait for the lock of that memory: only a disposable child does this.
func ReadMemory(path string, address uint64, buffer []byte) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := again(func() (int, error) { return unix.Pread(fd, buffer, int64(address)) })
	if err != nil {
		return nil, fail("read", path, err)
	}
	return buffer[:n], nil
}
