package machine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// testPackages are the packages whose tests go along: those that meet a real
// kernel and a real Slurm.
var testPackages = []string{"./internal/cgroup", "./pkg/reaper", "./test/e2e"}

// Input is the folder a place gets: programs, tests, and how to run them.
type Input struct{ Dir string }

// NewInput builds the programs and tests from the source tree at source into
// dir. Nothing in it needs a C library, so it runs in every suite.
func NewInput(ctx context.Context, source, dir string) (Input, error) {
	in := Input{Dir: dir}
	for _, folder := range []string{"bin", "tests"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return in, err
		}
	}
	build := func(args ...string) error {
		_, err := command(ctx, "env", append([]string{"CGO_ENABLED=0", "go", "-C", source}, args...)...)
		return err
	}
	if err := build("build", "-trimpath", "-o", dir+"/bin/", "./cmd/...", "./test/misbehave", "./test/slowfs"); err != nil {
		return in, err
	}
	for _, path := range testPackages {
		if err := build("test", "-c", "-trimpath", "-o", fmt.Sprintf("%s/tests/%s.test", dir, filepath.Base(path)), path); err != nil {
			return in, err
		}
	}
	script, err := guest.ReadFile("guest/run.sh")
	if err != nil {
		return in, err
	}
	return in, os.WriteFile(dir+"/run.sh", script, 0o755)
}

// Settings is how the tests are to run in a place.
type Settings struct {
	Environment []string // NAME=value
	Arguments   []string // of each test program
}

// copyFor makes the input of one place out of the common one.
func (in Input) copyFor(dir string, settings Settings) error {
	if err := os.CopyFS(dir, os.DirFS(in.Dir)); err != nil {
		return err
	}
	for name, lines := range map[string][]string{"environment": settings.Environment, "arguments": settings.Arguments} {
		text := ""
		if len(lines) > 0 {
			text = strings.Join(lines, "\n") + "\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
