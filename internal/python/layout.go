package python

import (
	"encoding/binary"
	"fmt"
)

// layout says where one version of CPython keeps what, in bytes from the
// start of each object. Zero means "not in this version" where zero cannot be.
type layout struct {
	minor   int    // 11 for 3.11
	version uint32 // PY_VERSION_HEX, 0 where the process does not say

	runtime struct{ finalizing, head uint64 }                                  // _PyRuntimeState
	interp  struct{ next, threads, finalizing uint64 }                         // PyInterpreterState
	thread  struct{ next, interp, frame, cframe, ident, native, chunk uint64 } // PyThreadState
	frame   struct{ previous, code, instruction, owner, locals uint64 }        // _PyInterpreterFrame, PyFrameObject before 3.11
	code    struct{ file, name, lines, first, bytecode uint64 }                // PyCodeObject
	kind    struct{ name, size, flags, dict, keys uint64 }                     // PyTypeObject, PyHeapTypeObject
	text    struct{ ascii, compact uint64 }                                    // PyUnicodeObject
}

// These are the same in all versions from 3.7 to 3.15 (Include/object.h,
// Include/cpython/unicodeobject.h, bytesobject.h, dictobject.h, longintrepr.h).
const (
	objectType  = 8
	textLength  = 16
	textState   = 32
	bytesLength = 16
	bytesValue  = 32
	dictKeys    = 32
	dictValues  = 40
	intTag      = 16
	intDigits   = 24
)

// firstMinor is the oldest version that is read.
const firstMinor = 7

// tables holds the layouts of the versions that do not publish theirs.
var tables = map[int]func(l *layout){
	7: func(l *layout) {
		old(l, 24, 8, 360, 104, 96, 856)
		l.code.first = 36
	},
	8:  func(l *layout) { old(l, 32, 16, 360, 104, 104, 872) },
	9:  func(l *layout) { old(l, 32, 16, 360, 104, 104, 864) },
	10: func(l *layout) { old(l, 32, 16, 352, 96, 104, 872) },
	11: func(l *layout) {
		l.runtime.head, l.runtime.finalizing = 40, 24
		l.interp.threads = 16
		l.thread.cframe, l.thread.frame, l.thread.ident, l.thread.native, l.thread.chunk = 56, 8, 152, 160, 296
		l.frame.previous, l.frame.code, l.frame.owner = 48, 32, 69
		l.code.first, l.code.bytecode = 72, 184
		l.kind.keys = 872
		l.text.ascii, l.text.compact = 48, 72
	},
	12: func(l *layout) {
		l.runtime.head, l.runtime.finalizing = 40, 24
		l.interp.threads, l.interp.finalizing = 72, 44
		l.thread.cframe, l.thread.frame, l.thread.ident, l.thread.native, l.thread.chunk = 56, 0, 136, 144, 232
		l.frame.previous, l.frame.code, l.frame.owner = 8, 0, 70
		l.code.first, l.code.bytecode = 68, 192
		l.kind.keys = 880
		l.text.ascii, l.text.compact = 40, 56
	},
}

// old is what 3.7 to 3.10 have in common: frames are objects of their own.
func old(l *layout, head, finalizing, locals, instruction, file, keys uint64) {
	l.runtime.head, l.runtime.finalizing = head, finalizing
	l.interp.threads = 8
	l.thread.frame, l.thread.ident = 24, 176
	l.frame.previous, l.frame.code, l.frame.instruction, l.frame.locals = 24, 32, instruction, locals
	l.code.first = 40
	l.code.file, l.code.name, l.code.lines = file, file+8, file+16
	l.kind.keys = keys
	l.text.ascii, l.text.compact = 48, 72
}

// table returns the layout of an older version.
func table(minor int) (*layout, bool) {
	fill, ok := tables[minor]
	if !ok {
		return nil, false
	}
	l := &layout{minor: minor}
	l.thread.next, l.thread.interp = 8, 16
	l.kind.name, l.kind.size, l.kind.flags, l.kind.dict = 24, 32, 168, 288
	if minor >= 11 {
		l.frame.instruction, l.frame.locals = 56, 72
		l.code.file, l.code.name, l.code.lines = 112, 128, 136
	}
	fill(l)
	return l, true
}

// interpreter is a Python that was found in a process.
type interpreter struct {
	*layout
	image *image
	base  uint64 // of _PyRuntime
	// greenlets says that the library is mapped, or that this is not known.
	greenlets bool
}

