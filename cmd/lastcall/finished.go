package main

import (
	"bytes"
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
	record     []byte // JSON: the record of the job, which gets one key more
	out, wrong io.Writer
}

func (f finishedLook) process(pid int) error {
	keys, err := finished.Process(proc.Default, pid)
	if err != nil {
		return err
	}
	return f.show("process "+strconv.Itoa(pid), keys, nil)
}

func (f finishedLook) job(id uint32, node string) error {
	keys, err := finished.Members(proc.Default, id)
	if err != nil {
		return err
	}
	steps := func() []finished.Step { return finished.Steps(proc.Default, id, node) }
	return f.show("job "+strconv.FormatUint(uint64(id), 10), keys, steps)
}

// show looks twice, half a minute apart, unless one look is to do. The steps
// of a job are looked at last, so that they are what they are said to be.
func (f finishedLook) show(who string, keys []proc.Key, look func() []finished.Step) error {
	examination := finished.Examination{FS: proc.Default, Who: who}
	if !f.now {
		examination.Waiting = func(text string) { fmt.Fprintln(f.wrong, "lastcall: "+text) }
	}
	results := examination.Run(keys)
	steps := []finished.Step{}
	if look != nil {
		steps = append(steps, look()...)
	}
	if f.json {
		text, err := json.Marshal(results)
		if err != nil {
			return err
		}
		waiting, err := json.Marshal(steps)
		if err != nil {
			return err
		}
		record := bytes.TrimSuffix(bytes.TrimSpace(f.record), []byte("}"))
		if len(record) == 0 {
			record = []byte("{")
		} else {
			record = append(record, ',')
		}
		_, err = fmt.Fprintf(f.out, "%s\"finished\":%s,\"waiting_steps\":%s}\n", record, text, waiting)
		return err
	}
	fmt.Fprintln(f.out)
	for _, step := range steps {
		fmt.Fprintln(f.out, step.Words(results))
	}
	for _, line := range finished.Lines(who, results) {
		fmt.Fprintln(f.out, line)
	}
	return nil
}
