package python

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// picture is a process that stands still: the pages that one reading of a real
// Python took, and what the kernel said of its threads.
type picture struct {
	pages  map[uint64]*[page]byte
	order  []uint64 // the addresses of the pages
	base   uint64   // where the image with the interpreter begins
	path   string
	pid    int
	before map[int]proc.Status
	words  []uint64 // all that is read
	kinds  []string
	places map[string]*places

	// endless has every address lead to some page: whoever maps all of the
	// address space to a few pages can do that.
	endless bool
}

// places are the objects of one kind, and the words of them that are read.
type places struct{ starts, words []uint64 }

func (p *picture) statuses() (map[int]proc.Status, error) { return p.before, nil }

func (p *picture) slept(tid int, _ proc.Status) bool { return (tid-p.pid)%2 == 0 }

func (p *picture) source(addresses []uint64, pages []*[page]byte) (int, error) {
	for i, address := range addresses {
		one := p.pages[address]
		if one == nil && p.endless && address < 1<<47 {
			one = p.pages[p.order[address/page%uint64(len(p.order))]]
		}
		if one == nil {
			if i == 0 {
				return 0, linux.Errno(14)
			}
			return i, nil
		}
		*pages[i] = *one
	}
	return len(addresses), nil
}

// draw takes a picture of a Python with some threads.
func draw(t testing.TB, python string) *picture {
	t.Helper()
	pid := start(t, python, "-c", `
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
	m := newMemory(func(addresses []uint64, pages []*[page]byte) (int, error) {
		return linux.ReadPages(pid, addresses, pages)
	}, soon())
	i, err := k.find(m)
	if err != nil {
		t.Fatal(err)
	}
	p := &picture{pages: map[uint64]*[page]byte{}, path: i.image.path, pid: pid, places: map[string]*places{}}
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
		p.order = append(p.order, address)
	}
	slices.Sort(p.order)
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

// add notes an object, and the words of it that are read: all of its size, or
// those at the offsets.
func (p *picture) add(kind string, start, size uint64, offsets ...uint64) {
	of := p.places[kind]
	if of == nil {
		of = &places{}
		p.places[kind] = of
		p.kinds = append(p.kinds, kind)
	}
	if slices.Contains(of.starts, start) {
		return
	}
	of.starts = append(of.starts, start)
	before := len(of.words)
	for at := start &^ 7; at < start+size; at += 8 {
		of.words = append(of.words, at)
	}
	for _, offset := range offsets {
		of.words = append(of.words, (start+offset)&^7)
	}
	p.words = append(p.words, of.words[before:]...)
}

// mark notes where the objects are that are read.
func (p *picture) mark(t testing.TB, i *interpreter) {
	t.Helper()
	m := i.image.memory
	p.add("image", p.base, 64+8*56)
	p.add("image", i.image.hash, 64)
	published := uint64(0)
	if i.minor >= 13 {
		published = i.runtime.finalizing
	}
	p.add("runtime", i.base, published, i.runtime.head, i.runtime.finalizing)
	interp := m.word(i.base + i.runtime.head)
	p.add("interpreter", interp, 0, i.interp.next, i.interp.threads, i.interp.finalizing)
	all, err := i.threads(&Snapshot{})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		p.add("thread", one.address, 0, i.thread.next, i.thread.interp, i.thread.frame, i.thread.cframe, i.thread.ident, i.thread.native, i.thread.chunk)
		switch {
		case i.thread.cframe != 0:
			p.add("thread", m.word(one.address+i.thread.cframe), 0, i.thread.frame)
		case i.thread.native == 0 && one.ident != 0:
			p.add("thread", one.ident, 0, 720)
		}
		if i.thread.chunk != 0 {
			p.add("chunk", m.word(one.address+i.thread.chunk), 8)
		}
		for _, link := range one.links {
			p.markFrame(i, link)
		}
		if n := len(one.links); n > 0 && m.trouble() == nil {
			p.markObject(i, one.links[n-1].self)
		}
	}
	m.trouble()
}

func (p *picture) markFrame(i *interpreter, of link) {
	m := i.image.memory
	p.add("frame", of.address, 0, i.frame.previous, i.frame.code, i.frame.instruction, i.frame.owner, i.frame.locals)
	p.add("code", of.code, 0, objectType, i.code.name, i.code.file, i.code.first, i.code.lines)
	name, file, lines := m.word(of.code+i.code.name), m.word(of.code+i.code.file), m.word(of.code+i.code.lines)
	p.add("name", name, 56)
	p.add("name", file, 80)
	p.add("lines", lines, bytesValue+min(m.word(lines+bytesLength), 512), bytesLength, bytesLength)
	p.markType(i, of.code)
	p.markType(i, name)
}

func (p *picture) markType(i *interpreter, object uint64) {
	m := i.image.memory
	kind := m.word(object + objectType)
	p.add("type", kind, 0, i.kind.name, i.kind.size, i.kind.flags, i.kind.dict, i.kind.keys)
	p.add("type", m.word(kind+i.kind.name), 8)
}

// markObject notes an instance and where it keeps its attributes, as far as
// they are where this version has them by default.
func (p *picture) markObject(i *interpreter, object uint64) {
	m := i.image.memory
	if object == 0 || object&7 != 0 {
		return
	}
	kind := m.word(object + objectType)
	p.markType(i, object)
	p.add("object", object-32, 80)
	keys := m.word(kind + i.kind.keys)
	if i.minor <= 10 {
		dict := m.word(object + m.word(kind+i.kind.dict)&0xffff)
		p.add("object", dict, 48)
		keys = m.word(dict + dictKeys)
	}
	entries, count, step := i.entries(keys)
	if m.trouble() != nil {
		return
	}
	p.add("keys", keys, 40)
	p.add("keys", entries, min(count, 8)*step)
	for _, value := range i.attributes(object, "_name", "_daemonic", "_native_id") {
		p.add("name", value, 56)
	}
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

// change is one word, or a part of one, that is not what it was.
type change struct {
	kind       string
	address    uint64
	width      int // bytes
	value, old uint64
}

func (c change) String() string {
	return fmt.Sprintf("%s: %d bytes at %#x: %#x for %#x", c.kind, c.width, c.address, c.value, c.old)
}

// set writes a value, in as many bytes, and returns the word that was there.
// An address that is not in the picture is left out.
func (p *picture) set(address, value uint64, width int) (old uint64) {
	one := p.pages[address&^(page-1)]
	if one == nil {
		return 0
	}
	word := one[address&(page-1)&^7:][:8]
	old = binary.LittleEndian.Uint64(word)
	var bytes [8]byte
	binary.LittleEndian.PutUint64(bytes[:], value)
	copy(word[address&7:], bytes[:width])
	return old
}

// spoil makes one change: in each kind of object as often, of a hostile value
// as often as of a random one.
func (p *picture) spoil(r *rand.Rand) change {
	kind := p.kinds[r.IntN(len(p.kinds))]
	of := p.places[kind]
	c := change{kind: kind, address: of.words[r.IntN(len(of.words))], width: 8}
	if narrow := r.IntN(8); narrow < 3 {
		c.width = 1 << narrow
		c.address += uint64(r.IntN(8/c.width) * c.width)
	}
	old := p.set(c.address, 0, 0)
	switch r.IntN(11) {
	case 0: // nothing
	case 1:
		c.value = ^uint64(0)
	case 2: // itself
		c.value = c.address
	case 3: // another of its kind, or itself: a ring
		c.value = of.starts[r.IntN(len(of.starts))]
	case 4: // something of another kind
		other := p.places[p.kinds[r.IntN(len(p.kinds))]]
		c.value = other.starts[r.IntN(len(other.starts))]
	case 5: // somewhere inside of something
		c.value = p.words[r.IntN(len(p.words))]
	case 6: // beside where it was, perhaps not aligned
		c.value = old + uint64(r.IntN(129)) - 64
	case 7: // a count or a length
		c.value = uint64(r.IntN(1 << r.IntN(20)))
	case 8: // a huge one
		c.value = 1<<(20+r.IntN(44)) - uint64(r.IntN(2))
	case 9:
		c.value = old ^ 1<<r.IntN(64)
	default:
		c.value = r.Uint64()
	}
	c.old = p.set(c.address, c.value, c.width)
	return c
}

// mend undoes changes.
func (p *picture) mend(changes []change) {
	for n := len(changes) - 1; n >= 0; n-- {
		p.set(changes[n].address&^7, changes[n].old, 8)
	}
}
