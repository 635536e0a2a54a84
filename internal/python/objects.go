package python

import (
	"encoding/binary"
	"unicode/utf16"
)

// What is believed of an object of the process at most.
const (
	mostText  = 1024    // characters
	mostTable = 1 << 17 // bytes of a table of lines
	mostKeys  = 4096    // of a dictionary
)

// text reads a str (PyUnicodeObject). Only compact ones are read: names in
// code objects always are.
func (i *interpreter) text(address uint64) string {
	m := i.image.memory
	if address&7 != 0 {
		m.fail(errTorn)
		return ""
	}
	length, state := m.word(address+textLength), m.half(address+textState)
	kind, compact, ascii := uint64(state>>2&7), state>>5&1 != 0, state>>6&1 != 0
	switch {
	case !compact || length > mostText:
		m.fail(errTorn)
		return ""
	case ascii:
		return string(m.bytes(address+i.layout.text.ascii, length, mostText))
	}
	return decodeText(m.bytes(address+i.layout.text.compact, length*kind, 4*mostText), kind)
}

// decodeText reads characters of 1, 2 or 4 bytes.
func decodeText(raw []byte, kind uint64) string {
	var runes []rune
	switch kind {
	case 1:
		for _, c := range raw {
			runes = append(runes, rune(c))
		}
	case 2:
		var units []uint16
		for ; len(raw) >= 2; raw = raw[2:] {
			units = append(units, binary.LittleEndian.Uint16(raw))
		}
		runes = utf16.Decode(units)
	case 4:
		for ; len(raw) >= 4; raw = raw[4:] {
			runes = append(runes, rune(binary.LittleEndian.Uint32(raw)))
		}
	}
	return string(runes)
}

// integer reads an int or bool of at most 60 bits; ok is false for a larger
// one. Up to 3.11 the size of the object carries the sign, later its lowest
// two bits do (Include/cpython/longintrepr.h).
func (i *interpreter) integer(address uint64) (value int, ok bool) {
	if address == 0 {
		return 0, false
	}
	m := i.image.memory
	tag := m.word(address + intTag)
	negative, digits := int64(tag) < 0, int64(tag)
	if i.minor >= 12 {
		negative, digits = tag&3 == 2, int64(tag>>3)
	} else if negative {
		digits = -digits
	}
	if digits < 0 || digits > 2 {
		return 0, false
	}
	for n := digits - 1; n >= 0; n-- {
		value = value<<30 | int(m.half(address+intDigits+uint64(n)*4)&(1<<30-1))
	}
	if negative {
		value = -value
	}
	return value, m.wrong == nil
}

func (i *interpreter) flag(address uint64) Flag {
	value, ok := i.integer(address)
	switch {
	case !ok:
		return Unknown
	case value != 0:
		return Yes
	}
	return No
}

// typeName is the name of an object's type.
func (i *interpreter) typeName(address uint64) string {
	m := i.image.memory
	return m.text(m.word(m.word(address+objectType)+i.kind.name), 100)
}

// attributes reads attributes of an instance, wherever this version keeps
// them. Those that are not there are missing from the answer.
func (i *interpreter) attributes(object uint64, wanted ...string) map[string]uint64 {
	m := i.image.memory
	if object == 0 || object&7 != 0 {
		return nil
	}
	kind := m.word(object + objectType)
	const inline, managed = 1 << 2, 1 << 4 // Py_TPFLAGS_INLINE_VALUES, Py_TPFLAGS_MANAGED_DICT
	flags := m.word(kind + i.kind.flags)
	if i.minor <= 10 || flags&managed == 0 {
		offset := m.word(kind + i.kind.dict)
		const most = 1 << 16
		if offset == 0 || offset > most {
			return nil
		}
		return i.dictionary(m.word(object+offset), wanted...)
	}
	keys := m.word(kind + i.kind.keys)
	switch before := m.word(object - 24); {
	case i.minor == 11:
		if values := m.word(object - 32); values != 0 {
			return i.pick(keys, values, wanted)
		}
		return i.dictionary(before, wanted...)
	case i.minor == 12 && before&1 != 0:
		return i.pick(keys, before+1, wanted)
	case before != 0:
		return i.dictionary(before, wanted...)
	}
	if i.minor == 12 || flags&inline == 0 {
		return nil
	}
	// PyDictValues: capacity, size, embedded, valid, then the values.
	values := object + m.word(kind+i.kind.size)
	if m.octet(values+3) == 0 {
		return nil
	}
	return i.pick(keys, values+8, wanted)
}

// dictionary reads values of a dict by their keys.
func (i *interpreter) dictionary(dict uint64, wanted ...string) map[string]uint64 {
	m := i.image.memory
	if dict == 0 {
		return nil
	}
	values := m.word(dict + dictValues)
	if values != 0 && i.minor >= 13 {
		values += 8
	}
	return i.pick(m.word(dict+dictKeys), values, wanted)
}

// pick walks a table of keys (PyDictKeysObject). The values stand beside the
// keys, or in an array of their own if values is not zero.
func (i *interpreter) pick(keys, values uint64, wanted []string) map[string]uint64 {
	m := i.image.memory
	entries, count, step := i.entries(keys)
	if count > mostKeys {
		m.fail(errTorn)
	}
	found := map[string]uint64{}
	for n := uint64(0); n < count && len(found) < len(wanted) && m.wrong == nil; n++ {
		at := entries + n*step
		key, value := m.word(at+step-16), m.word(at+step-8)
		if key == 0 {
			continue
		}
		if i.typeName(key) != "str" {
			continue
		}
		name := i.text(key)
		for _, one := range wanted {
			if one != name {
				continue
			}
			if values != 0 {
				value = m.word(values + n*8)
			}
			if value != 0 {
				found[name] = value
			}
		}
	}
	return found
}

// entries says where the entries of a table of keys are, how many, and how
// long each is. The last 16 bytes of an entry are key and value; some have a
// hash before these.
func (i *interpreter) entries(keys uint64) (at, count, step uint64) {
	m := i.image.memory
	if i.minor <= 10 {
		size, width := m.word(keys+8), uint64(1)
		if size > 0xff {
			width = 2
		}
		if size > 0xffff {
			width = 4
		}
		return keys + 40 + size*width, m.word(keys + 32), 24
	}
	index, kind := m.octet(keys+9), m.octet(keys+10)
	if index > 28 || kind > 3 {
		m.fail(errTorn)
		return 0, 0, 24
	}
	step = 16
	if kind == 0 {
		step = 24
	}
	return keys + 32 + 1<<index, m.word(keys + 24), step
}
