package e2e

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// python submits a Python program, by its path, from a batch script that goes
// on after it.
func (w *watched) python(name, text string) (id int, out string) {
	w.t.Helper()
	out = w.folder(nobody)
	if err := os.WriteFile(out+"/"+name, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return w.submitJob(cluster.Job{
		Script: "#!/bin/bash\n/usr/bin/python3 " + out + "/" + name + "\necho went on after $?\n", UID: nobody,
	}), out
}

// hangs returns the records about hanging of a job.
func (w *watched) hangs(id int) []report.Record {
	var list []report.Record
	for _, record := range w.every() {
		if record.Hang != nil && int(record.Job) == id {
			list = append(list, record)
		}
	}
	return list
}

// untilHang waits for the n-th record about hanging.
func (w *watched) untilHang(id, n int) report.Record {
	w.t.Helper()
	for end := time.Now().Add(150 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if list := w.hangs(id); len(list) >= n {
			return list[n-1]
		}
		if time.Now().After(end) {
			w.t.Fatalf("no record says that job %d hangs", id)
		}
	}
}

// lineOf is the number of the line with that text.
func lineOf(t *testing.T, program, text string) string {
	t.Helper()
	before, _, ok := strings.Cut(program, text)
	if !ok {
		t.Fatalf("no line has %q", text)
	}
	return strconv.Itoa(1 + strings.Count(before, "\n"))
}

// The log says that all is done, and the job runs on: its user reads why in the
// job's own output, an admin in the record. A program at work and one that is
// idle on purpose are left in peace.
func TestFinishedButRunning(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "cgroup"}, `watch.finished.after = "10s"`)
	program := jobs.Script("first.py")
	first, _ := w.python("block.py", program)
	busy, _ := w.python("busy.py", "while True:\n    pass\n")
	idle, _ := w.python("idle.py", "import os, threading, time\nr, keep = os.pipe()\nos.read(r, 1)\n")
	record := w.untilHang(first, 1)
	t.Logf("%+v", record.Hang)
	place := "block.py:" + lineOf(t, program, "time.sleep(5)") + " in background_monitor"
	if h := record.Hang; record.Verdict != "finished-but-alive" || h.Kind != "threads" || h.Action != "reported" || !h.Told ||
		!strings.Contains(h.Text, "threading._shutdown") || !strings.Contains(h.Text, place) || h.Quiet < 40_000 || len(h.Grounds) == 0 {
		t.Errorf("%+v", record)
	}
	waitFor(t, "the user to be told", func() bool { return strings.Contains(w.Output(first), place) })
	if text := w.Output(first); strings.Count(text, "lastcall: ") != 1 || !strings.Contains(text, "all work is done") {
		t.Errorf("the output is %q", text)
	}
	w.inspected(first, place, "main program has not ended")
	time.Sleep(20 * time.Second) // both have been quiet, or busy, for as long as the first was
	for name, id := range map[string]int{"at work": busy, "idle on purpose": idle} {
		if len(w.hangs(id)) > 0 || strings.Contains(w.Output(id), "lastcall") {
			t.Errorf("%s: %+v, %q", name, w.hangs(id), w.Output(id))
		}
	}
	w.inspected(idle, "its main program has not ended", "has finished")
	if n := len(w.hangs(first)); n != 1 {
		t.Errorf("%d records about one job", n)
	}
	for _, id := range []int{first, busy, idle} {
		if state := w.State(t.Context(), id); state != "RUNNING" {
			t.Errorf("job %d is %s", id, state)
		}
		w.cancel(doomed{id: id})
	}
}

// inspected asks as the job's user, from within the job.
func (w *watched) inspected(id int, want, never string) {
	w.t.Helper()
	for _, how := range []string{"-now", "-json"} {
		arguments := []string{"--overlap", "--jobid=" + strconv.Itoa(id), w.bin + "/lastcall", "inspect", "-now", strconv.Itoa(id)}
		if how == "-json" {
			arguments = append(arguments[:len(arguments)-1], "-json", strconv.Itoa(id))
		}
		out, err := w.Command(w.t.Context(), nobody, nil, "srun", arguments...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) || strings.Contains(string(out), never) {
			w.t.Errorf("inspect %s: %v\n%s\nwant %q, and never %q", how, err, out, want, never)
		}
		start := strings.Index(string(out), "{")
		if how == "-json" && (start < 0 || !json.Valid(out[start:])) {
			w.t.Errorf("this is no JSON: %s", out)
		}
	}
}

// With action = "terminate" the script goes on, and the job fails.
func TestFinishedIsTerminated(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "linuxproc"},
		"watch.finished.after = \"10s\"\nwatch.finished.action = \"terminate\"\nwatch.finished.terminate_after = \"30s\"")
	id, _ := w.python("block.py", jobs.Script("first.py"))
	w.untilHang(id, 1)
	second := w.untilHang(id, 2)
	t.Logf("%+v %q", second.Hang, second.Warnings)
	if second.Hang.Action != "terminated" || second.Counts.Terminated != 1 {
		t.Errorf("%+v %q", second.Hang, second.Warnings)
	}
	w.wait(id)
	if text := w.Output(id); !strings.Contains(text, "went on after 143") {
		t.Errorf("the output is %q", text)
	}
	w.nothingLeft(id)
}
