package stuck

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// mostMounts bounds one mountinfo file, in bytes.
const mostMounts = 4 << 20

// Examine finds out by until what each process waits for. What never blocks
// comes first: a child that reads the rest may be late. It takes the time of
// two looks.
func (x *Examiner) Examine(list []Process, until time.Time) {
	first := time.Now()
	subjects := make([]aside.Subject, len(list))
	for i := range list {
		p := &list[i]
		p.Wchan, _ = x.FS.Text(p.Thread, "wchan", x.buffer)
		p.Namespace = x.namespace(p.Thread)
		subjects[i] = aside.Subject{PID: p.Thread, Stuck: p.State == 'D'}
	}
	x.Aside.Each(subjects, aside.Syscall, until, func(i int, text []byte, _ error) {
		list[i].Syscall = string(bytes.TrimSpace(text))
	})
	x.Aside.Each(subjects, aside.Stack, until, func(i int, text []byte, _ error) {
		list[i].Stack = cause.ParseStack(string(text))
	})
	paths := x.paths(list, until)
	if rest := between - time.Since(first); rest > 0 && time.Now().Add(rest).Before(until) {
		time.Sleep(rest)
	}
	for i := range list {
		p := &list[i]
		p.Cause = cause.Of(x.evidence(p, paths[i]))
	}
}

// paths reads the paths of those calls that are about one.
func (x *Examiner) paths(list []Process, until time.Time) map[int]string {
	paths := map[int]string{}
	var subjects []aside.Subject
	var index []int
	for i := range list {
		if call := cause.ParseCall(list[i].Syscall); call.Path != 0 {
			subjects = append(subjects, aside.Subject{PID: list[i].Thread, Stuck: true})
			index = append(index, i)
		}
	}
	x.Aside.Each(subjects, aside.Path, until, func(i int, text []byte, _ error) { paths[index[i]] = string(text) })
	return paths
}

// evidence gathers what is known of a process.
func (x *Examiner) evidence(p *Process, path string) cause.Evidence {
	e := cause.Evidence{
		Exiting: p.Exiting, Dumping: p.Dumping, Wchan: p.Wchan, Stack: p.Stack,
		Call: cause.ParseCall(p.Syscall), Mounts: x.mountsOf(p), Works: x.works(p),
	}
	folder := x.FS.Path(p.Thread, "")
	switch {
	case e.Call.FD >= 0:
		e.File, _ = linux.Link(folder + "fd/" + strconv.Itoa(e.Call.FD))
		e.Mount = cause.ByID(e.Mounts, x.mountID(p.Thread, e.Call.FD))
	case path == "":
	case strings.HasPrefix(path, "/"):
		e.File, e.Mount = path, cause.ByPath(e.Mounts, path)
	default:
		base := folder + "cwd"
		if e.Call.Base != cause.AtCWD {
			base = folder + "fd/" + strconv.Itoa(e.Call.Base)
		}
		if above, err := linux.Link(base); err == nil && strings.HasPrefix(above, "/") {
			e.File = strings.TrimSuffix(above, "/") + "/" + path
			e.Mount = cause.ByPath(e.Mounts, e.File)
		}
	}
	return e
}

// mountID reads which mount a descriptor is on (proc_pid_fdinfo(5), mnt_id).
func (x *Examiner) mountID(tid, fd int) int {
	text, err := linux.Read(x.FS.Path(tid, "fdinfo/"+strconv.Itoa(fd)), x.buffer)
	if err != nil {
		return -1
	}
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("mnt_id:")); ok {
			if id, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil {
				return id
			}
		}
	}
	return -1
}

// mountsOf returns the mounts a process sees. One that has left its namespace
// most likely saw what this program sees.
func (x *Examiner) mountsOf(p *Process) []cause.Mount {
	if p.Namespace == "" {
		return x.Own()
	}
	mounts, ok := x.mounts[p.Namespace]
	if !ok {
		text, err := linux.ReadAll(x.FS.Path(p.Thread, "mountinfo"), nil, mostMounts)
		if err != nil {
			return x.Own()
		}
		mounts = cause.ParseMounts(string(text))
		x.mounts[p.Namespace] = mounts
	}
	return mounts
}

// Own returns the mounts this program sees.
func (x *Examiner) Own() []cause.Mount {
	if x.own == nil {
		text, _ := linux.ReadAll(string(x.FS)+"/self/mountinfo", nil, mostMounts)
		x.own = cause.ParseMounts(string(text))
	}
	return x.own
}

// works says whether a process did anything since it was found.
func (x *Examiner) works(p *Process) bool {
	stat, err := x.FS.Stat(p.Key.PID, x.buffer)
	if err != nil || stat.Key() != p.Key {
		return true
	}
	status, err := x.FS.Status(p.Key.PID, x.buffer)
	return err != nil || stat.UserTicks+stat.SystemTicks > p.ticks || status.Resident < p.resident
}

// Gone returns how many of the processes are there no more.
func (x *Examiner) Gone(keys []proc.Key) int {
	n := 0
	for _, key := range keys {
		stat, err := x.FS.Stat(key.PID, x.buffer)
		if err != nil && linux.Gone(err) || err == nil && (stat.Key() != key || stat.Dead()) {
			n++
		}
	}
	return n
}
