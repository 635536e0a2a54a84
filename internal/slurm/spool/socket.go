package spool

import (
	"strconv"
	"strings"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// SocketOf returns the path of the socket at which a slurmstepd serves a step
// of the job, "" if it has none yet, or if that cannot be told: the inode is in
// a link of its descriptors, the path in net/unix. A host may run several slurmd
// with the same job, and only the socket tells them apart.
func SocketOf(fs proc.FS, pid int, job uint32) string {
	inodes := map[string]bool{}
	folder := fs.Path(pid, "fd")
	_ = linux.EachName(folder, make([]byte, 2048), func(name []byte) bool {
		link, err := linux.Link(folder + "/" + string(name))
		if inode, ok := strings.CutPrefix(link, "socket:["); ok && err == nil {
			inodes[strings.TrimSuffix(inode, "]")] = true
		}
		return true
	})
	text, err := linux.ReadAll(fs.Path(pid, "net/unix"), nil, mostSockets)
	if err != nil || len(text) >= mostSockets {
		return ""
	}
	return listening(text, inodes, job)
}

// listening finds the path of a step's socket. A slurmstepd may listen at others
// too, for PMIx. Two such paths are one too many: users can put lines into the
// list (see ParseListeners).
func listening(text []byte, inodes map[string]bool, job uint32) string {
	found, more := "", false
	eachListener(text, func(inode, path string) {
		if inodes[inode] && NodeOf(path, job) != "" {
			more = more || found != "" && found != path
			found = path
		}
	})
	if more {
		return ""
	}
	return found
}

// NodeOf returns the node in the path of a step's socket, NODE_JOB.STEP, "" if
// it is no such path.
func NodeOf(path string, job uint32) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	at := strings.LastIndex(name, "_"+strconv.FormatUint(uint64(job), 10)+".")
	if at <= 0 {
		return ""
	}
	if _, ok := ParseSocket(name, name[:at]); !ok {
		return ""
	}
	return name[:at]
}
