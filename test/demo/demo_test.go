package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/test/jobs"
)

// builtPrograms returns a folder with the programs in bin, and an empty tmp.
func builtPrograms(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	dir, err := os.MkdirTemp("", "lastcall-demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, folder := range []string{dir, dir + "/bin", dir + "/tmp"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-o", dir+"/bin/", "lastcall/cmd/epilog", "lastcall/cmd/taskepilog", "lastcall/cmd/lastcall", "lastcall/test/misbehave", "lastcall/test/demo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// A newcomer reads what is left without lastcall and with it, and why the job
// that is done runs on.
func TestItShows(t *testing.T) {
	t.Parallel()
	dir := builtPrograms(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, dir+"/bin/demo", "-bin", dir+"/bin")
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.Env = append(os.Environ(), "TMPDIR="+dir+"/tmp")
	said, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	text := strings.Join(strings.Fields(string(said)), " ")
	before, _, ok := strings.Cut(jobs.Script("first.py"), "time.sleep(5)")
	line := strconv.Itoa(1 + strings.Count(before, "\n"))
	if !ok {
		t.Error("the forgotten thread does not sleep")
	}
	for _, want := range []string{
		`left-overs and a lock without \S+ s 5 1 nothing`,
		`left-overs and a lock with \S+ s 0 0 this step left 5 processes behind`,
		`without lastcall: squeue says RUNNING, \d+ s after the job's log said "all work is done"`,
		"with `lastcall inspect`: job 1 has finished its work: MainThread waits in threading\\._shutdown for thread " +
			`"\S+( \(background_monitor\))?" \(not a daemon\), which is at first\.py:` + line + ` in background_monitor\. Fix: daemon=True.*` +
			`it will not end by itself unless what it waits for does\.`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("it does not show %q:\n%s", want, said)
		}
	}
	if left := processesOf(dir); len(left) > 0 {
		t.Errorf("it leaves processes: %q", left)
	}
}

// Ctrl-C, in the first act and in the second, leaves nothing: no file, no
// daemon, no process of a job.
func TestInterruptedItLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := builtPrograms(t)
	for act, sign := range map[string]string{"first": "ClusterName=", "second": "TaskEpilog="} {
		command := exec.Command(dir+"/bin/demo", "-bin", dir+"/bin")
		command.Env = append(os.Environ(), "TMPDIR="+dir+"/tmp")
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var said strings.Builder
		command.Stdout, command.Stderr = &said, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(3 * time.Minute); !configured(dir, sign); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the %s act does not begin", act)
			}
		}
		time.Sleep(2 * time.Second)
		if err := syscall.Kill(-command.Process.Pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err == nil || !strings.Contains(said.String(), "interrupted; everything it started is stopped and removed") {
			t.Errorf("the %s act: %v, %s", act, err, &said)
		}
		if entries, err := os.ReadDir(dir + "/tmp"); err != nil || len(entries) > 0 {
			t.Errorf("the %s act leaves files: %v, %v", act, entries, err)
		}
		if left := processesOf(dir); len(left) > 0 {
			t.Errorf("the %s act leaves processes: %q", act, left)
		}
	}
}

// configured says whether a slurm.conf with the sign in it is there.
func configured(dir, sign string) bool {
	files, _ := filepath.Glob(dir + "/tmp/lastcall-*/etc/slurm.conf")
	for _, path := range files {
		if text, _ := os.ReadFile(path); strings.Contains(string(text), sign) {
			return true
		}
	}
	return false
}

// processesOf returns the command lines that have to do with the folder.
func processesOf(dir string) []string {
	var found []string
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		line, _ := os.ReadFile(folder + "/cmdline")
		environ, _ := os.ReadFile(folder + "/environ")
		if filepath.Base(folder) != "self" && strings.Contains(string(line)+string(environ), dir) {
			found = append(found, string(line))
		}
	}
	return found
}
