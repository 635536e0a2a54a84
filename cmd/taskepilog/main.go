// Command taskepilog is what slurm.conf names in TaskEpilog=: it gives what a step left
// its chance to end cleanly before Slurm kills it.
package main

import (
	"os"

	"lastcall/internal/hook"
)

func main() {
	os.Exit(hook.Main(hook.TaskEpilog, os.Environ(), os.Args[1:]))
}
