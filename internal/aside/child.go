package aside

import (
	"syscall"
	"time"
)

// start makes sure there is a child. It is this very program; it talks
// through pipes of its own, so that slurmd, which waits for the hook's output
// to be closed, never waits for it, and it ends when the hook does.
func (r *Reader) start() bool {
	if r.child != 0 && !r.leaving {
		return true
	}
	r.Close()
	r.broken = true
	var in, out [2]int
	if syscall.Pipe2(in[:], syscall.O_CLOEXEC) != nil {
		return false
	}
	defer syscall.Close(in[0])
	if syscall.Pipe2(out[:], syscall.O_CLOEXEC) != nil {
		syscall.Close(in[1])
		return false
	}
	defer syscall.Close(out[1])
	null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err == nil {
		r.child, err = syscall.ForkExec("/proc/self/exe", []string{"lastcall", Argument, string(r.fs)}, &syscall.ProcAttr{
			Files: []uintptr{uintptr(in[0]), uintptr(out[1]), uintptr(null)},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
		syscall.Close(null)
	}
	if err != nil {
		r.child = 0
		syscall.Close(in[1])
		syscall.Close(out[0])
		return false
	}
	r.to, r.from, r.answers, r.broken = in[1], out[0], nil, false
	return true
}

// Begin starts the child ahead of the first read, for a caller who has
// something else to do until then.
func (r *Reader) Begin() {
	if !r.broken {
		r.start()
	}
}

// Child returns the pid of the child, 0 for none.
func (r *Reader) Child() int { return r.child }

// Dismiss lets the child end by itself while its caller has other things to do.
// The next read starts another one.
func (r *Reader) Dismiss() {
	if r.child != 0 && !r.leaving {
		r.leaving = true
		syscall.Close(r.to)
	}
}

// dying is how long a killed child is waited for. One that is stuck itself
// stays until what it reads lets go, and is left to init.
const dying = 50 * time.Millisecond

// Close ends the child. The Reader can be used again.
func (r *Reader) Close() {
	if r.child == 0 {
		return
	}
	r.Dismiss()
	syscall.Close(r.from)
	_ = syscall.Kill(r.child, syscall.SIGKILL)
	for until := time.Now().Add(dying); ; time.Sleep(time.Millisecond / 4) {
		pid, err := syscall.Wait4(r.child, nil, syscall.WNOHANG, nil)
		if pid != 0 && err != syscall.EINTR || time.Now().After(until) {
			break
		}
	}
	r.child, r.leaving = 0, false
}
