package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastcall/internal/slurm"
	"lastcall/test/cluster"
)

// arrangement is a way to set up Slurm's cgroups.
type arrangement struct {
	name    string
	options cluster.Options
	needs   slurm.Change // "" for nothing
	v2      bool         // makes sense on version 2 alone
	folder  string       // what the job's folder is to be called: "job" or "sluid", "" for what the version does
}

// arrangements are the settings that change where a job's groups are or who
// sits in them.
func arrangements() []arrangement {
	conf := func(lines ...string) cluster.Options { return cluster.Options{Conf: lines} }
	return []arrangement{
		{name: "plain"},
		{name: "task plugin", options: cluster.Options{TaskPlugin: "cgroup"}},
		{name: "Contain", options: conf("PrologFlags=Contain")},
		{name: "RunInJob", options: conf("PrologFlags=RunInJob"), needs: slurm.RunInJob},
		{name: "RunInJob, task plugin", options: cluster.Options{TaskPlugin: "cgroup", Conf: []string{"PrologFlags=RunInJob"}}, needs: slurm.RunInJob},
		{name: "RunInJob, from a script", options: cluster.Options{Epilog: "epilog.sh", Conf: []string{"PrologFlags=RunInJob"}}, needs: slurm.RunInJob},
		{name: "slurmd started by hand", options: cluster.Options{ByHand: true}, v2: true},
		{name: "IgnoreSystemd", options: cluster.Options{ByHand: true, Cgroup: []string{"IgnoreSystemd=yes"}}, v2: true},
		{name: "CgroupSlice", options: cluster.Options{Cgroup: []string{"CgroupSlice=lastcall.slice"}}, needs: slurm.CgroupSlice, v2: true},
		{name: "CgroupJobIdPaths", options: cluster.Options{Cgroup: []string{"CgroupJobIdPaths=yes"}}, needs: slurm.CgroupJobIDPaths, v2: true, folder: "job"},
	}
}

// here skips what this place's Slurm or cgroups do not have, and says so.
func (a arrangement) here(t *testing.T) {
	t.Helper()
	place, err := cluster.Here()
	if err != nil {
		t.Fatal(err)
	}
	if a.v2 && place.Cgroup != 2 {
		t.Skip("cgroup version 2 only")
	}
	if a.needs != "" && !place.Version.Has(a.needs) {
		t.Skipf("Slurm %s has no %s", place.Version, a.needs)
	}
}

// What root puts into a job's groups is the job's, however deep, whoever it
// belongs to, and though nothing but the group says so.
func TestGroupsInTheJob(t *testing.T) {
	for _, a := range arrangements() {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.here(t)
			a.options.Proctrack = "cgroup"
			s := newSite(t, a.options, "")
			out := s.folder(nobody)
			id := s.submit("waiting.sh", nobody, out)
			own := s.ready(out+"/ready", 1)
			job := s.jobGroup(id, a)
			deep := nest(t, job+"/container/cpu.mine/inner")
			list := append(own,
				s.member("another user's, deep in a container", deep, games),
				s.member("root's, in a frozen container", nest(t, job+"/frozen"), 0),
				s.member("beside the task", nest(t, s.groupOf(own[0].pid)+"/nested"), games),
			)
			freeze(t, job+"/frozen")
			s.finish(id, out)
			s.dead(list...)
			s.groupsGone(job)
			record := s.record(id)
			if record.RunInJob != strings.HasPrefix(a.name, "RunInJob") {
				t.Errorf("run_in_job is %v", record.RunInJob)
			}
			if beside, _ := os.ReadFile(s.bin + "/beside"); a.options.Epilog != "" && string(beside) != "alive\n" {
				t.Errorf("what the site's own script ran beside the Epilog was ended: %q", beside)
			}
			if record.Verdict != "cleaned" || len(record.Groups) == 0 {
				t.Errorf("verdict %s, groups %+v, warnings %q", record.Verdict, record.Groups, record.Warnings)
			}
		})
	}
}

