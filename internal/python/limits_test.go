package python

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"lastcall/test/pythons"
)

// put writes a word into the picture.
func (p *picture) put(t testing.TB, address, value uint64) {
	t.Helper()
	one := p.pages[address&^(page-1)]
	if one == nil {
		t.Fatalf("%#x is not in the picture", address)
	}
	binary.LittleEndian.PutUint64(one[address&(page-1):], value)
}

// interpreter is the one in the picture.
func (p *picture) interpreter(t testing.TB) *interpreter {
	t.Helper()
	image, err := open(newMemory(p.source, soon()), p.base, p.path)
	if err != nil {
		t.Fatal(err)
	}
	i, err := find(image)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// Chains that lead to themselves end, each by its own limit.
func TestLoops(t *testing.T) {
	p := draw(t, pythons.Found(t)[0])
	i := p.interpreter(t)
	m := i.image.memory
	interp := m.word(i.base + i.runtime.head)
	all, err := i.threads(&Snapshot{})
	if err != nil || len(all) != 4 {
		t.Fatalf("%d threads, %v", len(all), err)
	}
	next := func(thread uint64) uint64 { return thread + i.thread.next }
	began := time.Now()

	// The last thread, in a ring of frames, follows upon itself.
	last := all[len(all)-1]
	p.put(t, last.links[0].address+i.frame.previous, last.links[0].address)
	i.image.memory.forget()
	links, err := i.chain(last.address)
	if !errors.Is(err, errTorn) || len(links) != mostFrames {
		t.Errorf("a ring of frames: %d, %v", len(links), err)
	}
	var many []*state
	for range 100 {
		links, _ := i.chain(last.address)
		many = append(many, &state{links: links})
	}
	i.decodeAll(many)
	s := &Snapshot{}
	for _, one := range many {
		s.Threads = append(s.Threads, one.Thread)
	}
	sane(t, s, time.Since(began))

	p.put(t, next(last.address), last.address)
	m.forget()
	if all, err := i.threads(&Snapshot{}); !errors.Is(err, errTorn) || len(all) != mostThreads {
		t.Errorf("a ring of threads: %d, %v", len(all), err)
	}
	p.put(t, next(last.address), 0)

	p.put(t, interp+i.interp.next, interp)
	m.forget()
	if _, err := i.threads(s); !errors.Is(err, errTorn) || s.Interpreters != mostInterps+1 {
		t.Errorf("a ring of interpreters: %d, %v", s.Interpreters, err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// What is read of a memory that has everything everywhere is limited.
func TestLimitsOfMemory(t *testing.T) {
	everything := func(addresses []uint64, _ []*[page]byte) (int, error) { return len(addresses), nil }
	m := newMemory(everything, soon())
	for at := range uint64(2 * mostPages) {
		m.word((at + 1) * page)
	}
	if err := m.trouble(); !errors.Is(err, errLarge) || len(m.pages) != mostPages {
		t.Errorf("%d pages, %v", len(m.pages), err)
	}
	m = newMemory(everything, soon())
	copied := 0
	for range 100 {
		copied += len(m.bytes(page, mostTable, mostTable))
	}
	if err := m.trouble(); !errors.Is(err, errLarge) || copied > mostCopied {
		t.Errorf("%d bytes, %v", copied, err)
	}
	if got := m.bytes(page, 1<<60, mostTable); len(got) > 0 || m.trouble() == nil {
		t.Errorf("%d bytes", len(got))
	}
	m = newMemory(everything, time.Now().Add(-time.Second))
	for at := range uint64(100) {
		m.word((at + 1) * page)
	}
	if err := m.trouble(); !errors.Is(err, errSlow) || len(m.pages) > 16 {
		t.Errorf("%d pages, %v", len(m.pages), err)
	}
}

// What has been read already can lead in circles for very long too: after the
// deadline nothing more is said of it.
func TestNothingAfterTheDeadline(t *testing.T) {
	p := draw(t, pythons.Found(t)[0])
	i := p.interpreter(t)
	m := i.image.memory
	all, err := i.threads(&Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint64]*code{}
	if _, err := i.decode(all[0].links[0], known); err != nil {
		t.Fatal(err)
	}
	m.until = time.Now()
	if _, err := i.decode(all[0].links[0], known); !errors.Is(err, errSlow) {
		t.Errorf("a line was looked up: %v", err)
	}

	i = p.interpreter(t)
	m = i.image.memory
	m.until = time.Now()
	for range 2 * often {
		m.word(i.base)
	}
	if err := m.trouble(); !errors.Is(err, errSlow) {
		t.Errorf("it is read on and on: %v", err)
	}
	if m.word(i.base); !errors.Is(m.trouble(), errSlow) {
		t.Error("it is read again")
	}
}

// Where the kernel does not say which number a thread has in its namespace
// (before 4.1), no thread is taken for another: nothing is known of any.
func TestNoNumbersInNamespaces(t *testing.T) {
	p := draw(t, pythons.Found(t)[0])
	for tid, status := range p.before {
		status.NamespacePID, status.NamespacePIDs = 0, 0
		p.before[tid] = status
	}
	i := p.interpreter(t)
	for _, unknown := range []bool{false, true} {
		if unknown {
			i.thread.native = 0 // as before 3.11
		}
		s := &Snapshot{}
		if err := i.take(p, s); err != nil {
			t.Fatal(err)
		}
		for _, thread := range s.Threads {
			if thread.TID != 0 {
				t.Errorf("%q is taken for thread %d", thread.Name, thread.TID)
			}
		}
	}
}
