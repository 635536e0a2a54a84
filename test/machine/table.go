package machine

import (
	"fmt"
	"slices"
	"strings"

	"lastcall/internal/slurm"
)

// Table writes docs/compatibility.md from what the runs left in the cache.
func Table(results []Result, pythons []PythonResult) string {
	var b strings.Builder
	b.WriteString(`# What was tested on what

Written by ` + "`make compatibility`" + ` from the results of test runs; not by hand.
A machine is a virtual one with systemd as its first process and the kernel of
the suite; a chroot has the suite's Slurm on the kernel and the cgroups of the
host, without systemd; the host is Debian 12. All run the same tests.

| Slurm | cgroup | kernel | systemd | where | passed | does not apply | tested |
|---|---|---|---|---|---|---|---|
`)
	slices.SortFunc(results, func(a, b Result) int {
		return strings.Compare(a.Slurm+a.Cgroup+a.Place, b.Slurm+b.Cgroup+b.Place)
	})
	for _, r := range results {
		systemd := r.Systemd
		if systemd == "" {
			systemd = "-"
		}
		where := r.Place
		if r.Place != "host" {
			where += ", Debian " + r.Suite
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %d of %d | %d | %s, %s |\n",
			r.Slurm, r.Cgroup, r.Kernel, systemd, where, r.Passed, r.Passed+r.Failed, len(r.Skipped), r.Date, r.Commit)
	}
	for _, r := range results {
		if r.LeftOut != "" {
			fmt.Fprintf(&b, "\nIn the %s with Slurm %s, %s, these were left out for their time: `%s`.\n", r.Place, r.Slurm, r.Cgroup, r.LeftOut)
		}
	}
	b.WriteString("\n## What did not apply, and why\n\n")
	for _, line := range reasons(results) {
		b.WriteString("* " + line + "\n")
	}
	b.WriteString(pythonTable(pythons))
	b.WriteString("\n## What differs between versions of Slurm\n\n" +
		"The hooks never ask for the version: they look for every layout and read every\n" +
		"variable that any version has. The table is `History` in `internal/slurm/version.go`;\n" +
		"where the cgroups are is `layouts` in `internal/cgroup/find.go`.\n\n" +
		"| since | what | in Slurm's source |\n|---|---|---|\n")
	for _, row := range slurm.History {
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", row.Since, row.Change, row.Source)
	}
	return b.String()
}

// reasons lists each reason for a skip with the tests it kept from running.
func reasons(results []Result) []string {
	tests := map[string]map[string]bool{}
	for _, r := range results {
		for name, reason := range r.Skipped {
			if tests[reason] == nil {
				tests[reason] = map[string]bool{}
			}
			tests[reason][name] = true
		}
	}
	var lines []string
	for reason, names := range tests {
		var list []string
		for name := range names {
			list = append(list, "`"+name+"`")
		}
		slices.Sort(list)
		lines = append(lines, reason+": "+strings.Join(list, ", "))
	}
	slices.Sort(lines)
	return lines
}
