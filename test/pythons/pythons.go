// Package pythons says which interpreters the tests read from outside.
package pythons

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Variable is the environment variable that names the interpreters, with
// colons between: then the tests look for no others.
const Variable = "LASTCALL_PYTHONS"

// Installed are the one of the distribution, which test/install installs, and
// those that were built from source, which a machine may have. 3.6 is too old.
func Installed() []string {
	if named := os.Getenv(Variable); named != "" {
		return filepath.SplitList(named)
	}
	var found []string
	if _, err := os.Stat("/usr/bin/python3"); err == nil {
		found = append(found, "/usr/bin/python3")
	}
	more, _ := filepath.Glob("/root/.pyenv/versions/3.*/bin/python3")
	for _, one := range more {
		if !strings.Contains(one, "/3.6.") {
			found = append(found, one)
		}
	}
	return found
}

// Found returns the interpreters for a test, at least one.
func Found(t testing.TB) []string {
	t.Helper()
	found := Installed()
	if len(found) == 0 {
		if os.Getuid() == 0 {
			t.Fatal("no python3; test/install/install.sh installs it, and the tests prove nothing without")
		}
		t.Skip("no python3, and only root can install it")
	}
	return found
}

// Name is what a part of a test is called that is about one interpreter.
func Name(python string) string {
	if folder := filepath.Base(filepath.Dir(filepath.Dir(python))); folder != "usr" {
		return folder
	}
	return filepath.Base(python)
}
