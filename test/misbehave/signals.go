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
// anew in the same process: the mask lives on over execve(2), and threads
// inherit it. The Go runtime would unblock SIGTERM in each of its threads
// (runtime/signal_unix.go, minitSignalMask), so it is kept from that first.
func (o *options) blockAndExec() error {
	mask := sigtermBit
	const sigBlock = 0 // include/uapi/asm-generic/signal-defs.h
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigBlock, uintptr(unsafe.Pointer(&mask)), 0, sigsetBytes, 0, 0)
	if errno != 0 {
		return fmt.Errorf("rt_sigprocmask: %w", errno)
	}
	if err := freezeMask(); err != nil {
		return err
	}
	err := syscall.Exec(self, append([]string{os.Args[0]}, o.arguments()...), os.Environ())
	return fmt.Errorf("execve %s: %w", self, err)
}

// freezeMask makes each rt_sigprocmask(SIG_SETMASK, set) of this thread and
// all its heirs succeed without doing anything, by a seccomp(2) filter. It
// reads struct seccomp_data (include/uapi/linux/seccomp.h): the number of the
// call at 0, its first argument at 16, its second at 24 (and 28). The halves
// are those of a little-endian machine.
func freezeMask() error {
	const (
		load   = syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS
		equal  = syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K
		answer = syscall.BPF_RET | syscall.BPF_K
		allow  = 0x7fff0000 // SECCOMP_RET_ALLOW
		done   = 0x00050000 // SECCOMP_RET_ERRNO with errno 0
		set    = 2          // SIG_SETMASK
	)
	filter := []syscall.SockFilter{
		{Code: load, K: 0},
		{Code: equal, K: uint32(syscall.SYS_RT_SIGPROCMASK), Jf: 6},
		{Code: load, K: 16},
		{Code: equal, K: set, Jf: 4},
		{Code: load, K: 24},
		{Code: equal, K: 0, Jf: 3}, // a set: do nothing
		{Code: load, K: 28},
		{Code: equal, K: 0, Jf: 1},
		{Code: answer, K: allow}, // no set: only asks
		{Code: answer, K: done},
	}
	program := syscall.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	const setSeccomp, filterMode, setNoNewPrivs = 22, 2, 38 // prctl(2)
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("prctl PR_SET_NO_NEW_PRIVS: %w", errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setSeccomp, filterMode, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return fmt.Errorf("prctl PR_SET_SECCOMP: %w", errno)
	}
	return nil
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
	case "usr1":
		signal.Ignore(syscall.SIGTERM)
		signal.Notify(asked, syscall.SIGUSR1)
		return asked, nil
	case "stay":
		return asked, o.stay()
	case "catch":
		signal.Notify(asked, syscall.SIGTERM)
		return asked, nil
	case "sigwait":
		go sigwait(asked)
	}
	return asked, restoreDefault()
}

// stay says that it was asked to end, as often as that happens, and goes on.
func (o *options) stay() error {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGTERM)
	go func() {
		for range caught {
			fmt.Println("asked to end; going on")
		}
	}()
	return nil
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
