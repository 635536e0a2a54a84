package locks

import (
	"time"

	"lastcall/internal/proc"
)

// WaitedFor finds the locks that one of the processes waits for, and who has
// them: the fates of locks that are not theirs. The kernel lists a waiter with
// the range it asks for, so whoever holds a part of that range by another call
// is not found. complete is false if the time was over first.
func WaitedFor(fs proc.FS, keys []proc.Key, until time.Time) (fates []Fate, complete bool, err error) {
	s := newSearch(fs, until)
	text, err := s.listed()
	if err != nil {
		return nil, false, err
	}
	ours := map[int]bool{}
	for _, key := range keys {
		ours[key.PID] = true
	}
	wanted, seen := []Held{}, map[file]bool{}
	_ = ParseLocks(text, func(lock Lock, waits bool) bool {
		if waits && ours[lock.Taker] && !seen[lock.file()] {
			seen[lock.file()] = true
			wanted = append(wanted, Held{Lock: lock})
		}
		return true
	})
	return Look(fs, wanted, keys, until)
}
