package python

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// mapping is the start of a mapped file.
type mapping struct {
	base uint64
	path string
}

// mostMaps is the most that is read of the list of mappings, in bytes: tens of
// thousands of them.
const mostMaps = 4 << 20

// parseMaps finds in the text of /proc/PID/maps (proc_pid_maps(5)) where files
// begin: lines of offset 0 with an inode.
func parseMaps(text []byte) []mapping {
	var list []mapping
	for line := range bytes.Lines(text) {
		fields := bytes.SplitN(bytes.TrimSuffix(line, []byte("\n")), []byte(" "), 6)
		if len(fields) < 6 || string(fields[4]) == "0" || len(bytes.Trim(fields[2], "0")) > 0 {
			continue
		}
		start, _, _ := bytes.Cut(fields[0], []byte("-"))
		base, err := strconv.ParseUint(string(start), 16, 64)
		if err == nil {
			list = append(list, mapping{base, string(bytes.TrimLeft(fields[5], " "))})
		}
	}
	return list
}

// target is a process and the thread through which it is read: a leader that
// has exited has neither memory nor executable, the others still do.
type target struct {
	fs     proc.FS
	pid    int
	live   int
	buffer []byte
}

// choose finds a thread that is alive.
func (t *target) choose() error {
	stat, err := t.fs.Stat(t.pid, t.buffer)
	if err != nil {
		return err
	}
	if t.live = t.pid; !stat.Zombie() {
		return nil
	}
	tids, err := t.fs.Tasks(t.pid)
	if err != nil {
		return err
	}
	for _, tid := range tids {
		if stat, err := t.fs.TaskStat(t.pid, tid, t.buffer); err == nil && !stat.Zombie() {
			t.live = tid
			return nil
		}
	}
	return fmt.Errorf("process %d has ended: %w", t.pid, linux.Errno(3))
}

// folder is where the living thread is in /proc.
func (t *target) folder() string {
	return t.fs.Path(t.pid, "task/"+strconv.Itoa(t.live))
}

// find finds the interpreter of the process: in a shared libpython, else in
// the program itself.
func (t *target) find(m *memory) (*interpreter, error) {
	text, err := linux.ReadAll(t.folder()+"/maps", make([]byte, 64<<10), mostMaps)
	if err != nil {
		return nil, err
	}
	program, _ := linux.Link(t.folder() + "/exe")
	var libraries, programs []mapping
	greenlets := len(text) >= mostMaps
	for _, one := range parseMaps(text) {
		switch name := path.Base(one.path); {
		case strings.Contains(name, "greenlet"):
			greenlets = true
		case strings.HasPrefix(name, "libpython"):
			libraries = append(libraries, one)
		case one.path == program:
			programs = append(programs, one)
		}
	}
	err = ErrNone
	for _, one := range append(libraries, programs...) {
		i, wrong := open(m, one.base, one.path)
		if wrong == nil {
			var found *interpreter
			if found, wrong = find(i); wrong == nil {
				found.greenlets = greenlets
				return found, nil
			}
		}
		// What is known of a Python says more than what is wrong with a library.
		if unknown := new(UnknownError); errors.As(wrong, &unknown) || errors.Is(err, ErrNone) {
			err = wrong
		}
	}
	return nil, err
}

// statuses reads the status of every thread.
func (t *target) statuses() (map[int]proc.Status, error) {
	tids, err := t.fs.Tasks(t.pid)
	if err != nil {
		return nil, err
	}
	all := make(map[int]proc.Status, len(tids))
	for _, tid := range tids[:min(len(tids), mostThreads)] {
		if status, err := t.fs.TaskStatus(t.pid, tid, t.buffer); err == nil {
			all[tid] = status
		}
	}
	return all, nil
}

// slept says whether a thread has not run since before.
func (t *target) slept(tid int, before proc.Status) bool {
	if !strings.ContainsRune("SDTt", rune(before.State)) {
		return false
	}
	now, err := t.fs.TaskStatus(t.pid, tid, t.buffer)
	return err == nil && now.State == before.State && now.Switches == before.Switches
}

// Read reads the threads of a process. The errors are ErrNone, an
// *UnknownError, those of the kernel, and some for memory that could not be
// read in peace. It may hang: see the package.
func Read(fs proc.FS, pid int, until time.Time) (*Snapshot, error) {
	t := &target{fs: fs, pid: pid, buffer: make([]byte, 8<<10)}
	if err := t.choose(); err != nil {
		return nil, err
	}
	m := newMemory(func(addresses []uint64, pages []*[page]byte) (int, error) {
		return linux.ReadPages(t.live, addresses, pages)
	}, until)
	i, err := t.find(m)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	s := &Snapshot{Version: i.String(), Path: i.image.path, Greenlets: i.greenlets, LeaderGone: t.live != pid}
	if err := i.take(t, s); err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	return s, nil
}
