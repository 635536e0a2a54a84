package sockdiag

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// inNamespace runs do on a thread that has entered the network namespace at
// path. A thread that cannot go home must never run anything else: its
// goroutine ends without unlocking it, and the runtime ends the thread.
func inNamespace(path string, do func() error) error {
	if path == "" {
		return do()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		defer unix.Close(home)
		if err := enter(path); err != nil {
			runtime.UnlockOSThread()
			done <- err
			return
		}
		err = do()
		if lost := unix.Setns(home, unix.CLONE_NEWNET); lost != nil {
			done <- errors.Join(err, fmt.Errorf("setns back from %s: %w", path, lost))
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

func enter(path string) error {
	there, err := open(path)
	if err != nil {
		return err
	}
	defer unix.Close(there)
	if err := unix.Setns(there, unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("setns to %s: %w", path, err)
	}
	return nil
}

func open(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}
