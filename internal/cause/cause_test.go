package cause

import (
	"os"
	"strings"
	"testing"
	"time"
)

// sample is a stack with what must be made of it.
type sample struct {
	seen, want string
	stack      string
}

func samples(t testing.TB) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/stacks.txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	for line := range strings.Lines(string(text)) {
		if seen, ok := strings.CutPrefix(line, "seen: "); ok {
			list = append(list, sample{seen: strings.TrimSpace(seen)})
		} else if want, ok := strings.CutPrefix(line, "want: "); ok {
			list[len(list)-1].want = strings.TrimSpace(want)
		} else if strings.HasPrefix(line, "[") {
			list[len(list)-1].stack += line
		}
	}
	return list
}

func TestStacks(t *testing.T) {
	codes := map[Code]bool{}
	for _, sample := range samples(t) {
		c := Of(Evidence{Stack: ParseStack(sample.stack)})
		got := strings.TrimSpace(string(c.Code) + " " + c.Function + " " + c.While)
		if got != sample.want || sample.seen == "" {
			t.Errorf("%s: got %q, want %q", sample.seen, got, sample.want)
		}
		codes[c.Code] = true
	}
	for code := range names {
		if !codes[code] {
			t.Errorf("no stack shows %s", code)
		}
		if advice[code] == "" {
			t.Errorf("no advice for %s", code)
		}
	}
}

const mountinfo = `21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 21 0:26 / /scratch rw - nfs4 nas3:/scratch rw,vers=4.2,hard
31 21 7:0 / /mnt/a\040b rw - ext4 /dev/loop0 rw
32 21 0:77 / /home/ada/remote rw,nosuid - fuse.sshfs ada@far: rw,user_id=1000,group_id=1000
33 32 254:1 /x /scratch/local rw - ext4 /dev/vda1 rw
bad line
34 21 0:x / /no rw - ext4 /dev/x rw
`

func TestMounts(t *testing.T) {
	mounts := ParseMounts(mountinfo)
	if len(mounts) != 5 {
		t.Fatalf("%+v", mounts)
	}
	for path, want := range map[string]string{
		"/scratch/x": "/scratch", "/scratch": "/scratch", "/scratchy": "/", "/mnt/a b/c": "/mnt/a b",
		"/scratch/local/x": "/scratch/local", "/etc": "/", "relative": "",
	} {
		if got := ByPath(mounts, path); got.Point != want {
			t.Errorf("%s is on %q, want %q", path, got.Point, want)
		}
	}
	if m := ByID(mounts, 32); m.Connection() != 77 || !m.IsFUSE() || m.Type != "fuse.sshfs" {
		t.Errorf("%+v", m)
	}
	if uid, ok := ByID(mounts, 32).User(); uid != 1000 || !ok {
		t.Errorf("user %d, %v", uid, ok)
	}
	if _, ok := ByID(mounts, 21).User(); ok || ByID(mounts, 99).Known() {
		t.Error("a user, or a mount, from nowhere")
	}
}

func TestParseCall(t *testing.T) {
	tests := []struct {
		text string
		want Call
	}{
		{"1 0x3 0x55953af76270 0x3 0x0 0x7 0x73 0x7fff0b8074d8 0x7f4aa94e6350\n", Call{Name: "write", FD: 3, Base: AtCWD}},
		{"257 0xffffff9c 0x7fff9106cac7 0x941 0x1b6 0x0 0x0 0x7fff9106bad0 0x7f0b86506011", Call{Name: "openat", FD: -1, Base: AtCWD, Path: 0x7fff9106cac7}},
		{"87 0x7fff00000000 0x0 0x0 0x0 0x0 0x0 0x7fff9106bad0 0x7f0b86506011", Call{Name: "unlink", FD: -1, Base: AtCWD, Path: 0x7fff00000000}},
		{"1 0x3 0x5595 0x3 0x0 0x7 0x73 0xfff0b807 0xf4a94e63", Call{FD: -1, Base: AtCWD}}, // 32 bits
		{"running", Call{FD: -1, Base: AtCWD}},
		{"-1 0x7fff 0x7f4a", Call{FD: -1, Base: AtCWD}},
		{"202 0x5f8a98 0x80 0x0 0x0 0x0 0x0 0x7ffcc254b478 0x4868c3", Call{FD: -1, Base: AtCWD}},
	}
	for _, test := range tests {
		if got := ParseCall(test.text); len(calls) > 0 && calls[1].name == "write" && got != test.want {
			t.Errorf("%q: %+v, want %+v", test.text, got, test.want)
		}
	}
}

