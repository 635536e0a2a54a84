package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// watched is a site with lastcall watch at work.
type watched struct {
	*site
	service *exec.Cmd
	said    *said
	quiet   bool // does not log every look: for measuring
}

// killWait is long, as on a real cluster: whoever waits for it is noticed.
const killWait = 30 * time.Second

// soon is long before killWait is over, and time enough for a busy machine: a
// job is free after 2 to 7 s where nobody is in the way.
const soon = killWait * 2 / 3

// newWatched starts a cluster and the node service.
func newWatched(t *testing.T, options cluster.Options, toml string, quiet ...bool) *watched {
	t.Helper()
	options.KillWait = int(cluster.Patiently(killWait) / time.Second)
	// Where everything is slow the controller is too.
	toml += fmt.Sprintf("\nwatch.confirm_timeout = %q", cluster.Patiently(2*time.Second).String())
	w := &watched{site: newSite(t, options, toml), quiet: len(quiet) > 0}
	w.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("lastcall watch said:\n%s", w.said)
		}
	})
	return w
}

// start starts the service; it is ended with the test.
func (w *watched) start() {
	w.t.Helper()
	service := exec.Command(w.bin+"/lastcall", "watch", fmt.Sprintf("-verbose=%v", !w.quiet), "-slurm-conf", w.Conf())
	said := &said{}
	service.Stderr = said
	if err := service.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.service, w.said = service, said
	w.t.Cleanup(func() { stop(service, syscall.SIGTERM) })
	for end := time.Now().Add(cluster.Patiently(90 * time.Second)); strings.Count(said.String(), "serving node") < len(w.Nodes); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("the service does not serve: %s", said)
		}
	}
}

func stop(service *exec.Cmd, signal syscall.Signal) {
	_ = service.Process.Signal(signal)
	_ = service.Wait()
}

// doomed is a job that runs and will be cancelled.
type doomed struct {
	id  int
	out string
}

// begin submits a script and waits until so many of its processes are ready.
func (w *watched) begin(script string, ready int, options []string, env ...string) doomed {
	w.t.Helper()
	out := w.folder(nobody)
	id := w.submitJob(cluster.Job{
		Script: jobs.Script(script), UID: nobody, Options: options,
		Env: append([]string{"MISBEHAVE=" + w.bin + "/misbehave", "OUT=" + out}, env...),
	})
	w.ready(out+"/ready", ready)
	return doomed{id: id, out: out}
}

// cancel tells Slurm to end the job and returns how long it was COMPLETING.
func (w *watched) cancel(j doomed) time.Duration {
	w.t.Helper()
	if err := w.Cancel(w.t.Context(), j.id); err != nil {
		w.t.Error(err)
	}
	began := time.Now()
	if _, err := w.Wait(w.t.Context(), j.id); err != nil {
		w.t.Error(err)
	}
	return time.Since(began)
}

// told returns the service's record of a job, nil if there is none within
// half a minute: the service may hear of the end later than the controller.
func (w *watched) told(id int) *report.Record {
	for end := time.Now().Add(cluster.Patiently(30 * time.Second)); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, record := range w.every() {
			if record.Hook == "watch" && int(record.Job) == id {
				return &record
			}
		}
	}
	return nil
}

// every returns all records so far.
func (w *watched) every() []report.Record {
	text, err := os.ReadFile(w.log)
	if err != nil {
		return nil
	}
	// Of a long line being written just now the beginning may be there.
	whole := bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1])
	var list []report.Record
	if err := report.Read(whole, func(record report.Record) { list = append(list, record) }); err != nil {
		w.t.Error(err)
	}
	return list
}

// endsBy asserts that a job left COMPLETING in time, by the rule, with the
// state of stock Slurm.
func (w *watched) endsBy(name string, j doomed, took, most time.Duration, rule string) {
	w.t.Helper()
	w.t.Logf("%s: COMPLETING for %.1f s", name, took.Seconds())
	if most = cluster.Patiently(most); took > most {
		w.t.Errorf("%s: COMPLETING for %s, want at most %s", name, took, most)
	}
	record := w.told(j.id)
	if record != nil {
		w.t.Logf("%s: %+v", name, record.Watch)
	}
	if record == nil || record.Watch == nil || record.Verdict != "cleaned" || record.Watch.Rule != rule {
		w.t.Errorf("%s: the record is %+v", name, record)
	}
	if state := w.State(w.t.Context(), j.id); state != "CANCELLED" {
		w.t.Errorf("%s: the job is %s", name, state)
	}
}

func TestWatchFreesTheNode(t *testing.T) {
	for _, proctrack := range proctracks {
		t.Run(proctrack, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, cluster.Options{Proctrack: proctrack}, "")
			second := w.begin("second.sh", 6, nil)
			w.endsBy("the second program", second, w.cancel(second), soon, "idle")
			deaf := w.begin("deaf.sh", 3, nil)
			w.endsBy("all ignore SIGTERM", deaf, w.cancel(deaf), soon, "ignored")
			for _, j := range []doomed{second, deaf} {
				if text := w.Output(j.id); !strings.Contains(text, "lastcall: the job was told to end") {
					t.Errorf("the user was told nothing of job %d: %q", j.id, text)
				}
				w.nothingLeft(j.id)
			}
			locksFree(t, second.out)
		})
	}
}

