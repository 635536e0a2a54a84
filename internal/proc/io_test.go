package proc

import (
	"fmt"
	"os"
	"testing"
)

const ioText = "rchar: 6976\nwchar: 18446744073709551615\nsyscr: 10\nsyscw: 0\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n"

func TestParseIO(t *testing.T) {
	want := IO{ReadCalls: 6976, WrittenCalls: 1<<64 - 1, ReadDevice: 4096, WrittenPages: 8192}
	if got, err := ParseIO([]byte(ioText)); got != want || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "rchar: 1\nwchar: 2\nread_bytes: 3\n", "rchar: x\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4\n",
		"rchar: 18446744073709551616\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4\n",
		"rchar: -1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 4\n", "rchar: \nwchar: 2\nread_bytes: 3\nwrite_bytes: 4\n",
	} {
		if got, err := ParseIO([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func FuzzParseIO(f *testing.F) {
	f.Add([]byte(ioText))
	f.Fuzz(func(t *testing.T, text []byte) {
		io, err := ParseIO(text)
		if err != nil {
			return
		}
		again, err := ParseIO(fmt.Appendf(nil, "rchar: %d\nwchar: %d\nread_bytes: %d\nwrite_bytes: %d\n",
			io.ReadCalls, io.WrittenCalls, io.ReadDevice, io.WrittenPages))
		if err != nil || again != io {
			t.Errorf("%q was read as %+v, then as %+v", text, io, again)
		}
	})
}

// What this process writes shows up.
func TestOwnIO(t *testing.T) {
	before, err := Default.IO(os.Getpid(), make([]byte, 512))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(t.TempDir()+"/file", make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	after, err := Default.IO(os.Getpid(), make([]byte, 512))
	if err != nil || after.WrittenCalls < before.WrittenCalls+5000 || after.ReadCalls <= before.ReadCalls {
		t.Errorf("%+v, then %+v: %v", before, after, err)
	}
}