func TestWhichFileSystem(t *testing.T) {
	mounts := ParseMounts(mountinfo)
	nfs, page := []string{"rpc_wait_bit_killable+0x1/0x2 [sunrpc]"}, []string{"folio_wait_bit_common+0x1/0x2", "filemap_fault+0x1/0x2"}
	second := append(ParseMounts(mountinfo), Mount{ID: 99, Minor: 99, Point: "/more", Type: "nfs", Source: "nas4:/more"})
	tests := []struct {
		name     string
		evidence Evidence
		code     Code
		source   string
	}{
		{"by the file", Evidence{Stack: nfs, Mount: ByPath(mounts, "/scratch/x"), Mounts: second}, NFS, "nas3:/scratch"},
		{"the only one of its kind", Evidence{Stack: nfs, Mounts: mounts}, NFS, "nas3:/scratch"},
		{"one of two", Evidence{Stack: nfs, Mounts: second}, NFS, ""},
		{"a file of another kind", Evidence{Stack: nfs, Mount: ByPath(mounts, "/etc"), Mounts: mounts}, NFS, "nas3:/scratch"},
		{"a page of a file on NFS", Evidence{Stack: page, Mount: ByPath(mounts, "/scratch/x")}, NFS, "nas3:/scratch"},
		{"a page of a file on a loop device", Evidence{Stack: page, Mount: ByPath(mounts, "/mnt/a b/x")}, Block, "/dev/loop0"},
		{"a page of no known file", Evidence{Stack: page, Mounts: mounts}, Unknown, ""},
		{"the wait channel alone", Evidence{Wchan: "rpc_wait_bit_killable", Mounts: mounts}, NFS, "nas3:/scratch"},
		{"nothing", Evidence{Wchan: "0"}, Unknown, ""},
		{"a core dump, by its flag", Evidence{Dumping: true}, CoreDump, ""},
	}
	for _, test := range tests {
		if got := Of(test.evidence); got.Code != test.code || got.Mount.Source != test.source {
			t.Errorf("%s: %+v", test.name, got)
		}
	}
}

func TestSentence(t *testing.T) {
	mounts := ParseMounts(mountinfo)
	tests := []struct {
		cause Cause
		n     int
		since time.Duration
		want  string
	}{
		{
			Cause{Code: NFS, Function: "nfs_wait_on_request", Mount: ByID(mounts, 30)},
			4, 74 * time.Second,
			"4 processes of job 77 wait for NFS nas3:/scratch on /scratch in nfs_wait_on_request since 74 s; the server does not answer: look at the server and the network",
		},
		{
			Cause{Code: FrozenFS, Function: "vfs_write", Call: "write", Mount: ByID(mounts, 31)},
			1, 0,
			"1 process of job 77 waits for a frozen file system, /mnt/a b (ext4 on /dev/loop0) in vfs_write (write); fsfreeze -u, or the end of the snapshot, lets them go",
		},
		{Cause{Code: ExitMemory, Works: true}, 1, 3 * time.Second, "1 process of job 77 frees its memory since 3 s; slow, not stuck: it goes on"},
		{Cause{Code: Unknown}, 2, 0, "2 processes of job 77 wait for something unknown; the stack is in the record"},
	}
	for _, test := range tests {
		if got := test.cause.Sentence(77, test.n, test.since); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, sample := range samples(f) {
		f.Add(sample.stack, "1 0x3 0x0 0x0 0x0 0x0 0x0 0x7fff0b8074d8 0x7f4aa94e6350", mountinfo, "/scratch/x")
	}
	f.Fuzz(func(t *testing.T, stack, call, mounts, path string) {
		list := ParseMounts(mounts)
		c := Of(Evidence{Stack: ParseStack(stack), Call: ParseCall(call), Mounts: list, File: path, Mount: ByPath(list, path)})
		if names[c.Code] == "" && c.Code != ExitMemory {
			t.Errorf("%q is no cause", c.Code)
		}
		if c.Sentence(1, 1, 0) == "" {
			t.Error("no sentence")
		}
		if m := ByPath(list, path); m.Known() && !Below(path, m.Point) {
			t.Errorf("%q is not below %q", path, m.Point)
		}
	})
}
