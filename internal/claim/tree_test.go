package claim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// one is a process of a made-up /proc.
type one struct {
	pid, parent, session, uid int
	comm                      string
	title                     string // its arguments
	env                       string
	start                     int
}

// tree writes a made-up /proc, in which pid 2 is the hook, a child of slurmd.
func tree(t *testing.T, list ...one) proc.FS {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: the owners of /proc/PID cannot be made")
	}
	root := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(root+"/uptime", []byte("1000.00 1.00\n"), 0o644))
	list = append(
		list,
		one{pid: 2, parent: 3, session: 2, comm: "epilog", start: 900},
		one{pid: 3, parent: 1, session: 3, comm: "slurmd", start: 1},
	)
	for _, p := range list {
		dir := filepath.Join(root, strconv.Itoa(p.pid))
		must(os.Mkdir(dir, 0o755))
		stat := fmt.Sprintf("%d (%s) S %d %d %d 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", p.pid, p.comm, p.parent, p.pid, p.session, p.start)
		for name, text := range map[string]string{
			"stat": stat, "status": fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d\nThreads:\t1\n", p.uid, p.uid, p.uid, p.uid),
			"cgroup": "0::/system.slice/slurmd.service\n", "environ": p.env, "cmdline": p.title,
		} {
			must(os.WriteFile(dir+"/"+name, []byte(text), 0o644))
		}
		must(os.Symlink("/usr/sbin/"+p.comm, dir+"/exe"))
		must(os.Chown(dir, p.uid, p.uid))
	}
	return proc.FS(root)
}

