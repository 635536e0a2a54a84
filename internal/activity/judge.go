package activity

import (
	"fmt"
	"strconv"
)

// judgeOther tells why a descriptor that is neither pipe nor socket speaks
// against idleness; "" if it does not.
func judgeOther(d descriptor) (Reason, string) {
	switch d.kind {
	case kindTerminal:
		return Terminal, "it has the terminal " + strconv.Quote(d.name) + " open"
	case kindDevice:
		return Device, "it has the device " + strconv.Quote(d.name) + " open"
	case kindRing:
		return Ring, "it has an io_uring, in which calls run without a thread of its own"
	case kindOdd:
		return OddDescriptor, "it has " + strconv.Quote(d.name) + " open, and nobody can tell what that brings"
	}
	return "", ""
}

// judgeTarget tells why a thread that reads a descriptor is not idle: reading
// a file is work.
func judgeTarget(p *process, number int) (Reason, string) {
	for _, d := range p.descriptors {
		if d.number == number && (d.kind == kindPipe || d.kind == kindSocket || d.kind == kindEvent) {
			return "", ""
		}
	}
	return BusyCall, "a thread reads descriptor " + strconv.Itoa(number) + ", which is no pipe, socket or event"
}

// judgePipe tells why a pipe speaks against idleness. One whose other end is
// open nowhere brings nothing: whoever waited for it would have been told.
func (w *world) judgePipe(d descriptor, waits bool, uid uint32) (Reason, string) {
	_, inside := w.held[end{kind: kindPipe, inode: d.inode, write: d.read}]
	if inside || !d.read && !d.write {
		return "", ""
	}
	what := "writes to"
	if d.read {
		what = "reads from"
	}
	who, complete := w.outside(end{kind: kindPipe, inode: d.inode, write: d.read}, uid, waits)
	switch {
	case who != "":
		return Outside, fmt.Sprintf("it has a pipe it %s (descriptor %d), whose other end is open in %s, outside the job", what, d.number, who)
	case !complete:
		return Outside, fmt.Sprintf("it has a pipe it %s (descriptor %d), whose other end was not found in time", what, d.number)
	}
	return "", ""
}
