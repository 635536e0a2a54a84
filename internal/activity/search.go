package activity

import (
	"fmt"
	"strconv"
	"time"

	"lastcall/internal/linux"
)

// maxSearched is the most processes that are read in search of the other end
// of a pipe: a node has some thousand, of which few belong to the user.
const maxSearched = 4096

// search is what processes outside the job have open, read once.
type search struct {
	holders  map[end]string
	complete bool
}

// outside finds who has an end open among the user's processes outside the
// job. Slurm's own are helpers, and so inside. complete is false if not all of
// them could be read.
func (w *world) outside(e end, uid uint32) (who string, complete bool) {
	if w.search == nil {
		w.search = w.searchOutside(uid)
	}
	return w.search.holders[e], w.search.complete
}

// searchOutside reads the pipes of the user's processes outside the job. All
// processes of a job belong to one user, but for those of root.
func (w *world) searchOutside(uid uint32) *search {
	fs := w.reader.fs
	found := &search{holders: map[end]string{}, complete: true}
	read := 0
	err := fs.EachPID(func(pid int) bool {
		owner, err := fs.Owner(pid)
		if err != nil || owner != uid || w.inside[pid] {
			return true
		}
		read++
		if read > maxSearched || !time.Now().Before(w.until) {
			found.complete = false
			return false
		}
		w.searchProcess(found, pid)
		return true
	})
	found.complete = found.complete && err == nil
	return found
}

func (w *world) searchProcess(found *search, pid int) {
	descriptors, err := w.reader.descriptors(strconv.Itoa(pid), w.until)
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