// jobGroup returns the job's folder, in the freezer's hierarchy for version 1,
// and asserts that it is called what this Slurm is to call it.
func (s *site) jobGroup(id int, a arrangement) string {
	s.t.Helper()
	want := "job_" + strconv.Itoa(id)
	if s.Place.Cgroup == 2 && s.Place.Version.Has(slurm.SLUIDNamesCgroup) && a.folder != "job" {
		sluid, err := s.SLUID(s.t.Context(), id)
		if err != nil {
			s.t.Fatal(err)
		}
		want = sluid
	}
	for _, path := range s.Groups(id) {
		if s.Place.Cgroup == 2 || strings.HasPrefix(path, "/sys/fs/cgroup/freezer/") {
			if filepath.Base(path) != want {
				s.t.Errorf("the job's group is %s, want %s", path, want)
			}
			return path
		}
	}
	s.t.Fatalf("job %d has no group called %s", id, want)
	return ""
}

// groupOf returns the folder of a process's group, in the freezer's hierarchy
// for version 1.
func (s *site) groupOf(pid int) string {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) != 3:
		case s.Place.Cgroup == 2 && fields[0] == "0":
			return "/sys/fs/cgroup" + fields[2]
		case s.Place.Cgroup == 1 && fields[1] == "freezer":
			return "/sys/fs/cgroup/freezer" + fields[2]
		}
	}
	s.t.Fatalf("process %d is in no group: %s", pid, text)
	return ""
}

// nest makes a group and those above it.
func nest(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func freeze(t *testing.T, group string) {
	t.Helper()
	file, word := group+"/cgroup.freeze", "1"
	if _, err := os.Stat(file); err != nil {
		file, word = group+"/freezer.state", "FROZEN"
	}
	if err := os.WriteFile(file, []byte(word), 0); err != nil {
		t.Fatal(err)
	}
}

// member starts what a daemon of root would start: a process in the group,
// with nothing in its environment.
func (s *site) member(name, group string, uid int, more ...string) living {
	s.t.Helper()
	ready := filepath.Join(s.folder(uid), "ready")
	args := append([]string{"-clean-env", "-setsid", "-ready", ready, "-cgroup", group, "-uid", strconv.Itoa(uid)}, more...)
	command := exec.Command(s.bin+"/misbehave", args...)
	if err := command.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { _ = command.Wait() }()
	one := s.ready(ready, 1)[0]
	one.name = name
	return one
}

// finish lets the job end and waits until Slurm is done with it.
func (s *site) finish(id int, out string) {
	s.t.Helper()
	if err := os.WriteFile(out+"/go", nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.wait(id)
	s.nothingLeft(id)
}

func (s *site) dead(list ...living) {
	s.t.Helper()
	for _, one := range list {
		if lives(one.pid, one.start) {
			s.t.Errorf("%s (%d) is still there", one.name, one.pid)
		}
	}
}

// groupsGone asserts that the job's folder is removed, by lastcall or by a
// slurmstepd that was hindered until lastcall came and tries once a second.
func (s *site) groupsGone(job string) {
	s.t.Helper()
	for end := time.Now().Add(cluster.Patiently(6 * time.Second)); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(job); err != nil {
			return
		}
		if time.Now().After(end) {
			out, _ := exec.Command("find", job, "-type", "d").Output()
			s.t.Errorf("the job's group is still there:\n%s", out)
			return
		}
	}
}

// The processes of a threaded group are listed by another one.
func TestThreadedGroups(t *testing.T) {
	t.Parallel()
	a := arrangement{v2: true}
	a.here(t)
	s := newSite(t, cluster.Options{Proctrack: "cgroup"}, "")
	out := s.folder(nobody)
	id := s.submit("waiting.sh", nobody, out)
	own := s.ready(out+"/ready", 1)
	job := s.jobGroup(id, a)
	domain := nest(t, job+"/domain")
	threads := nest(t, domain+"/threads")
	if err := os.WriteFile(threads+"/cgroup.type", []byte("threaded"), 0); err != nil {
		t.Fatal(err)
	}
	one := s.member("another user's, with its threads in a group of their own", domain, games, "-threads", "3")
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", one.pid))
	for _, task := range tasks[1:] {
		if err := os.WriteFile(threads+"/cgroup.threads", []byte(filepath.Base(task)), 0); err != nil {
			t.Fatal(err)
		}
	}
	s.finish(id, out)
	s.dead(append(own, one)...)
	s.groupsGone(job)
}
