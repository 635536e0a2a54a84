package proc

import (
	"bytes"

	"lastcall/internal/linux"
)

// kthreadd is the pid of the parent of all kernel threads, in the first pid
// namespace (init/main.c, rest_init).
const kthreadd = 2

// KernelThreads returns the kernel threads there are now, all in one read: on
// a large node they are most of what is in /proc. It is nil where the kernel
// does not tell: within a pid namespace, or without CONFIG_PROC_CHILDREN.
func (fs FS) KernelThreads() map[int]bool {
	stat, err := fs.Stat(kthreadd, make([]byte, 1024))
	if err != nil || !stat.KernelThread() {
		return nil
	}
	text, err := linux.ReadAll(fs.Path(kthreadd, "task/2/children"), make([]byte, 16<<10), 1<<20)
	if err != nil {
		return nil
	}
	return parseChildren(text)
}

// largestPid is PID_MAX_LIMIT of a 64-bit kernel (include/linux/threads.h).
const largestPid = 4 << 20

// parseChildren reads pids with a blank after each (proc_pid_children(5)). A
// number that is cut off at the end has none.
func parseChildren(text []byte) map[int]bool {
	pids := make(map[int]bool, bytes.Count(text, []byte(" ")))
	for {
		word, rest, ok := bytes.Cut(text, []byte(" "))
		if !ok {
			return pids
		}
		if pid, isNumber := number(word); isNumber && pid > 0 && pid <= largestPid {
			pids[int(pid)] = true
		}
		text = rest
	}
}
