package linux

import (
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// fail gives an error the operation and the path, the way the os package does.
func fail(operation, path string, err error) error {
	return &fs.PathError{Op: operation, Path: path, Err: err}
}

func open(path string, flags int) (int, error) {
	fd, err := again(func() (int, error) { return unix.Open(path, flags|unix.O_CLOEXEC, 0) })
	if err != nil {
		return -1, fail("open", path, err)
	}
	return fd, nil
}

// Read reads the file at path in one go into buffer and returns the part that
// was filled. The kernel makes the one-record files of proc(5) (stat, status,
// environ up to the buffer) whole in a single read, so one call is enough for
// them and no second call for the end of the file is paid. What does not fit
// is cut off.
func Read(path string, buffer []byte) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := again(func() (int, error) { return unix.Read(fd, buffer) })
	if err != nil {
		return nil, fail("read", path, err)
	}
	return buffer[:n], nil
}

// ReadOwned reads like Read, and says whom the file belongs to.
func ReadOwned(path string, buffer []byte) ([]byte, uint32, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return nil, 0, err
	}
	defer unix.Close(fd)
	var status unix.Stat_t
	if err := unix.Fstat(fd, &status); err != nil {
		return nil, 0, fail("fstat", path, err)
	}
	n, err := again(func() (int, error) { return unix.Read(fd, buffer) })
	if err != nil {
		return nil, 0, fail("read", path, err)
	}
	return buffer[:n], status.Uid, nil
}

// ReadAll reads the file at path to its end, using buffer first and growing
// it up to limit bytes. A file longer than that is cut off there: no user can
// make a hook read without end.
func ReadAll(path string, buffer []byte, limit int) ([]byte, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if len(buffer) == 0 {
		buffer = make([]byte, 4096)
	}
	filled := 0
	for {
		n, err := again(func() (int, error) { return unix.Read(fd, buffer[filled:]) })
		if err != nil {
			return buffer[:filled], fail("read", path, err)
		}
		filled += n
		if n == 0 || filled >= limit {
			return buffer[:min(filled, limit)], nil
		}
		if filled == len(buffer) {
			grown := make([]byte, 2*len(buffer))
			copy(grown, buffer)
			buffer = grown
		}
	}
}

// Write writes data with one write(2) into the file at path, which must
// exist: it is for the control files of cgroups and for /proc.
func Write(path, data string) error {
	fd, err := open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, err := again(func() (int, error) { return unix.Write(fd, []byte(data)) }); err != nil {
		return fail(fmt.Sprintf("write %q to", data), path, err)
	}
	return nil
}

// Exists says whether path names anything, without following a link at its
// end. An error other than "not there" counts as existing: callers ask in
// order to be careful.
func Exists(path string) bool {
	var status unix.Stat_t
	return !Gone(unix.Lstat(path, &status))
}

// Owner returns the user that owns path. For /proc/PID that is the effective
// user of the process, also of one that may not be dumped (whose files show
// root: fs/proc/base.c, task_dump_owner), and it is the cheapest thing to ask
// about a process.
func Owner(path string) (uint32, error) {
	var status unix.Stat_t
	if err := unix.Lstat(path, &status); err != nil {
		return 0, fail("lstat", path, err)
	}
	return status.Uid, nil
}

// Link returns what the symbolic link at path says, without touching what it
// points to: a link below /proc/PID/fd may name a file on a dead file system.
func Link(path string) (string, error) {
	buffer := make([]byte, 1024)
	n, err := unix.Readlink(path, buffer)
	if err != nil {
		return "", fail("readlink", path, err)
	}
	return string(buffer[:n]), nil
}

// Modified returns when the content of path last changed (st_mtime of
// lstat(2)). All times of one file system come from one clock of this host.
func Modified(path string) (time.Time, error) {
	var status unix.Stat_t
	if err := unix.Lstat(path, &status); err != nil {
		return time.Time{}, fail("lstat", path, err)
	}
	return time.Unix(status.Mtim.Unix()), nil
}

// OnlyRootWrites says whether path, links followed, is a regular file that
// belongs to root and that nobody else may write (stat(2)). The folders above
// it are not looked at.
func OnlyRootWrites(path string) (bool, error) {
	var status unix.Stat_t
	if err := unix.Stat(path, &status); err != nil {
		return false, fail("stat", path, err)
	}
	regular := status.Mode&unix.S_IFMT == unix.S_IFREG
	return regular && status.Uid == 0 && status.Mode&(unix.S_IWGRP|unix.S_IWOTH) == 0, nil
}
