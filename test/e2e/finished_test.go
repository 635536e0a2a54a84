package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	for end := time.Now().Add(cluster.Patiently(5 * time.Minute)); ; time.Sleep(200 * time.Millisecond) {
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

// A batch script waits for its srun, and that for one task of many: which one
// is said on its node, to its user too, and nothing where all tasks live, or
// one does not run its program yet.
func TestOneRankIsWaitedFor(t *testing.T) {
	t.Parallel()
	prolog := filepath.Join(tempDir(t), "prolog")
	if err := os.WriteFile(prolog, []byte("#!/bin/sh\n[ \"$SLURM_PROCID\" != 4 ] || until [ -e $OUT/go ]; do sleep 0.1; done\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, cluster.Options{Proctrack: "cgroup", Nodes: 2, Conf: []string{"TaskProlog=" + prolog}}, "")
	out := s.folder(nobody)
	id := s.script(out, `srun -N 2 -n 8 -m cyclic bash -c '
echo $SLURM_PROCID $$ >>$OUT/ready
case $SLURM_PROCID in [13572]) exec sleep 600;; 0) exit;; esac
until [ -e $OUT/go ]; do sleep 0.1; done'
`, "-N", "2", "-n", "8", "--ntasks-per-node=4")
	pids := map[string]string{}
	waitFor(t, "all tasks but one, and the end of the first", func() bool {
		text, _ := os.ReadFile(out + "/ready")
		for line := range strings.Lines(string(text)) {
			rank, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
			pids[rank] = pid
		}
		_, err := os.Stat("/proc/" + pids["0"])
		return len(pids) == 7 && err != nil
	})
	pid := pids["2"]
	inspect := func(node int, how ...string) string {
		arguments := append(append([]string{"inspect", "-now", "-node", s.Nodes[node]}, how...), strconv.Itoa(id))
		text, err := s.Command(t.Context(), 0, nil, s.bin+"/lastcall", arguments...).CombinedOutput()
		if err != nil {
			t.Errorf("inspect: %v: %s", err, text)
		}
		return string(text)
	}
	name := "step " + strconv.Itoa(id) + ".0: "
	for node := range s.Nodes {
		if text := inspect(node); strings.Contains(text, name) {
			t.Errorf("of one node all tasks live, of the other one has not begun, and it says %s", text)
		}
	}
	if err := os.WriteFile(out+"/go", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want := name + "3 of 4 tasks on node " + s.Nodes[0] + " ended; the step, and an srun that started it, wait for rank 2 (pid " + pid + `, "sleep"), which used 0.0`
	waitFor(t, "the rank to be named", func() bool { return strings.Contains(inspect(0), want) })
	if text := inspect(1); strings.Contains(text, name) {
		t.Errorf("all tasks of the other node live, and it says %s", text)
	}
	if text := inspect(0, "-json"); !strings.Contains(text, `"ended":[0,4,6],"living":[{"rank":2,"pid":`+pid) || !json.Valid([]byte(text)) {
		t.Errorf("as JSON: %s", text)
	}
	user := s.Command(t.Context(), nobody, nil, "srun", "--overlap", "--jobid="+strconv.Itoa(id), "-N1", "-n1", "-w", s.Nodes[0],
		s.bin+"/lastcall", "inspect", "-now", strconv.Itoa(id))
	if text, err := user.CombinedOutput(); err != nil || !strings.Contains(string(text), want) {
		t.Errorf("the user: %v: %s\nwant %s", err, text, want)
	}
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Error(err)
	}
	s.wait(id)
}
