package conf

import (
	"iter"
	"strings"
)

const blanks = " \t\r\n\v\f"

// logicalLines parts text into lines without comments, puts together what a
// backslash at the end continues, and takes escapes away (_get_next_line). The
// number is that of the first part.
func logicalLines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number, first, whole := 0, 1, ""
		for line := range strings.Lines(text) {
			number++
			if whole == "" {
				first = number
			}
			part, goesOn := continued(withoutComment(line))
			whole += part
			if goesOn {
				continue
			}
			if !yield(first, unescaped(whole)) {
				return
			}
			whole = ""
		}
		if whole != "" {
			yield(first, unescaped(whole))
		}
	}
}

// withoutComment cuts at the first # that no odd number of backslashes stands
// before (_strip_comments). Quotes do not protect it.
func withoutComment(line string) string {
	slashes := 0
	for i := range len(line) {
		switch {
		case line[i] == '#' && slashes%2 == 0:
			return line[:i]
		case line[i] == '\\':
			slashes++
		default:
			slashes = 0
		}
	}
	return line
}

// continued says whether the line ends in an odd number of backslashes, blanks
// after them not counted, and cuts the last one off (_strip_continuation).
func continued(line string) (string, bool) {
	end := strings.TrimRight(line, blanks)
	slashes := len(end) - len(strings.TrimRight(end, `\`))
	if slashes%2 == 0 {
		return line, false
	}
	return end[:len(end)-1], true
}

// unescaped takes away each backslash and keeps what follows (_strip_escapes).
func unescaped(line string) string {
	if !strings.Contains(line, `\`) {
		return line
	}
	var kept strings.Builder
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			if i++; i == len(line) {
				break
			}
		}
		kept.WriteByte(line[i])
	}
	return kept.String()
}

// included returns the file an Include line names. The word has to stand at
// the very start of the line (_parse_include_directive).
func included(line string) (string, bool) {
	const word = "include"
	if len(line) <= len(word) || !strings.EqualFold(line[:len(word)], word) || !strings.ContainsRune(blanks, rune(line[len(word)])) {
		return "", false
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", false
	}
	return fields[1], true
}

// nextPair takes "key = value" off the front of a line (keyvalue_pattern of
// parse_config.c). A value in quotes may hold blanks.
func nextPair(line string) (key, value, rest string, ok bool) {
	line = strings.TrimLeft(line, blanks)
	end := 0
	for end < len(line) && isKey(line[end]) {
		end++
	}
	key, line = line[:end], strings.TrimLeft(line[end:], blanks)
	if line != "" && strings.IndexByte("-*+/", line[0]) >= 0 {
		line = line[1:]
	}
	line, found := strings.CutPrefix(line, "=")
	line = strings.TrimLeft(line, blanks)
	if key == "" || !found || line == "" {
		return "", "", "", false
	}
	if quoted, after, closed := strings.Cut(line[1:], `"`); line[0] == '"' && closed && (after == "" || strings.IndexByte(blanks, after[0]) >= 0) {
		return key, quoted, after, true
	}
	end = strings.IndexAny(line, blanks)
	if end < 0 {
		end = len(line)
	}
	return key, line[:end], line[end:], true
}

func isKey(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}
