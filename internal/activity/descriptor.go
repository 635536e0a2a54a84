package activity

import (
	"bytes"
	"strconv"
	"strings"
)

// kind is what a descriptor is open on.
type kind uint8

const (
	kindFile   kind = iota // a path outside /dev: waiting for it shows as a call or as state D
	kindPipe               // pipe(2), not a named one
	kindSocket             // socket(2)
	kindEvent              // an eventfd, timerfd, signalfd, inotify, epoll or pidfd: brings what the kernel or the job makes
	kindRing               // io_uring
	kindTerminal
	kindDevice
	kindHarmless // /dev/null and the like, shared memory, namespaces
	kindOdd      // anything else
)

// descriptor is one open descriptor of a process.
type descriptor struct {
	number      int
	kind        kind
	inode       uint64 // of a pipe or socket
	read, write bool
	name        string // of a device or an odd one, as the link says
}

// parseDescriptor reads what a link below /proc/PID/fd says (proc_pid_fd(5)).
func parseDescriptor(target []byte) descriptor {
	if len(target) > 0 && target[0] == '/' {
		return parsePath(target)
	}
	label, rest, ok := bytes.Cut(target, []byte(":"))
	if !ok {
		return descriptor{kind: kindOdd, name: string(target)}
	}
	switch string(label) {
	case "pipe", "socket":
		digits, isInode := bytes.CutPrefix(rest, []byte("["))
		digits, isInode2 := bytes.CutSuffix(digits, []byte("]"))
		inode, err := strconv.ParseUint(string(digits), 10, 64)
		if !isInode || !isInode2 || err != nil {
			break
		}
		if string(label) == "pipe" {
			return descriptor{kind: kindPipe, inode: inode}
		}
		return descriptor{kind: kindSocket, inode: inode}
	case "anon_inode":
		return parseAnonymous(target, rest)
	case "pidfd": // the name since Linux 6.9
		return descriptor{kind: kindEvent}
	case "net", "mnt", "pid", "user", "uts", "ipc", "cgroup", "time":
		return descriptor{kind: kindHarmless}
	}
	return descriptor{kind: kindOdd, name: string(target)}
}

// parseAnonymous knows the files without a path. Those of perf, BPF, KVM and
// userfaultfd stay odd: what uses them does more than wait.
func parseAnonymous(target, what []byte) descriptor {
	switch string(what) {
	case "[eventfd]", "[timerfd]", "[signalfd]", "[eventpoll]", "[pidfd]", "inotify":
		return descriptor{kind: kindEvent}
	case "[io_uring]":
		return descriptor{kind: kindRing}
	}
	return descriptor{kind: kindOdd, name: string(target)}
}

// parsePath tells devices from files by their path alone: asking for more
// would touch the file system. In a container without a root of its own the
// folder of devices is somewhere below, and there only the devices that matter
// are known by their names, since users have folders called dev.
func parsePath(target []byte) descriptor {
	path := string(bytes.TrimSuffix(target, []byte(" (deleted)")))
	if device, ok := strings.CutPrefix(path, "/dev/"); ok {
		return descriptor{kind: deviceKind(device), name: path}
	}
	if at := strings.LastIndex(path, "/dev/"); at >= 0 {
		device := path[at+len("/dev/"):]
		if k := deviceKind(device); k == kindTerminal || k == kindDevice && worksAlone(device) {
			return descriptor{kind: k, name: path}
		}
	}
	return descriptor{kind: kindFile}
}

func deviceKind(device string) kind {
	switch device {
	case "null", "zero", "full", "random", "urandom":
		return kindHarmless
	case "console", "ptmx", "tty":
		return kindTerminal
	}
	folder, _, below := strings.Cut(device, "/")
	switch {
	case folder == "shm", below && (folder == "mqueue" || folder == "hugepages"):
		return kindFile
	case below && folder == "pts", strings.HasPrefix(device, "tty"):
		return kindTerminal
	}
	return kindDevice
}

// worksAlone knows the devices that work on while their process sleeps: RDMA
// and fabrics, GPUs, FUSE, virtual machines.
func worksAlone(device string) bool {
	for _, prefix := range []string{
		"infiniband/", "hfi1", "cxi", "knem", "xpmem", "nvidia", "kfd", "dri/", "accel/", "habanalabs", "fuse", "cuse", "kvm", "vfio/",
	} {
		if strings.HasPrefix(device, prefix) {
			return true
		}
	}
	return false
}
