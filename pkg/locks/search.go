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

// crowd is from how many processes on it pays to ask first whether any lock
// of the node can be theirs: reading all descriptors of a thousand processes
// takes longer than ending them.
const crowd = 32

// HeldBy finds every lock that the given processes hold. complete is false if
// the time was over before everything was read. Processes that vanish are
// passed over: their locks went with them. Of a crowd, locks that a process
// outside it has taken and still holds are not looked for: they stay whatever
// becomes of the crowd.
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

// anyOf says whether a lock in the list may be held by one of the processes:
// all but those whose taker is none of them and is seen to hold it itself.
func (s *search) anyOf(survivors []proc.Key, listed []byte) bool {
	among := make(map[int]bool, len(survivors))
	for _, key := range survivors {
		among[key.PID] = true
	}
	outside := map[int]map[Lock]bool{}
	some := false
	err := ParseLocks(listed, func(lock Lock, waits bool) bool {
		if waits {
			return true
		}
		some = lock.Taker <= 0 || among[lock.Taker]
		if !some && outside[lock.Taker] == nil {
			outside[lock.Taker] = s.locksOf(lock.Taker)
		}
		some = some || !outside[lock.Taker][lock]
		return !some
	})
	return some || err != nil || s.late
}

// locksOf returns the locks that the process with this number holds now.
func (s *search) locksOf(pid int) map[Lock]bool {
	found := map[Lock]bool{}
	if stat, err := s.fs.Stat(pid, s.buffer); err == nil {
		s.process(stat.Key(), func(lock Lock, _ Holder) { found[lock] = true })
	}
	return found
}

// process calls use for each lock that a process holds. A thread that has its
// own table of descriptors is rare; the leader's table is that of all, but a
// leader that has exited shows none, so then its threads are asked.
func (s *search) process(key proc.Key, use func(Lock, Holder)) {
	stat, err := s.fs.Stat(key.PID, s.buffer)
	if err != nil || stat.Start != key.Start {
		return
	}
	owner, err := s.fs.Owner(key.PID)
	if err != nil {
		return
	}
	holder := Holder{Key: key, Comm: stat.Comm, UID: owner}
	if !stat.Zombie() {
		s.table(strconv.Itoa(key.PID), holder, use)
		return
	}
	tids, _ := s.fs.Tasks(key.PID)
	for _, tid := range tids {
		if s.table(strconv.Itoa(key.PID)+"/task/"+strconv.Itoa(tid), holder, use) {
			return
		}
	}
}

// table reads one table of descriptors; false if it is empty.
func (s *search) table(of string, holder Holder, use func(Lock, Holder)) bool {
	some := false
	folder := string(s.fs) + "/" + of + "/fdinfo"
	_ = linux.EachName(folder, s.names, func(name []byte) bool {
		some = true
		fd, ok := decimal(name)
		if !ok {
			return true
		}
		s.descriptor(folder+"/"+string(name), int(fd), of, holder, use)
		s.late = s.late || !time.Now().Before(s.until)
		return !s.late
	})
	return some
}

func (s *search) descriptor(path string, fd int, of string, holder Holder, use func(Lock, Holder)) {
	text, err := linux.ReadAll(path, s.buffer, maxFDInfo)
	if err != nil {
		return
	}
	if len(text) > len(s.buffer) {
		s.buffer = text[:cap(text)]
	}
	named := false
	_ = ParseFDInfo(text, func(lock Lock) bool {
		if !named {
			named = true
			holder.FD = fd
			holder.Path, _ = linux.Link(string(s.fs) + "/" + of + "/fd/" + strconv.Itoa(fd))
		}
		use(lock, holder)
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