// find says which Python lies in an image and how it is laid out. Before 3.11
// no number says the version, but each brought an exported function of its own.
func find(i *image) (*interpreter, error) {
	base := i.symbol("_PyRuntime")
	if base == 0 {
		if i.symbol("PyInterpreterState_Head") == 0 {
			return nil, ErrNone
		}
		return nil, &UnknownError{Version: "3.6 or older", Why: "this is too old"}
	}
	head := i.memory.bytes(base, 24, 24)
	if err := i.memory.trouble(); err != nil {
		return nil, err
	}
	if string(head[:8]) == cookie {
		l, err := published(i.memory, base, head)
		if err != nil {
			return nil, err
		}
		return &interpreter{layout: l, image: i, base: base}, nil
	}
	minor, version := 0, uint32(0)
	if address := i.symbol("Py_Version"); address != 0 {
		version = uint32(i.memory.word(address))
		minor = int(version >> 16 & 0xff)
		if err := i.memory.trouble(); err != nil {
			return nil, err
		}
	} else {
		minor = oldest(i)
	}
	l, ok := table(minor)
	if !ok || version != 0 && version>>24 != 3 {
		return nil, &UnknownError{Version: name(minor, version), Why: "its layout is not known"}
	}
	l.version = version
	return &interpreter{layout: l, image: i, base: base}, nil
}

// oldest tells the versions before 3.11 apart.
func oldest(i *image) int {
	for _, since := range []struct {
		symbol string
		minor  int
	}{{"Py_NewRef", 10}, {"PyFrame_GetCode", 9}, {"Py_InitializeFromConfig", 8}} {
		if i.symbol(since.symbol) != 0 {
			return since.minor
		}
	}
	return firstMinor
}

// name writes a version down.
func name(minor int, version uint32) string {
	if version == 0 {
		return fmt.Sprintf("3.%d", minor)
	}
	return fmt.Sprintf("%d.%d.%d", version>>24, version>>16&0xff, version>>8&0xff)
}

// String is the version of the interpreter.
func (i *interpreter) String() string { return name(i.minor, i.version) }

// cookie begins the block of published offsets.
const cookie = "xdebugpy"

// section is a struct of 64-bit words in the block, by the names of its words
// in _Py_DebugOffsets; "-" for those that are of no use here.
type section string

// orders holds the order of the words, which is the same within one minor
// version.
var orders = map[int][]section{
	13: {
		"- finalizing head", "- - is.next threads - - - - - - - - -", "- - ts.next interp frame ident native chunk -",
		"- previous code instruction locals owner", "- file - name lines first - - - bytecode", "- type",
		"- tp.name - flags", "- - -", "- - -", "- keys values", "- -", "- tag digits", "- length value",
		"- state textlength ascii", "- -",
	},
	14: {
		"- finalizing head", "- - is.next threads - - - - - - - - - - - -", "- - ts.next interp frame ident native chunk -",
		"- previous code instruction locals owner - -", "- file - name lines first - - - bytecode -", "- type",
		"- tp.name - flags", "- - -", "- - -", "- - - -", "- keys values", "- -", "- tag digits", "- length value",
		"- state textlength ascii", "- -", "- - - -", "- -", "- - - - - -",
	},
	15: {
		"- finalizing head", "- - is.next threads - - - - - - - - - - - -", "- - ts.next interp frame - - - ident native chunk - - - - -", "-",
		"- previous code instruction locals owner - -", "- file - name lines first - - - bytecode -", "- type",
		"- tp.name - flags size dict", "- htkeys", "- - -", "- - -", "- - - -", "- keys values", "- -", "- tag digits", "- length value",
		"- state textlength ascii compact", "- - - - -", "- - - -", "- -", "- - - - - -",
	},
}

// published reads the offsets that the process publishes (3.13 and later).
// head is the start of the block: cookie, version, free-threaded or not.
func published(m *memory, base uint64, head []byte) (*layout, error) {
	version, free := uint32(binary.LittleEndian.Uint64(head[8:])), binary.LittleEndian.Uint64(head[16:])
	minor := int(version >> 16 & 0xff)
	unknown := func(why string) error { return &UnknownError{Version: name(minor, version), Why: why} }
	order, ok := orders[minor]
	switch {
	case version>>24 != 3 || !ok:
		return nil, unknown("the order of its published offsets is not known")
	case free != 0:
		return nil, unknown("it is a free-threaded build")
	}
	at, words := map[string]uint64{}, uint64(len(head)/8)
	for _, one := range order {
		for _, word := range one.words() {
			if word != "-" {
				at[word] = words
			}
			words++
		}
	}
	block := m.bytes(base, words*8, 1<<12)
	if err := m.trouble(); err != nil {
		return nil, err
	}
	l := &layout{minor: minor, version: version}
	if !l.take(at, block) {
		return nil, unknown("its published offsets are not plausible")
	}
	// The flag lies right behind the block and the five ints that follow it, so
	// its offset tells how long the block is in truth.
	if l.runtime.finalizing != words*8+24 {
		return nil, unknown("its block of published offsets has another length than is known")
	}
	return l, nil
}
