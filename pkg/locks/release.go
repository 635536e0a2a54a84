package locks

import (
	"errors"
	"fmt"
	"strconv"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// Errors of Free.
var (
	// ErrNotHeld says that the descriptor does not hold the lock (any more).
	ErrNotHeld = errors.New("the descriptor does not hold the lock")
	// ErrNotOurs says that no copy of a descriptor can free a lock of this kind.
	ErrNotOurs = errors.New("only locks of an open file description can be freed through a copy of it")
	// ErrExited says that the first thread of the holder has exited, and that
	// this kernel, before Linux 6.9, copies no other's descriptors.
	ErrExited = errors.New("its first thread has exited, and only Linux 6.9 and later can copy another's descriptors")
)

// CanFree says whether a lock of this kind can be freed through a copy of its
// descriptor: FLOCK and OFDLCK belong to the open file description, the others
// to the process (flock(2), fcntl(2)).
func CanFree(kind Kind) bool { return kind == FLOCK || kind == OFDLCK }

// Free frees a lock that a process holds through its descriptor fd, though
// the process cannot be ended: it unlocks a copy of the descriptor. Before and
// after, the lines of the copy tell whether the lock is there. The copy is not
// closed: that may flush, and hang, and so may the end of the caller. Only a
// disposable child may call it, and only for a file system that works.
func Free(fs proc.FS, key proc.Key, fd int, lock Lock) error {
	if !CanFree(lock.Kind) {
		return fmt.Errorf("%s: %w", lock.Kind, ErrNotOurs)
	}
	copied, err := copyOf(fs, key, fd)
	if err != nil {
		return err
	}
	if held, err := shows(fs, copied, lock); err != nil || !held {
		return errors.Join(err, ErrNotHeld)
	}
	if lock.Kind == FLOCK {
		err = linux.Unflock(copied)
	} else {
		err = linux.UnlockRange(copied, int64(lock.Start), length(lock))
	}
	if err != nil {
		return err
	}
	if held, err := shows(fs, copied, lock); err != nil || held {
		return errors.Join(err, errors.New("the lock is still there"))
	}
	return nil
}

func length(lock Lock) int64 {
	if lock.End == EOF {
		return 0
	}
	return int64(lock.End-lock.Start) + 1
}

// copyOf copies a descriptor of the very process key names. Of a leader that
// has exited its threads still have the table.
func copyOf(fs proc.FS, key proc.Key, fd int) (int, error) {
	pidfd, err := linux.OpenPidfd(key.PID)
	if err != nil {
		return -1, err
	}
	stat, err := fs.Stat(key.PID, make([]byte, 1024))
	if err != nil {
		return -1, err
	}
	if stat.Key() != key {
		return -1, fmt.Errorf("process %d is another one now: %w", key.PID, linux.Errno(3)) // ESRCH
	}
	if !stat.Zombie() {
		return linux.CopyDescriptor(pidfd, fd)
	}
	tids, err := fs.Tasks(key.PID)
	for _, tid := range tids {
		thread, wrong := linux.OpenThreadPidfd(tid)
		if errors.Is(wrong, linux.Errno(22)) { // EINVAL: the kernel does not know the flag
			wrong = ErrExited
		}
		if wrong != nil {
			err = wrong
			continue
		}
		copied, wrong := linux.CopyDescriptor(thread, fd)
		if wrong == nil {
			return copied, nil
		}
		err = wrong
	}
	return -1, err
}

// shows says whether a descriptor of this process holds the lock, by its own
// lines in fdinfo.
func shows(fs proc.FS, fd int, lock Lock) (bool, error) {
	text, err := linux.ReadAll(string(fs)+"/self/fdinfo/"+strconv.Itoa(fd), nil, maxFDInfo)
	if err != nil {
		return false, err
	}
	found := false
	_ = ParseFDInfo(text, func(one Lock) bool {
		found = one.file() == lock.file()
		return !found
	})
	return found, nil
}
