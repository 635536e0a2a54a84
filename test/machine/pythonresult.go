package machine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// PythonResult is what the tests of what reads interpreters came to with one
// of them.
type PythonResult struct {
	Date    string `json:"date"`  // UTC
	Place   string `json:"place"` // "chroot" or "host"
	Suite   string `json:"suite"` // of Debian, "" on the host
	Version string `json:"version"`
	Build   string `json:"build"` // the package and its version, or "built from source"
	Passed  int    `json:"passed"`
	Failed  int    `json:"failed"`
	Commit  string `json:"commit"`
}

func pythonFolder() string { return filepath.Join(Cache(), "results", "python") }

// SavePythons keeps the results of one place in the cache, instead of those it
// had before.
func SavePythons(place, suite string, results []PythonResult) error {
	if err := os.MkdirAll(pythonFolder(), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(results, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(pythonFolder(), place+"-"+suite+".json"), append(text, '\n'), 0o644)
}

// SavedPythons returns all results that are kept.
func SavedPythons() ([]PythonResult, error) {
	paths, _ := filepath.Glob(pythonFolder() + "/*.json")
	var all []PythonResult
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var some []PythonResult
		if err := json.Unmarshal(text, &some); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// pythonTable is the section on interpreters.
func pythonTable(results []PythonResult) string {
	if len(results) == 0 {
		return ""
	}
	slices.SortFunc(results, func(a, b PythonResult) int {
		if order := slices.Compare(numbers(a.Version), numbers(b.Version)); order != 0 {
			return order
		}
		return strings.Compare(a.Place+a.Suite, b.Place+b.Suite)
	})
	var b strings.Builder
	b.WriteString(`
## CPython

` + "Every interpreter of these suites of Debian, each in a root folder of its suite's\n" +
		"packages on the kernel of the host, and those of the host. The same tests for each:\n" +
		"what is read from outside is what Python itself says, frame by frame, and\n" +
		"each kind of program is told as what it is (`internal/python`, `internal/finished`).\n" + `
| CPython | build | where | passed | tested |
|---|---|---|---|---|
`)
	for _, r := range results {
		where := r.Place
		if r.Suite != "" {
			where += ", Debian " + r.Suite
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d of %d | %s, %s |\n", r.Version, r.Build, where, r.Passed, r.Passed+r.Failed, r.Date, r.Commit)
	}
	return b.String()
}

// numbers are those of a version, in order.
func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		list = append(list, n)
	}
	return list
}
