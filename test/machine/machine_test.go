package machine

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSuites(t *testing.T) {
	list, err := ParseSuites("sid,bookworm")
	if err != nil || len(list) != 2 || list[0].Name != "sid" || !list[0].Moving || list[1].Moving {
		t.Errorf("%+v, %v", list, err)
	}
	for _, bad := range []string{"", "sid,", "potato", "sid;rm"} {
		if list, err := ParseSuites(bad); err == nil {
			t.Errorf("%q gave %v", bad, list)
		} else if !strings.Contains(err.Error(), "trixie") {
			t.Errorf("%q: the error does not say what is known: %v", bad, err)
		}
	}
}

// The key must tell suites apart and change with what becomes part of an
// image, and only with that.
func TestKey(t *testing.T) {
	seen := map[string]bool{}
	for _, suite := range Suites {
		seen[key(suite)] = true
		changed := suite
		changed.Slurm += "x"
		seen[key(changed)] = true
	}
	if len(seen) != 2*len(Suites) {
		t.Errorf("%d keys for %d suites and their changes", len(seen), len(Suites))
	}
	for name := range runsLater {
		if _, err := guest.ReadFile("guest/" + name); err != nil {
			t.Error(err)
		}
	}
}

const output = `=== RUN   TestA
=== RUN   TestA/one
=== RUN   TestA/two
=== RUN   TestA/three
=== NAME  TestA/two
    a_test.go:9: wrong
=== CONT  TestA/three
    a_test.go:5: Slurm 22.05.8 has no RunInJob
=== NAME  TestA/one
    a_test.go:6: nothing much
--- FAIL: TestA (0.1s)
    --- SKIP: TestA/three (0.0s)
    --- PASS: TestA/one (0.0s)
    --- FAIL: TestA/two (0.0s)
--- SKIP: TestB (0.0s)
    b_test.go:7: cgroup version 2 only
--- PASS: TestC (1.2s)
PASS
`

func TestReadResult(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"facts":   "kernel=6.1\nslurm=slurm-wlm 24.11.5\nsystemd=257\ncgroup=v2\n",
		"e2e.log": output,
	} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadResult(dir, "machine", "trixie", "abc")
	if err != nil {
		t.Fatal(err)
	}
	want := Result{
		Date: got.Date, Place: "machine", Suite: "trixie", Slurm: "24.11.5", Kernel: "6.1", Cgroup: "v2", Systemd: "257",
		Passed: 2, Failed: 1, Commit: "abc",
		Skipped: map[string]string{"TestA/three": "Slurm 22.05.8 has no RunInJob", "TestB": "cgroup version 2 only"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	table := Table([]Result{got}, nil)
	for _, words := range []string{"| 24.11.5 | v2 | 6.1 | 257 | machine, Debian trixie | 2 of 3 | 2 |", "* cgroup version 2 only: `TestB`", "PrologFlags=RunInJob"} {
		if !strings.Contains(table, words) {
			t.Errorf("the table does not say %q:\n%s", words, table)
		}
	}
}

func TestNoTestsAreNoSuccess(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/facts", []byte("cgroup=v2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResult(dir, "machine", "sid", ""); err == nil {
		t.Error("a place where nothing ran counts as tested")
	}
}

func TestUnreachable(t *testing.T) {
	if !unreachable("E: Failed to fetch http://deb.debian.org/debian") || unreachable("E: Unable to locate package x") {
		t.Error("the words of apt are misread")
	}
}
