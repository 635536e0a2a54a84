package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"lastcall/internal/proc"
)

func TestNodeOf(t *testing.T) {
	for path, want := range map[string]string{
		"/var/spool/slurmd/n1_77.4294967291": "n1", "/x/a_77.b_77.0": "a_77.b", "/x/n_1_77.0.1": "n_1",
		"/x/_77.0": "", "/x/n1_78.0": "", "/x/n1_77.": "", "": "", "/x/n1_177.0": "",
	} {
		if got := NodeOf(path, 77); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

func TestListeningSocket(t *testing.T) {
	text := []byte(`Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 111 /var/spool/slurmd/n1_77.0
0000000000000000: 00000003 00000000 00000000 0001 03 222 /var/spool/slurmd/n1_77.0
0000000000000000: 00000002 00000000 00010000 0001 01 333 @hidden
0000000000000000: 00000002 00000000 00010000 0001 01 444
`)
	for inode, want := range map[string]string{"111": "/var/spool/slurmd/n1_77.0", "222": "", "333": "", "444": "", "555": ""} {
		if got := listening(text, map[string]bool{inode: true}, 77); got != want {
			t.Errorf("%s: got %q, want %q", inode, got, want)
		}
	}
}

// A step that was started with --mpi=pmix has a slurmstepd with more sockets
// (src/plugins/mpi/pmix/pmixp_server.c, pmixp_stepd_init). And a user may bind
// one to a path with a line end, behind which stands what looks like a line.
func TestOneOfSeveralSockets(t *testing.T) {
	const own = "0000000000000000: 00000002 00000000 00010000 0001 01 111 /spool/n1_77.0\n"
	for text, want := range map[string]string{
		"0: 00000002 00000000 00010000 0001 01 222 /spool/stepd.slurm.pmix.77.0\n" + own: "/spool/n1_77.0",
		own + "0: 00000002 00000000 00010000 0001 01 222 /tmp/pmix-12\n":                 "/spool/n1_77.0",
		"0: 00000002 00000000 00010000 0001 01 222 /spool/n1_78.0\n" + own:               "/spool/n1_77.0",
		own + own: "/spool/n1_77.0",
		"0: 00000002 00000000 00010000 0001 01 333 /tmp/x\n0: 00000002 00000000 00010000 0001 01 111 /a/n9_77.0\n" + own: "",
	} {
		if got := listening([]byte(text), map[string]bool{"111": true, "222": true}, 77); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// slurmd may spell its folder in another way, through a link for instance.
func TestAnotherSpellingOfTheFolder(t *testing.T) {
	for path, want := range map[string]bool{"/link/n1_77.0": true, "/real/n1_77.0": true, "/real/xn1_77.0": false, "/real/n1_77.00": false} {
		if got := (Listeners{path: true}).serve("/link", "n1_77.0"); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// Of what is too long to be read whole nothing is believed: the end may say
// something else.
func TestTooLong(t *testing.T) {
	const own = "0: 00000002 00000000 00010000 0001 01 111 /spool/n1_77.0\n"
	fs := proc.FS(t.TempDir())
	for _, folder := range []string{"fd", "net"} {
		if err := os.MkdirAll(fs.Path(9, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("socket:[111]", fs.Path(9, "fd/3")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		more int
		want string
	}{{0, "/spool/n1_77.0"}, {mostSockets, ""}} {
		if err := os.WriteFile(fs.Path(9, "net/unix"), append([]byte(own), bytes.Repeat([]byte("\n"), test.more)...), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := SocketOf(fs, 9, 77); got != test.want {
			t.Errorf("%d bytes more: %q, want %q", test.more, got, test.want)
		}
		if _, _, err := Listening(fs, 9, "/spool", nil); (err != nil) != (test.want == "") {
			t.Errorf("%d bytes more: %v", test.more, err)
		}
	}
	entry := binary.BigEndian.AppendUint32(nil, 7)
	for _, value := range []uint64{0, 1_795_000_000, 1_795_000_000} {
		entry = binary.BigEndian.AppendUint64(entry, value)
	}
	const jobs = mostState/28 + 1
	state := append(binary.BigEndian.AppendUint32(nil, jobs), bytes.Repeat(entry, jobs)...)
	if _, err := ParseState(binary.BigEndian.AppendUint32(state, 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("a long cred_state: %v", err)
	}
}

func FuzzListeningSocket(f *testing.F) {
	f.Add([]byte("0: 2 0 00010000 1 01 111 /a_77.0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := listening(text, map[string]bool{"111": true}, 77); got != "" && got[0] != '/' {
			t.Errorf("%q", got)
		}
	})
}
