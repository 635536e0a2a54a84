package spool

import (
	"fmt"
	"strings"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// mostSockets is how much of the kernel's list of unix sockets is read.
const mostSockets = 16 << 20

// Listeners is the set of paths somebody listens on.
type Listeners map[string]bool

// Listening tells which of the steps in the spool folder dir have a
// slurmstepd that listens. It asks the kernel's list of unix sockets,
// /proc/PID/net/unix (proc(5)), in the network namespace of the slurmd with
// this pid, in which its slurmstepds are born. Nothing is connected to: each
// connect makes a slurmstepd start a thread and complain of a client that says
// nothing (slurmstepd/req.c, _handle_accept).
//
// The path is the one slurmstepd bound, so dir has to be spelled as slurmd
// spells it; a step is also believed to be alive when any listener's path ends
// in its folder and name.
func Listening(fs proc.FS, slurmd int, dir string, steps []Step) (alive, stale []Step, err error) {
	path := fs.Path(slurmd, "net/unix")
	text, err := linux.ReadAll(path, make([]byte, 64<<10), mostSockets)
	if err != nil {
		return nil, nil, err
	}
	if len(text) >= mostSockets {
		return nil, nil, fmt.Errorf("%s: more than %d bytes", path, mostSockets)
	}
	listeners := ParseListeners(text)
	for _, step := range steps {
		if listeners.serve(dir, step.Socket) {
			alive = append(alive, step)
		} else {
			stale = append(stale, step)
		}
	}
	return alive, stale, nil
}

// serve looks for the socket of this name in the folder.
func (l Listeners) serve(dir, name string) bool {
	if l[dir+"/"+name] {
		return true
	}
	for path := range l {
		if strings.HasSuffix(path, "/"+name) {
			return true
		}
	}
	return false
}

// ParseListeners reads /proc/net/unix. A path may hold line ends, since the
// kernel does not escape them; the second half of such a path is no line, or
// claims no more than that a socket is alive.
func ParseListeners(text []byte) Listeners {
	listeners := Listeners{}
	eachListener(text, func(_, path string) { listeners[path] = true })
	return listeners
}

// eachListener goes through /proc/net/unix: a line of headings, then for each
// socket address, count, protocol, flags, type, state and inode, and the path,
// which may hold blanks, if it has one. Flag 0x10000 is __SO_ACCEPTCON,
// "listens" (include/linux/net.h; net/unix/af_unix.c, unix_seq_show).
func eachListener(text []byte, use func(inode, path string)) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 7 && fields[3] == "00010000" && fields[7][0] == '/' {
			use(fields[6], strings.TrimSuffix(line[strings.IndexByte(line, '/'):], "\n"))
		}
	}
}
