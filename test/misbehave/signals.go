package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// sigtermBit is SIGTERM in a kernel signal set of 64 bits.
const sigtermBit = uint64(1) << (syscall.SIGTERM - 1)

// sigsetBytes is the size of a kernel signal set, rt_sigprocmask(2).
const sigsetBytes = 8

// termBlocked says whether the calling thread blocks SIGTERM.
func termBlocked() (bool, error) {
	var mask uint64
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, 0, uintptr(unsafe.Pointer(&mask)), sigsetBytes, 0, 0)
	if errno != 0 {
		return false, fmt.Errorf("rt_sigprocmask: %w", errno)
	}
	return mask&sigtermBit != 0, nil
}

// blockAndExec blocks SIGTERM in the first thread and starts this program
// anew in the same process. The mask lives on over execve(2), and the Go
// runtime gives every thread the mask its first one started with: only so is
// the signal blocked in all of them.
func (o *options) blockAndExec() error {
	mask := sigtermBit
	const sigBlock = 0 // include/uapi/asm-generic/signal-defs.h
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigBlock, uintptr(unsafe.Pointer(&mask)), 0, sigsetBytes, 0, 0)
	if errno != 0 {
		return fmt.Errorf("rt_sigprocmask: %w", errno)
	}
	err := syscall.Exec(self, append([]string{os.Args[0]}, o.arguments()...), os.Environ())
	return fmt.Errorf("execve %s: %w", self, err)
}

// restoreDefault takes the handler away that the Go runtime sets for SIGTERM
// at its start: with it /proc/PID/status would say "caught".
func restoreDefault() error {
	var action [4]uint64 // handler SIG_DFL, no flags, no restorer, no mask
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGTERM), uintptr(unsafe.Pointer(&action)), 0, sigsetBytes, 0, 0)
	if errno != 0 {
		return fmt.Errorf("rt_sigaction: %w", errno)
	}
	return nil
}

// disposition sets what SIGTERM does and returns a channel that tells when to
// begin the last work.
func (o *options) disposition() (<-chan os.Signal, error) {
	asked := make(chan os.Signal, 1)
	switch o.term {
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
		return asked, nil
	case "catch":
		signal.Notify(asked, syscall.SIGTERM)
		return asked, nil
	case "sigwait":
		go sigwait(asked)
	}
	return asked, restoreDefault()
}

// sigwait waits for SIGTERM the way sigwait(3) does: the signal stays blocked
// and is taken from the queue.
func sigwait(asked chan<- os.Signal) {
	runtime.LockOSThread()
	for {
		set, second := sigtermBit, syscall.Timespec{Sec: 1}
		got, _, errno := syscall.Syscall6(syscall.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, uintptr(unsafe.Pointer(&second)), sigsetBytes, 0, 0)
		if errno == 0 && syscall.Signal(got) == syscall.SIGTERM {
			asked <- syscall.SIGTERM
			return
		}
	}
}

// endAfterMax ends the process after max, whatever it does: a program that
// goes on too long exits with 3. A timer of the kernel stands behind that; its
// SIGKILL also reaches a stopped process and one whose leader is gone.
func (o *options) endAfterMax() error {
	if o.max <= 0 {
		return fmt.Errorf("-max %v: must be more than 0", o.max)
	}
	time.AfterFunc(o.max, func() { os.Exit(3) })
	// struct sigevent: value, signal, SIGEV_SIGNAL, padding to 64 bytes.
	event := struct {
		value        uint64
		signo, event int32
		_            [12]int32
	}{signo: int32(syscall.SIGKILL)}
	var id int32
	const clockMonotonic = 1
	_, _, errno := syscall.RawSyscall(syscall.SYS_TIMER_CREATE, clockMonotonic, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&id)))
	if errno != 0 {
		return fmt.Errorf("timer_create: %w", errno)
	}
	spec := [2]syscall.Timespec{{}, syscall.NsecToTimespec(int64(o.max + 500*time.Millisecond))} // interval, first
	_, _, errno = syscall.RawSyscall6(syscall.SYS_TIMER_SETTIME, uintptr(id), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("timer_settime: %w", errno)
	}
	return nil
}
