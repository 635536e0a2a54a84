package stuck

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
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
	// uncertain says that a process of another user has a device open, of which
	// nobody can tell whether it is this connection's.
	uncertain bool
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
		t := x.ties(pid, mount)
		owner, _ := x.FS.Owner(pid)
		one := Daemon{Key: stat.Key(), Comm: stat.Comm, UID: owner, Stopped: stat.State == 'T' || stat.State == 't'}
		s.uncertain = s.uncertain || t.uncertain
		switch {
		case t.serves:
			one.done = x.done(pid, stat)
			s.daemons = append(s.daemons, one)
		case t.uses && !skip[one.Key]:
			s.users = append(s.users, one)
		}
		late = !time.Now().Before(until)
		return !late
	})
	return s, err == nil && !late
}

// tie is what one process has to do with a FUSE mount.
type tie struct{ serves, uses, uncertain bool }

// ties looks at one process's descriptors and working directory.
func (x *Examiner) ties(pid int, mount cause.Mount) (t tie) {
	folder := x.FS.Path(pid, "fd")
	points := x.points(pid, mount)
	at := func(link string) bool {
		return slices.ContainsFunc(points, func(point string) bool { return cause.Below(link, point) })
	}
	_ = linux.EachName(folder, make([]byte, 4096), func(name []byte) bool {
		link, err := linux.Link(folder + "/" + string(name))
		switch {
		case err != nil:
		case link == "/dev/fuse":
			serves, certain := x.connects(pid, string(name), mount)
			t.serves, t.uncertain = t.serves || serves, t.uncertain || !certain
		case at(link):
			t.uses = true
		}
		return !t.serves
	})
	for _, name := range []string{"cwd", "root", "exe"} {
		link, err := linux.Link(x.FS.Path(pid, name))
		t.uses = t.uses || err == nil && at(link)
	}
	return t
}

// points returns where a process sees the file system of a mount: it may be
// mounted more than once, and elsewhere in another mount namespace.
func (x *Examiner) points(pid int, mount cause.Mount) []string {
	points := []string{mount.Point}
	for _, other := range x.mountsOf(&Process{Thread: pid, Namespace: x.namespace(pid)}) {
		if other.Same(mount) && other.Point != mount.Point {
			points = append(points, other.Point)
		}
	}
	return points
}

// connects says whether an open /dev/fuse is that of the mount. Its fdinfo
// tells the connection from Linux 6.15 on (fs/fuse/dev.c,
// fuse_dev_show_fdinfo); before, it may be any, and the real user has to do:
// the files of a process that may not be dumped show root.
func (x *Examiner) connects(pid int, fd string, mount cause.Mount) (yes, certain bool) {
	text, err := linux.Read(x.FS.Path(pid, "fdinfo/"+fd), x.buffer)
	if err != nil {
		return false, linux.Gone(err)
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("fuse_connection:")); ok {
			return string(bytes.TrimSpace(value)) == strconv.FormatUint(uint64(mount.Connection()), 10), true
		}
	}
	user, known := mount.User()
	status, err := x.FS.Status(pid, x.buffer)
	yes = err == nil && known && status.UID == user
	return yes, yes
}

// done is a number that grows with whatever a process does.
func (x *Examiner) done(pid int, stat proc.Stat) uint64 {
	n := stat.UserTicks + stat.SystemTicks
	if io, err := x.FS.IO(pid, x.buffer); err == nil {
		n += io.ReadCalls + io.WrittenCalls
	}
	return n
}

// idleTicks is how much a daemon may do in vain while it is watched, in clock
// ticks and calls: a runtime with timers is never quite still.
const idleTicks = 2

// Silence is how long a daemon has to do nothing.
const Silence = time.Second

// LongSilence is how long one that was left alone before has to: it may only
// wait for its server between two pieces of its work.
const LongSilence = 5 * time.Second

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
	leftUnknown   = "left alone: it could not be told which file system it is"
	leftUnseen    = "left alone: there was no time to look who uses it"
	leftUncertain = "left alone: it cannot be told which process serves it"
	leftNoTime    = "left alone: there was no time to see whether its daemon is at work"
	leftWorks     = "left alone: its daemon is at work"
	leftAnswered  = "left alone: its daemon has answered"
	leftObserve   = "would be aborted"
	notAborted    = "not aborted: "
)

// MayChange says whether a connection was left alone for a reason that may be
// over some seconds later. done is what became of it, as in the record.
func MayChange(done string) bool {
	switch done {
	case leftUnknown, leftUsed, leftUnseen, leftNoTime, leftWorks:
		return true
	}
	return strings.HasPrefix(done, notAborted)
}

// refusesAbort says why a connection must not be aborted as far as can be told
// without waiting, "" if nothing speaks against it. It is a pure function.
func (p Policy) refusesAbort(mount cause.Mount, user uint32, s served, complete bool) string {
	owner, known := mount.User()
	switch {
	case !p.AbortFUSE:
		return leftByConfig
	case user == 0 || !known || owner != user: // 0: it is not known whose the job is
		return leftNoUser
	case !complete:
		return leftUnseen
	case len(s.users) > 0:
		return leftUsed
	case len(s.daemons) == 0 && s.uncertain:
		return leftUncertain
	case p.Observe:
		return leftObserve
	}
	return ""
}
