package stuck

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lastcall/internal/cause"
	"lastcall/internal/proc"
)

// fakeProc is a /proc with so much of each process as is asked of it.
type fakeProc struct {
	t   *testing.T
	dir string
}

func (f fakeProc) file(path, text string) {
	f.t.Helper()
	path = filepath.Join(f.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f fakeProc) link(path, target string) {
	f.t.Helper()
	path = filepath.Join(f.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		f.t.Fatal(err)
	}
}

// process makes one of that real user; of all files root is the owner, as of
// those of a process that may not be dumped.
func (f fakeProc) process(pid, uid int, cwd string) {
	f.t.Helper()
	at := strconv.Itoa(pid)
	f.file(at+"/stat", at+" (p) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n")
	f.file(at+"/status", "Name:\tp\nState:\tS (sleeping)\nUid:\t"+strconv.Itoa(uid)+"\t0\t0\t0\nThreads:\t1\n")
	f.link(at+"/cwd", cwd)
	f.link(at+"/ns/mnt", "mnt:[1]")
	f.link(at+"/fd/0", "/dev/null")
}

// device opens /dev/fuse in a process.
func (f fakeProc) device(pid int, fdinfo string) {
	f.t.Helper()
	at := strconv.Itoa(pid)
	f.link(at+"/fd/5", "/dev/fuse")
	f.file(at+"/fdinfo/5", fdinfo)
}

func pids(list []Daemon) (pids []int) {
	for _, one := range list {
		pids = append(pids, one.Key.PID)
	}
	return pids
}

func TestWhoServesAndWhoUses(t *testing.T) {
	const old = "pos:\t0\nflags:\t02\n"
	tests := []struct {
		name      string
		make      func(f fakeProc)
		daemons   int // pid
		users     int // pid
		uncertain bool
	}{
		{"nobody", func(f fakeProc) { f.process(100, 1000, "/") }, 0, 0, false},
		{"the connection is told", func(f fakeProc) { f.process(100, 0, "/"); f.device(100, old+"fuse_connection:\t77\n") }, 100, 0, false},
		{"another connection", func(f fakeProc) { f.process(100, 1000, "/"); f.device(100, old+"fuse_connection:\t78\n") }, 0, 0, false},
		{"the user's, on an old kernel", func(f fakeProc) { f.process(100, 1000, "/"); f.device(100, old) }, 100, 0, false},
		{"somebody's, on an old kernel", func(f fakeProc) { f.process(100, 0, "/"); f.device(100, old) }, 0, 0, true},
		{"stands in it", func(f fakeProc) { f.process(100, 5, "/remote/x") }, 0, 100, false},
		{"stands beside it", func(f fakeProc) { f.process(100, 5, "/remotely/x") }, 0, 0, false},
		{"stands in it by another mount", func(f fakeProc) { f.process(100, 5, "/bound/x") }, 0, 100, false},
		{"stands in it in another namespace", func(f fakeProc) {
			f.process(100, 5, "/elsewhere/x")
			if err := os.Remove(f.dir + "/100/ns/mnt"); err != nil {
				f.t.Fatal(err)
			}
			f.link("100/ns/mnt", "mnt:[2]")
			f.file("100/mountinfo", "9 1 0:77 / /elsewhere rw - fuse.sshfs far: rw,user_id=1000\n")
		}, 0, 100, false},
		{"one of the job stands in it", func(f fakeProc) { f.process(7, 1000, "/remote") }, 0, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := fakeProc{t: t, dir: t.TempDir()}
			mounts := "1 0 254:1 / / rw - ext4 /dev/vda1 rw\n4 1 0:77 / /remote rw - fuse.sshfs far: rw,user_id=1000\n5 1 0:77 /x /bound rw - fuse.sshfs far: rw,user_id=1000\n"
			f.file("self/mountinfo", mounts)
			f.file("100/mountinfo", mounts)
			test.make(f)
			x := New(proc.FS(f.dir), nil)
			s, complete := x.whoServes(seen[3], map[proc.Key]bool{{PID: 7, Start: 5}: true}, time.Now().Add(5*time.Second))
			one := func(pid int) (list []int) {
				if pid > 0 {
					list = append(list, pid)
				}
				return list
			}
			if !complete || !equal(pids(s.daemons), one(test.daemons)) || !equal(pids(s.users), one(test.users)) || s.uncertain != test.uncertain {
				t.Errorf("%v: %+v", complete, s)
			}
		})
	}
}

func equal(a, b []int) bool {
	return len(a) == len(b) && (len(a) == 0 || a[0] == b[0])
}

// A daemon is silent if it did nothing for a whole second: who has less time to
// look knows nothing.
func TestSilenceTakesItsTime(t *testing.T) {
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = command.Process.Kill(), command.Wait() })
	stat, err := proc.Default.Stat(command.Process.Pid, make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	// A connection no kernel counts up to.
	mount := cause.Mount{Major: 0xfff, Minor: 0xfffff, Point: "/nowhere", Type: "fuse.none", Options: "user_id=1000"}
	list := []Process{{Key: stat.Key(), Cause: cause.Cause{Code: cause.FUSE, Mount: mount}}}
	x := New(proc.Default, nil)
	if _, why := x.Abort(Groups(list)[0], list, 1000, nil, Policy{AbortFUSE: true}, time.Now().Add(Silence*9/10)); why != leftNoTime {
		t.Errorf("%q, want %q", why, leftNoTime)
	}
}
