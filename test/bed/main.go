// Command bed runs the tests where other versions of Slurm are: in virtual
// machines or in chroots, one for each suite of Debian. Its exit code is 0 if
// every test passed everywhere.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"lastcall/test/machine"
)

// options is what the command line says.
type options struct {
	place   string
	table   string
	commit  string // the source that is tested
	suites  string
	run     string
	skip    string
	shell   bool
	unsaved bool
	keep    string
	limit   time.Duration
	lanes   int
}

func main() {
	var o options
	flag.StringVar(&o.place, "place", "machine", "where: machine, chroot or host; python: every CPython of Debian, and the host's, for what reads them")
	flag.StringVar(&o.table, "compatibility", "", "no tests: write what they came to so far to this file")
	flag.StringVar(&o.suites, "suites", "trixie", "which of Debian's suites, with commas between")
	flag.StringVar(&o.run, "run", "", "only the tests that match, as for go test")
	flag.StringVar(&o.skip, "skip", "", "all tests but those that match")
	flag.BoolVar(&o.shell, "shell", false, "no tests: a shell in the machine")
	flag.BoolVar(&o.unsaved, "unsaved", false, "not for the table of compatibility")
	flag.StringVar(&o.keep, "keep", "", "folder for the logs of each place; the default is in the cache")
	flag.DurationVar(&o.limit, "limit", 90*time.Minute, "the most a place may take")
	flag.IntVar(&o.lanes, "lanes", 2, "so many places at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := o.main(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bed:", err)
		os.Exit(1)
	}
}

func (o options) main(ctx context.Context) error {
	if o.table != "" {
		results, err := machine.Saved()
		if err != nil {
			return err
		}
		pythons, err := machine.SavedPythons()
		if err != nil {
			return err
		}
		return os.WriteFile(o.table, []byte(machine.Table(results, pythons)), 0o644)
	}
	suites, err := machine.ParseSuites(o.suites)
	if err != nil {
		return err
	}
	switch o.place {
	case "machine", "chroot", "python":
	case "host":
		suites = []machine.Suite{{Name: "host"}}
	default:
		return fmt.Errorf("-place %q: use machine, chroot, host or python", o.place)
	}
	if os.Getuid() != 0 {
		return errors.New("only root can build these places and be root in them")
	}
	// The source may go on changing while a machine runs for a long time: what
	// is tested is what it is now.
	o.commit = commit()
	if o.place == "python" {
		return o.pythons(ctx)
	}
	if o.keep == "" {
		o.keep = filepath.Join(machine.Cache(), "logs")
	}
	dir, err := os.MkdirTemp("", "lastcall-bed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	input, err := machine.NewInput(ctx, ".", dir)
	if err != nil {
		return err
	}
	if o.shell {
		return o.openShell(ctx, suites[0], input)
	}
	return o.all(ctx, suites, input)
}

// all runs every suite, some at a time, and says at the end which failed.
func (o options) all(ctx context.Context, suites []machine.Suite, input machine.Input) error {
	var wait sync.WaitGroup
	lanes := make(chan struct{}, max(o.lanes, 1))
	wrong := make([]error, len(suites))
	for n, suite := range suites {
		wait.Go(func() {
			lanes <- struct{}{}
			defer func() { <-lanes }()
			wrong[n] = o.one(ctx, suite, input)
		})
	}
	wait.Wait()
	return errors.Join(wrong...)
}

// one builds, runs and judges one place.
func (o options) one(ctx context.Context, suite machine.Suite, input machine.Input) error {
	name := o.place + " " + suite.Name
	console := &prefixed{prefix: name + ": "}
	say := func(format string, values ...any) { fmt.Fprintf(console, format+"\n", values...) }
	out := filepath.Join(o.keep, o.place+"-"+suite.Name)
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	run := machine.RunHost
	if o.place != "host" {
		image, err := machine.Build(ctx, suite, say)
		if err != nil {
			return err
		}
		if run = image.Run; o.place == "chroot" {
			run = image.RunChroot
		}
	}
	began := time.Now()
	passed, err := run(ctx, input, o.settings(), out, o.limit, console)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	result, err := machine.ReadResult(out, o.place, suite.Name, o.commit)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	say("Slurm %s, kernel %s, cgroup %s: %d passed, %d failed, %d skipped, %.0f s; logs in %s",
		result.Slurm, result.Kernel, result.Cgroup, result.Passed, result.Failed, len(result.Skipped), time.Since(began).Seconds(), out)
	if !passed {
		journal, _ := os.ReadFile(out + "/journal")
		return fmt.Errorf("%s: tests failed; the end of its journal:\n%s", name, journal[max(0, len(journal)-6000):])
	}
	if o.run != "" || o.unsaved {
		return nil // a few tests: no result to keep
	}
	result.LeftOut = o.skip
	return result.Save()
}

func (o options) settings() machine.Settings {
	s := machine.Settings{Environment: []string{"LASTCALL_PATIENCE=1"}, Arguments: []string{"-test.timeout=" + o.limit.String(), "-test.parallel=4"}}
	if o.place == "machine" {
		s.Environment = []string{"LASTCALL_PATIENCE=4"}
		s.Arguments = []string{"-test.timeout=" + o.limit.String(), "-test.parallel=2"}
	}
	if o.run != "" {
		s.Arguments = append(s.Arguments, "-test.run="+o.run)
	}
	if o.skip != "" {
		s.Arguments = append(s.Arguments, "-test.skip="+o.skip)
	}
	return s
}

func (o options) openShell(ctx context.Context, suite machine.Suite, input machine.Input) error {
	if o.place != "machine" {
		return errors.New("a shell is to be had in a machine only")
	}
	image, err := machine.Build(ctx, suite, func(format string, values ...any) { fmt.Fprintf(os.Stderr, format+"\n", values...) })
	if err != nil {
		return err
	}
	return image.Shell(ctx, input, o.settings())
}

// commit names the source that was tested.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// prefixed writes whole lines, each with the place's name before it, so that
// places that run at once can be told apart. Of tests it shows the verdicts.
type prefixed struct {
	prefix string
	lock   sync.Mutex
	rest   []byte
}

func (p *prefixed) Write(text []byte) (int, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	p.rest = append(p.rest, text...)
	for {
		end := bytes.IndexByte(p.rest, '\n')
		if end < 0 {
			return len(text), nil
		}
		line := bytes.TrimRight(p.rest[:end], "\r")
		p.rest = p.rest[end+1:]
		if dull(line) {
			continue
		}
		if _, err := io.WriteString(os.Stdout, p.prefix+printable(line)+"\n"); err != nil {
			return len(text), err
		}
	}
}

// dull says whether a line only tells that a test goes on.
func dull(line []byte) bool {
	text := bytes.TrimSpace(line)
	if len(text) == 0 {
		return true
	}
	for _, start := range []string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME"} {
		if bytes.HasPrefix(text, []byte(start)) {
			return true
		}
	}
	return false
}

// printable keeps what a machine says from writing to the terminal as it
// likes.
func printable(line []byte) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' || c == 0x7f {
			return -1
		}
		return c
	}, string(line))
}
