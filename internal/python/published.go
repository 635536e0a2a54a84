package python

import (
	"encoding/binary"
	"strings"
)

func (s section) words() []string { return strings.Fields(string(s)) }

// take fills the layout from the block. It is false where a value cannot be
// an offset, or differs from what no version has ever changed.
func (l *layout) take(at map[string]uint64, block []byte) bool {
	sane := true
	get := func(word string) uint64 {
		value := binary.LittleEndian.Uint64(block[at[word]*8:])
		const most = 1 << 20
		sane = sane && value < most
		return value
	}
	l.runtime.finalizing, l.runtime.head = get("finalizing"), get("head")
	l.interp.next, l.interp.threads = get("is.next"), get("threads")
	l.thread.next, l.thread.interp, l.thread.frame = get("ts.next"), get("interp"), get("frame")
	l.thread.ident, l.thread.native, l.thread.chunk = get("ident"), get("native"), get("chunk")
	l.frame.previous, l.frame.code, l.frame.instruction = get("previous"), get("code"), get("instruction")
	l.frame.owner, l.frame.locals = get("owner"), get("locals")
	l.code.file, l.code.name, l.code.lines = get("file"), get("name"), get("lines")
	l.code.first, l.code.bytecode = get("first"), get("bytecode")
	l.kind.name, l.kind.flags, l.text.ascii = get("tp.name"), get("flags"), get("ascii")
	l.derive(at, get)
	same := get("type") == objectType && get("keys") == dictKeys && get("values") == dictValues &&
		get("tag") == intTag && get("digits") == intDigits && get("length") == bytesLength && get("value") == bytesValue &&
		get("state") == textState && get("textlength") == textLength
	return sane && same
}

// derive fills in what a version does not publish: it lies at the same
// distance from a neighbour in 3.13, 3.14 and 3.15.
func (l *layout) derive(at map[string]uint64, get func(string) uint64) {
	or := func(word string, value uint64) uint64 {
		if _, ok := at[word]; ok {
			return get(word)
		}
		return value
	}
	l.interp.finalizing = l.interp.threads - 24
	l.kind.size = or("size", l.kind.name+8)
	l.kind.dict = or("dict", l.kind.flags+120)
	l.kind.keys = or("htkeys", 856+l.kind.name)
	l.text.compact = or("compact", l.text.ascii+16)
}
