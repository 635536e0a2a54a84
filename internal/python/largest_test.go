package python

import (
	"encoding/binary"
	"testing"

	"lastcall/internal/proc"
)

// crafted is a memory made by hand.
type crafted struct {
	picture
	free uint64
}

// place finds room for an object.
func (c *crafted) place(size uint64) uint64 {
	at := c.free
	c.free += (size + 7) &^ 7
	for p := at &^ (page - 1); p < c.free; p += page {
		if c.pages[p] == nil {
			c.pages[p] = new([page]byte)
		}
	}
	return at
}

// text makes a str of the longest kind that is read.
func (c *crafted) text() uint64 {
	const offset, four, compact = 72, 4 << 2, 1 << 5
	at := c.place(offset + 4*mostText)
	c.set(at+textLength, mostText, 8)
	c.set(at+textState, four|compact, 4)
	for n := range uint64(mostText) {
		c.set(at+offset+n*4, 0x10ffff, 4)
	}
	return at
}

// craft lays out a 3.11 whose frames are spread over as many pages as are read,
// with as many texts as are copied, in as many frames as are followed.
// With torn, all of it stays a little below what is too large, and one thread
// has a frame that leads nowhere: it is read again and again.
func (c *crafted) craft(torn bool) *interpreter {
	l, _ := table(11)
	base, interp := c.place(64), c.place(64)
	c.set(base+l.runtime.head, interp, 8)
	kind, name := c.place(64), c.place(8)
	c.set(name, binary.LittleEndian.Uint64([]byte("code\x00\x00\x00\x00")), 8)
	c.set(kind+l.kind.name, name, 8)
	text, lines := c.text(), c.place(64)
	const threads, room = mostLinks / mostFrames, 400
	codes := mostCopied/(8*mostText) + 1
	if torn {
		codes = mostAgain/(8*mostText) - 2
	}
	var code []uint64
	for range codes {
		at := c.place(208)
		c.set(at+objectType, kind, 8)
		c.set(at+l.code.name, text, 8)
		c.set(at+l.code.file, text, 8)
		c.set(at+l.code.lines, lines, 8)
		code = append(code, at)
	}
	previous := interp + l.interp.threads
	for n := range threads {
		at, cframe := c.place(400), c.place(16)
		c.set(previous, at, 8)
		previous = at + l.thread.next
		c.set(at+l.thread.interp, interp, 8)
		c.set(at+l.thread.native, uint64(n+1), 8)
		c.before[n+1] = proc.Status{NamespacePID: n + 1}
		c.set(at+l.thread.cframe, cframe, 8)
		link := cframe + l.thread.frame
		for f := range mostFrames - 1 {
			size := uint64(88)
			if len(c.pages) < mostPages-room {
				size = page // of its own
			}
			frame := c.place(size)
			c.set(link, frame, 8)
			link = frame + l.frame.previous
			if torn && n == threads-1 && f == mostFrames/2 {
				link = interp // and the rest is not there
				c.set(frame+l.frame.previous, page, 8)
			}
			c.set(frame+l.frame.code, code[(n*mostFrames+f)%len(code)], 8)
		}
	}
	return &interpreter{layout: l, image: &image{memory: newMemory(c.source, soon())}, base: base}
}

// Who has as much of a memory read, and kept, as the limits allow does not make
// the reader large either.
func TestTheLargestMemory(t *testing.T) {
	for name, torn := range map[string]bool{"to the limits": false, "below them, and again": true} {
		t.Run(name, func(t *testing.T) {
			c := &crafted{picture: picture{pages: map[uint64]*[page]byte{}, before: map[int]proc.Status{}, pid: 1}, free: 1 << 30}
			i := c.craft(torn)
			resident, restore := lean(t)
			defer restore()
			s := &Snapshot{}
			if err := i.take(c, s); err != nil {
				t.Fatal(err)
			}
			frames := 0
			for _, one := range s.Threads {
				frames += len(one.Frames)
			}
			m := i.image.memory
			if len(m.pages) < mostPages*9/10 || m.copied < mostAgain*9/10 || m.links < mostLinks*9/10 || len(s.Threads) < 16 {
				t.Errorf("it goes to no limit: %d pages, %d bytes, %d links, %d threads", len(m.pages), m.copied, m.links, len(s.Threads))
			}
			sane(t, s, 0)
			peak := resident("VmHWM")
			t.Logf("%d frames, %d KiB became resident, %d calls", frames, peak>>10, m.calls)
			if peak > mostGrowth {
				t.Errorf("%d KiB became resident", peak>>10)
			}
		})
	}
}
