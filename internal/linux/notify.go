package linux

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// What happens to a folder or in it, inotify(7). The masks that cannot be
// asked for (Ignored, Unmounted, Overflowed) are only ever seen.
const (
	NotifyCreated    = unix.IN_CREATE     // a name appeared, also by link(2)
	NotifyDeleted    = unix.IN_DELETE     // a name is gone
	NotifyMovedTo    = unix.IN_MOVED_TO   // a name appeared by rename(2)
	NotifyMovedFrom  = unix.IN_MOVED_FROM // a name left by rename(2)
	NotifyClosed     = unix.IN_CLOSE_WRITE
	NotifySelfGone   = unix.IN_DELETE_SELF
	NotifySelfMoved  = unix.IN_MOVE_SELF
	NotifyIgnored    = unix.IN_IGNORED
	NotifyUnmounted  = unix.IN_UNMOUNT
	NotifyOverflowed = unix.IN_Q_OVERFLOW

	// NotifyNames is what a folder is watched for when names in it matter.
	NotifyNames = NotifyCreated | NotifyDeleted | NotifyMovedTo | NotifyMovedFrom | NotifySelfGone | NotifySelfMoved
)

// Event is one thing that happened.
type Event struct {
	Folder int    // what Watch returned; -1 for an overflow
	Mask   uint32 // Notify*
	Name   string // the name in the folder, "" for the folder itself
}

// Lost says that the kernel's queue was full and events were thrown away
// (IN_Q_OVERFLOW): whoever follows them has to look at everything again.
func (e Event) Lost() bool { return e.Mask&NotifyOverflowed != 0 }

// FolderGone says that the path does not lead to the watched folder any more:
// removed, renamed, its file system unmounted, or the watch taken off. The
// path has to be watched anew.
func (e Event) FolderGone() bool {
	return e.Mask&(NotifySelfGone|NotifySelfMoved|NotifyIgnored|NotifyUnmounted) != 0
}

// Notify watches folders with inotify(7). It waits with poll(2) in a thread
// of its own, not with Go's network poller: that one would wake the program
// for each event, and a caller that lets events pile up for some milliseconds
// saves most of the work. It is for one goroutine; only Wake may be
// called from others.
type Notify struct {
	inotify int
	wake    int
	buffer  []byte
}

// NewNotify opens a watch without folders. Close it after use.
func NewNotify() (*Notify, error) {
	inotify, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init1: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		Close(inotify)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	return &Notify{inotify: inotify, wake: wake, buffer: make([]byte, 64<<10)}, nil
}

// Watch adds the folder at path, for the events in mask, and returns the
// number its events carry. A path that is no folder is an error (ENOTDIR). A
// folder that is watched already gets the new mask and keeps its number.
func (n *Notify) Watch(path string, mask uint32) (int, error) {
	folder, err := again(func() (int, error) { return unix.InotifyAddWatch(n.inotify, path, mask|unix.IN_ONLYDIR) })
	if err != nil {
		return -1, fail("inotify_add_watch", path, err)
	}
	return folder, nil
}

// Forget takes a folder off. A folder that is gone is off already: EINVAL
// from inotify_rm_watch(2) is no error.
func (n *Notify) Forget(folder int) error {
	if _, err := unix.InotifyRmWatch(n.inotify, uint32(folder)); err != nil && err != unix.EINVAL {
		return fmt.Errorf("inotify_rm_watch %d: %w", folder, err)
	}
	return nil
}

// Wait waits until events are queued, and returns true, or until most has
// passed or somebody called Wake, and returns false. A negative most waits
// without limit.
func (n *Notify) Wait(most time.Duration) (bool, error) {
	until := time.Now().Add(most)
	for {
		milliseconds := -1
		if most >= 0 {
			left := max(time.Until(until), 0)
			milliseconds = int(min((left+time.Millisecond-1)/time.Millisecond, 1<<30))
		}
		set := []unix.PollFd{{Fd: int32(n.inotify), Events: unix.POLLIN}, {Fd: int32(n.wake), Events: unix.POLLIN}}
		ready, err := unix.Poll(set, milliseconds)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return false, fmt.Errorf("poll: %w", err)
		case set[1].Revents != 0:
			_, _ = unix.Read(n.wake, make([]byte, 8))
			return set[0].Revents != 0, nil
		default:
			return ready > 0, nil
		}
	}
}

// Drain hands every queued event to use, without waiting. An error leaves the
// rest in the queue.
func (n *Notify) Drain(use func(Event)) error {
	for {
		filled, err := again(func() (int, error) { return unix.Read(n.inotify, n.buffer) })
		if err == unix.EAGAIN {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read of inotify: %w", err)
		}
		if filled == 0 {
			return nil
		}
		eachEvent(n.buffer[:filled], use)
	}
}

// Wake ends the wait of another goroutine, or its next one if it does not wait
// just now.
func (n *Notify) Wake() {
	one := make([]byte, 8)
	binary.NativeEndian.PutUint64(one, 1)
	_, _ = unix.Write(n.wake, one)
}

// Close gives the watch back. Nobody may wait any more.
func (n *Notify) Close() {
	Close(n.inotify)
	Close(n.wake)
}

// eachEvent walks the records of inotify(7): watch number, mask, cookie and
// length of 4 bytes each, then that many bytes of name, filled up with NUL.
// What is cut off at the end is passed over: the kernel never does that.
func eachEvent(records []byte, use func(Event)) {
	const header = unix.SizeofInotifyEvent
	for len(records) >= header {
		length := int(binary.NativeEndian.Uint32(records[12:]))
		if length < 0 || length > len(records)-header {
			return
		}
		name := records[header : header+length]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		use(Event{
			Folder: int(int32(binary.NativeEndian.Uint32(records))),
			Mask:   binary.NativeEndian.Uint32(records[4:]),
			Name:   string(name),
		})
		records = records[header+length:]
	}
}
