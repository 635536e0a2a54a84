package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/note"
	"lastcall/test/cluster"
)

// The service is killed at any moment and started again: the job ends no
// later and no other way than with stock Slurm, and nothing of the service
// stays.
func TestWatchIsKilled(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "linuxproc"}, "watch.idle_grace = \"1s\"")
	for _, after := range []time.Duration{0, 50, 300, 900, 1100, 1300, 1700} {
		j := w.begin("second.sh", 6, nil)
		if err := w.Cancel(t.Context(), j.id); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond)
		stop(w.service, syscall.SIGKILL)
		w.start()
		began := time.Now()
		w.wait(j.id)
		t.Logf("killed after %d ms: COMPLETING for %.1f s more", after, time.Since(began).Seconds())
		// slurmd itself looks every ten seconds only, after the first ten; and a
		// busy machine has the rest.
		if took := time.Since(began); took > killWait+30*time.Second {
			t.Errorf("killed after %d ms: COMPLETING for %s more", after, took)
		}
		if state := w.finalState(j.id, 3*time.Minute); !strings.HasPrefix(state, "CANCELLED 0:15") && !strings.HasPrefix(state, "CANCELLED 0:9") {
			t.Errorf("killed after %d ms: the job is %s", after, state)
		}
		w.nothingLeft(j.id)
	}
	waitFor(t, "the notes for users to be taken away", func() bool { return len(w.notes()) == 0 })
}

// notes lists the notes for users of this cluster.
func (w *watched) notes() []string {
	var list []string
	entries, _ := os.ReadDir(note.Folder)
	for _, entry := range entries {
		for _, node := range w.Nodes {
			if strings.HasPrefix(entry.Name(), node+".") {
				list = append(list, entry.Name())
			}
		}
	}
	return list
}

// forgetResumes removes what the service keeps about the resumes of this
// cluster's nodes.
func (w *watched) forgetResumes() {
	kept, _ := filepath.Glob("/run/lastcall/resumed." + w.Name + ".*")
	for _, path := range kept {
		_ = os.Remove(path)
	}
}

// Two services for one slurmd: one acts, the other waits until the first ends.
func TestTwoWatches(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "linuxproc"}, "watch.idle_grace = \"1s\"")
	first := w.service
	w.start()
	j := w.begin("second.sh", 6, nil)
	w.endsBy("with two services", j, w.cancel(j), soon, "idle")
	if n := len(w.rules(j.id)); n != 1 {
		t.Errorf("%d records, want one", n)
	}
	stop(first, syscall.SIGKILL)
	j = w.begin("second.sh", 6, nil)
	w.endsBy("after the first has ended", j, w.cancel(j), 2*killWait, "idle")
}
