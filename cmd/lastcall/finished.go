package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"lastcall/internal/finished"
	"lastcall/internal/proc"
)

// finishedLook says of a job, or one process, whether it has finished its work
// and still runs, and what it waits for. It needs no more rights than the user
// of the job has.
type finishedLook struct {
	json, now  bool
	out, wrong io.Writer
}

func (f finishedLook) process(pid int) error {
	keys, err := finished.Process(proc.Default, pid)
	if err != nil {
		return err
	}
	return f.show("process "+strconv.Itoa(pid), keys)
}

func (f finishedLook) job(id uint32) error {
	keys, err := finished.Members(proc.Default, id)
	if err != nil {
		return err
	}
	return f.show("job "+strconv.FormatUint(uint64(id), 10), keys)
}

// show looks twice, half a minute apart, unless one look is to do.
func (f finishedLook) show(who string, keys []proc.Key) error {
	examination := finished.Examination{FS: proc.Default, Who: who}
	if !f.now {
		examination.Waiting = func(text string) { fmt.Fprintln(f.wrong, "lastcall: "+text) }
	}
	results := examination.Run(keys)
	if f.json {
		return json.NewEncoder(f.out).Encode(map[string]any{"finished": results})
	}
	fmt.Fprintln(f.out)
	for _, line := range finished.Lines(who, results) {
		fmt.Fprintln(f.out, line)
	}
	return nil
}
