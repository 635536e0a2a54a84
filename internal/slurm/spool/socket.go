package spool

import (
	"strconv"
	"strings"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// SocketOf returns the path of the socket a slurmstepd listens at, "" if it
// has none yet: the inode is in a link of its descriptors, the path in
// net/unix. A host may run several slurmd with the same job, and only the
// socket tells them apart.
func SocketOf(fs proc.FS, pid int) string {
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
	if err != nil {
		return ""
	}
	return listening(text, inodes)
}

// listening finds a path among the lines of /proc/net/unix (proc(5)): Num
// RefCount Protocol Flags Type St Inode Path. Flags has __SO_ACCEPTCON, 0x10000,
// for a socket that listens (net/unix/af_unix.c, unix_seq_show).
func listening(text []byte, inodes map[string]bool) string {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 8 || !inodes[fields[6]] || !strings.HasPrefix(fields[7], "/") {
			continue
		}
		if flags, err := strconv.ParseUint(fields[3], 16, 32); err == nil && flags&0x10000 != 0 {
			return fields[7]
		}
	}
	return ""
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
