package reaper

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// Kernel carries signals out and waits. The real one is NewKernel's; tests
// bring their own.
type Kernel interface {
	// Now is the time since some fixed point, of a clock that never jumps.
	Now() time.Duration
	// Open takes hold of the process. It returns an error for which Gone is
	// true when this process is not there any more, whoever has its pid now.
	Open(key Key) (handle int, err error)
	// Signal sends a signal to the process behind the handle.
	Signal(handle int, key Key, signal syscall.Signal) error
	// Wait waits until a process ends, the time is over or the context is
	// done, and returns the handles of all that have ended.
	Wait(ctx context.Context, most time.Duration) ([]int, error)
	// Close lets go of a process.
	Close(handle int)
	// Method says how signals are sent.
	Method() Method
	// Gone says whether an error means that the process has ended.
	Gone(err error) bool
}

// errOther says that the pid belongs to another process by now.
var errOther = fmt.Errorf("the pid belongs to another process now: %w", syscall.ESRCH)

// Linux is the Kernel this program runs on.
type Linux struct {
	fs     proc.FS
	start  time.Time
	watch  *linux.Watch
	buffer []byte
	tokens []int
	byPID  map[int]Key // handles of processes held by number: no pidfd to be had
	next   int
	method Method
	room   int // for how many pidfds there still is room
}

// waitSlice is the longest single wait for a context without its own event.
const waitSlice = 100 * time.Millisecond

// spareDescriptors is how many descriptors are left for the looks: without one
// not even a start time can be read.
const spareDescriptors = 64

// NewKernel returns the real kernel, with the proc file system at root
// ("/proc"). Close it after use.
func NewKernel(root string) (*Linux, error) {
	watch, err := linux.NewWatch()
	if err != nil {
		return nil, err
	}
	most := linux.RaiseFileLimit(65536)
	return &Linux{
		fs: proc.FS(root), start: time.Now(), watch: watch, buffer: make([]byte, 4096),
		byPID: map[int]Key{}, next: -1, method: ByPidfd,
		room: int(min(most, 1<<20)) - spareDescriptors,
	}, nil
}

// Free gives back what the kernel value holds.
func (k *Linux) Free() { k.watch.Close() }

func (k *Linux) Now() time.Duration { return time.Since(k.start) }

func (k *Linux) Method() Method { return k.method }

func (k *Linux) Gone(err error) bool { return linux.Gone(err) }

// verify makes sure that the pid still is this process. After the pidfd was
// opened it proves that the pidfd is too, because a pid is not handed out
// again while its process still has it.
func (k *Linux) verify(key Key) error {
	stat, err := k.fs.Stat(key.PID, k.buffer)
	if err != nil {
		return err
	}
	if stat.Start != key.Start {
		return errOther
	}
	return nil
}

func (k *Linux) Open(key Key) (int, error) {
	if k.room <= 0 {
		return k.byNumber(key)
	}
	fd, err := linux.OpenPidfd(key.PID)
	if err != nil && !linux.Gone(err) {
		return k.byNumber(key)
	}
	if err != nil {
		return 0, err
	}
	if err := k.verify(key); err != nil {
		linux.Close(fd)
		return 0, err
	}
	if err := k.watch.Add(fd, fd); err != nil {
		linux.Close(fd)
		return 0, err
	}
	k.room--
	return fd, nil
}

// byNumber takes hold of a process where there is no pidfd in this kernel, or
// no descriptor left: it is verified before each signal.
func (k *Linux) byNumber(key Key) (int, error) {
	k.method = ByPID
	if err := k.verify(key); err != nil {
		return 0, err
	}
	handle := k.next
	k.next--
	k.byPID[handle] = key
	return handle, nil
}

func (k *Linux) Signal(handle int, key Key, signal syscall.Signal) error {
	if handle >= 0 {
		return linux.SignalPidfd(handle, signal)
	}
	if err := k.verify(key); err != nil {
		return err
	}
	return linux.SignalPid(key.PID, signal)
}

func (k *Linux) Wait(ctx context.Context, most time.Duration) ([]int, error) {
	until := time.Now().Add(most)
	for {
		slice := min(time.Until(until), waitSlice)
		if len(k.byPID) > 0 {
			slice = min(slice, 20*time.Millisecond)
		}
		tokens, err := k.watch.Wait(k.tokens[:0], slice)
		k.tokens = tokens
		gone := append([]int(nil), tokens...)
		for handle, key := range k.byPID {
			if k.ended(key) {
				gone = append(gone, handle)
			}
		}
		if len(gone) > 0 || err != nil || ctx.Err() != nil || !time.Now().Before(until) {
			return gone, err
		}
	}
}

// ended asks /proc, where there is no pidfd to wait on.
func (k *Linux) ended(key Key) bool {
	stat, err := k.fs.Stat(key.PID, k.buffer)
	if err != nil {
		return linux.Gone(err)
	}
	return stat.Start != key.Start || stat.Dead()
}

func (k *Linux) Close(handle int) {
	if handle >= 0 {
		linux.Close(handle)
		k.room++
		return
	}
	delete(k.byPID, handle)
}

var _ Kernel = (*Linux)(nil)

// errNoTarget is the mistake of a caller.
var errNoTarget = errors.New("reaper: no target given")
