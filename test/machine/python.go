package machine

import (
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"lastcall/test/pythons"
)

// PythonSuites are the releases of Debian whose interpreters are read. Of
// each, every python3.N it has.
var PythonSuites = []string{"bullseye", "bookworm", "trixie", "forky", "sid"}

// pythonTests are the tests that go through the interpreters.
const pythonTests = "^Test(SameAsPythonSays|ARunningThread|Finalizing|SpoiledMemory|" +
	"EveryProgram|Workers|Starting|ForkedByAThread)$"

//go:embed python.sh
var pythonScript []byte

// Pythons runs, for each interpreter of one place, the tests of what reads
// interpreters.
type Pythons struct {
	Place  string // "chroot" or "host"
	Suite  string // of Debian; "" on the host
	Commit string
	Limit  time.Duration // for one interpreter
	Input  string        // what BuildPythonTests made
	work   string
	root   string // "/" on the host
}

// BuildPythonTests builds the tests from the source tree at source into the
// folder. Nothing in it needs a C library, so it runs in every suite.
func BuildPythonTests(ctx context.Context, source, folder string) error {
	for _, name := range []string{"python", "finished"} {
		if _, err := command(ctx, "env", "CGO_ENABLED=0", "go", "-C", source, "test", "-c", "-trimpath",
			"-o", folder+"/"+name+".test", "./internal/"+name); err != nil {
			return err
		}
	}
	return os.CopyFS(folder+"/testdata", os.DirFS(filepath.Join(source, "internal/python/testdata")))
}

// Run returns a result for each interpreter. The error says what kept one from
// being tested, or that a test failed.
func (p Pythons) Run(ctx context.Context, console io.Writer) ([]PythonResult, error) {
	var err error
	if p.work, err = os.MkdirTemp("", "lastcall-python-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(p.work)
	if err := os.WriteFile(p.work+"/python.sh", pythonScript, 0o755); err != nil {
		return nil, err
	}
	found, err := p.find(ctx)
	if err != nil {
		return nil, err
	}
	var results []PythonResult
	var wrong []error
	for _, python := range found {
		one, err := p.one(ctx, python, console)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s %s: %s: %w", p.Place, p.Suite, python, err))
		}
		if one.Passed+one.Failed > 0 {
			results = append(results, one)
		}
	}
	return results, errors.Join(wrong...)
}

var interpreter = regexp.MustCompile(`^python3\.[0-9]+$`)

// find returns the interpreters of the place, as paths in its root. The root
// holds unpacked packages, none of them set up: that takes seconds, so it is
// always what the suite has now.
func (p *Pythons) find(ctx context.Context) ([]string, error) {
	if p.Place == "host" {
		p.root = "/"
		return pythons.Installed(), nil
	}
	p.root = p.work + "/root"
	out, err := command(ctx, "mmdebstrap", "--mode=root", "--variant=extract", `--aptopt=Acquire::Languages "none"`,
		`--aptopt=Acquire::Retries "3"`, `--aptopt=Acquire::Check-Valid-Until "false"`,
		`--include=base-files ?name(`+interpreter.String()+`)?version(^3)`, p.Suite, p.root)
	if err != nil && unreachable(out) {
		return nil, fmt.Errorf("the suite %s cannot be reached on Debian's mirror: %w", p.Suite, err)
	}
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(p.root + "/usr/bin")
	var found []string
	for _, entry := range entries {
		if interpreter.MatchString(entry.Name()) {
			found = append(found, "/usr/bin/"+entry.Name())
		}
	}
	if len(found) == 0 && err == nil {
		err = fmt.Errorf("no CPython in %s", p.Suite)
	}
	return found, err
}

// one tests one interpreter.
func (p Pythons) one(ctx context.Context, python string, console io.Writer) (PythonResult, error) {
	result := PythonResult{Date: time.Now().UTC().Format("2006-01-02"), Place: p.Place, Suite: p.Suite, Commit: p.Commit}
	ctx, cancel := context.WithTimeout(ctx, p.Limit)
	defer cancel()
	version, err := exec.CommandContext(ctx, "chroot", p.root, python, "-I", "-c", "import platform; print(platform.python_version())").Output()
	if err != nil {
		return result, err
	}
	result.Version = strings.TrimSpace(string(version))
	if result.Build, err = p.build(python); err != nil {
		return result, err
	}
	var failure error
	counted := Result{Skipped: map[string]string{}}
	for _, name := range []string{"python", "finished"} {
		before := counted.Passed
		text, err := p.tests(ctx, name, python, console)
		counted.count(text)
		if counted.Passed == before && err == nil {
			err = fmt.Errorf("no test of internal/%s ran", name)
		}
		if err != nil {
			if counted.Failed == 0 {
				return result, err // it did not come to its end: no verdict
			}
			failure = err
		}
	}
	// A test that does not apply proves nothing either.
	result.Passed, result.Failed = counted.Passed, counted.Failed+len(counted.Skipped)
	fmt.Fprintf(console, "CPython %s, %s: %d of %d passed\n", result.Version, result.Build, result.Passed, result.Passed+result.Failed)
	return result, failure
}

// tests runs one test program for one interpreter, and returns what it said.
func (p Pythons) tests(ctx context.Context, name, python string, console io.Writer) (string, error) {
	arguments := []string{"-test.v", "-test.count=1", "-test.timeout=" + p.Limit.String(), "-test.run=" + pythonTests}
	run := exec.CommandContext(ctx, "nice", append([]string{"-n", "5", "./" + name + ".test"}, arguments...)...)
	if p.Place == "chroot" {
		run = exec.CommandContext(ctx, "unshare", append([]string{
			"--mount", "--pid", "--fork", "--kill-child=KILL", "nice", "-n", "5",
			"sh", p.work + "/python.sh", p.root, p.Input, "./" + name + ".test",
		}, arguments...)...)
	}
	run.Dir = p.Input
	run.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", pythons.Variable + "=" + python}
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var said strings.Builder
	run.Stdout = io.MultiWriter(&said, console)
	run.Stderr = run.Stdout
	err := run.Run()
	if err != nil {
		err = fmt.Errorf("the tests of internal/%s: %w", name, err)
	}
	return said.String(), err
}

// build says where an interpreter comes from: the package and its version, by
// the first line of its list of changes.
func (p Pythons) build(python string) (string, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(p.root, python))
	if err != nil {
		return "", err
	}
	name := filepath.Base(path)
	if filepath.Dir(path) != filepath.Join(p.root, "/usr/bin") {
		return "built from source", nil
	}
	file, err := os.Open(filepath.Join(p.root, "/usr/share/doc", name+"-minimal", "changelog.Debian.gz"))
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", file.Name(), err)
	}
	line := make([]byte, 200)
	n, err := io.ReadFull(text, line)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("%s: %w", file.Name(), err)
	}
	return packageVersion(string(line[:n]), name)
}

var firstChange = regexp.MustCompile(`^(\S+) \(([0-9A-Za-z.+~:-]+)\)`)

// packageVersion takes the version of a package from its list of changes.
func packageVersion(text, name string) (string, error) {
	found := firstChange.FindStringSubmatch(text)
	if found == nil || found[1] != name {
		return "", fmt.Errorf("the changes of %s begin with %q", name, text)
	}
	return name + " " + found[2], nil
}
