package locks

import (
	"fmt"
	"strconv"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

const (
	// maxLocks is the most of /proc/locks that is read, in bytes: some
	// 400,000 locks.
	maxLocks = 32 << 20
	// maxFDInfo is the most of one descriptor's information that is read.
	maxFDInfo = 8 << 20
)

// search reads descriptors of processes with buffers of its own.
type search struct {
	fs     proc.FS
	until  time.Time
	buffer []byte
	names  []byte
	late   bool
}

func newSearch(fs proc.FS, until time.Time) *search {
	return &search{fs: fs, until: until, buffer: make([]byte, 16<<10), names: make([]byte, 4096)}
}

// listed reads /proc/locks.
func (s *search) listed() ([]byte, error) {
	text, err := linux.ReadAll(string(s.fs)+"/locks", nil, maxLocks)
	if err != nil && !linux.Gone(err) {
		return nil, fmt.Errorf("reading the locks of this node: %w", err)
	}
	return text, nil
}

// ownNamespace says whether this program sees all processes of the node: in a
// pid namespace /proc/locks leaves out what belongs to processes outside it,
// and the dead (fs/locks.c, locks_show). The first namespace has a fixed
// inode number (include/linux/proc_ns.h, PROC_PID_INIT_INO).
func (s *search) ownNamespace() bool {
	link, err := linux.Link(string(s.fs) + "/self/ns/pid")
	return err == nil && link != "pid:[4026531836]"
}

// HeldBy finds every lock that the given processes hold. complete is false if
// the time was over before everything was read. Processes that vanish are
// passed over: their locks went with them. Of a crowd, locks that a process
// outside it holds too are not looked for: they stay whatever becomes of the
// crowd.
func HeldBy(fs proc.FS, survivors []proc.Key, until time.Time) (held []Held, complete bool, err error) {
	s := newSearch(fs, until)
	text, err := s.listed()
	if len(text) == 0 && err == nil && !s.ownNamespace() {
		return nil, true, nil
	}
	if len(survivors) >= crowd && err == nil && !s.ownNamespace() && !s.anyOf(survivors, text) {
		return nil, !s.late, nil
	}
	found := newCollection()
	for _, key := range survivors {
		s.process(key, found.add)
	}
	return found.held, !s.late, err
}

// Everyone adds to each lock those of all processes of this node that hold it
// too: an open file description is shared by all that inherited it. complete is
// false if not every process could be asked in time.
func Everyone(fs proc.FS, held []Held, until time.Time) (complete bool) {
	s := newSearch(fs, until)
	found := newCollection()
	for _, one := range held {
		found.index[one.Lock] = len(found.held)
		found.held = append(found.held, one)
	}
	kernel := fs.KernelThreads()
	err := fs.EachPID(func(pid int) bool {
		if kernel[pid] {
			return true
		}
		if stat, err := fs.Stat(pid, s.buffer); err == nil {
			s.process(stat.Key(), func(lock Lock, holder Holder) {
				if _, ok := found.index[lock]; ok {
					found.add(lock, holder)
				}
			})
		}
		return !s.late
	})
	copy(held, found.held)
	return err == nil && !s.late
}

// process calls use for each lock that a process holds. A thread that has its
// own table of descriptors is rare; the leader's table is that of all, but a
// leader that has exited shows none, so then its threads are asked. Who it is
// is asked only when a lock was found: most processes hold none, and one that
// is itself then was itself before.
func (s *search) process(key proc.Key, use func(Lock, Holder)) {
	asked, itself := false, false
	holder := Holder{Key: key}
	identified := func(lock Lock, fd int, path string) {
		if !asked {
			asked = true
			holder.Comm, holder.UID, itself = s.identify(key)
		}
		if holder.FD, holder.Path = fd, path; itself {
			use(lock, holder)
		}
	}
	if s.table(strconv.Itoa(key.PID), identified) {
		return
	}
	tids, _ := s.fs.Tasks(key.PID)
	for _, tid := range tids {
		if tid != key.PID && s.table(strconv.Itoa(key.PID)+"/task/"+strconv.Itoa(tid), identified) {
			return
		}
	}
}

// identify returns the name and the user of a process; ok says that it still
// is this one.
func (s *search) identify(key proc.Key) (comm string, uid uint32, ok bool) {
	stat, uid, err := s.fs.StatOwner(key.PID, make([]byte, 1024))
	return stat.Comm, uid, err == nil && stat.Start == key.Start
}

// table reads one table of descriptors; false if it is empty.
func (s *search) table(of string, use func(lock Lock, fd int, path string)) bool {
	some := false
	folder := string(s.fs) + "/" + of + "/fdinfo"
	_ = linux.EachText(folder, s.names, &s.buffer, maxFDInfo, func(name, text []byte) bool {
		some = true
		if fd, ok := decimal(name); ok {
			s.descriptor(text, int(fd), of, use)
		}
		s.late = s.late || !time.Now().Before(s.until)
		return !s.late
	})
	return some
}

func (s *search) descriptor(text []byte, fd int, of string, use func(lock Lock, fd int, path string)) {
	named, path := false, ""
	_ = ParseFDInfo(text, func(lock Lock) bool {
		if !named {
			named = true
			path, _ = linux.Link(string(s.fs) + "/" + of + "/fd/" + strconv.Itoa(fd))
		}
		use(lock, fd, path)
		return true
	})
}

// collection joins the holders of the same lock.
type collection struct {
	held  []Held
	index map[Lock]int
}

func newCollection() *collection { return &collection{index: map[Lock]int{}} }

func (c *collection) add(lock Lock, holder Holder) {
	at, ok := c.index[lock]
	if !ok {
		c.index[lock] = len(c.held)
		c.held = append(c.held, Held{Lock: lock, Holders: []Holder{holder}})
		return
	}
	for _, one := range c.held[at].Holders {
		if one.Key == holder.Key {
			return
		}
	}
	c.held[at].Holders = append(c.held[at].Holders, holder)
}
