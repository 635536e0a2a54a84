package spool

import "testing"

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

func TestSocketThatListens(t *testing.T) {
	text := []byte(`Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 111 /var/spool/slurmd/n1_77.0
0000000000000000: 00000003 00000000 00000000 0001 03 222 /var/spool/slurmd/n1_77.0
0000000000000000: 00000002 00000000 00010000 0001 01 333 @hidden
0000000000000000: 00000002 00000000 00010000 0001 01 444
`)
	for inode, want := range map[string]string{"111": "/var/spool/slurmd/n1_77.0", "222": "", "333": "", "444": "", "555": ""} {
		if got := listening(text, map[string]bool{inode: true}); got != want {
			t.Errorf("%s: got %q, want %q", inode, got, want)
		}
	}
}

func FuzzSocketThatListens(f *testing.F) {
	f.Add([]byte("0: 2 0 00010000 1 01 111 /a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := listening(text, map[string]bool{"111": true}); got != "" && got[0] != '/' {
			t.Errorf("%q", got)
		}
	})
}
