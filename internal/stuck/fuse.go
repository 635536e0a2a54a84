package stuck

import (
	"bytes"
	"strconv"
	"time"

	"lastcall/internal/cause"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// Daemon is a process that has the device of a FUSE connection open: it
// serves the file system, or keeps it from ending.
type Daemon struct {
	Key     proc.Key
	Comm    string
	UID     uint32
	Stopped bool // by a signal or a debugger
	done    uint64
}

// served is what the processes of this node have to do with a FUSE mount.
type served struct {
	daemons []Daemon
	users   []Daemon // others that have a file on it, or stand in it
}

// whoServes looks at the descriptors of every process, by until, for those
// that serve the mount and for those that use it. skip are the job's own.
func (x *Examiner) whoServes(mount cause.Mount, skip map[proc.Key]bool, until time.Time) (served, bool) {
	var s served
	late := false
	err := x.FS.EachPID(func(pid int) bool {
		stat, err := x.FS.Stat(pid, x.buffer)
		if err != nil || stat.KernelThread() || stat.Dead() {
			return true
		}
		serves, uses := x.ties(pid, mount)
		owner, _ := x.FS.Owner(pid)
		one := Daemon{Key: stat.Key(), Comm: stat.Comm, UID: owner, Stopped: stat.State == 'T' || stat.State == 't'}
		switch {
		case serves:
			one.done = x.done(pid, stat)
			s.daemons = append(s.daemons, one)
		case uses && !skip[one.Key]:
			s.users = append(s.users, one)
		}
		late = !time.Now().Before(until)
		return !late
	})
	return s, err == nil && !late
}

// ties looks at one process's descriptors and working directory.
func (x *Examiner) ties(pid int, mount cause.Mount) (serves, uses bool) {
	folder := x.FS.Path(pid, "fd")
	at := func(link string) bool { return cause.Below(link, mount.Point) }
	_ = linux.EachName(folder, make([]byte, 4096), func(name []byte) bool {
		link, err := linux.Link(folder + "/" + string(name))
		switch {
		case err != nil:
		case link == "/dev/fuse":
			serves = serves || x.connects(pid, string(name), mount)
		case at(link):
			uses = true
		}
		return !serves
	})
	for _, name := range []string{"cwd", "root", "exe"} {
		link, err := linux.Link(x.FS.Path(pid, name))
		uses = uses || err == nil && at(link)
	}
	return serves, uses
}

// connects says whether an open /dev/fuse is that of the mount. Its fdinfo
// tells the connection from Linux 6.15 on (fs/fuse/dev.c,
// fuse_dev_show_fdinfo); before, it may be any, and the owner has to do.
func (x *Examiner) connects(pid int, fd string, mount cause.Mount) bool {
	text, err := linux.Read(x.FS.Path(pid, "fdinfo/"+fd), x.buffer)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("fuse_connection:")); ok {
			return string(bytes.TrimSpace(value)) == strconv.FormatUint(uint64(mount.Connection()), 10)
		}
	}
	user, known := mount.User()
	owner, err := x.FS.Owner(pid)
	return err == nil && known && owner == user
}

// done is a number that grows with whatever a process does.
func (x *Examiner) done(pid int, stat proc.Stat) uint64 {
	n := stat.UserTicks + stat.SystemTicks
	if io, err := x.FS.IO(pid, x.buffer); err == nil {
		n += io.ReadCalls + io.WrittenCalls
	}
	return n
}

// idleTicks is how much processor time a daemon may use in vain in a second,
// in clock ticks: a runtime with timers is never quite still.
const idleTicks = 2

// silent says whether the daemons did nothing since they were found.
func (x *Examiner) silent(daemons []Daemon) bool {
	for _, daemon := range daemons {
		stat, err := x.FS.Stat(daemon.Key.PID, x.buffer)
		if err != nil || stat.Key() != daemon.Key {
			return false // it ended: the kernel lets go by itself
		}
		if x.done(daemon.Key.PID, stat) > daemon.done+idleTicks {
			return false
		}
	}
	return true
}

// Why a connection is left alone.
const (
	leftByConfig  = "left alone: [on_unkillable] abort_fuse is false"
	leftNoUser    = "left alone: it is not the job's user who mounted it"
	leftUsed      = "left alone: a process outside the job uses it"
	leftUnseen    = "left alone: there was no time to look who uses it"
	leftWorks     = "left alone: its daemon is at work"
	leftObserve   = "would be aborted"
	silenceWindow = time.Second
)

// refusesAbort says why a connection must not be aborted as far as can be told
// without waiting, "" if nothing speaks against it. It is a pure function.
func (p Policy) refusesAbort(mount cause.Mount, user uint32, s served, complete bool) string {
	owner, known := mount.User()
	switch {
	case !p.AbortFUSE:
		return leftByConfig
	case !known || owner != user:
		return leftNoUser
	case !complete:
		return leftUnseen
	case len(s.users) > 0:
		return leftUsed
	case p.Observe:
		return leftObserve
	}
	return ""
}
