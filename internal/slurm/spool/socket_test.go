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
