package activity

import (
	"errors"
	"maps"
	"slices"
	"time"

	"lastcall/internal/linux"
)

// errStuck says that an earlier question about sockets still hangs in the
// kernel. Nothing is asked on top of it.
var errStuck = errors.New("an earlier question about sockets has not come back")

// findSockets fills in the sockets of the processes. The questions are asked
// by a goroutine that is left behind if the kernel does not answer in time:
// the count of bytes takes the lock of a socket, whose owner may be stuck.
func (w *world) findSockets(processes []*process) {
	home, others := w.questions(processes)
	if len(home.wanted)+len(others) == 0 {
		return
	}
	r := w.reader
	if r.late != nil {
		select {
		case <-r.late:
			r.late = nil
		default:
			w.trouble = errStuck
			return
		}
	}
	result := make(chan answer, 1)
	go func() {
		trouble := askAll(home, others)
		result <- answer{home.wanted, trouble}
	}()
	over := time.NewTimer(time.Until(w.until))
	defer over.Stop()
	select {
	case all := <-result:
		w.sockets, w.trouble = all.sockets, all.trouble
	case <-over.C:
		r.late, w.trouble = result, ErrLate
	}
}

// answer is what is known about the sockets of a job.
type answer struct {
	sockets map[uint64]*socket
	trouble error
}

// questions sorts the sockets by the network namespaces of their processes.
// home is the caller's own, which is that of nearly all jobs.
func (w *world) questions(processes []*process) (home *question, others []*question) {
	root := string(w.reader.fs)
	own, _ := linux.Link(root + "/thread-self/ns/net")
	home = &question{net: root + "/thread-self/net", wanted: map[uint64]*socket{}}
	byLink := map[string]*question{own: home}
	bytes := !slices.ContainsFunc(processes, func(p *process) bool { return p.sample.vetoed(Uninterruptible) })
	for _, p := range processes {
		if p.namespace == "" || !p.hasSocket() {
			continue
		}
		q := byLink[p.namespace]
		if q == nil {
			folder := root + "/" + p.folder
			q = &question{path: folder + "/ns/net", net: folder + "/net", wanted: map[uint64]*socket{}}
			byLink[p.namespace] = q
			others = append(others, q)
		}
		for _, d := range p.descriptors {
			if d.kind == kindSocket {
				q.wanted[d.inode] = &socket{}
			}
		}
	}
	for _, q := range byLink {
		// A thread in state D may have the lock of a socket.
		q.bytes, q.limit = bytes, time.Until(w.until)
	}
	return home, others
}

// askAll asks every namespace and leaves all answers with home. A socket
// belongs to the namespace it was made in, which for one that a container has
// inherited is the node's: what is not found where its process is now is asked
// for at home.
func askAll(home *question, others []*question) error {
	var trouble error
	known := map[uint64]*socket{}
	for _, q := range others {
		trouble = errors.Join(trouble, q.ask())
		for inode, one := range q.wanted {
			if one.family != familyUnknown {
				known[inode] = one
			} else if home.wanted[inode] == nil {
				home.wanted[inode] = one
			}
		}
	}
	for inode := range known {
		delete(home.wanted, inode)
	}
	if len(home.wanted) > 0 {
		trouble = errors.Join(trouble, home.ask())
	}
	maps.Copy(home.wanted, known)
	return trouble
}
