package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"

	"lastcall/internal/finished"
	"lastcall/internal/proc"
)

// inspect explains a job, or one process, in words: has it finished its work
// and still runs, and what does it wait for? It needs no more rights than the
// user of the job has.
func inspect(arguments []string, out, wrong io.Writer) error {
	flags := flag.NewFlagSet("lastcall inspect", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	asJSON := flags.Bool("json", false, "")
	isPID := flags.Bool("pid", false, "")
	now := flags.Bool("now", false, "")
	// The number may come first, as people write it.
	if len(arguments) > 1 && len(arguments[0]) > 0 && arguments[0][0] != '-' {
		arguments = append(append([]string{}, arguments[1:]...), arguments[0])
	}
	if err := flags.Parse(arguments); err != nil || flags.NArg() != 1 {
		return errors.Join(err, errors.New("use lastcall inspect [-json] [-now] JOB, or lastcall inspect [-json] [-now] -pid PID"))
	}
	number, err := strconv.ParseUint(flags.Arg(0), 10, 31)
	if err != nil || number == 0 {
		return fmt.Errorf("%.40q is no number of a job or process", flags.Arg(0))
	}
	examination := finished.Examination{FS: proc.Default, Who: "job " + flags.Arg(0)}
	var keys []proc.Key
	if *isPID {
		examination.Who = "process " + flags.Arg(0)
		keys, err = finished.Process(proc.Default, int(number))
	} else {
		keys, err = finished.Members(proc.Default, uint32(number))
	}
	if err != nil {
		return err
	}
	if !*now {
		examination.Waiting = func(text string) { fmt.Fprintln(wrong, "lastcall: "+text) }
	}
	results := examination.Run(keys)
	if *asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	}
	for _, line := range finished.Lines(examination.Who, results) {
		fmt.Fprintln(out, line)
	}
	return nil
}
