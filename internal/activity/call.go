package activity

import (
	"bytes"
	"fmt"
	"strconv"

	"lastcall/internal/proc"
)

// wait is what a thread in a call waits for.
type wait uint8

const (
	waitNothing wait = iota // the call is not of the idle list
	waitTime                // a time, a signal, another thread: all of the process itself
	waitChild               // the end of a child
	waitOne                 // what its first argument, a descriptor, brings
	waitAny                 // what any of its descriptors brings
)

// known is a call of the idle list.
type known struct {
	name string
	wait wait
}

// call is where a thread is, by /proc/PID/task/TID/syscall.
type call struct {
	running    bool
	outside    bool // in no call: it handles a page fault or a signal
	number     int
	descriptor int // the first argument, where the idle list says that it is one
	known      known
}

// parseCall reads the text of a syscall file (proc_pid_syscall(5)): "running",
// or a number and nine hexadecimal words, or -1 and two where the thread waits
// in no call. A 32-bit program has numbers of its own, which must not be taken
// for ours: it shows by a stack and a program counter below 4 GiB.
func parseCall(text []byte) (call, error) {
	text = bytes.TrimRight(text, "\n")
	if string(text) == "running" {
		return call{running: true}, nil
	}
	var words [9][]byte
	n := 0
	for word := range bytes.FieldsSeq(text) {
		if n == len(words) {
			return call{}, fmt.Errorf("syscall: more than %d words: %w", n, proc.ErrFormat)
		}
		words[n] = word
		n++
	}
	if n == 3 && string(words[0]) == "-1" {
		return call{outside: true}, nil
	}
	if n != len(words) {
		return call{}, fmt.Errorf("syscall: %d words: %w", n, proc.ErrFormat)
	}
	number, err := strconv.ParseInt(string(words[0]), 10, 32)
	if err != nil || number < 0 {
		return call{}, fmt.Errorf("syscall: number %q: %w", words[0], proc.ErrFormat)
	}
	var values [9]uint64
	for i, word := range words[1:] {
		digits, ok := bytes.CutPrefix(word, []byte("0x"))
		if values[i+1], err = strconv.ParseUint(string(digits), 16, 64); err != nil || !ok {
			return call{}, fmt.Errorf("syscall: word %q: %w", word, proc.ErrFormat)
		}
	}
	c := call{number: int(number)}
	if values[7]>>32 != 0 || values[8]>>32 != 0 {
		c.known = idleCalls[c.number]
		c.descriptor = int(uint32(values[1]))
	}
	return c, nil
}

// of adds what is idle for one program only. Slurm's srun has a thread that
// does nothing but pass signals on (srun_job.c, _srun_signal_mgr), while a
// sigwait thread of anybody else waits to be told to save.
func (c call) of(comm string) call {
	if comm == srun && c.number == sigtimedwait && !c.running && !c.outside {
		c.known = known{"sigwait", waitTime}
	}
	return c
}

// name is what people call it.
func (c call) name() string {
	switch {
	case c.running:
		return "running"
	case c.outside:
		return "in no call"
	case c.known.name != "":
		return c.known.name
	}
	return "call " + strconv.Itoa(c.number)
}
