// Package machine builds and runs the places where the tests meet other
// versions of Slurm than this host's: virtual machines with systemd and pure
// cgroup version 2, and chroots on the host's own kernel. Both come from one
// root folder of Debian packages a suite.
package machine

import (
	"fmt"
	"strings"
)

// Suite is a release of Debian with the Slurm it has.
type Suite struct {
	Name  string
	Slurm string // the version it had when this table was written
	// Moving says that the suite changes: a mirror's index of it expires, and
	// may be some weeks behind the clock.
	Moving bool
}

// Suites are the releases the tests know.
var Suites = []Suite{
	{Name: "bookworm", Slurm: "22.05"},
	{Name: "trixie", Slurm: "24.11"},
	{Name: "sid", Slurm: "26.05", Moving: true},
}

// packages are what a root has beside the essential ones. util-linux, which
// is, has no mount(8) any more in newer suites.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "libpam-systemd", "munge", "slurmctld", "slurmd", "slurm-client",
	"python3", "perl-base", "mount", "procps", "iproute2", "kmod", "e2fsprogs",
}

// ParseSuites reads a list like "bookworm,sid".
func ParseSuites(text string) ([]Suite, error) {
	var list []Suite
	for name := range strings.SplitSeq(text, ",") {
		found := false
		for _, suite := range Suites {
			if suite.Name == name {
				list, found = append(list, suite), true
			}
		}
		if !found {
			return nil, fmt.Errorf("%q is no suite the tests know; they know %s", name, known())
		}
	}
	return list, nil
}

func known() string {
	var names []string
	for _, suite := range Suites {
		names = append(names, suite.Name)
	}
	return strings.Join(names, ", ")
}
