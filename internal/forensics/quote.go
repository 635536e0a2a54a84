package forensics

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Quote makes a text from outside safe for a terminal and a log: what can be
// printed stays, everything else (control bytes, escape sequences, bytes that
// are no UTF-8, invisible and direction-changing characters) becomes \xNN or
// \u{N}, and a backslash is doubled, so that nothing can look escaped that is
// not. The result is at most most bytes long; what is cut off shows as "...".
func Quote(text string, most int) string {
	if plain(text) && len(text) <= most {
		return text
	}
	const cut = "..."
	room := max(most-len(cut), 0)
	var quoted []byte
	for len(text) > 0 {
		before := len(quoted)
		r, size := utf8.DecodeRuneInString(text)
		quoted = appendSafe(quoted, text[:size], r)
		if len(quoted) > room && (len(text) > size || len(quoted) > most) {
			return string(quoted[:before]) + cut[:min(len(cut), most)]
		}
		text = text[size:]
	}
	return string(quoted)
}

func plain(text string) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

func appendSafe(to []byte, piece string, r rune) []byte {
	switch {
	case r == '\\':
		return append(to, `\\`...)
	case r == utf8.RuneError && len(piece) == 1, r < ' ', r == 0x7f:
		const digits = "0123456789abcdef"
		return append(to, '\\', 'x', digits[piece[0]>>4], digits[piece[0]&15])
	case !unicode.IsPrint(r):
		to = append(to, `\u{`...)
		to = strconv.AppendInt(to, int64(r), 16)
		return append(to, '}')
	}
	return append(to, piece...)
}
