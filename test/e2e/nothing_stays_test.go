package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/test/cluster"
)

// proctracks are the ways Slurm keeps track of processes.
var proctracks = []string{"linuxproc", "pgid", "cgroup"}

const nobody, games = 65534, 5

// scenario is a job that misbehaves and what must hold afterwards.
type scenario struct {
	name   string
	script string
	uid    int
	env    []string
	locks  bool // has locks that must be found, and free afterwards
	check  func(t *testing.T, s *site, id int, out string)
}

func scenarios() []scenario {
	saved := func(t *testing.T, s *site, _ int, out string) {
		if text, err := os.ReadFile(out + "/saved"); err != nil || string(text) != "saved\n" {
			t.Errorf("the left-over could not save its work: %v", err)
		}
	}
	list := []scenario{
		{name: "left-overs of a user", script: "leftovers.sh", uid: nobody, locks: true},
		{name: "left-overs of root", script: "leftovers.sh", locks: true},
		{name: "one that catches SIGTERM saves", script: "savefile.sh", uid: nobody, check: saved},
		{
			name: "one in sigwait saves, with CPU", script: "savefile.sh", uid: nobody,
			env: []string{"TERM_KIND=sigwait", "FINISH_BY=cpu"}, check: saved,
		},
		{name: "one that writes while it saves", script: "savefile.sh", uid: nobody, env: []string{"FINISH_BY=write"}, check: saved},
		{
			name: "a thousand forks a second", script: "forkbomb.sh", uid: nobody,
			// Of a machine as fast as ours; a slow one has less to give to both.
			env: []string{fmt.Sprintf("FORK_RATE=%d", time.Second/cluster.Patiently(time.Millisecond))},
		},
		{name: "a chain of forks", script: "forkchain.sh", uid: nobody},
		{name: "stopped", script: "stopped.sh", uid: nobody},
		{name: "without an environment", script: "cleanenv.sh", uid: nobody, check: readyOnesGone},
		{name: "a zombie leader", script: "zombie.sh", uid: nobody, check: readyOnesGone},
		{name: "hostile names", script: "hostile.sh", uid: nobody, check: outputIsPrintable},
		{name: "every kind of lock", script: "manylocks.sh", uid: nobody, locks: true},
	}
	return list
}

func TestNothingStays(t *testing.T) {
	for _, proctrack := range proctracks {
		t.Run(proctrack, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, cluster.Options{Proctrack: proctrack}, "")
			for _, scenario := range scenarios() {
				ok := t.Run(scenario.name, func(t *testing.T) {
					inner := *s
					inner.t = t
					inner.play(scenario)
				})
				if !ok {
					return
				}
			}
		})
	}
}

func (s *site) play(scenario scenario) {
	t := s.t
	out := s.folder(scenario.uid)
	id := s.submit(scenario.script, scenario.uid, out, scenario.env...)
	took := s.wait(id)
	s.nothingLeft(id)
	if took > cluster.Patiently(30*time.Second) {
		t.Errorf("the job was COMPLETING for %s", took)
	}
	if scenario.locks {
		locksFree(t, out)
	}
	if scenario.check != nil {
		scenario.check(t, s, id, out)
	}
	if t.Failed() {
		t.Logf("output of the job:\n%s", s.Output(id))
		for _, record := range s.records() {
			t.Logf("%+v", record)
		}
	}
}

// locksFree asserts that everybody may lock the files now.
func locksFree(t *testing.T, out string) {
	t.Helper()
	files, _ := filepath.Glob(out + "/*")
	for _, path := range files {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			t.Errorf("%s is still locked: %v", path, err)
		}
		lock := syscall.Flock_t{Type: syscall.F_WRLCK}
		if err := syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock); err != nil {
			t.Errorf("%s is still locked: %v", path, err)
		}
		file.Close()
	}
}

// readyOnesGone asserts that the processes which said they were ready are
// gone, also those without an environment.
func readyOnesGone(t *testing.T, _ *site, _ int, out string) {
	t.Helper()
	files, _ := filepath.Glob(out + "/ready*")
	if len(files) == 0 {
		t.Error("nobody got ready")
	}
	for _, path := range files {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			var pid int
			var start uint64
			if _, err := fmt.Sscan(line, &pid, &start); err != nil {
				t.Errorf("%s: %q: %v", path, line, err)
			}
			if lives(pid, start) {
				t.Errorf("process %d of %s is still there", pid, path)
			}
		}
	}
}

// lives says whether the process with this start time has a thread that runs.
func lives(pid int, start uint64) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return fields[19] == fmt.Sprint(start) && (fields[0] != "Z" || fields[17] != "1")
}

func outputIsPrintable(t *testing.T, s *site, id int, _ string) {
	t.Helper()
	text := s.Output(id)
	if !strings.Contains(text, "lastcall: this step left") {
		t.Errorf("the user was told nothing: %q", text)
	}
	for _, c := range text {
		if c != '\n' && (c < ' ' || c > '~') {
			t.Errorf("a byte of a process name reached the user's terminal: %q", text)
			return
		}
	}
}
