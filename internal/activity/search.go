package activity

import (
	"fmt"
	"strconv"
	"time"

	"lastcall/internal/linux"
)

const (
	// maxSearched is the most processes that are read in search of the other
	// end of a pipe, and searchTime the most time.
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
// processes, or, where somebody may be waiting for that end, among all. Slurm's
// own are helpers, and so inside. complete is false if not all of them could be
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
// a job belong to one user, but for those of root.
func (w *world) searchOutside(uid uint32, everybody bool) *search {
	fs := w.reader.fs
	found := &search{holders: map[end]string{}, complete: true}
	until := time.Now().Add(searchTime)
	if w.until.Before(until) {
		until = w.until
	}
	read := 0
	err := fs.EachPID(func(pid int) bool {
		// Nobody hands pipes to init, and not even root may look at it everywhere.
		if pid == 1 || w.inside[pid] {
			return true
		}
		if owner, err := fs.Owner(pid); err != nil || !everybody && owner != uid {
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
