package aside

import (
	"sync"
	"syscall"
	"time"
)

// mostLeft is how many children may be stuck before no task is begun any more.
const mostLeft = 8

// left are the children that did not end when they were killed: they are stuck
// themselves until what they asked lets go. A long-lived program has to reap
// them then.
var left struct {
	sync.Mutex
	pids []int
}

// end kills a child and waits a moment for it.
func end(child int) {
	_ = syscall.Kill(child, syscall.SIGKILL)
	for until := time.Now().Add(dying); !reaped(child); time.Sleep(time.Millisecond / 4) {
		if time.Now().After(until) {
			left.Lock()
			left.pids = append(left.pids, child)
			left.Unlock()
			return
		}
	}
}

// reaped says whether a child is no more.
func reaped(child int) bool {
	pid, err := syscall.Wait4(child, nil, syscall.WNOHANG, nil)
	return pid == child || err != nil && err != syscall.EINTR
}

// Reap takes the children that have ended since they were left, and returns
// how many are still stuck.
func Reap() int {
	left.Lock()
	defer left.Unlock()
	rest := left.pids[:0]
	for _, pid := range left.pids {
		if !reaped(pid) {
			rest = append(rest, pid)
		}
	}
	left.pids = rest
	return len(rest)
}
