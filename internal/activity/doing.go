package activity

import (
	"fmt"
	"strings"
)

// place says where a thread is, for a sentence.
func (c call) place() string {
	switch {
	case c.running:
		return "running"
	case c.outside:
		return "in the kernel without a call"
	}
	return "in system call " + fmt.Sprint(c.number) + " (" + c.name() + "), which is not waiting for the job"
}

// doing says in a few words what the threads do: "nanosleep", "futex (3
// threads), poll (2 pipes, 1 socket)".
func (p *process) doing() string {
	var names []string
	count := map[string]int{}
	for _, c := range p.calls {
		name := c.name()
		if c.known.wait == waitOne {
			name += p.target(c.descriptor)
		}
		if count[name] == 0 {
			names = append(names, name)
		}
		count[name]++
	}
	const most = 4
	if len(names) > most {
		names = append(names[:most:most], "...")
	}
	for i, name := range names {
		if count[name] > 1 {
			names[i] = fmt.Sprintf("%s (%d threads)", name, count[name])
		}
	}
	said := strings.Join(names, ", ")
	if p.waitsOnAny {
		said += p.all()
	}
	return said
}

// target says what kind of descriptor a thread reads.
func (p *process) target(number int) string {
	for _, d := range p.descriptors {
		if d.number == number {
			switch d.kind {
			case kindPipe:
				return " of a pipe"
			case kindSocket:
				return " of a socket"
			case kindEvent:
				return " of an event"
			}
			break
		}
	}
	return fmt.Sprintf(" of descriptor %d", number)
}

// all counts what a thread that polls may be waiting for.
func (p *process) all() string {
	pipes, sockets := 0, 0
	for _, d := range p.descriptors {
		switch d.kind {
		case kindPipe:
			pipes++
		case kindSocket:
			sockets++
		}
	}
	if pipes+sockets == 0 {
		return ""
	}
	return fmt.Sprintf(", %d pipes and %d sockets open", pipes, sockets)
}
