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
		text, err := json.Marshal(results)
		if err != nil {
			return err
		}
		record := bytes.TrimSuffix(bytes.TrimSpace(f.record), []byte("}"))
		if len(record) == 0 {
			record = []byte("{")
		} else {
			record = append(record, ',')
		}
		_, err = fmt.Fprintf(f.out, "%s\"finished\":%s}\n", record, text)
		return err
	}
	fmt.Fprintln(f.out)
	for _, line := range finished.Lines(who, results) {
		fmt.Fprintln(f.out, line)
	}
	return nil
}
