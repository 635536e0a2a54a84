// Package lint holds the rules of this tree that no linter knows.
package lint

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// eachFile calls use for each Go file of the project.
func eachFile(t *testing.T, use func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".git") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			use(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Only internal/linux may speak to the kernel through x/sys/unix: each call
// then has one place with its limits and its source.
func TestOnlyLinuxImportsUnix(t *testing.T) {
	found := false
	eachFile(t, func(path string) {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		inside := strings.Contains(path, "internal/linux/")
		for _, one := range file.Imports {
			if one.Path.Value != `"golang.org/x/sys/unix"` {
				continue
			}
			found = found || inside
			if !inside {
				t.Errorf("%s imports golang.org/x/sys/unix; add what it needs to internal/linux", path)
			}
		}
	})
	if !found {
		t.Error("internal/linux does not import golang.org/x/sys/unix: this test looks in the wrong place")
	}
}

func TestFilesAreShort(t *testing.T) {
	const most = 350
	eachFile(t, func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(string(text), "\n"); lines > most {
			t.Errorf("%s has %d lines; split it, %d is the most", path, lines, most)
		}
	})
}

// The hooks run while a node stands idle: what they link costs every job.
func TestHooksLinkLittle(t *testing.T) {
	for _, hook := range []string{"epilog", "taskepilog", "unkillable"} {
		command := exec.Command("go", "list", "-deps", "./cmd/"+hook)
		command.Dir = root
		out, err := command.Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := "\n" + string(out)
		if !strings.Contains(deps, "\ngo.uber.org/zap/zapcore\n") {
			t.Errorf("%s does not link zapcore", hook)
		}
		for _, heavy := range []string{"net", "net/http", "os/exec", "os/user", "regexp", "log/slog", "go.uber.org/zap"} {
			if strings.Contains(deps, "\n"+heavy+"\n") {
				t.Errorf("%s links %s", hook, heavy)
			}
		}
	}
}
