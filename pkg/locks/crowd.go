package locks

import (
	"strconv"
	"time"

	"lastcall/internal/proc"
)

// crowd is from how many processes on it pays to ask first whether any lock
// of the node can be theirs: reading all descriptors of a thousand processes
// takes longer than ending them.
const crowd = 32

// anyOf says whether a lock in the list may be held by one of the processes
// alone: all but those that somebody else is seen to hold. Most often that is
// who took it.
func (s *search) anyOf(survivors []proc.Key, listed []byte) bool {
	among := make(map[int]bool, len(survivors))
	for _, key := range survivors {
		among[key.PID] = true
	}
	outside := map[int]map[Lock]bool{}
	open := map[Lock]bool{} // nobody is seen to hold them yet
	some := false
	err := ParseLocks(listed, func(lock Lock, waits bool) bool {
		if waits {
			return true
		}
		some = among[lock.Taker]
		if !some && outside[lock.Taker] == nil {
			outside[lock.Taker] = s.locksOf(lock.Taker)
		}
		if !outside[lock.Taker][lock] {
			open[lock] = true
		}
		return !some
	})
	return some || err != nil || s.late || !s.heldOutside(among, open)
}

// heldOutside says whether each of the locks is held by a process that is none
// of these. To look at all others pays where they are few beside the crowd, and
// where they are many it is given up in time.
func (s *search) heldOutside(among map[int]bool, open map[Lock]bool) bool {
	if len(open) == 0 {
		return true
	}
	kernel := s.fs.KernelThreads()
	end := time.Now().Add(time.Until(s.until) / 16)
	_ = s.fs.EachPID(func(pid int) bool {
		if !among[pid] && !kernel[pid] {
			for lock := range s.locksOf(pid) {
				delete(open, lock)
			}
		}
		return len(open) > 0 && time.Now().Before(end)
	})
	return len(open) == 0
}

// locksOf returns the locks that the process with this number holds now, none
// for a number that is no process's.
func (s *search) locksOf(pid int) map[Lock]bool {
	found := map[Lock]bool{}
	if pid <= 0 {
		return found
	}
	s.table(strconv.Itoa(pid), func(lock Lock, _ int, _ string) { found[lock] = true })
	return found
}
