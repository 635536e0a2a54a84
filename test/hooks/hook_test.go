// Package hooks runs the whole programs against real processes, cgroups and
// file systems, without Slurm: what Slurm would set is set here.
package hooks

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/forensics/report"
)

// nobody is the user of the jobs here.
const nobody = 65534

// built is the folder with the programs.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "lastcall-hooks-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(built)
		if err := os.Chmod(built, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		build := exec.Command("go", "build", "-trimpath", "-o", built+"/",
			"lastcall/cmd/epilog", "lastcall/cmd/taskepilog", "lastcall/cmd/unkillable", "lastcall/test/misbehave", "lastcall/test/silentfuse")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// job is one job's worth of processes and hooks; no two tests share a number.
type job struct {
	t   *testing.T
	id  int
	dir string // the programs, the configuration, the log
}

var lastID atomic.Int64

func newJob(t *testing.T, toml string) *job {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	dir, err := os.MkdirTemp("", "lastcall-hooks-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, err := range []error{os.Chmod(dir, 0o755), os.CopyFS(dir+"/bin", os.DirFS(built)), os.Mkdir(dir+"/out", 0o777), os.Chmod(dir+"/out", 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	j := &job{t: t, id: 4_000_000 + os.Getpid()%1000*1000 + int(lastID.Add(1)), dir: dir}
	j.configure(fmt.Sprintf("log.path = %q\n%s", j.log(), toml))
	return j
}

func (j *job) log() string { return j.dir + "/log.jsonl" }

func (j *job) configure(text string) {
	j.t.Helper()
	if err := os.WriteFile(j.dir+"/bin/lastcall.toml", []byte(text), 0o644); err != nil {
		j.t.Fatal(err)
	}
}

// survivor starts a process of the job and waits until it is ready.
func (j *job) survivor(args ...string) process {
	return j.process(nobody, []string{"SLURM_JOB_ID=" + strconv.Itoa(j.id), "SLURM_PROCID=0", "SLURM_JOB_UID=65534"}, args...)
}

// process is a living thing by pid and start time.
type process struct {
	pid   int
	start string
}

func (j *job) process(uid int, env []string, args ...string) process {
	j.t.Helper()
	file := fmt.Sprintf("%s/out/ready.%d", j.dir, lastID.Add(1))
	args = append([]string{"-ready", file, "-uid", strconv.Itoa(uid), "-max", "10m"}, args...)
	command := exec.Command(j.dir+"/bin/misbehave", args...)
	command.Env = env
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		j.t.Fatal(err)
	}
	go func() { _ = command.Wait() }()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(file)
		if pid, start, ok := strings.Cut(strings.TrimSpace(string(text)), " "); ok && strings.HasSuffix(string(text), "\n") {
			p := process{start: start}
			p.pid, _ = strconv.Atoi(pid)
			j.t.Cleanup(p.end)
			return p
		}
	}
	j.t.Fatalf("misbehave %v did not get ready", args)
	return process{}
}

func (p process) end() {
	if p.lives() {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
}

// lives says whether a thread of the process still runs.
func (p process) lives() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return fields[19] == p.start && (fields[0] != "Z" || fields[17] != "1")
}

// environment is what slurmd gives the Epilog of a job.
func (j *job) environment(more ...string) []string {
	return append([]string{
		"SLURM_JOB_ID=" + strconv.Itoa(j.id), "SLURM_JOB_UID=65534", "SLURM_JOB_USER=nobody",
		"SLURM_JOB_RESTART_COUNT=0", "SLURM_SCRIPT_CONTEXT=epilog_slurmd",
	}, more...)
}

// epilog prepares a run as slurmd does it.
func (j *job) epilog(more ...string) *exec.Cmd {
	command := exec.Command(j.dir + "/bin/epilog")
	command.Env = j.environment(more...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return command
}

// run runs the epilog and returns its record, its exit code and what it said.
func (j *job) run(more ...string) (report.Record, int, string) {
	j.t.Helper()
	command := j.epilog(more...)
	out, _ := command.CombinedOutput()
	return j.record(), command.ProcessState.ExitCode(), string(out)
}

// record returns the last record of the log.
func (j *job) record() report.Record {
	j.t.Helper()
	file, err := os.Open(j.log())
	if err != nil {
		j.t.Fatal(err)
	}
	defer file.Close()
	var last report.Record
	if err := report.Read(file, func(r report.Record) { last = r }); err != nil {
		j.t.Fatal(err)
	}
	return last
}

// wants asserts the verdict and an exit code of 0.
func (j *job) wants(r report.Record, exit int, verdict string) {
	j.t.Helper()
	if r.Verdict != verdict || exit != 0 {
		j.t.Errorf("verdict %s and exit code %d, want %s and 0: %+v", r.Verdict, exit, verdict, r)
	}
}

func (j *job) dead(list ...process) {
	j.t.Helper()
	for _, p := range list {
		if p.lives() {
			j.t.Errorf("process %d is alive", p.pid)
		}
	}
}

func (j *job) alive(list ...process) {
	j.t.Helper()
	for _, p := range list {
		if !p.lives() {
			j.t.Errorf("process %d is dead", p.pid)
		}
	}
}

// group makes a cgroup folder and removes it, and all below, at the end.
func (j *job) group(path string) string {
	j.t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		j.t.Fatal(err)
	}
	return path
}

// removeGroups removes the folders of a cgroup tree, deepest first.
func removeGroups(top string) {
	entries, _ := os.ReadDir(top)
	for _, entry := range entries {
		if entry.IsDir() {
			removeGroups(filepath.Join(top, entry.Name()))
		}
	}
	for range 100 {
		if err := syscall.Rmdir(top); err != syscall.EBUSY {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}
