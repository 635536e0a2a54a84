package python

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"

	"lastcall/internal/linux"
)

const page = linux.PageSize

// mostPages bounds how much of a process is read for one snapshot: 6 MiB.
// A hundred threads with deep stacks need less than half of it.
const mostPages = 1536

// mostCopied and mostLinks bound what is made of these pages in one try, since
// a hostile memory can have everything point to the same place: bytes of texts
// and tables, and frames.
const (
	mostCopied = 4 << 20
	mostLinks  = 16 << 10
	// mostAgain bounds what is copied if there is to be another try: what two
	// have found is held at the same time.
	mostAgain = 512 << 10
)

var (
	// errTorn says that a pointer led nowhere: the thread has moved on, or
	// the memory holds nonsense.
	errTorn = errors.New("its memory changed while it was read")
	// errLarge and errSlow end a search that a user's memory made too long.
	errLarge = errors.New("more memory would have to be read than is allowed")
	errSlow  = errors.New("reading took too long")
)

// source reads whole pages and returns how many of them came.
type source func(addresses []uint64, pages []*[page]byte) (int, error)

// memory is another process's memory. Pages are kept until forget: within a
// snapshot each is read once. The first trouble sticks until it is taken, and
// what is read after it is zero, so that a decoder asks once at its end.
type memory struct {
	from  source
	until time.Time
	pages map[uint64]*[page]byte
	spare []*[page]byte   // forgotten ones, used again: a try leaves no garbage
	hot   map[uint64]bool // pages that held threads and frames
	mark  bool            // what is read now is hot
	calls int
	wrong error

	lookups int
	late    bool // the deadline is over, for good
	copied  uint64
	links   int
}

func newMemory(from source, until time.Time) *memory {
	return &memory{from: from, until: until, pages: map[uint64]*[page]byte{}, hot: map[uint64]bool{}}
}

// overdue says whether the deadline is over. What has been read already can
// lead in circles as well, so it is asked there too.
func (m *memory) overdue() bool {
	m.late = m.late || time.Now().After(m.until)
	return m.late
}

// trouble returns what went wrong since the last time.
func (m *memory) trouble() error {
	err := m.wrong
	m.wrong = nil
	return err
}

func (m *memory) fail(err error) {
	if m.wrong == nil {
		m.wrong = err
	}
}

// forget drops what was read. The pages that held threads and frames are read
// again at once, in one call: the nearest to an instant picture of a running
// thread that can be had without stopping it.
func (m *memory) forget() {
	for _, one := range m.pages {
		m.spare = append(m.spare, one)
	}
	clear(m.pages)
	m.copied, m.links = 0, 0
	addresses := make([]uint64, 0, len(m.hot))
	for address := range m.hot {
		if len(addresses) == linux.MaxPages {
			break
		}
		addresses = append(addresses, address)
	}
	clear(m.hot)
	if len(addresses) == 0 {
		return
	}
	pages := make([]*[page]byte, len(addresses))
	for i := range pages {
		pages[i] = m.blank()
	}
	m.calls++
	n, _ := m.from(addresses, pages)
	for i, one := range pages {
		if i < n {
			m.pages[addresses[i]] = one
		} else {
			m.spare = append(m.spare, one)
		}
	}
}

// blank returns a page to read into.
func (m *memory) blank() *[page]byte {
	last := len(m.spare) - 1
	if last < 0 {
		return new([page]byte)
	}
	one := m.spare[last]
	m.spare = m.spare[:last]
	return one
}

// often is after how many looks at pages the time is asked for.
const often = 1024

// at returns the page that holds an address, nil on trouble.
func (m *memory) at(address uint64) *[page]byte {
	if m.wrong != nil {
		return nil
	}
	if m.lookups++; m.late || m.lookups%often == 0 && m.overdue() {
		m.fail(errSlow)
		return nil
	}
	address &^= page - 1
	if m.mark {
		m.hot[address] = true
	}
	if one := m.pages[address]; one != nil {
		return one
	}
	switch {
	case address == 0 || address >= 1<<56:
		m.fail(errTorn)
	case len(m.pages) >= mostPages:
		m.fail(errLarge)
	case m.calls&15 == 0 && m.overdue():
		m.fail(errSlow)
	default:
		one := m.blank()
		m.calls++
		n, err := m.from([]uint64{address}, []*[page]byte{one})
		if n == 1 && err == nil {
			m.pages[address] = one
			return one
		}
		m.spare = append(m.spare, one)
		if linux.Denied(err) || linux.Gone(err) {
			m.fail(err)
		}
		m.fail(errTorn)
	}
	return nil
}

// read fills into with what is at an address.
func (m *memory) read(address uint64, into []byte) {
	for done := 0; done < len(into); {
		one := m.at(address + uint64(done))
		if one == nil {
			clear(into[done:])
			return
		}
		done += copy(into[done:], one[(address+uint64(done))&(page-1):])
	}
}

// bytes returns a copy of n bytes, at most most of them.
func (m *memory) bytes(address, n, most uint64) []byte {
	if n > most {
		m.fail(errTorn)
		return nil
	}
	if m.copied += n; m.copied > mostCopied {
		m.fail(errLarge)
		return nil
	}
	into := make([]byte, n)
	m.read(address, into)
	return into
}

// word, half and octet read 64, 32 and 8 bits. All that CPython runs on here
// is little-endian.
func (m *memory) word(address uint64) uint64 {
	var b [8]byte
	m.read(address, b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func (m *memory) half(address uint64) uint32 {
	var b [4]byte
	m.read(address, b[:])
	return binary.LittleEndian.Uint32(b[:])
}

func (m *memory) octet(address uint64) byte {
	var b [1]byte
	m.read(address, b[:])
	return b[0]
}

// text reads a text that ends in NUL, at most most bytes of it.
func (m *memory) text(address uint64, most int) string {
	var text []byte
	for len(text) < most {
		one := m.at(address)
		if one == nil {
			return ""
		}
		piece := one[address&(page-1):]
		if end := bytes.IndexByte(piece, 0); end >= 0 {
			text = append(text, piece[:end]...)
			break
		}
		text = append(text, piece...)
		address += uint64(len(piece))
	}
	return string(text[:min(len(text), most)])
}
