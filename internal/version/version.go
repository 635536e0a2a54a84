// Package version says which build a program is.
package version

import "runtime"

// Version and Commit are set by the linker (Makefile).
var (
	Version = "dev"
	Commit  = "unknown"
)

// Line returns what -version prints: the program, its version, the commit it
// was built from and the Go it was built with. hook is empty for lastcall
// itself.
func Line(hook string) string {
	if hook != "" {
		hook += " "
	}
	return "lastcall " + hook + Version + ", commit " + Commit + ", " + runtime.Version()
}
