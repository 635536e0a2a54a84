package linux

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Watch waits for many descriptors at once, epoll(7). poll(2) would hand all
// of them to the kernel again after each event; a thousand dying processes
// would cost a million checks.
type Watch struct {
	epoll  int
	events []unix.EpollEvent
}

// NewWatch opens an empty watch. Close it after use.
func NewWatch() (*Watch, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	return &Watch{epoll: fd, events: make([]unix.EpollEvent, 256)}, nil
}

// Add asks to be told once when fd becomes readable; token comes back from
// Wait. A pidfd becomes readable when its process has ended, also as a zombie
// that nobody has reaped (pidfd_open(2)).
func (w *Watch) Add(fd, token int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT, Fd: int32(token)}
	if err := unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Wait waits until something happens or the time is over and appends the
// tokens of all that became readable to tokens. A signal to this process ends
// the wait early, without an error.
func (w *Watch) Wait(tokens []int, most time.Duration) ([]int, error) {
	milliseconds := int((most + time.Millisecond - 1) / time.Millisecond)
	n, err := unix.EpollWait(w.epoll, w.events, max(milliseconds, 0))
	if err == unix.EINTR {
		return tokens, nil
	}
	if err != nil {
		return tokens, fmt.Errorf("epoll_wait: %w", err)
	}
	for _, event := range w.events[:n] {
		tokens = append(tokens, int(event.Fd))
	}
	return tokens, nil
}

// Close gives the watch back; the descriptors in it stay open.
func (w *Watch) Close() { Close(w.epoll) }
