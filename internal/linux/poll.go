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
