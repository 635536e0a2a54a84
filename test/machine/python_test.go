package machine

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPackageVersion(t *testing.T) {
	got, err := packageVersion("python3.11 (3.11.2-6+deb12u8) bookworm; urgency=medium\n\n  * ", "python3.11")
	if err != nil || got != "python3.11 3.11.2-6+deb12u8" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "python3.9 (3.9.2-1) unstable", "python3.11 3.11.2", "python3.11 (3.11|2) x"} {
		if got, err := packageVersion(bad, "python3.11"); err == nil {
			t.Errorf("%q gave %q", bad, got)
		}
	}
}

// The interpreters come in the order of their versions, and those that failed
// are not left out.
func TestPythonTable(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	host := []PythonResult{
		{Date: "2026-11-25", Place: "host", Version: "3.10.13", Build: "built from source", Passed: 24, Commit: "abc"},
		{Date: "2026-11-25", Place: "host", Version: "3.9.18", Build: "built from source", Passed: 24, Commit: "abc"},
	}
	sid := []PythonResult{{Date: "2026-11-25", Place: "chroot", Suite: "sid", Version: "3.16.0", Build: "python3.16 3.16.0-1", Passed: 3, Failed: 21, Commit: "abc"}}
	for suite, results := range map[string][]PythonResult{"": host, "sid": sid} {
		place := "host"
		if suite != "" {
			place = "chroot"
		}
		if err := SavePythons(place, suite, []PythonResult{{Version: "3.1", Place: place}}); err != nil {
			t.Fatal(err)
		}
		if err := SavePythons(place, suite, results); err != nil {
			t.Fatal(err)
		}
	}
	saved, err := SavedPythons()
	if err != nil || len(saved) != 3 {
		t.Fatalf("%+v, %v", saved, err)
	}
	if others, err := Saved(); err != nil || len(others) > 0 {
		t.Errorf("%+v, %v", others, err)
	}
	_, section, _ := strings.Cut(Table(nil, saved), "## CPython\n")
	section, _, _ = strings.Cut(section, "\n##")
	var rows []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| 3") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	want := []string{
		"| 3.9.18 | built from source | host | 24 of 24 | 2026-11-25, abc |",
		"| 3.10.13 | built from source | host | 24 of 24 | 2026-11-25, abc |",
		"| 3.16.0 | python3.16 3.16.0-1 | chroot, Debian sid | 3 of 24 | 2026-11-25, abc |",
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(Table(nil, nil), "CPython") {
		t.Error("a section about nothing")
	}
}
