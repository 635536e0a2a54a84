package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Result is what one run of the tests in one place came to.
type Result struct {
	Date    string `json:"date"`  // UTC
	Place   string `json:"place"` // "machine", "chroot" or "host"
	Suite   string `json:"suite"`
	Slurm   string `json:"slurm"`
	Kernel  string `json:"kernel"`
	Cgroup  string `json:"cgroup"`  // "v1" or "v2"
	Systemd string `json:"systemd"` // "" where there is none
	Passed  int    `json:"passed"`  // tests, parts of tests counted alone
	Failed  int    `json:"failed"`
	// Skipped tests name in their output what this Slurm does not have.
	Skipped map[string]string `json:"skipped,omitempty"`
	LeftOut string            `json:"left_out,omitempty"` // the tests that were not run, as a pattern
	Commit  string            `json:"commit"`
}

var (
	verdictLine = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (\S+)`)
	nameLine    = regexp.MustCompile(`^=== (?:RUN|CONT|NAME|PAUSE) +(\S+)`)
	sayingLine  = regexp.MustCompile(`^ +\S+_test\.go:\d+: (.*)$`)
)

// ReadResult reads what a run left in the folder.
func ReadResult(dir, place, suite, commit string) (Result, error) {
	result := Result{
		Date: time.Now().UTC().Format("2006-01-02"), Place: place, Suite: suite,
		Commit: commit, Skipped: map[string]string{},
	}
	facts, err := os.ReadFile(dir + "/facts")
	if err != nil {
		return result, err
	}
	for line := range strings.Lines(string(facts)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "kernel":
			result.Kernel = value
		case "slurm":
			fields := strings.Fields(value)
			result.Slurm = fields[max(0, len(fields)-1)]
		case "cgroup":
			result.Cgroup = value
		case "systemd":
			result.Systemd = value
		}
	}
	logs, _ := filepath.Glob(dir + "/*.log")
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			return result, err
		}
		result.count(string(text))
	}
	if result.Passed+result.Failed == 0 {
		return result, errors.New("no test ran in " + place + " " + suite)
	}
	return result, nil
}

// count reads the output of a test program run with -test.v. A test whose
// parts are tests of their own counts by its parts. What a test says comes
// when it says it, below a line with its name, and its verdict later.
func (r *Result) count(text string) {
	verdicts, said := map[string]string{}, map[string]string{}
	var names []string
	current := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if found := nameLine.FindStringSubmatch(line); found != nil {
			current = found[1]
		} else if found := verdictLine.FindStringSubmatch(line); found != nil {
			current = found[2]
			names = append(names, current)
			verdicts[current] = found[1]
		} else if found := sayingLine.FindStringSubmatch(line); found != nil {
			said[current] = found[1]
		}
	}
	for _, name := range names {
		if hasParts(names, name) {
			continue
		}
		switch verdicts[name] {
		case "PASS":
			r.Passed++
		case "FAIL":
			r.Failed++
		case "SKIP":
			r.Skipped[name] = said[name]
		}
	}
}

func hasParts(names []string, name string) bool {
	for _, other := range names {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// Save keeps the result in the cache; a later run of the same place replaces
// it.
func (r Result) Save() error {
	dir := filepath.Join(Cache(), "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(fmt.Sprintf("%s/%s-%s.json", dir, r.Place, r.Suite), append(line, '\n'), 0o644)
}

// Saved returns all results that are kept.
func Saved() ([]Result, error) {
	paths, _ := filepath.Glob(filepath.Join(Cache(), "results", "*.json"))
	var list []Result
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var one Result
		if err := json.Unmarshal(text, &one); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		list = append(list, one)
	}
	return list, nil
}
