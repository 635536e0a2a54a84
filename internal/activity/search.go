package activity

import (
	"fmt"
	"strconv"
	"time"

	"lastcall/internal/linux"
)

// The most that is read in search of the other end of a pipe: a node has some
// thousand processes, of which few belong to the user.
const (
	maxSearched = 1 << 15
	searchTime  = 500 * time.Millisecond
	// shutFor is how long an end that was open nowhere is not searched again:
	// nobody can open it but through the other end's link in /proc.
	shutFor = 10 * time.Second
)

// search is what processes outside the job have open, read once.
type search struct {
	holders  map[end]string
	complete bool
}

// outside finds who has an end open outside the job: among the user's other
// processes and the node's slurmstepds, or, where somebody may be waiting for
// that end, among all processes. complete is false if not all of them could be
// read.
func (w *world) outside(e end, uid uint32, everybody bool) (who string, complete bool) {
	if time.Since(w.reader.shut[e]) < shutFor {
		return "", true
	}
	if w.search[everybody] == nil {
		w.search[everybody] = w.searchOutside(uid, everybody)
	}
	found := w.search[everybody]
	if found.complete && found.holders[e] == "" && everybody {
		w.reader.shut[e] = time.Now()
	}
	return found.holders[e], found.complete
}

// searchOutside reads the pipes of processes outside the job. All processes of
// a job belong to one user but for those of root.
func (w *world) searchOutside(uid uint32, everybody bool) *search {
	found := &search{holders: map[end]string{}, complete: true}
	until := time.Now().Add(searchTime)
	if w.until.Before(until) {
		until = w.until
	}
	read := 0
	err := w.reader.fs.EachPID(func(pid int) bool {
		// Nobody hands pipes to init, and not even root may look at it everywhere.
		if pid == 1 || w.inside[pid] || !everybody && !w.concerns(pid, uid) {
			return true
		}
		read++
		if read > maxSearched || !time.Now().Before(until) {
			found.complete = false
			return false
		}
		w.searchProcess(found, pid, until)
		return true
	})
	found.complete = found.complete && err == nil
	return found
}

// concerns says whether a process outside the job may have an end of one of
// its pipes: it is the user's, or a slurmstepd.
func (w *world) concerns(pid int, uid uint32) bool {
	owner, err := w.reader.fs.Owner(pid)
	if err != nil || owner != uid && owner != 0 {
		return false
	}
	if owner == uid && uid != 0 {
		return true
	}
	stat, err := w.reader.fs.Stat(pid, w.reader.buffer)
	return err == nil && !stat.KernelThread() && (uid == 0 || stat.Comm == "slurmstepd")
}

func (w *world) searchProcess(found *search, pid int, until time.Time) {
	descriptors, err := w.reader.descriptors(strconv.Itoa(pid), until)
	if err != nil && !linux.Gone(err) {
		found.complete = false
	}
	who := fmt.Sprintf("process %d", pid)
	for _, d := range descriptors {
		if d.kind != kindPipe {
			continue
		}
		if d.read {
			found.holders[end{kind: kindPipe, inode: d.inode}] = who
		}
		if d.write {
			found.holders[end{kind: kindPipe, inode: d.inode, write: true}] = who
		}
	}
}
