// Command unkillable is what slurm.conf names in UnkillableStepProgram=: it
// writes down what the processes of a step that do not die wait for, and frees
// what can be freed. It signals nobody.
package main

import (
	"os"

	"lastcall/internal/hook"
)

func main() {
	os.Exit(hook.Main(hook.Unkillable, os.Environ(), os.Args[1:]))
}
