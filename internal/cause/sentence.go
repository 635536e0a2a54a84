package cause

import (
	"strconv"
	"strings"
	"time"
)

// names are what people call each cause.
var names = map[Code]string{
	NFS: "NFS", Lustre: "Lustre", GPFS: "GPFS", BeeGFS: "BeeGFS", CephFS: "CephFS", FUSE: "the FUSE file system",
	FrozenFS: "a frozen file system", Block: "a block device", NVIDIA: "the NVIDIA driver", AMD: "the AMD GPU driver",
	CoreDump: "the end of a core dump", Reclaim: "free memory", MemoryLimit: "memory of its cgroup, which is at its limit",
	FrozenCgroup: "its cgroup to be thawed", Unknown: "something unknown", ExitMemory: "the end of its memory",
}

// advice is what an admin would do next.
var advice = map[Code]string{
	NFS:    "the server does not answer: look at the server and the network",
	Lustre: "a server does not answer: look at lctl dl and the servers",
	GPFS:   "look at mmdiag --waiters and the servers",
	BeeGFS: "a server does not answer: look at beegfs-ctl and the servers",
	CephFS: "the MDS or an OSD does not answer: look at ceph health",
	FUSE:   "its daemon does not answer", FrozenFS: "fsfreeze -u, or the end of the snapshot, lets them go",
	Block:        "the device does not answer: look at the kernel's log and the storage behind it",
	NVIDIA:       "look for Xid in the kernel's log; most often only a reset of the GPU or a reboot helps",
	AMD:          "look for amdgpu in the kernel's log; most often only a reset of the GPU or a reboot helps",
	CoreDump:     "it ends by itself unless the target does not answer",
	Reclaim:      "the node is out of memory",
	MemoryLimit:  "nothing in the cgroup can be given back",
	ExitMemory:   "no progress was seen",
	FrozenCgroup: "nothing dies in a frozen cgroup: thaw it",
	Unknown:      "the stack is in the record",
}

// Sentence says in one line what so many processes of a job wait for. since is
// for how long, 0 if not known. The texts in it come from users and mounts:
// the caller escapes them before they reach a terminal.
func (c Cause) Sentence(job uint32, count int, since time.Duration) string {
	var b strings.Builder
	b.WriteString(processes(count) + " of job " + strconv.FormatUint(uint64(job), 10))
	one := count == 1
	if c.Code == ExitMemory {
		b.WriteString(choose(one, " frees its memory", " free their memory"))
		c.passed(&b, since)
		if c.Works {
			return b.String() + "; slow, not stuck: it goes on"
		}
		return b.String() + "; " + advice[c.Code]
	}
	b.WriteString(choose(one, " waits for ", " wait for ") + names[c.Code] + c.whichFile())
	if c.Function != "" {
		b.WriteString(" in " + c.Function)
	}
	if c.Call != "" {
		b.WriteString(" (" + c.Call + ")")
	}
	switch c.While {
	case "exit":
		b.WriteString(choose(one, " while it exits", " while they exit"))
	case "core-dump":
		if c.Code != CoreDump {
			b.WriteString(" while a core file is written")
		}
	}
	c.passed(&b, since)
	return b.String() + "; " + advice[c.Code]
}

func (c Cause) passed(b *strings.Builder, since time.Duration) {
	if since > 0 {
		b.WriteString(" since " + strconv.Itoa(int(since.Round(time.Second)/time.Second)) + " s")
	}
}

// whichFile names the file system: server and export, device, mount point.
func (c Cause) whichFile() string {
	m := c.Mount
	switch {
	case !m.Known():
		return ""
	case c.Code == FrozenFS || c.Code == Block:
		return ", " + m.Point + " (" + m.Type + " on " + m.Source + ")"
	case c.Code == FUSE:
		return " " + m.Point + " (" + m.Type + ", " + m.Source + ")"
	}
	return " " + m.Source + " on " + m.Point
}

func processes(n int) string {
	if n == 1 {
		return "1 process"
	}
	return strconv.Itoa(n) + " processes"
}

func choose(one bool, single, several string) string {
	if one {
		return single
	}
	return several
}
