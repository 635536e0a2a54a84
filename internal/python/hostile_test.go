package python

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// picture is a process that stands still: the pages that one reading of a real
// Python took, and what the kernel said of its threads.
type picture struct {
	pages  map[uint64]*[page]byte
	base   uint64 // where the image with the interpreter begins
	path   string
	before map[int]proc.Status
	words  []uint64 // addresses in what is read: threads, frames, code, types, tables
}

func (p *picture) statuses() (map[int]proc.Status, error) { return p.before, nil }

func (p *picture) slept(tid int, _ proc.Status) bool { return tid%2 == 0 }

func (p *picture) source(addresses []uint64, pages [][page]byte) (int, error) {
	for i, address := range addresses {
		one := p.pages[address]
		if one == nil {
			if i == 0 {
				return 0, linux.Errno(14)
			}
			return i, nil
		}
		pages[i] = *one
	}
	return len(addresses), nil
}

// draw takes a picture of a Python with some threads.
func draw(t testing.TB) *picture {
	t.Helper()
	pid := start(t, pythons(t)[0], "-c", `
import threading, time
def rest():
    time.sleep(600)
for i in range(3):
    threading.Thread(target=rest, name="one").start()
`)
	wait(t, "the threads", func() bool {
		s, err := Read(proc.Default, pid, soon())
		return err == nil && len(s.Threads) == 4 && s.Main(pid) != nil && s.Main(pid).Outermost() != nil && s.Main(pid).Outermost().Is("_shutdown", "threading.py")
	})
	k := &target{fs: proc.Default, pid: pid, live: pid, buffer: make([]byte, 8<<10)}
	m := newMemory(func(addresses []uint64, pages [][page]byte) (int, error) {
		return linux.ReadPages(pid, addresses, pages)
	}, soon())
	i, err := k.find(m)
	if err != nil {
		t.Fatal(err)
	}
	p := &picture{pages: map[uint64]*[page]byte{}, path: i.image.path}
	if p.before, err = k.statuses(); err != nil {
		t.Fatal(err)
	}
	if err := i.take(k, &Snapshot{}); err != nil {
		t.Fatal(err)
	}
	p.base = baseOf(t, k, p.path)
	p.mark(t, i)
	for address, one := range m.pages {
		p.pages[address] = one
	}
	return p
}

// baseOf finds where the image is mapped.
func baseOf(t testing.TB, k *target, path string) uint64 {
	t.Helper()
	text, err := linux.ReadAll(k.folder()+"/maps", nil, mostMaps)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range parseMaps(text) {
		if one.path == path {
			return one.base
		}
	}
	t.Fatalf("%s is not mapped", path)
	return 0
}

// mark notes where the objects are that are read.
func (p *picture) mark(t testing.TB, i *interpreter) {
	t.Helper()
	m := i.image.memory
	add := func(address, size uint64) {
		for at := address &^ 7; at < address+size; at += 8 {
			p.words = append(p.words, at)
		}
	}
	add(i.base, 1024)
	interp := m.word(i.base + i.runtime.head)
	add(interp, 128)
	all, err := i.threads(&Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		add(one.address, 320)
		for _, link := range one.links {
			add(link.address, 88)
			add(link.code, 208)
			add(m.word(link.code+i.code.name), 48)
			add(m.word(link.code+i.code.lines), 48)
			add(link.self-40, 80)
		}
	}
	add(p.base, 1024)
	m.trouble()
}

// read reads the picture.
func (p *picture) read() (*Snapshot, error) {
	m := newMemory(p.source, time.Now().Add(time.Second))
	image, err := open(m, p.base, p.path)
	if err != nil {
		return nil, err
	}
	i, err := find(image)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{}
	return s, i.take(p, s)
}

// spoil changes a word that is read, and returns how to undo it.
func (p *picture) spoil(where, value uint64) (undo func()) {
	address := p.words[where%uint64(len(p.words))]
	one := p.pages[address&^(page-1)]
	if one == nil {
		return func() {}
	}
	at := address & (page - 1)
	old := binary.LittleEndian.Uint64(one[at:])
	binary.LittleEndian.PutUint64(one[at:], value)
	return func() { binary.LittleEndian.PutUint64(one[at:], old) }
}

// sane fails if a snapshot of a spoiled memory breaks a promise.
func sane(t testing.TB, s *Snapshot, took time.Duration) {
	t.Helper()
	if took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if s == nil {
		return
	}
	frames := 0
	for _, thread := range s.Threads {
		frames += len(thread.Frames)
		for _, f := range thread.Frames {
			if len(f.Function) > 4*mostText || len(f.File) > 4*mostText {
				t.Errorf("a name of %d and a file of %d bytes", len(f.Function), len(f.File))
			}
		}
	}
	if frames > 2*mostLinks || len(s.Threads) > mostThreads {
		t.Errorf("%d threads with %d frames", len(s.Threads), frames)
	}
	if text, err := (reply{Snapshot: s}).encode(64 << 10); err != nil || len(text) > 64<<10 {
		t.Errorf("an answer of %d bytes, %v", len(text), err)
	}
}

// Whatever the memory holds, reading it ends, and takes little.
func TestSpoiledMemory(t *testing.T) {
	p := draw(t)
	if s, err := p.read(); err != nil || len(s.Threads) != 4 {
		t.Fatalf("the picture itself: %+v, %v", s, err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	source := rand.New(rand.NewPCG(seed, 2))
	read, failed := 0, 0
	for range 3000 {
		var undo []func()
		for range 1 + source.IntN(4) {
			value := source.Uint64()
			switch source.IntN(4) {
			case 0: // a pointer to somewhere else that is there
				value = p.words[source.IntN(len(p.words))]
			case 1:
				value &= 0xffff
			case 2:
				value = 0
			}
			undo = append(undo, p.spoil(source.Uint64(), value))
		}
		began := time.Now()
		s, err := p.read()
		sane(t, s, time.Since(began))
		if read++; err != nil {
			failed++
		}
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d readings, %d with an error; %d MiB from the system", read, failed, memory.Sys>>20)
	if failed < read/50 || failed == read {
		t.Errorf("of %d readings %d had an error: nothing was tried", read, failed)
	}
	if _, err := p.read(); err != nil {
		t.Errorf("the picture is not what it was: %v", err)
	}
}

func FuzzSpoiledMemory(f *testing.F) {
	p := draw(f)
	f.Add([]byte("0123456789abcdef"))
	f.Fuzz(func(t *testing.T, changes []byte) {
		var undo []func()
		for ; len(changes) >= 16 && len(undo) < 16; changes = changes[16:] {
			value := binary.LittleEndian.Uint64(changes[8:])
			if value>>60 == 5 {
				value = p.words[value%uint64(len(p.words))]
			}
			undo = append(undo, p.spoil(binary.LittleEndian.Uint64(changes), value))
		}
		began := time.Now()
		s, _ := p.read()
		sane(t, s, time.Since(began))
		for i := len(undo) - 1; i >= 0; i-- {
			undo[i]()
		}
	})
}
