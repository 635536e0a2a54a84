package locks

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrFormat says that a line is not in the format of /proc/locks.
var ErrFormat = errors.New("not in the format of /proc/locks")

// ParseLocks reads the text of /proc/locks and calls use for each line until
// it returns false; waits tells a process that is blocked, which the kernel
// marks with "->". Lines that cannot be read are passed over; the error says
// how many there were.
func ParseLocks(text []byte, use func(lock Lock, waits bool) bool) error {
	bad := 0
	for line := range bytes.Lines(text) {
		lock, waits, ok := parseLine(line)
		if !ok {
			bad++
			continue
		}
		if !use(lock, waits) {
			break
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d lines: %w", bad, ErrFormat)
	}
	return nil
}

// ParseFDInfo reads the text of a file below /proc/PID/fdinfo and calls use
// for each lock held through that descriptor until it returns false. All
// other lines, which are many, are passed over.
func ParseFDInfo(text []byte, use func(lock Lock) bool) error {
	bad := 0
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		line, ok := bytes.CutPrefix(text[:end], []byte("lock:"))
		text = text[end:]
		if !ok {
			continue
		}
		lock, waits, ok := parseLine(line)
		if !ok {
			bad++
			continue
		}
		if !waits && !use(lock) {
			break
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d lines: %w", bad, ErrFormat)
	}
	return nil
}

// parseLine reads "1: [-> ...]FLOCK  ADVISORY  WRITE 44 fe:00:123 0 EOF". A
// chain of waiters has an arrow, deeper ones are indented more.
func parseLine(line []byte) (lock Lock, waits, ok bool) {
	word, rest := next(line)
	if len(word) < 2 || word[len(word)-1] != ':' {
		return Lock{}, false, false
	}
	word, rest = next(rest)
	if string(word) == "->" {
		waits = true
		word, rest = next(rest)
	}
	lock.Kind = kindOf(word)
	word, rest = next(rest)
	lock.State = known(word)
	word, rest = next(rest)
	lock.Mode = known(word)
	if lock.Kind == "" || lock.State == "" || lock.Mode == "" {
		return Lock{}, false, false
	}
	word, rest = next(rest)
	taker, takerOK := signed(word)
	word, rest = next(rest)
	fileOK := lock.place(word)
	word, rest = next(rest)
	start, startOK := decimal(word)
	word, _ = next(rest)
	end, endOK := decimal(word)
	if string(word) == "EOF" {
		end, endOK = EOF, true
	}
	lock.Taker, lock.Start, lock.End = taker, start, end
	return lock, waits, takerOK && fileOK && startOK && endOK
}

// next takes one blank-parted word off a line.
func next(line []byte) (word, rest []byte) {
	start := 0
	for start < len(line) && (line[start] == ' ' || line[start] == '\t' || line[start] == '\n') {
		start++
	}
	end := start
	for end < len(line) && line[end] != ' ' && line[end] != '\t' && line[end] != '\n' {
		end++
	}
	return line[start:end], line[end:]
}

func kindOf(word []byte) Kind {
	switch string(word) {
	case "FLOCK":
		return FLOCK
	case "POSIX":
		return POSIX
	case "OFDLCK":
		return OFDLCK
	case "LEASE":
		return LEASE
	case "DELEG":
		return DELEG
	case "ACCESS":
		return ACCESS
	}
	return ""
}

// known returns the word as a constant, so that ten thousand lines do not
// cost ten thousand strings; "" for a word the kernel does not write.
func known(word []byte) string {
	switch string(word) {
	case "ADVISORY":
		return "ADVISORY"
	case "MANDATORY":
		return "MANDATORY"
	case "*NOINODE*":
		return "*NOINODE*"
	case "MSNFS":
		return "MSNFS"
	case "ACTIVE":
		return "ACTIVE"
	case "BREAKING":
		return "BREAKING"
	case "BREAKER":
		return "BREAKER"
	case "READ":
		return "READ"
	case "WRITE":
		return "WRITE"
	case "RW":
		return "RW"
	case "NONE":
		return "NONE"
	case "UNLCK":
		return "UNLCK"
	}
	return ""
}

// place reads "major:minor:inode", the device in hexadecimal. A file without
// an inode shows "<none>:0".
func (l *Lock) place(word []byte) bool {
	if bytes.HasPrefix(word, []byte("<none>")) {
		return true
	}
	major, rest, ok := bytes.Cut(word, []byte(":"))
	minor, inode, ok2 := bytes.Cut(rest, []byte(":"))
	a, okA := hexadecimal(major)
	b, okB := hexadecimal(minor)
	i, okI := decimal(inode)
	l.Device, l.Inode = Device{Major: a, Minor: b}, i
	return ok && ok2 && okA && okB && okI
}

func decimal(word []byte) (uint64, bool) {
	if len(word) == 0 || len(word) > 19 {
		return 0, false
	}
	var value uint64
	for _, c := range word {
		if c < '0' || c > '9' {
			return 0, false
		}
		value = value*10 + uint64(c-'0')
	}
	return value, true
}

func hexadecimal(word []byte) (uint32, bool) {
	if len(word) == 0 || len(word) > 8 {
		return 0, false
	}
	var value uint32
	for _, c := range word {
		switch {
		case c >= '0' && c <= '9':
			value = value<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			value = value<<4 | uint32(c-'a'+10)
		default:
			return 0, false
		}
	}
	return value, true
}

func signed(word []byte) (int, bool) {
	digits, negative := bytes.CutPrefix(word, []byte("-"))
	value, ok := decimal(digits)
	if !ok || value > 1<<31 {
		return 0, false
	}
	if negative {
		return -int(value), true
	}
	return int(value), true
}
