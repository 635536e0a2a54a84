package locks

import (
	"time"

	"lastcall/internal/proc"
)

// Look tells what became of locks the job held, after its processes were
// ended: job names these processes. Without a lock to ask about it reads
// nothing. complete is false if the time was over first.
func Look(fs proc.FS, before []Held, job []proc.Key, until time.Time) (fates []Fate, complete bool, err error) {
	if len(before) == 0 {
		return nil, true, nil
	}
	s := newSearch(fs, until)
	text, err := s.listed()
	index := newIndex(before)
	_ = ParseLocks(text, func(lock Lock, waits bool) bool {
		index.note(lock, waits)
		return true
	})
	holders := map[int][]Holder{}
	if index.some() || s.ownNamespace() {
		holders = s.holders(index, before, job)
	}
	ours := make(map[proc.Key]bool, len(job))
	for _, key := range job {
		ours[key] = true
	}
	for i, held := range before {
		fates = append(fates, index.fate(s, i, held, holders[i], ours))
	}
	return fates, !s.late, err
}

// index finds the locks in question among all of a node's.
type index struct {
	byFile  map[file][]int
	listed  []bool
	waiters [][]int // pids
	takers  []int
}

func newIndex(before []Held) *index {
	x := &index{byFile: map[file][]int{}, listed: make([]bool, len(before)), waiters: make([][]int, len(before))}
	for i, held := range before {
		x.byFile[held.Lock.file()] = append(x.byFile[held.Lock.file()], i)
	}
	return x
}

// note takes one line of /proc/locks. A waiter is noted for the ranges it
// asks for exactly; a lock of a wholly other owner on the same range counts
// as still held, and the holders tell whose it is.
func (x *index) note(lock Lock, waits bool) {
	for _, i := range x.byFile[lock.file()] {
		if waits {
			x.waiters[i] = append(x.waiters[i], lock.Taker)
			continue
		}
		x.listed[i] = true
		x.takers = append(x.takers, lock.Taker)
	}
}

func (x *index) some() bool {
	for _, listed := range x.listed {
		if listed {
			return true
		}
	}
	return false
}

// holders looks for the processes behind the locks that are still listed:
// first those that took them, then the job's, and only for what is left at
// every process of the node.
func (s *search) holders(x *index, before []Held, job []proc.Key) map[int][]Holder {
	found := map[int][]Holder{}
	note := func(lock Lock, holder Holder) {
		for _, i := range x.byFile[lock.file()] {
			found[i] = append(found[i], holder)
		}
	}
	asked := map[int]bool{}
	ask := func(pid int) bool {
		if pid <= 0 || asked[pid] || s.late {
			return !s.late
		}
		asked[pid] = true
		if stat, err := s.fs.Stat(pid, s.buffer); err == nil && !stat.KernelThread() {
			s.process(stat.Key(), note)
		}
		return true
	}
	for _, pid := range x.takers {
		ask(pid)
	}
	for _, key := range job {
		ask(key.PID)
	}
	for i := range before {
		if x.listed[i] && len(found[i]) == 0 {
			_ = s.fs.EachPID(ask)
			break
		}
	}
	return found
}

func (x *index) fate(s *search, i int, held Held, holders []Holder, ours map[proc.Key]bool) Fate {
	fate := Fate{Held: held, State: Freed, Holders: holders}
	for _, pid := range x.waiters[i] {
		if stat, err := s.fs.Stat(pid, s.buffer); err == nil {
			fate.Waiters = append(fate.Waiters, Waiter{Key: stat.Key(), Comm: stat.Comm})
		}
	}
	switch {
	case len(holders) > 0:
		fate.State = HeldByOther
		for _, holder := range holders {
			if ours[holder.Key] {
				fate.State = HeldByJob
			}
		}
	case x.listed[i]:
		fate.State = HeldUnknown
	}
	return fate
}
