package linux

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrLocked says that somebody else holds the lock.
var ErrLocked = errors.New("somebody else holds the lock")

// Flock is a lock on a folder, held by an open descriptor. The kernel gives
// it back when the process ends, however it ends.
type Flock struct{ fd int }

// TryFlock takes the exclusive flock(2) of the folder at path, without
// waiting, and fails with ErrLocked if it is taken. Nothing is created in the
// folder; whoever lists or writes it is not hindered.
func TryFlock(path string) (*Flock, error) {
	fd, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	_, err = again(func() (int, error) { return 0, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if err == nil {
		return &Flock{fd: fd}, nil
	}
	Close(fd)
	if err == unix.EWOULDBLOCK {
		err = ErrLocked
	}
	return nil, fail("flock", path, err)
}

// Close gives the lock back.
func (f *Flock) Close() { Close(f.fd) }
