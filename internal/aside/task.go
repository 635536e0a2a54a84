package aside

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

// Task is something that may hang and that a disposable child does.
type Task string

// The tasks.
const (
	answers Task = "answers" // PATH
	abort   Task = "abort"   // CONNECTION
	free    Task = "free"    // PROC PID START FD KIND MAJOR MINOR INODE BEGIN END
)

// ErrTask wraps what a child could not do.
var ErrTask = errors.New("a disposable child did not succeed")

// Answers says whether the file system at a folder answers by until; an error
// that wraps ErrLate says that it does not.
func Answers(folder string, until time.Time) error {
	// A name nobody has: nothing is changed by asking for it.
	name := strings.TrimSuffix(folder, "/") + "/.lastcall-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	return do(until, answers, name)
}

// AbortFUSE ends the FUSE connection of that number.
func AbortFUSE(connection uint32, until time.Time) error {
	return do(until, abort, strconv.FormatUint(uint64(connection), 10))
}

// Free frees a lock through a copy of a process's descriptor, see locks.Free.
// Whether it is free then, the caller asks the kernel.
func Free(fs proc.FS, holder locks.Holder, lock locks.Lock, until time.Time) error {
	decimal := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return do(until, free, string(fs), strconv.Itoa(holder.PID), decimal(holder.Start), strconv.Itoa(holder.FD), string(lock.Kind),
		decimal(uint64(lock.Device.Major)), decimal(uint64(lock.Device.Minor)), decimal(lock.Inode), decimal(lock.Start), decimal(lock.End))
}

// do has a child of its own do a task. A child that is still at it after until
// is killed and left: it may be stuck in the kernel itself.
func do(until time.Time, task Task, arguments ...string) error {
	if !time.Now().Before(until) {
		return fmt.Errorf("%s: %w", task, ErrLate)
	}
	if Reap() >= mostLeft {
		return fmt.Errorf("%s: %d children are stuck already: %w", task, mostLeft, errNoChild)
	}
	var out [2]int
	if err := syscall.Pipe2(out[:], syscall.O_CLOEXEC); err != nil {
		return fmt.Errorf("%s: pipe: %w", task, err)
	}
	defer syscall.Close(out[0])
	child := spawn(-1, out[1], append([]string{string(task)}, arguments...)...)
	syscall.Close(out[1])
	if child == 0 {
		return fmt.Errorf("%s: %w", task, errNoChild)
	}
	defer end(child)
	said := make([]byte, 512)
	n := 0
	for {
		if !linux.Readable(out[0], time.Until(until)) {
			return fmt.Errorf("%s: %w", task, ErrLate)
		}
		more, err := syscall.Read(out[0], said[n:])
		if err == syscall.EINTR {
			continue
		}
		if more <= 0 || err != nil {
			return fmt.Errorf("%s: %w", task, errNoChild)
		}
		if n += more; said[n-1] == '\n' {
			break
		}
	}
	if text := strings.TrimSuffix(string(said[:n]), "\n"); text != done {
		return fmt.Errorf("%s: %s: %w", task, text, ErrTask)
	}
	return nil
}

// done is what a child says that has succeeded, others say what went wrong.
const done = "done"

// serveTask is the child: one line says how it went, before anything that is
// open is closed.
func serveTask(task string, arguments []string) int {
	err := perform(Task(task), arguments)
	text := done
	if err != nil {
		if text = err.Error(); len(text) > 400 {
			text = text[:400]
		}
		text = strings.ReplaceAll(text, "\n", " ")
	}
	linux.Say(1, []byte(text+"\n"))
	if err != nil {
		return 1
	}
	return 0
}

func perform(task Task, arguments []string) error {
	switch {
	case task == answers && len(arguments) == 1:
		return linux.Answers(arguments[0])
	case task == abort && len(arguments) == 1:
		if _, err := strconv.ParseUint(arguments[0], 10, 32); err != nil {
			return err
		}
		return linux.AbortFUSE(arguments[0])
	case task == free && len(arguments) == 10:
		return freeBy(arguments)
	}
	return fmt.Errorf("%.40q with %d arguments: %w", task, len(arguments), syscall.EINVAL)
}

// freeBy reads the arguments of the task free.
func freeBy(arguments []string) error {
	var n [9]uint64
	for i, bits := range [9]int{31, 64, 31, 0, 32, 32, 64, 64, 64} {
		if bits == 0 {
			continue // the kind
		}
		var err error
		if n[i], err = strconv.ParseUint(arguments[1+i], 10, bits); err != nil {
			return err
		}
	}
	return locks.Free(proc.FS(arguments[0]), proc.Key{PID: int(n[0]), Start: n[1]}, int(n[2]), locks.Lock{
		Kind: locks.Kind(arguments[4]), Device: locks.Device{Major: uint32(n[4]), Minor: uint32(n[5])}, Inode: n[6], Start: n[7], End: n[8],
	})
}
