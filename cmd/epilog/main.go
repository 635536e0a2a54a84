// Command epilog is what slurm.conf names in Epilog=: it ends what a job left on its
// node, frees its locks, and writes down who, what and why.
package main

import (
	"os"

	"lastcall/internal/hook"
)

func main() {
	os.Exit(hook.Main(hook.Epilog, os.Environ(), os.Args[1:]))
}
