// Package proc reads processes from a proc(5) file system. The mount point is
// a value, so that tests hand in a folder of their own; reading and parsing
// are separate, so that every parser can be fuzzed.
package proc

import (
	"strconv"

	"lastcall/internal/linux"
)

// FS is the folder a proc file system is mounted on.
type FS string

// Default is where every Linux has it.
const Default FS = "/proc"

// Key is what names one process for ever: its pid and its start time in clock
// ticks since boot (proc(5), /proc/PID/stat field 22). A pid alone is handed
// out again, on a busy node within minutes.
type Key struct {
	PID   int
	Start uint64
}

// Path returns the path of a file of the process pid.
func (fs FS) Path(pid int, file string) string {
	return string(fs) + "/" + strconv.Itoa(pid) + "/" + file
}

// EachPID calls use for each process there is, in rising order, until it
// returns false. A process that is born behind the reader is not seen; small
// pieces keep that window short.
func (fs FS) EachPID(use func(pid int) bool) error {
	piece := make([]byte, 512)
	return linux.EachName(string(fs), piece, func(name []byte) bool {
		pid, ok := number(name)
		return !ok || use(int(pid))
	})
}

// Owner returns the user /proc/PID belongs to: the effective user of the
// process (fs/proc/base.c, task_dump_owner).
func (fs FS) Owner(pid int) (uint32, error) {
	return linux.Owner(string(fs) + "/" + strconv.Itoa(pid))
}

// Stat reads /proc/PID/stat.
func (fs FS) Stat(pid int, buffer []byte) (Stat, error) {
	text, err := linux.Read(fs.Path(pid, "stat"), buffer)
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(text)
}

// StatOwner reads /proc/PID/stat and says whom the process belongs to, as
// Owner does, with fewer calls.
func (fs FS) StatOwner(pid int, buffer []byte) (Stat, uint32, error) {
	text, owner, err := linux.ReadOwned(fs.Path(pid, "stat"), buffer)
	if err != nil {
		return Stat{}, 0, err
	}
	if owner == 0 {
		// The files of a process that may not be dumped show root.
		if owner, err = fs.Owner(pid); err != nil {
			return Stat{}, 0, err
		}
	}
	stat, err := ParseStat(text)
	return stat, owner, err
}

// TaskStat reads /proc/PID/task/TID/stat: the same fields for one thread.
func (fs FS) TaskStat(pid, tid int, buffer []byte) (Stat, error) {
	text, err := linux.Read(fs.Path(pid, "task/"+strconv.Itoa(tid)+"/stat"), buffer)
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(text)
}

// Status reads /proc/PID/status.
func (fs FS) Status(pid int, buffer []byte) (Status, error) {
	text, err := linux.Read(fs.Path(pid, "status"), buffer)
	if err != nil {
		return Status{}, err
	}
	return ParseStatus(text)
}

// TaskStatus reads /proc/PID/task/TID/status: masks of signals and the tracer
// are those of the thread.
func (fs FS) TaskStatus(pid, tid int, buffer []byte) (Status, error) {
	text, err := linux.Read(fs.Path(pid, "task/"+strconv.Itoa(tid)+"/status"), buffer)
	if err != nil {
		return Status{}, err
	}
	return ParseStatus(text)
}

// Cgroup reads /proc/PID/cgroup as text; see EachCgroup.
func (fs FS) Cgroup(pid int, buffer []byte) ([]byte, error) {
	return linux.Read(fs.Path(pid, "cgroup"), buffer)
}

// TaskCgroup reads /proc/PID/task/TID/cgroup: the same for one thread.
func (fs FS) TaskCgroup(pid, tid int, buffer []byte) ([]byte, error) {
	return linux.Read(fs.Path(pid, "task/"+strconv.Itoa(tid)+"/cgroup"), buffer)
}

// Tasks returns the thread ids of a process. A zombie leader may have live
// threads, and only these still show descriptors and environment.
func (fs FS) Tasks(pid int) ([]int, error) {
	names, err := linux.Names(fs.Path(pid, "task"))
	tids := make([]int, 0, len(names))
	for _, name := range names {
		if tid, ok := number([]byte(name)); ok {
			tids = append(tids, int(tid))
		}
	}
	return tids, err
}

// MaxEnviron is how much of an environment is read: enough for any sane job,
// and the kernel's own limit for the stack makes more unlikely (execve(2)).
const MaxEnviron = 2 << 20

// Environ reads the initial environment of a process, entries parted by NUL.
// For a zombie leader it asks the threads. The read goes through the memory
// of the process and may wait for its memory lock: never use it on a process
// in state D; package aside is for those.
func (fs FS) Environ(pid int, buffer []byte) ([]byte, error) {
	text, err := linux.ReadAll(fs.Path(pid, "environ"), buffer, MaxEnviron)
	if err == nil && len(text) > 0 || err != nil && !linux.Gone(err) {
		return text, err
	}
	// A leader that has exited has no memory any more: ESRCH.
	tids, _ := fs.Tasks(pid)
	for _, tid := range tids {
		if tid == pid {
			continue
		}
		text, err := linux.ReadAll(fs.Path(pid, "task/"+strconv.Itoa(tid)+"/environ"), buffer, MaxEnviron)
		if err == nil && len(text) > 0 {
			return text, nil
		}
	}
	return nil, err
}

// CommandLine reads at most the length of buffer of the arguments of a
// process, parted by NUL. The same care as for Environ holds.
func (fs FS) CommandLine(pid int, buffer []byte) ([]byte, error) {
	return linux.Read(fs.Path(pid, "cmdline"), buffer)
}

// Text reads a small file of the process that is safe to read in any state
// (wchan, stack, syscall, comm), without its line end.
func (fs FS) Text(pid int, file string, buffer []byte) (string, error) {
	text, err := linux.Read(fs.Path(pid, file), buffer)
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	return string(text), err
}

// Executable returns the path of the program a process runs, as the link
// says: nothing is opened.
func (fs FS) Executable(pid int) (string, error) {
	return linux.Link(fs.Path(pid, "exe"))
}
