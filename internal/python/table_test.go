package python

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// block is a block of published offsets in which every word is its own index,
// but those that never differ.
func block(minor int, free uint64) []byte {
	words := []uint64{binary.LittleEndian.Uint64([]byte(cookie)), 3<<24 | uint64(minor)<<16 | 0x5f0, free}
	fixed := map[string]uint64{
		"type": objectType, "keys": dictKeys, "values": dictValues, "tag": intTag, "digits": intDigits,
		"length": bytesLength, "value": bytesValue, "state": textState, "textlength": textLength,
	}
	order := orders[minor]
	if order == nil {
		order = orders[15]
	}
	finalizing := 0
	for _, one := range order {
		for _, word := range one.words() {
			value := uint64(len(words))
			if fixed[word] != 0 {
				value = fixed[word]
			}
			if word == "finalizing" {
				finalizing = len(words)
			}
			words = append(words, value)
		}
	}
	words[finalizing] = uint64(len(words))*8 + 24
	var text []byte
	for _, word := range words {
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	return text
}

// wordOf is the index of a word in the block.
func wordOf(minor int, name string) int {
	at := 3
	for _, one := range orders[minor] {
		for _, word := range one.words() {
			if word == name {
				return at
			}
			at++
		}
	}
	panic(name)
}

// held is a memory with one text in it.
func held(address uint64, text []byte) *memory {
	return newMemory(func(addresses []uint64, pages []*[page]byte) (int, error) {
		for i, at := range addresses {
			if at < address || at >= address+page {
				return i, nil
			}
			copy(pages[i][:], text)
		}
		return len(addresses), nil
	}, soon())
}

// The length of each block is that of _Py_DebugOffsets in the headers of the
// version.
func TestPublishedOffsets(t *testing.T) {
	for minor, words := range map[int]int{13: 73, 14: 95, 15: 111} {
		text := block(minor, 0)
		l, err := published(held(1<<20, text), 1<<20, text[:24])
		if err != nil || len(text) != words*8 {
			t.Errorf("3.%d: %d words, %v", minor, len(text)/8, err)
			continue
		}
		// Neither is published before some version: their distance from a neighbour is.
		if l.interp.finalizing != l.interp.threads-24 || l.text.compact-l.text.ascii != 16 && minor < 15 {
			t.Errorf("3.%d: %+v", minor, l)
		}
		if l.runtime.head != 5 || l.interp.next != 8 || l.minor != minor || l.code.file == 0 || l.text.compact == 0 {
			t.Errorf("3.%d: %+v", minor, l)
		}
	}
}

func TestRefusedVersions(t *testing.T) {
	longer := block(14, 0)
	binary.LittleEndian.PutUint64(longer[4*8:], 96*8+24)
	odd := block(14, 0)
	binary.LittleEndian.PutUint64(odd[5*8:], 1<<40)
	moved := block(14, 0)
	binary.LittleEndian.PutUint64(moved[wordOf(14, "type")*8:], objectType+8)
	for name, one := range map[string]struct {
		text []byte
		want string
	}{
		"another object": {moved, "not plausible"},
		"not known":      {block(16, 0), "cannot read Python 3.16.5: the order"},
		"free-threaded":  {block(14, 1), "cannot read Python 3.14.5: it is a free-threaded build"},
		"another length": {longer, "has another length"},
		"no offset":      {odd, "not plausible"},
	} {
		var unknown *UnknownError
		_, err := published(held(1<<20, one.text), 1<<20, one.text[:24])
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var unknown *UnknownError
	fourth := block(14, 0)
	fourth[11] = 4
	if _, err := published(held(1<<20, fourth), 1<<20, fourth[:24]); !errors.As(err, &unknown) {
		t.Errorf("Python 4: %v", err)
	}
	for _, minor := range []int{6, 13, 99} {
		if _, ok := table(minor); ok {
			t.Errorf("3.%d has a table", minor)
		}
	}
}

func TestLines(t *testing.T) {
	for name, one := range map[string]struct {
		minor int
		table []byte
		want  map[int]int // offset: line, the code begins at line 10
	}{
		"pairs":   {9, []byte{4, 1, 6, 0xff, 2, 127, 0, 73}, map[int]int{0: 10, 3: 10, 4: 11, 9: 11, 10: 10, 12: 210, 99: 210}},
		"ranges":  {10, []byte{4, 0, 4, 2, 2, 0x80, 2, 0xfe}, map[int]int{0: 10, 3: 10, 4: 12, 8: 0, 10: 10, 12: 0}},
		"entries": {11, []byte{0x80 | 13<<3 | 1, 4, 0x80 | 15<<3, 0x80 | 11<<3, 0, 0, 0x80, 1, 0x80 | 14<<3, 0x45, 1, 0, 0, 0}, map[int]int{0: 12, 3: 12, 4: 0, 6: 13, 8: 13, 10: 13 - 34, 12: 0}},
	} {
		for at, want := range one.want {
			if got := lineAt(one.minor, one.table, 10, at); got != want {
				t.Errorf("%s: offset %d is in line %d, want %d", name, at, got, want)
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add(11, []byte{0x80 | 13<<3 | 1, 4, 0xff, 0xff}, 10, 4)
	f.Add(9, []byte{4, 1, 6}, 10, 4)
	f.Add(11, []byte{0x80 | 13<<3, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f}, 10, 1)
	f.Fuzz(func(t *testing.T, minor int, table []byte, first, at int) {
		if line := lineAt(minor, table, 0, at); line > 1<<36*(len(table)+1) || line < -1<<36*(len(table)+1) {
			t.Error(line)
		}
		_ = first
	})
}

func TestMaps(t *testing.T) {
	const text = "55d0-55d1 r--p 00000000 fe:00 77                         /usr/bin/a b (deleted)\n" +
		"55d1-55d2 r-xp 00001000 fe:00 77                         /usr/bin/a b (deleted)\n" +
		"7f00-7f01 rw-p 00000000 00:00 0 \n" +
		"7f02-7f03 r--p 00000000 fe:00 78                         /lib/libpython3.9.so.1.0\nnonsense\n"
	want := []mapping{{0x55d0, "/usr/bin/a b (deleted)"}, {0x7f02, "/lib/libpython3.9.so.1.0"}}
	if got := parseMaps([]byte(text)); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func FuzzMaps(f *testing.F) {
	f.Add([]byte("55d0-55d1 r--p 00000000 fe:00 77                         /usr/bin/a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, one := range parseMaps(text) {
			if one.path == "" && len(text) < 10 {
				t.Errorf("%+v", one)
			}
		}
	})
}

func TestNames(t *testing.T) {
	for _, one := range []struct {
		f                    Frame
		shutdown, begins, is bool // the last: of the library
	}{
		{Frame{Function: "_shutdown", File: "/usr/lib/python3.9/threading.py"}, true, false, true},
		{Frame{Function: "X._shutdown", File: "<frozen threading>"}, true, false, true},
		{Frame{Function: "_shutdown", File: "/home/a/mythreading.py"}, false, false, false},
		{Frame{Function: "_shutdown", File: "/usr/lib/python3/dist-packages/a/threading.py"}, true, false, false},
		{Frame{Function: "<module>", File: "a.py"}, false, true, false},
		{Frame{Function: "_run_module_as_main", File: "<frozen runpy>"}, false, true, true},
	} {
		if one.f.Is("_shutdown", "threading.py") != one.shutdown || one.f.Begins() != one.begins || one.f.Library() != one.is {
			t.Errorf("%+v", one.f)
		}
	}
}

func TestDecodeText(t *testing.T) {
	for kind, raw := range map[uint64]string{1: "gr\xf6\xdfe", 2: "g\x00r\x00\xf6\x00\xdf\x00e\x00", 4: "g\x00\x00\x00r\x00\x00\x00\xf6\x00\x00\x00\xdf\x00\x00\x00e\x00\x00\x00"} {
		if got := decodeText([]byte(raw), kind); got != "größe" {
			t.Errorf("%d: %q", kind, got)
		}
	}
	if got := decodeText([]byte("abc"), 3); got != "" {
		t.Errorf("%q", got)
	}
}
