package linux

import (
	"time"

	"golang.org/x/sys/unix"
)

// Readable waits until a read of fd would not wait, also because its other
// end is closed, and says whether it came to that in time (poll(2)).
func Readable(fd int, most time.Duration) bool { return ready(fd, unix.POLLIN, most) }

// writable waits until fd takes at least PIPE_BUF bytes, or fails at once
// (pipe(7)). A plain file always does.
func writable(fd int, most time.Duration) bool { return ready(fd, unix.POLLOUT, most) }

// Await reads a file whose changes the kernel announces, such as cgroup.events,
// again with each change until enough says true, and whether it came to that
// before until (POLLPRI of poll(2); fs/kernfs/file.c, kernfs_fop_poll).
func Await(path string, buffer []byte, until time.Time, enough func(text []byte) bool) (bool, error) {
	fd, err := open(path, unix.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	for {
		n, err := again(func() (int, error) { return unix.Pread(fd, buffer, 0) })
		if err != nil {
			return false, fail("read", path, err)
		}
		if enough(buffer[:n]) {
			return true, nil
		}
		if !ready(fd, unix.POLLPRI, time.Until(until)) {
			return false, nil
		}
	}
}

func ready(fd int, events int16, most time.Duration) bool {
	until := time.Now().Add(most)
	for {
		left := max(time.Until(until), 0)
		list := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(list, int((left+time.Millisecond-1)/time.Millisecond))
		if err == unix.EINTR && left > 0 {
			continue
		}
		return err == nil && n > 0
	}
}