func TestWatchWithAShortGrace(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "cgroup"}, "watch.idle_grace = \"1s\"")
	// A busy machine may let a second pass in between, but not each time.
	const usual = 5000 // ms
	still := float64(usual)
	for try := 0; try < 3 && still >= usual; try++ {
		second := w.begin("second.sh", 6, nil)
		w.endsBy("the second program", second, w.cancel(second), soon, "idle")
		if record := w.told(second.id); record != nil && record.Watch != nil {
			still = record.Watch.Still
		}
	}
	if still >= usual {
		t.Errorf("it was ended after %.0f ms, no earlier than with the usual grace", still)
	}
}

// What stock Slurm does with the same job.
func TestWithoutWatchItTakesKillWait(t *testing.T) {
	t.Parallel()
	s := newSite(t, cluster.Options{Proctrack: "cgroup", KillWait: int(killWait / time.Second)}, "")
	w := &watched{site: s}
	second := w.begin("second.sh", 6, nil)
	took := w.cancel(second)
	t.Logf("COMPLETING for %.1f s", took.Seconds())
	if took < killWait-5*time.Second {
		t.Errorf("stock Slurm took %s with KillWait=%s: the tests of watch prove nothing", took, killWait)
	}
}

// checkpoints are jobs that save their work for 20 s after they were told to
// end. Nobody may cut them short.
func checkpoints(sink string) map[string]string {
	return map[string]string{
		"by CPU":                     "-term catch -finish-by cpu",
		"by slow writes":             "-term catch -finish-by trickle",
		"over slow TCP":              "-term catch -finish-by tcp -finish-to " + sink,
		"in a sigwait() thread":      "-term sigwait -finish-by trickle",
		"by a child told by SIGUSR1": "-term catch -tell -children 1 -child-term usr1 -finish-by trickle",
	}
}

func TestWatchLetsWorkFinish(t *testing.T) {
	for _, proctrack := range []string{"linuxproc", "cgroup"} {
		t.Run(proctrack, func(t *testing.T) {
			t.Parallel()
			w := newWatched(t, cluster.Options{Proctrack: proctrack}, "")
			started := map[string]doomed{}
			for name, how := range checkpoints(slowSink(t)) {
				ready := 1 + strings.Count(how, "-children")
				started[name] = w.begin("checkpoint.sh", ready, nil, "HOW="+how)
			}
			if _, err := os.Stat("/dev/fuse"); err == nil {
				started["on a slow FUSE file system"] = w.beginOnSlowFS()
			} else {
				t.Log("this kernel has no FUSE: saving to such a file system is not tested here")
			}
			started["one task of four"] = w.begin("one-of-four.sh", 4, []string{"-n", "4"})
			w.finishWhole(started)
		})
	}
}

// finishWhole cancels the jobs together and asserts that each saves its work
// and is none the worse.
func (w *watched) finishWhole(started map[string]doomed) {
	var all sync.WaitGroup
	took := map[string]*time.Duration{}
	for name, j := range started {
		d := new(time.Duration)
		took[name] = d
		all.Go(func() { *d = w.cancel(j) })
	}
	all.Wait()
	for name, j := range started {
		w.t.Logf("%s: COMPLETING for %.1f s", name, took[name].Seconds())
		if text, err := os.ReadFile(j.out + "/saved"); err != nil || string(text) != "saved\n" {
			w.t.Errorf("%s: its work is lost after %s: %v\n%+v", name, took[name], err, w.told(j.id))
		}
	}
}

// Rank 0 saves on the first node while rank 1 sleeps on the second: nothing
// is touched on either before the writer is done, and then the sleeper is.
func TestWatchSeesTheOtherNodes(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Nodes: 2, Proctrack: "cgroup"}, "")
	out := w.folder(nobody)
	id := w.submitJob(cluster.Job{
		Script: jobs.Script("two-nodes.sh"), UID: nobody, Options: []string{"-N", "2"},
		Env: []string{"MISBEHAVE=" + w.bin + "/misbehave", "OUT=" + out, "FINISH=15s"},
	})
	w.ready(out+"/ready.0", 1)
	sleeper := w.ready(out+"/ready.1", 1)[0]
	if err := w.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, err := os.Stat(out + "/saved")
		alive := lives(sleeper.pid, sleeper.start)
		if err == nil {
			break
		}
		if !alive {
			t.Fatalf("the sleeper was ended after %s, before the writer was done", time.Since(began))
		}
		if time.Since(began) > killWait+10*time.Second {
			t.Fatal("the writer did not finish")
		}
	}
	took := w.wait(id)
	// slurmd itself looks only every ten seconds by then.
	if took > 25*time.Second {
		t.Errorf("after the writer was done it took %s", took)
	}
	record := w.told(id)
	if record == nil {
		t.Fatal("no record")
	}
	t.Logf("after the writer was done it took %.1f s: %+v", took.Seconds(), record.Watch)
}
