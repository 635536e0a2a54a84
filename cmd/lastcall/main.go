// Command lastcall is the node service, and what people use: it checks the
// configuration and shows what was written down.
package main

import (
	"fmt"
	"io"
	"os"

	"lastcall/internal/aside"
	"lastcall/internal/python"
	"lastcall/internal/version"
)

const usage = `lastcall ends what Slurm jobs leave on their nodes.

  lastcall watch               the node service: out of COMPLETING in seconds
  lastcall inspect [JOB]       explain a job's processes and locks, what would be done,
                               and whether it has finished its work and still runs;
                               -pid PID for one process, -json, -now for one look only
  lastcall config [FILE]       check the configuration and show what holds
  lastcall log [-job N] [FILE] show what the hooks wrote down, for reading
  lastcall version

The hooks themselves (epilog, taskepilog, unkillable) are run by Slurm.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run does what the arguments say and returns the exit code: 0 for success,
// 1 for trouble, 2 for arguments that mean nothing.
func run(arguments []string, out, wrong io.Writer) int {
	command := "help"
	if len(arguments) > 0 {
		command = arguments[0]
	}
	var err error
	switch command {
	case "version", "-version", "--version":
		fmt.Fprintln(out, version.Line(""))
	case aside.Argument:
		return aside.Serve(arguments[1:], python.Answers)
	case "watch":
		err = watchNode(arguments[1:], wrong)
	case "inspect":
		err = inspectJob(arguments[1:], out, wrong)
	case "config":
		err = showConfig(arguments[1:], out)
	case "log":
		err = showLog(arguments[1:], out)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, usage)
	default:
		fmt.Fprintf(wrong, "lastcall: there is no command %.40q\n\n%s", command, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(wrong, "lastcall:", err)
		return 1
	}
	return 0
}
