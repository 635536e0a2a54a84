// Package jobs holds the batch scripts that the demo and the tests run: jobs
// that end the way jobs should not. Each expects MISBEHAVE, the path of the
// helper, and OUT, a folder it may write to, in its environment, and exits
// once what it leaves is ready.
package jobs

import (
	"embed"
	"fmt"
)

//go:embed *.sh *.py
var files embed.FS

// Script returns the text of a script, like "leftovers.sh".
func Script(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("jobs: %v", err))
	}
	return string(text)
}
