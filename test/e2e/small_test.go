package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// wakes counts how often the threads of a process were put to sleep so far,
// which is once for each time they were awake (proc(5),
// voluntary_ctxt_switches).
func (w *watched) wakes() int {
	n := 0
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", w.service.Process.Pid))
	for _, path := range files {
		n += field(path, "voluntary_ctxt_switches")
	}
	return n
}

// resident is the memory of the service, in kB.
func (w *watched) resident() int {
	return field(fmt.Sprintf("/proc/%d/status", w.service.Process.Pid), "VmRSS")
}

func field(path, name string) int {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.Atoi(strings.Fields(value)[0])
			return n
		}
	}
	return 0
}

// 50 jobs with ten processes each: the service sleeps while they run, and
// stays small, also while all of them end.
func TestWatchIsSmall(t *testing.T) {
	t.Parallel()
	w := newWatched(t, cluster.Options{Proctrack: "cgroup", CPUs: 64}, "", true)
	list := w.begin("sleepers.sh", 50, []string{"--array=1-50"}, "SLEEPERS=9")
	time.Sleep(5 * time.Second)
	// In how many of 20 seconds, not how often: on a busy machine one piece of
	// work is cut into many.
	woken := 0
	for range 20 {
		before := w.wakes()
		time.Sleep(time.Second)
		if w.wakes() > before {
			woken++
		}
	}
	idle := w.resident()
	t.Logf("awake in %d of 20 seconds, %d kB resident", woken, idle)
	if woken > 5 {
		t.Errorf("awake in %d of 20 seconds while nothing happened", woken)
	}
	most := idle
	w.cancelAll(list, func() { most = max(most, w.resident()) })
	t.Logf("%d kB resident while 50 jobs end", most)
	// 20 MB are the aim; other tests' crowds are on this host too.
	if most > 32<<10 {
		t.Errorf("%d kB resident", most)
	}
}

// 200 jobs are cancelled at once: all end right, and the controller is asked
// at most once a second. How often it can be asked is up to the machine: beside
// a program that computes it was twice on two processors, alone 24 times. But
// what is asked leads to an early end.
func TestWatchAsksLittle(t *testing.T) {
	w := newWatched(t, cluster.Options{Proctrack: "cgroup", CPUs: 256}, "", true)
	list := w.begin("sleepers.sh", 200, []string{"--array=1-200"}, "SLEEPERS=0")
	began := time.Now()
	w.cancelAll(list, func() {})
	took := time.Since(began)
	asked, early, records := 0, 0, 0
	for _, record := range w.every() {
		if record.Hook != "watch" {
			continue
		}
		records++
		asked += record.Watch.Asked
		if record.Verdict == "cleaned" {
			early++
		}
	}
	t.Logf("200 jobs in %.1f s: %d questions, %d ended early, %d records", took.Seconds(), asked, early, records)
	if most := int(took/time.Second) + 2; asked > most {
		t.Errorf("%d questions in %s", asked, took)
	}
	if asked > 4 && early < asked/3 {
		t.Errorf("only %d jobs were ended early after %d questions", early, asked)
	}
	out, err := w.Run(t.Context(), "scontrol", "show", "job", "-o", strconv.Itoa(list.id))
	if n := strings.Count(out, " JobState=CANCELLED "); err != nil || n != 200 {
		t.Errorf("%d jobs are CANCELLED, want 200: %v", n, err)
	}
}

// cancelAll cancels an array and waits until Slurm is rid of it.
func (w *watched) cancelAll(list doomed, meanwhile func()) {
	w.t.Helper()
	most := cluster.Patiently(5 * time.Minute)
	if err := w.Cancel(w.t.Context(), list.id); err != nil {
		w.t.Fatal(err)
	}
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		meanwhile()
		if out, err := w.Run(w.t.Context(), "squeue", "-h"); err == nil && out == "" {
			return
		}
	}
	w.t.Fatalf("some jobs are still COMPLETING after %s", most)
}

// What a hundred jobs cost that end by themselves, quickly one after the other.
func TestWatchCostsLittle(t *testing.T) {
	t.Parallel()
	const jobs = 100
	w := newWatched(t, cluster.Options{Proctrack: "cgroup", CPUs: 64}, "", true)
	before, began := w.cpu(), time.Now()
	id, err := w.Submit(t.Context(), cluster.Job{Script: "#!/bin/sh\n", UID: nobody, Options: []string{"--array=1-" + strconv.Itoa(jobs)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Wait(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(cluster.Patiently(5 * time.Minute)); ; time.Sleep(50 * time.Millisecond) {
		if out, err := w.Run(t.Context(), "squeue", "-h"); err == nil && out == "" {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the jobs do not end")
		}
	}
	took, used := time.Since(began), w.cpu()-before
	t.Logf("%d jobs in %.1f s: %.2f ms of CPU for each, %.3f %% of a core at ten a second", jobs, took.Seconds(),
		used.Seconds()*1000/jobs, used.Seconds()*100*10/jobs)
	if used > jobs*3*time.Millisecond {
		t.Errorf("%s of CPU for %d jobs", used, jobs)
	}
}

// cpu is the processor time of the service so far, to a nanosecond
// (proc(5), /proc/PID/schedstat; the sum over its threads).
func (w *watched) cpu() time.Duration {
	var sum time.Duration
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", w.service.Process.Pid))
	for _, path := range files {
		text, _ := os.ReadFile(path)
		n, _, _ := strings.Cut(string(text), " ")
		nanoseconds, _ := strconv.ParseInt(n, 10, 64)
		sum += time.Duration(nanoseconds)
	}
	return sum
}
