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
	if r.child = spawn(in[0], out[1], string(r.fs)); r.child == 0 {
		syscall.Close(in[1])
		syscall.Close(out[0])
		return false
	}
	r.to, r.from, r.answers, r.broken = in[1], out[0], nil, false
	return true
}

// spawn starts this program as a child with these descriptors for input and
// output and returns its pid, 0 if that did not work. The child has a session
// of its own: what is sent to the group of the hook does not reach it.
func spawn(in, out int, arguments ...string) int {
	null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	defer syscall.Close(null)
	if in < 0 {
		in = null
	}
	child, err := syscall.ForkExec("/proc/self/exe", append([]string{"lastcall", Argument}, arguments...), &syscall.ProcAttr{
		Dir: "/", Files: []uintptr{uintptr(in), uintptr(out), uintptr(null)}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0
	}
	return child
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
	end(r.child)
	r.child, r.leaving = 0, false
}
