package python

import (
	"encoding/binary"
	"errors"
	"runtime"
	"time"

	"lastcall/internal/proc"
)

// mostTries is how often threads that run are read again.
const mostTries = 20

// kernel is what the kernel says of the threads of a process.
type kernel interface {
	statuses() (map[int]proc.Status, error)
	slept(tid int, before proc.Status) bool
}

// take fills the snapshot: it reads until every stack is whole, or gives up
// on those that are not. What an earlier try has found out about a thread is
// kept, so two tries are held at once.
func (i *interpreter) take(k kernel, s *Snapshot) error {
	m := i.image.memory
	best := map[uint64]*state{}
	var all []*state
	var wrong error
	for try := range mostTries {
		if try > 0 {
			if m.links > mostLinks/4 { // what the last try has left is large
				runtime.GC()
			}
			m.forget()
		}
		before, err := k.statuses()
		if err != nil {
			return err
		}
		var now []*state
		if now, wrong = i.threads(s); wrong != nil {
			if !errors.Is(wrong, errTorn) || time.Now().After(m.until) {
				return wrong
			}
			continue
		}
		all = now
		i.look(k, all, before)
		if keep(best, all) == 0 || m.copied > mostAgain || time.Now().After(m.until) {
			break
		}
	}
	if wrong != nil {
		return wrong
	}
	for _, t := range all {
		i.resolve(t, all)
		s.Threads = append(s.Threads, t.Thread)
	}
	return nil
}

// look decodes what was read and puts it together with what the kernel says.
func (i *interpreter) look(k kernel, all []*state, before map[int]proc.Status) {
	i.decodeAll(all)
	inside := make(map[int]int, len(before))
	for tid, status := range before {
		if status.NamespacePID != 0 { // else 0, not known, would be a number
			inside[status.NamespacePID] = tid
		}
	}
	for _, t := range all {
		if t.inside == 0 {
			t.inside = i.threadID(t.ident, inside)
		}
		t.TID = inside[t.inside]
		status, alive := before[t.TID]
		t.settle(alive && k.slept(t.TID, status))
		i.identify(t)
		if t.TID == 0 {
			t.TID = inside[t.inside]
		}
	}
}

// keep puts what an earlier try has found in the place of what this one has
// not, and returns how many threads are still not whole.
func keep(best map[uint64]*state, all []*state) (open int) {
	for n, t := range all {
		if old := best[t.address]; old != nil && old.TID == t.TID {
			if !t.Managed && old.Managed {
				t.Managed, t.Name, t.Daemon, t.object = true, old.Name, old.Daemon, old.object
			}
			if old.Whole && !t.Whole {
				all[n] = old
			}
		}
		best[t.address] = all[n]
		if !all[n].Whole && all[n].TID != 0 {
			open++
		}
	}
	return open
}

// threadID finds the kernel's number of a thread where Python does not keep it
// (before 3.11): glibc has it in the thread's descriptor, whose address is the
// pthread_t (nptl/descr.h, struct pthread, tid: byte 720 on x86-64). Elsewhere
// the numbers of the living threads are looked for.
func (i *interpreter) threadID(ident uint64, known map[int]int) int {
	if ident == 0 {
		return 0
	}
	m := i.image.memory
	defer m.trouble()
	if id := int(m.half(ident + 720)); m.wrong == nil && known[id] != 0 {
		return id
	}
	m.trouble()
	const size = 1280
	descriptor := m.bytes(ident, size, size)
	for ; len(descriptor) >= 4; descriptor = descriptor[4:] {
		if id := int(binary.LittleEndian.Uint32(descriptor)); id > 1 && known[id] != 0 {
			return id
		}
	}
	return 0
}
