package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ctrl-C, in the first act and in the second, leaves nothing: no file, no
// daemon, no process of a job.
func TestInterruptedItLeavesNothing(t *testing.T) {
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
	for act, sign := range map[string]string{"first": "ClusterName=", "second": "TaskEpilog="} {
		command := exec.Command(dir+"/bin/demo", "-bin", dir+"/bin")
		command.Env = append(os.Environ(), "TMPDIR="+dir+"/tmp")
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		var said strings.Builder
		command.Stdout, command.Stderr = &said, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(90 * time.Second); !configured(dir, sign); time.Sleep(50 * time.Millisecond) {
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
