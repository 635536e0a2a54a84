package python

// Limits of what is followed.
const (
	mostFrames  = 1024 // of one thread
	mostThreads = 1024 // of one process
	mostChunks  = 4096
	mostInterps = 64
)

// link is one frame before anything it points to is read.
type link struct {
	address, code, instruction, self uint64
}

// frameAt reads one frame. marker is true for an entry of the evaluation loop
// that stands for no Python code (FRAME_OWNED_BY_CSTACK and
// FRAME_OWNED_BY_INTERPRETER, 3.12 and later).
func (i *interpreter) frameAt(address uint64) (one link, previous uint64, marker bool) {
	m := i.image.memory
	previous = m.word(address + i.frame.previous)
	const firstMarker = 3
	if i.minor >= 12 && m.octet(address+i.frame.owner) >= firstMarker {
		return one, previous, true
	}
	const tags = 3 // of references, 3.14 and later
	one.address = address
	one.code = m.word(address+i.frame.code) &^ tags
	one.self = m.word(address+i.frame.locals) &^ tags
	if i.minor <= 10 {
		one.instruction = uint64(int64(int32(m.half(address + i.frame.instruction))))
	} else {
		one.instruction = m.word(address + i.frame.instruction)
	}
	return one, previous, false
}

// chain collects the frames of a thread, innermost first, and reads nothing
// but them: the less time that takes, the likelier it is all of one moment.
func (i *interpreter) chain(thread uint64) ([]link, error) {
	m := i.image.memory
	m.mark = true
	defer func() { m.mark = false }()
	at := thread
	if i.thread.cframe != 0 {
		at = m.word(thread + i.thread.cframe)
	}
	frame := m.word(at + i.thread.frame)
	var links []link
	for steps := 0; frame != 0 && m.wrong == nil; steps++ {
		if steps == mostFrames {
			m.fail(errTorn)
			break
		}
		one, previous, marker := i.frameAt(frame)
		if m.links++; m.links > mostLinks {
			m.fail(errLarge)
		}
		if !marker && m.wrong == nil {
			links = append(links, one)
		}
		frame = previous
	}
	return links, m.trouble()
}

// outermost finds the frame a thread began with (3.11 and later) without the
// chain: it lies at the start of the first chunk of the thread's memory for
// frames, behind the header of three words and one unused word (pystate.c,
// push_chunk), for as long as the thread lives.
func (i *interpreter) outermost(thread uint64) (link, bool) {
	if i.thread.chunk == 0 {
		return link{}, false
	}
	m := i.image.memory
	m.mark = true
	defer func() { m.mark = false }()
	chunk := m.word(thread + i.thread.chunk)
	for steps := 0; chunk != 0 && steps < mostChunks && m.wrong == nil; steps++ {
		previous := m.word(chunk)
		if previous == 0 {
			one, _, marker := i.frameAt(chunk + 32)
			return one, m.trouble() == nil && !marker
		}
		chunk = previous
	}
	m.trouble()
	return link{}, false
}

// code is what is kept of a code object.
type code struct {
	function, file string
	first          int
	lines          []byte
}

// codeAt reads a code object, once for each snapshot.
func (i *interpreter) codeAt(address uint64, known map[uint64]*code) (*code, error) {
	if c := known[address]; c != nil {
		return c, nil
	}
	m := i.image.memory
	if name := i.typeName(address); name != "code" {
		m.fail(errTorn)
		return nil, m.trouble()
	}
	c := &code{
		function: i.text(m.word(address + i.code.name)),
		file:     i.text(m.word(address + i.code.file)),
		first:    int(int32(m.half(address + i.code.first))),
	}
	table := m.word(address + i.code.lines)
	c.lines = m.bytes(table+bytesValue, m.word(table+bytesLength), mostTable)
	if err := m.trouble(); err != nil {
		return nil, err
	}
	known[address] = c
	return c, nil
}

// decode says what a frame is.
func (i *interpreter) decode(one link, known map[uint64]*code) (Frame, error) {
	if i.image.memory.overdue() { // a long table is walked for every frame
		return Frame{}, errSlow
	}
	c, err := i.codeAt(one.code, known)
	if err != nil {
		return Frame{}, err
	}
	f := Frame{Function: c.function, File: c.file, address: one.address, self: one.self}
	at := int64(one.instruction)
	switch {
	case i.minor == 10: // counts code units
		at *= 2
	case i.minor >= 11: // points into the code object
		at = int64(one.instruction - one.code - i.code.bytecode)
	}
	f.Line = c.first
	if at >= 0 && at < 1<<30 {
		f.Line = lineAt(i.minor, c.lines, c.first, int(at))
	}
	return f, nil
}
