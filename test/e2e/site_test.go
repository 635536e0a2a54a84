// Package e2e runs jobs on a real Slurm and asks what a user and an admin ask
// afterwards: is everything of the job gone, are its locks free, is the node
// idle, is everybody else's work alive?
package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// programs builds the hooks and the helper once, unless LASTCALL_PROGRAMS
// names a folder that has them: a machine made for tests has no compiler.
var programs = sync.OnceValues(func() (string, error) {
	if built {
		return os.Getenv("LASTCALL_PROGRAMS"), nil
	}
	dir, err := os.MkdirTemp("", "lastcall-e2e-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	build := exec.Command("go", "build", "-trimpath", "-o", dir+"/",
		"lastcall/cmd/epilog", "lastcall/cmd/taskepilog", "lastcall/cmd/unkillable", "lastcall/cmd/lastcall",
		"lastcall/test/misbehave", "lastcall/test/slowfs", "lastcall/test/silentfuse")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return dir, fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

var built = os.Getenv("LASTCALL_PROGRAMS") != ""

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := programs(); dir != "" && !built {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// site is a cluster with the hooks installed the way an admin would.
type site struct {
	*cluster.Cluster
	t    *testing.T
	bin  string
	log  string
	seen int // bytes of the log that were read
}

// firstJob is the number of the last cluster's first job.
var firstJob atomic.Int32

// newSite starts a cluster; options.Epilog is the name of the program, "epilog" if
// empty; toml is what lastcall.toml says besides the path
// of the log.
func newSite(t *testing.T, options cluster.Options, toml string) *site {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, bin: filepath.Join(tempDir(t), "bin")}
	if err := os.CopyFS(s.bin, os.DirFS(built)); err != nil {
		t.Fatal(err)
	}
	s.log = filepath.Join(s.bin, "log.jsonl")
	if cluster.Patiently(1) > 1 {
		// Where everything takes longer, the hooks need longer too.
		toml += fmt.Sprintf("\nepilog.deadline = %q\ntaskepilog.deadline = %q", cluster.Patiently(10*time.Second), cluster.Patiently(5*time.Second))
	}
	config := fmt.Sprintf("%s\n[log]\npath = %q\n", toml, s.log)
	if err := os.WriteFile(filepath.Join(s.bin, "lastcall.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	// A site may run it from a script of its own, beside something else.
	script := "#!/bin/sh\nsleep 300 &\n" + s.bin + "/epilog\nstatus=$?\nkill $! && echo alive >" + s.bin + "/beside\nexit $status\n"
	if err := os.WriteFile(filepath.Join(s.bin, "epilog.sh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if options.Epilog == "" {
		options.Epilog = "epilog"
	}
	options.Conf = append(options.Conf, "UnkillableStepProgram="+s.bin+"/unkillable")
	options.Epilog, options.TaskEpilog = s.bin+"/"+options.Epilog, s.bin+"/taskepilog"
	if options.FirstJob == 0 {
		// One job id belongs to one job on this host, as it does elsewhere.
		options.FirstJob = int(firstJob.Add(1000))
	}
	if s.Cluster, err = cluster.Start(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, node := range s.Nodes {
				t.Logf("log of %s:\n%s", node, tail(s.Log(node)))
			}
		}
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tempDir is like t.TempDir, but every user may enter it.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lastcall-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func tail(text string) string { return text[max(0, len(text)-6000):] }

// folder makes a folder that the user may write to.
func (s *site) folder(uid int) string {
	s.t.Helper()
	dir := tempDir(s.t)
	if err := os.Chown(dir, uid, uid); err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// submit hands in one of the scripts.
func (s *site) submit(script string, uid int, out string, env ...string) int {
	s.t.Helper()
	return s.submitJob(cluster.Job{
		Script: jobs.Script(script), UID: uid,
		Env: append([]string{"MISBEHAVE=" + s.bin + "/misbehave", "OUT=" + out}, env...),
	})
}

func (s *site) submitJob(job cluster.Job) int {
	s.t.Helper()
	id, err := s.Submit(s.t.Context(), job)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// wait waits until the job is over and its nodes are back.
func (s *site) wait(id int) time.Duration {
	s.t.Helper()
	took, err := s.Wait(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return took
}

// nothingLeft asserts that no process of the job is there and the nodes take
// new jobs.
func (s *site) nothingLeft(id int) {
	s.t.Helper()
	for _, pid := range s.Processes(id) {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		s.t.Errorf("process %d of job %d is still there:\n%s", pid, id, status)
	}
	for _, node := range s.Nodes {
		state, err := s.NodeState(s.t.Context(), node)
		if err != nil || !strings.HasPrefix(state, "idle") {
			s.t.Errorf("node %s is %s, %v", node, state, err)
		}
	}
}

// records returns what the hooks wrote since the last call.
func (s *site) records() []report.Record {
	s.t.Helper()
	file, err := os.Open(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(int64(s.seen), io.SeekStart); err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.seen += len(text)
	var list []report.Record
	err = report.Read(strings.NewReader(string(text)), func(record report.Record) { list = append(list, record) })
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// record returns the epilog's record of the job.
func (s *site) record(id int) report.Record {
	s.t.Helper()
	for _, record := range s.records() {
		if record.Hook == "epilog" && int(record.Job) == id {
			return record
		}
	}
	s.t.Fatalf("no record of job %d", id)
	return report.Record{}
}
