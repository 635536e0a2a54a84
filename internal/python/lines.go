package python

// lineAt finds the line of the instruction at an offset, in bytes, in the
// table of a code object; first is the line the code begins at. It is 0 where
// the instruction has none. The table is hostile: every step moves on.
func lineAt(minor int, table []byte, first, at int) int {
	switch {
	case minor <= 9:
		return lineOfPairs(table, first, at)
	case minor == 10:
		return lineOfRanges(table, first, at)
	}
	return lineOfEntries(table, first, at)
}

// lineOfPairs reads co_lnotab: pairs of an address step and a signed line
// step (Objects/lnotab_notes.txt).
func lineOfPairs(table []byte, line, at int) int {
	address := 0
	for ; len(table) >= 2; table = table[2:] {
		if address += int(table[0]); address > at {
			break
		}
		line += int(int8(table[1]))
	}
	return line
}

// lineOfRanges reads co_linetable of 3.10: pairs of a length and a signed line
// step, -128 for a range without a line (PEP 626).
func lineOfRanges(table []byte, line, at int) int {
	const none = -128
	end := 0
	for ; len(table) >= 2; table = table[2:] {
		step := int(int8(table[1]))
		if step != none {
			line += step
		}
		if end += int(table[0]); at < end {
			if step == none {
				return 0
			}
			return line
		}
	}
	return 0
}

// lineOfEntries reads co_linetable of 3.11 and later: entries that begin with
// a byte 1cccclll, c the form of what follows and l+1 the length in code units
// of two bytes (Objects/locations.md).
func lineOfEntries(table []byte, line, at int) int {
	t := entries{rest: table}
	end := 0
	for len(t.rest) > 0 {
		head := t.next()
		form, hasLine := head>>3&15, true
		switch {
		case form == 15:
			hasLine = false
		case form == 14: // line, end line, column, end column
			line += t.signed()
			t.number()
			t.number()
			t.number()
		case form == 13:
			line += t.signed()
		case form >= 10: // columns follow
			line += int(form) - 10
			t.next()
			t.next()
		default:
			t.next()
		}
		if end += (int(head&7) + 1) * 2; at < end {
			if !hasLine {
				return 0
			}
			return line
		}
	}
	return 0
}

// entries takes numbers off a table.
type entries struct{ rest []byte }

func (e *entries) next() byte {
	if len(e.rest) == 0 {
		return 0
	}
	b := e.rest[0]
	e.rest = e.rest[1:]
	return b
}

// number reads groups of six bits, the lowest first; bit 6 says that more
// follow.
func (e *entries) number() int {
	value := 0
	for shift := 0; shift < 36; shift += 6 {
		b := e.next()
		value |= int(b&63) << shift
		if b&64 == 0 {
			break
		}
	}
	return value
}

// signed reads a number whose lowest bit is the sign.
func (e *entries) signed() int {
	value := e.number()
	if value&1 != 0 {
		return -(value >> 1)
	}
	return value >> 1
}
