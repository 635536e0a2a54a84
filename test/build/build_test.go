// Package build tests the programs as files: small, static, the same from
// every folder, and able to say what they are.
package build

import (
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// makeIn builds the programs with the project's own rules in a copy of the
// sources and returns the folder they are in.
func makeIn(t *testing.T, folder string) string {
	t.Helper()
	sources := filepath.Join(folder, "sources")
	for _, name := range []string{"cmd", "internal", "pkg", "go.mod", "go.sum", "Makefile"} {
		copyInto(t, filepath.Join(root, name), filepath.Join(sources, name))
	}
	command := exec.Command("make", "build", "VERSION=1.2.3", "COMMIT=abc")
	command.Dir = sources
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	return filepath.Join(sources, "bin")
}

func copyInto(t *testing.T, from, to string) {
	t.Helper()
	if info, err := os.Stat(from); err != nil {
		t.Fatal(err)
	} else if info.IsDir() {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestPrograms(t *testing.T) {
	first, second := makeIn(t, t.TempDir()), makeIn(t, t.TempDir())
	for _, program := range []string{"epilog", "taskepilog", "unkillable", "lastcall"} {
		path := filepath.Join(first, program)
		if a, b := sum(t, path), sum(t, filepath.Join(second, program)); a != b {
			t.Errorf("two builds of %s differ: %s and %s", program, a, b)
		}
		isStatic(t, path)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", program, info.Size())
		if program != "lastcall" && info.Size() > 3_000_000 {
			t.Errorf("%s has %d bytes, 3,000,000 is the most", program, info.Size())
		}
		out, err := exec.Command(path, "-version").Output()
		want := fmt.Sprintf("lastcall %s 1.2.3, commit abc, go", program)
		if program == "lastcall" {
			want = "lastcall 1.2.3, commit abc, go"
		}
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s -version printed %q, %v; want %q", program, out, err, want)
		}
	}
}

func sum(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// isStatic asserts that the program needs no loader and no library.
func isStatic(t *testing.T, path string) {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Errorf("%s asks for a loader", path)
		}
	}
	if libraries, _ := file.ImportedLibraries(); len(libraries) > 0 {
		t.Errorf("%s needs %v", path, libraries)
	}
}