// judged looks once and says what became of each process.
func judged(t *testing.T, fs proc.FS, job slurm.Job, rules Rules) (map[int]string, Result) {
	t.Helper()
	s, err := NewScanner(fs, Scope{Job: job, Task: -1}, rules, nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Aside.Close()
	result, err := s.Look(time.Now().Add(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[int]string{}
	for _, c := range result.Claimed {
		verdicts[c.Stat.PID] = string(c.Evidence)
	}
	for _, p := range result.Spared {
		verdicts[p.Stat.PID] = string(p.Reason)
	}
	return verdicts, result
}

const mark77 = "SLURM_JOB_ID=77\x00SLURM_PROCID=0\x00"

func TestWholeTrees(t *testing.T) {
	all := Rules{Cgroup: true, Environ: true, Kin: true}
	byUID := Rules{UID: true}
	job := slurm.Job{ID: 77, UID: user, Restarts: -1}
	het := slurm.Job{ID: 77, HetLeader: 77, UID: user, Restarts: -1}
	left := one{pid: 100, parent: 1, session: 90, uid: user, comm: "left", env: mark77, start: 500}
	bare := one{pid: 101, parent: 1, session: 90, uid: user, comm: "bare", start: 600}
	stepd := func(title string) one {
		return one{pid: 50, parent: 1, session: 50, comm: "slurmstepd", title: title, start: 400}
	}
	below := one{pid: 110, parent: 50, session: 50, uid: user, comm: "task", env: mark77, start: 450}
	tests := []struct {
		name  string
		job   slurm.Job
		rules Rules
		tree  []one
		want  map[int]string
	}{
		{"the leader of the session is gone", job, all, []one{left, bare}, map[int]string{100: "environ", 101: "kin"}},
		{
			"another user leads the session", job, all,
			[]one{left, bare, {pid: 90, parent: 1, session: 90, uid: 5, comm: "bash", start: 1}},
			map[int]string{100: "environ"},
		},
		{
			"root leads the session", job, all,
			[]one{left, bare, {pid: 90, parent: 1, session: 90, comm: "su", start: 1}},
			map[int]string{100: "environ"},
		},
		{"a live step of the job", job, all, []one{left, stepd("slurmstepd: [77.0]"), below}, map[int]string{100: "environ", 110: "live-step"}},
		{
			"a live step, with root's process between", job, all,
			[]one{left, stepd("slurmstepd: [77.0]"), {pid: 111, parent: 50, session: 50, comm: "sudo", start: 1}, {pid: 110, parent: 111, session: 50, uid: user, comm: "task", env: mark77, start: 450}},
			map[int]string{100: "environ", 110: "live-step"},
		},
		{"below a slurmstepd with half a title", job, all, []one{left, stepd("slurmstepd: [7"), below}, map[int]string{100: "environ", 110: "other-job"}},
		{"a component of the het job still runs", het, all, []one{left, bare, stepd("slurmstepd: [78.0+1]"), below}, map[int]string{100: "other-job", 110: "other-job"}},
		{
			"a component of it on another node of this host",
			slurm.Job{ID: 77, HetLeader: 77, UID: user, Restarts: -1, Node: "n1"},
			all,
			[]one{left, stepd("slurmstepd: [78.0+1]"), {pid: 110, parent: 50, session: 50, uid: user, comm: "task", env: mark77 + "SLURMD_NODENAME=n2\x00", start: 450}},
			map[int]string{100: "environ", 110: "other-cluster"},
		},
		{"the last component of it", het, all, []one{left, bare}, map[int]string{100: "environ", 101: "kin"}},
		{"by user", job, byUID, []one{bare}, map[int]string{101: "uid"}},
		{"by user, but a job is between two steps", job, byUID, []one{bare, stepd("slurmstepd: [80.extern]")}, map[int]string{}},
		{"by user, beside the program that keeps Slurm's scope", job, byUID, []one{bare, stepd("slurmstepd\x00infinity")}, map[int]string{101: "uid"}},
		{
			"by user, with a terminal's shell", job, byUID,
			[]one{bare, {pid: 102, parent: 103, session: 102, uid: user, comm: "bash"}, {pid: 103, parent: 1, session: 103, comm: "sshd"}},
			map[int]string{101: "uid"},
		},
		{
			"below somebody who cannot be seen", job, all,
			[]one{{pid: 100, parent: 60, session: 100, uid: user, comm: "left", env: mark77, start: 500}},
			map[int]string{100: "hidden-parent"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, result := judged(t, tree(t, test.tree...), test.job, test.rules)
			for pid := range 200 {
				if got[pid] != test.want[pid] {
					t.Errorf("process %d: %q, want %q", pid, got[pid], test.want[pid])
				}
			}
			if result.Restless || result.Unread != nil {
				t.Errorf("%+v", result)
			}
		})
	}
}

// A parent that has ended during the pass is no parent that cannot be seen.
func TestOrphaned(t *testing.T) {
	s := &Scanner{FS: tree(t, one{pid: 100, parent: 1, session: 100, uid: user, comm: "left"}), buffer: make([]byte, 4096)}
	for _, test := range []struct {
		pid, parent int
		want        bool
	}{{100, 60, true}, {100, 1, false}, {101, 1, true}} {
		if got := s.orphaned(test.pid, test.parent); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
}

// The arguments of a slurmstepd may never come, whatever its state says: it is
// some job's then, and nobody waits for it.
func TestASlurmstepdThatCannotBeRead(t *testing.T) {
	fs := tree(
		t,
		one{pid: 50, parent: 1, session: 50, comm: "slurmstepd", start: 400},
		one{pid: 110, parent: 50, session: 50, uid: user, comm: "task", env: mark77, start: 450},
	)
	line := fs.Path(50, "cmdline")
	if err := errors.Join(os.Remove(line), syscall.Mkfifo(line, 0o600)); err != nil {
		t.Fatal(err)
	}
	rescue := time.AfterFunc(10*time.Second, func() {
		if pipe, err := os.OpenFile(line, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			pipe.Close()
		}
	})
	defer rescue.Stop()
	began := time.Now()
	got, _ := judged(t, fs, slurm.Job{ID: 77, UID: user, Restarts: -1}, everything())
	if took := time.Since(began); took > 5*time.Second || len(got) != 1 || got[110] != string(OtherJob) {
		t.Errorf("%v after %s", got, took)
	}
}

// On a slow machine the environments of a crowd are not read in time: that look
// is not whole, and the next reads the rest.
func TestACrowdThatIsNotReadInTime(t *testing.T) {
	const crowd = 40
	list := []one{{pid: 900, parent: 1, session: 900, uid: user, comm: "last", env: mark77, start: 450}}
	for i := range crowd {
		list = append(list, one{pid: 100 + i, parent: 1, session: 100 + i, uid: user, comm: "late", start: 450})
	}
	fs := tree(t, list...)
	for i := range crowd {
		environ := fs.Path(100+i, "environ")
		if err := errors.Join(os.Remove(environ), syscall.Mkfifo(environ, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := NewScanner(fs, Scope{Job: slurm.Job{ID: 77, UID: user, Restarts: -1}, Task: -1}, everything(), nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Aside.Close()
	for look := 1; ; look++ {
		result, err := s.Look(time.Now().Add(30 * time.Second))
		if err != nil || look > 2*mostLate+2 {
			t.Fatalf("look %d: %+v, %v", look, result, err)
		}
		if look == 1 && !result.Partial {
			t.Errorf("the first look is whole: %+v", result)
		}
		if !result.Partial {
			if len(result.Claimed) != 1 || result.Claimed[0].Stat.PID != 900 || result.Unread == nil {
				t.Errorf("look %d: %+v", look, result)
			}
			return
		}
	}
}
