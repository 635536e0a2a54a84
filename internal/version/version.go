// Package version says which build a program is.
package version

import "runtime"

// Version and Commit are set by the linker (Makefile).
var (
	Version = "dev"
	Commit  = "unknown"
)

// Line returns what -version prints: the program, its version, the commit it
// was built from and the Go it was built with.
func Line(program string) string {
	return "lastcall " + program + " " + Version + ", commit " + Commit + ", " + runtime.Version()
}
