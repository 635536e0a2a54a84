package claim

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

const crowdOfTest = Crowd + 44

// crowded is a made-up node on which job 77 left a crowd in a made-up cgroup,
// and whoever else is given. Each process of the crowd is as change makes it.
func crowded(t *testing.T, rules Rules, change func(i int, p *one), more ...one) (*Scanner, string) {
	t.Helper()
	mount := t.TempDir()
	folder := mount + "/slurmstepd.scope/job_77/step_0/user/task_0"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	list := more
	members := ""
	for i := range crowdOfTest {
		p := one{pid: 1000 + i, parent: 1, session: 900, uid: user, comm: "many", env: mark77, start: 500}
		change(i, &p)
		list = append(list, p)
		members += fmt.Sprintln(p.pid)
	}
	fs := tree(t, list...)
	for i := range crowdOfTest {
		path := filepath.Join(string(fs), fmt.Sprint(1000+i), "cgroup")
		if err := os.WriteFile(path, []byte("0::/slurmstepd.scope/job_77/step_0/user/task_0\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	listed(t, folder, members)
	return anew(t, fs, []cgroup.Mount{{Path: mount, Version: 2}}, rules), folder
}

// anew returns a scanner that has seen nothing yet.
func anew(t *testing.T, fs proc.FS, mounts []cgroup.Mount, rules Rules) *Scanner {
	t.Helper()
	scope := Scope{Job: slurm.Job{ID: 77, UID: user, Restarts: -1}, Task: -1}
	s, err := NewScanner(fs, scope, rules, mounts, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Aside.Close)
	return s
}

// listed makes a group say who is in it.
func listed(t *testing.T, folder, members string) {
	t.Helper()
	populated := "populated 1\n"
	if members == "" {
		populated = "populated 0\n"
	}
	for name, text := range map[string]string{"/cgroup.procs": members, "/cgroup.events": populated} {
		if err := os.WriteFile(folder+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func same(int, *one) {}

func everything() Rules { return Rules{Cgroup: true, Environ: true, Kin: true} }

// lookAt looks once, and counts the claimed of which little was read.
func lookAt(t *testing.T, s *Scanner) (Result, int) {
	t.Helper()
	result, err := s.Look(time.Now().Add(20 * time.Second))
	if err != nil || result.Unread != nil {
		t.Fatal(err, result.Unread)
	}
	brief := 0
	for _, c := range result.Claimed {
		if c.Brief {
			brief++
		}
	}
	return result, brief
}

// The list of the job's group proves a crowd; only some of it is read.
func TestACrowdIsProvenByItsGroup(t *testing.T) {
	s, _ := crowded(t, everything(), same)
	for range 2 {
		result, brief := lookAt(t, s)
		if len(result.Claimed) != crowdOfTest || brief < crowdOfTest-2*sample || brief > crowdOfTest-sample || result.Restless {
			t.Fatalf("%d claimed, %d of them briefly, restless %v", len(result.Claimed), brief, result.Restless)
		}
		for _, c := range result.Claimed {
			if c.Evidence != ByCgroup || c.Proof != "step_0" || c.Status.UID != user || c.Stat.Start != 500 || c.Brief == c.Status.Known() {
				t.Fatalf("%+v", c)
			}
			if known := s.facts[c.Stat.Key()]; known.brief == (known.facts.Mark.Job == 77) {
				t.Fatalf("its environment: %+v", known.facts)
			}
		}
	}
	withDispositions(t, anew(t, s.FS, s.mounts, s.Rules))
}

// Where a grace depends on it, everybody's disposition is read.
func withDispositions(t *testing.T, s *Scanner) {
	t.Helper()
	s.Rules.Dispositions = true
	result, brief := lookAt(t, s)
	for _, c := range result.Claimed {
		if !c.Status.Known() {
			t.Fatalf("%+v", c)
		}
	}
	if len(result.Claimed) != crowdOfTest || brief == 0 {
		t.Errorf("%d claimed, %d of them briefly", len(result.Claimed), brief)
	}
}

// A number that was on the list may be another process's by the time it is
// read: only who started before the list was read is proven by it.
func TestAListProvesNobodyWhoStartedLater(t *testing.T) {
	const uptime = 100_000 // of the tree, in ticks
	s, _ := crowded(t, everything(), func(i int, p *one) {
		switch i {
		case 40, 41, 42, 43:
			p.start, p.uid, p.env = uptime+i-41, 5, ""
		}
	})
	for _, pid := range []string{"1041", "1042", "1043"} {
		if err := os.WriteFile(filepath.Join(string(s.FS), pid, "cgroup"), []byte("0::/system.slice/else.service\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result, brief := lookAt(t, s)
	if len(result.Claimed) != crowdOfTest-3 || len(result.Spared) != 0 {
		t.Errorf("%d claimed, %d of them briefly, spared %+v", len(result.Claimed), brief, result.Spared)
	}
	for _, c := range result.Claimed {
		if c.Stat.Start >= uptime {
			t.Errorf("%+v", c)
		}
	}
}

// Where anything speaks against one that is read, all are.
func TestAMixedCrowdIsReadInFull(t *testing.T) {
	other := func(i int, p *one) {
		if i%2 == 0 {
			p.env = mark77 + "SLURM_CLUSTER_NAME=elsewhere\x00"
		}
	}
	s, _ := crowded(t, everything(), other)
	s.Scope.Job.Cluster = "here"
	result, brief := lookAt(t, s)
	if len(result.Claimed) != crowdOfTest/2 || len(result.Spared) != crowdOfTest/2 || brief != 0 {
		t.Errorf("%d claimed, %d of them briefly, %d spared", len(result.Claimed), brief, len(result.Spared))
	}
}

func TestACrowdThatMustBeKnownBetter(t *testing.T) {
	stepd := one{pid: 50, parent: 1, session: 50, comm: "slurmstepd", title: "slurmstepd: [77.0]", start: 400}
	below := func(i int, p *one) {
		if i >= crowdOfTest-10 {
			p.parent = 50
		}
	}
	s, _ := crowded(t, everything(), below, stepd)
	if result, brief := lookAt(t, s); brief != 0 || !result.LiveStep || len(result.Spared) != 10 || !result.Stepd {
		t.Errorf("a living slurmstepd: %d briefly, %d spared, live step %v", brief, len(result.Spared), result.LiveStep)
	}
	s, _ = crowded(t, everything(), func(i int, p *one) {
		if i == 7 {
			p.comm = "listed"
		}
	})
	s.Rules.SpareCommands = []string{"listed"}
	if result, _ := lookAt(t, s); len(result.Spared) != 1 || result.Spared[0].Stat.PID != 1007 || result.Spared[0].Reason != Listed {
		t.Errorf("on the spare list: %+v", result.Spared)
	}
	for name, change := range map[string]func(*Scanner){
		"a step alone":    func(s *Scanner) { s.Scope.Step = "0" },
		"a task alone":    func(s *Scanner) { s.Scope.Task = 0 },
		"inside the job":  func(s *Scanner) { s.Scope.InJob = true },
		"of a living run": func(s *Scanner) { s.Scope.Ending = map[proc.Key]bool{} },
		"users to spare":  func(s *Scanner) { s.Rules.SpareUser = func(uint32, string) bool { return false } },
		"not by cgroup":   func(s *Scanner) { s.Rules.Cgroup = false },
	} {
		s := anew(t, s.FS, s.mounts, everything())
		change(s)
		if _, brief := lookAt(t, s); brief != 0 {
			t.Errorf("%s: %d briefly", name, brief)
		}
	}
}

// When the kernel counts nobody in the groups any more, a crowd that was all
// there was is gone, and its remains in /proc are not read. Anybody outside
// makes another pass needed.
func TestAContainedCrowdIsGone(t *testing.T) {
	outside := one{pid: 800, parent: 1, session: 800, uid: user, comm: "outside", env: mark77, start: 500}
	stranger := one{pid: 800, parent: 1, session: 800, uid: 5, comm: "stranger", start: 500}
	for name, test := range map[string]struct {
		more one
		want int
	}{"alone": {stranger, 0}, "with one outside": {outside, crowdOfTest + 1}} {
		s, folder := crowded(t, everything(), same, test.more)
		lookAt(t, s)
		listed(t, folder, "")
		// By environment, those that are still shown would be claimed again.
		for _, known := range s.facts {
			known.verdict, known.proof = claimed(ByEnviron), "still shown"
			known.facts.Place = cgroup.Place{UID: -1, Task: -1}
		}
		if result, _ := lookAt(t, s); len(result.Claimed) != test.want {
			t.Errorf("%s: %d claimed, want %d", name, len(result.Claimed), test.want)
		}
	}
}
