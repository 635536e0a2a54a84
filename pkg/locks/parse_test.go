package locks

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const locksText = `1: LEASE  ACTIVE    WRITE 9135 fe:00:9977872 0 EOF
2: POSIX  ADVISORY  WRITE 9135 fe:00:9977871 0 99
2: -> POSIX  ADVISORY  READ 77 fe:00:9977871 0 99
2:   -> POSIX  ADVISORY  READ 78 fe:00:9977871 0 99
3: OFDLCK ADVISORY  READ -1 00:2e:5 5 EOF
4: FLOCK  ADVISORY  WRITE 9111 fe:00:9977869 0 EOF
5: DELEG  BREAKING  READ 1 08:11:9 0 EOF
`

// parsed is one line as the test writes it down.
type parsed struct {
	Lock  Lock
	Waits bool
}

func read(text string) (list []parsed, err error) {
	err = ParseLocks([]byte(text), func(lock Lock, waits bool) bool {
		list = append(list, parsed{lock, waits})
		return true
	})
	return list, err
}

func TestParseLocks(t *testing.T) {
	disk := Device{0xfe, 0}
	posix := Lock{Kind: POSIX, State: "ADVISORY", Mode: "WRITE", Taker: 9135, Device: disk, Inode: 9977871, End: 99}
	waiter, deeper := posix, posix
	waiter.Mode, waiter.Taker = "READ", 77
	deeper.Mode, deeper.Taker = "READ", 78
	want := []parsed{
		{Lock{Kind: LEASE, State: "ACTIVE", Mode: "WRITE", Taker: 9135, Device: disk, Inode: 9977872, End: EOF}, false},
		{posix, false},
		{waiter, true},
		{deeper, true},
		{Lock{Kind: OFDLCK, State: "ADVISORY", Mode: "READ", Taker: -1, Device: Device{0, 0x2e}, Inode: 5, Start: 5, End: EOF}, false},
		{Lock{Kind: FLOCK, State: "ADVISORY", Mode: "WRITE", Taker: 9111, Device: disk, Inode: 9977869, End: EOF}, false},
		{Lock{Kind: DELEG, State: "BREAKING", Mode: "READ", Taker: 1, Device: Device{8, 0x11}, Inode: 9, End: EOF}, false},
	}
	got, err := read(locksText)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestBadLinesAreCounted(t *testing.T) {
	got, err := read("nonsense\n4: FLOCK  ADVISORY  WRITE 1 fe:00:1 0 EOF\n5: FLOCK ADVISORY\n6: SHINY ADVISORY WRITE 1 1:1:1 0 EOF\n")
	if len(got) != 1 || err == nil || err.Error() != "3 lines: not in the format of /proc/locks" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseFDInfo(t *testing.T) {
	text := "pos:\t0\nflags:\t0100002\nmnt_id:\t29\nino:\t5\nlock:\t1: FLOCK  ADVISORY  WRITE 9111 fe:00:9977869 0 EOF\n" +
		"lock:\t2: -> POSIX  ADVISORY  READ 5 fe:00:9977869 0 9\ninotify wd:1\nlock:\t3: POSIX  ADVISORY  READ 5 fe:00:9977869 10 19\n"
	var got []Lock
	if err := ParseFDInfo([]byte(text), func(lock Lock) bool { got = append(got, lock); return true }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Kind != FLOCK || got[1].Start != 10 || got[1].End != 19 {
		t.Errorf("%+v", got)
	}
}

// render writes a lock as the kernel does.
func render(lock Lock, waits bool) string {
	arrow := ""
	if waits {
		arrow = "-> "
	}
	end := "EOF"
	if lock.End != EOF {
		end = fmt.Sprint(lock.End)
	}
	return fmt.Sprintf("1: %s%s %s %s %d %02x:%02x:%d %d %s\n", arrow, lock.Kind, lock.State, lock.Mode, lock.Taker,
		lock.Device.Major, lock.Device.Minor, lock.Inode, lock.Start, end)
}

func FuzzParseLocks(f *testing.F) {
	f.Add([]byte(locksText))
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := 0
		_ = ParseLocks(text, func(lock Lock, waits bool) bool {
			lines++
			again, err := read(render(lock, waits))
			if err != nil || len(again) != 1 || again[0] != (parsed{lock, waits}) {
				t.Errorf("%+v was rendered, and read again as %+v, %v", lock, again, err)
			}
			return true
		})
		if lines > bytes.Count(text, []byte("\n"))+1 {
			t.Errorf("%d locks in %q", lines, text)
		}
	})
}

func FuzzParseFDInfo(f *testing.F) {
	f.Add([]byte("pos:\t0\nlock:\t1: FLOCK  ADVISORY  WRITE 9111 fe:00:9977869 0 EOF\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		_ = ParseFDInfo(text, func(Lock) bool { n++; return true })
		if n > bytes.Count(text, []byte("lock:")) {
			t.Errorf("%d locks in %q", n, text)
		}
	})
}

func BenchmarkParseLocks10000(b *testing.B) {
	text := bytes.Repeat([]byte("2: POSIX  ADVISORY  WRITE 9135 fe:00:9977871 0 99\n"), 10000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := ParseLocks(text, func(Lock, bool) bool { n++; return true }); err != nil || n != 10000 {
			b.Fatal(n, err)
		}
	}
}
