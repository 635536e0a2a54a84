// Package cause names what a process that does not die waits for. It is a
// pure function of what /proc shows: the kernel stack, the wait channel, the
// system call with the file it is about, and the mounts. What it does not
// know stays unknown; the record then holds the stack.
package cause

// Code is a cause in one word, for programs.
type Code string

// The codes.
const (
	Unknown      Code = "unknown"
	NFS          Code = "nfs"
	Lustre       Code = "lustre"
	GPFS         Code = "gpfs"
	BeeGFS       Code = "beegfs"
	CephFS       Code = "cephfs"
	FUSE         Code = "fuse"
	FrozenFS     Code = "frozen-filesystem" // fsfreeze(8), LVM or VM snapshots
	Block        Code = "block-device"      // also a loop device or a local file system that waits for one
	NVIDIA       Code = "nvidia"
	AMD          Code = "amdgpu"
	CoreDump     Code = "core-dump"
	Reclaim      Code = "memory-reclaim"
	MemoryLimit  Code = "memory-limit"
	FrozenCgroup Code = "frozen-cgroup"
	ExitMemory   Code = "exit-memory" // gives back a huge address space: slow, not stuck
)

// Evidence is what was seen of one thread.
type Evidence struct {
	Exiting bool // inside exit(2)
	Dumping bool // writes a core file
	Wchan   string
	Stack   []string // as ParseStack gives it; empty where it could not be read
	Call    Call
	File    string  // the file the call is about, "" if not known
	Mount   Mount   // the file system that file is on, zero if not known
	Mounts  []Mount // all the process sees
	Works   bool    // it used processor time, or its memory shrank, between two looks
}

// Cause is what a process waits for.
type Cause struct {
	Code     Code
	Function string // the place in the kernel that told
	While    string // "exit" or "core-dump", "" for neither
	Call     string // name of the system call, "" if not in one or not known
	File     string
	Mount    Mount // zero if not known
	Works    bool  // it is slow and not stuck
}

// Same says whether two processes wait for the same, so that one sentence can
// speak of both.
func (c Cause) Same(other Cause) bool {
	return c.Code == other.Code && c.Function == other.Function && c.Mount.Same(other.Mount) && c.Works == other.Works
}
