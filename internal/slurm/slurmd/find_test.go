package slurmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
	"lastcall/internal/slurm/conf"

	"github.com/google/go-cmp/cmp"
)

// host is a file system and a /proc made for a test.
type host struct {
	t *testing.T
	Host
}

func newHost(t *testing.T, name string) host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a slurmd belongs to root")
	}
	root := t.TempDir()
	h := host{t, Host{Proc: proc.FS(root + "/proc"), Root: root, Name: name}}
	h.file("/proc/uptime", "1.00 1.00\n", 0o644)
	return h
}

func (h host) file(path, text string, mode os.FileMode) {
	h.t.Helper()
	path = h.Root + path
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		h.t.Fatal(err)
	}
}

// process puts a process into the made /proc.
func (h host) process(pid, parent int, executable, arguments, environ string) {
	h.t.Helper()
	folder := fmt.Sprintf("/proc/%d", pid)
	stat := fmt.Sprintf("%d (x) S %d 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 %d 0 0\n", pid, parent, 100*pid)
	h.file(folder+"/stat", stat, 0o444)
	h.file(folder+"/status", "Name:\tx\nUid:\t0\t0\t0\t0\n", 0o444)
	h.file(folder+"/cmdline", strings.ReplaceAll(arguments, " ", "\x00")+"\x00", 0o444)
	h.file(folder+"/environ", strings.ReplaceAll(environ, " ", "\x00")+"\x00", 0o400)
	for link, target := range map[string]string{"exe": executable, "cwd": "/start"} {
		if err := os.Symlink(target, h.Root+folder+"/"+link); err != nil {
			h.t.Fatal(err)
		}
	}
}

const small = "ClusterName=Alps\nNodeName=n1 NodeHostname=host\n"

func TestFind(t *testing.T) {
	h := newHost(t, "host.example.org")
	h.file("/etc/slurm/slurm.conf", "ClusterName=Alps\nSlurmdSpoolDir=/spool/%n-%h\nKillWait=7\nProctrackType=proctrack/linuxproc\nNodeName=n[1-3] NodeHostname=a,host,b\n", 0o644)
	h.file("/etc/slurm/cgroup.conf", "SignalChildrenProcesses=yes\n", 0o644)
	h.file("/usr/bin/scontrol", "", 0o755)
	h.process(10, 1, "/usr/sbin/slurmd-wlm (deleted)", "/usr/sbin/slurmd -D -s", "PATH=/bin")
	h.process(11, 10, "/usr/sbin/slurmd-wlm", "/usr/sbin/slurmd -D -s", "PATH=/bin") // starts a hook
	h.process(12, 1, "/usr/sbin/slurmstepd", "slurmstepd: [7.batch]", "")
	h.process(13, 1, "/home/eve/slurmd-not", "slurmd -N evil", "")
	h.process(14, 1, "/usr/sbin/slurmd", "slurmd -N eve", "") // of another user
	if err := os.Chown(h.Root+"/proc/14", 1000, 1000); err != nil {
		t.Fatal(err)
	}
	h.process(15, 1, "/tmp/slurmd", "slurmd -N eve", "") // a link to a set-user-ID program of root's
	h.file("/proc/15/status", "Name:\tx\nUid:\t1000\t0\t0\t0\n", 0o444)
	h.process(16, 1, "/usr/sbin/slurmd", "slurmd -N ended", "")
	h.file("/proc/16/stat", "16 (x) Z 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 1600 0 0\n", 0o444)
	found, wrong := h.Find()
	want := []Instance{{
		Key: proc.Key{PID: 10, Start: 1000}, Node: "n2", Cluster: "alps", Conf: "/etc/slurm/slurm.conf", SpoolDir: "/spool/n2-host",
		KillWait: 7 * time.Second, Proctrack: "linuxproc", SignalsChildren: true, Scontrol: "/usr/bin/scontrol",
	}}
	if diff := cmp.Diff(want, found); diff != "" || len(wrong) != 0 {
		t.Error(wrong, diff)
	}
}

func TestSeveralSlurmds(t *testing.T) {
	h := newHost(t, "host")
	h.file("/a/slurm.conf", "SlurmdSpoolDir=/a/%n\nNodeName=n[1-9] NodeHostname=host\n", 0o644)
	h.file("/start/b.conf", "SlurmdSpoolDir=/b/%n\n", 0o644)
	h.process(10, 1, "/usr/sbin/slurmd", "slurmd -vvDN n1 -f/a/slurm.conf", "")
	h.process(11, 1, "/usr/sbin/slurmd", "slurmd -f /a/slurm.conf -N n2", "SLURM_CONF=/nothing")
	h.process(12, 1, "/usr/sbin/slurmd", "slurmd -Nn3", "SLURM_CONF=/a/slurm.conf SLURM_CONF=/nothing")
	h.process(13, 1, "/usr/sbin/slurmd", "slurmd -f b.conf -Z", "")
	found, wrong := h.Find()
	var got []string
	for _, one := range found {
		got = append(got, one.Conf+" "+one.SpoolDir)
	}
	want := []string{"/a/slurm.conf /a/n1", "/a/slurm.conf /a/n2", "/a/slurm.conf /a/n3", "/start/b.conf /b/host"}
	if diff := cmp.Diff(want, got); diff != "" || len(wrong) != 0 {
		t.Error(wrong, diff)
	}
}

func TestConfless(t *testing.T) {
	tests := []struct {
		name, place, arguments, environ string
	}{
		{"told a server", "/run/slurm/conf/slurm.conf", "slurmd --conf-server ctl:6817 -N n1", ""},
		{"told a server, other spelling", "/run/slurm/conf/slurm.conf", "slurmd --conf-server=ctl -N n1", "SLURM_CONF=/other"},
		{"by DNS", "/var/spool/slurmd/conf-cache/slurm.conf", "slurmd -N n1", ""},
		{"after a reconfiguration", "/kept/slurm.conf", "slurmd --conf-server ctl -N n1", "SLURMD_RECONF_CONF_CACHE=/kept"},
		{"Debian of old", "/etc/slurm-llnl/slurm.conf", "slurmd -N n1", ""},
	}
	for _, test := range tests {
		h := newHost(t, "host")
		h.file(test.place, small, 0o644)
		h.file("/other", small, 0o644)
		h.process(10, 1, "/usr/sbin/slurmd", test.arguments, test.environ)
		found, wrong := h.Find()
		if len(found) != 1 || len(wrong) != 0 || found[0].Conf != test.place {
			t.Errorf("%s: %+v %v", test.name, found, wrong)
		}
	}
}

func TestNode(t *testing.T) {
	tests := []struct {
		name, nodes, arguments string
		want                   string // "" for an error
	}{
		{"by short name", "NodeName=n1 NodeHostname=host", "", "n1"},
		{"by whole name", "NodeName=n1 NodeHostname=host.example.org", "", "n1"},
		{"by its own name", "NodeName=host", "", "host"},
		{"localhost", "NodeName=n1 NodeHostname=localhost", "", "n1"},
		{"the first of several", "NodeName=n[4-5] NodeHostname=host", "", "n4"},
		{"dynamic", "", "-Z --conf Features=x", "host.example.org"},
		{"dynamic with a name", "", "-Z -N d7", "d7"},
		{"of the controller's choice", "NodeName=n1 NodeHostname=host", "-F", ""},
		{"of the controller's choice, feature", "NodeName=n1 NodeHostname=host", "-FN", ""},
		{"nobody's", "NodeName=n1 NodeHostname=other", "", ""},
		{"a path", "", "-N ../x", ""},
	}
	for _, test := range tests {
		h := newHost(t, "host.example.org")
		h.file("/etc/slurm/slurm.conf", test.nodes+"\n", 0o644)
		h.process(10, 1, "/usr/sbin/slurmd", strings.TrimSpace("slurmd "+test.arguments), "")
		found, wrong := h.Find()
		switch {
		case test.want == "" && (len(found) != 0 || len(wrong) != 1 || !errors.Is(wrong[0], ErrNode)):
			t.Errorf("%s: %+v %v", test.name, found, wrong)
		case test.want != "" && (len(found) != 1 || len(wrong) != 0 || found[0].Node != test.want):
			t.Errorf("%s: %+v %v", test.name, found, wrong)
		}
	}
}

// One slurmd that cannot be understood must not hide the others.
func TestOneBadSlurmd(t *testing.T) {
	h := newHost(t, "host")
	h.file("/etc/slurm/slurm.conf", small, 0o644)
	h.file("/bad.conf", "KillWait=x\n", 0o644)
	h.process(9, 1, "/usr/sbin/slurmd", "slurmd -f /nothing.conf", "")
	h.process(10, 1, "/usr/sbin/slurmd", "slurmd", "")
	h.process(11, 1, "/usr/sbin/slurmd", "slurmd -f /bad.conf", "")
	found, wrong := h.Find()
	if len(found) != 1 || len(wrong) != 2 || !errors.Is(wrong[0], errNoConf) || !errors.Is(wrong[1], conf.ErrConf) ||
		!strings.HasPrefix(wrong[1].Error(), "slurmd 11: /bad.conf:1: KillWait") {
		t.Errorf("%+v %v", found, wrong)
	}
}

// A file that is not there is told of as long as the slurmd is, and one that is
// too long is not read in part.
func TestHalfAConfiguration(t *testing.T) {
	h := newHost(t, "host")
	h.file("/include.conf", small+"Include nothing.conf\n", 0o644)
	h.file("/long.conf", small+strings.Repeat("#\n", mostConf/2), 0o644)
	h.process(9, 1, "/usr/sbin/slurmd", "slurmd -f /include.conf", "")
	h.process(10, 1, "/usr/sbin/slurmd", "slurmd -f /long.conf", "")
	found, wrong := h.Find()
	if len(found) != 0 || len(wrong) != 2 || !strings.Contains(wrong[0].Error(), "nothing.conf") ||
		!errors.Is(wrong[1], conf.ErrConf) || !strings.Contains(wrong[1].Error(), "/long.conf: more than") {
		t.Errorf("%+v %v", found, wrong)
	}
}

// A scontrol that others can change is not run.
func TestScontrol(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]os.FileMode
		owner map[string]int
		want  string
	}{
		{"its sibling", map[string]os.FileMode{"/opt/s/bin/scontrol": 0o755, "/usr/bin/scontrol": 0o755}, nil, "/opt/s/bin/scontrol"},
		{"the distribution's", map[string]os.FileMode{"/usr/bin/scontrol": 0o755}, nil, "/usr/bin/scontrol"},
		{"writable by others", map[string]os.FileMode{"/opt/s/bin/scontrol": 0o757, "/usr/bin/scontrol": 0o755}, nil, "/usr/bin/scontrol"},
		{"writable by a group", map[string]os.FileMode{"/usr/bin/scontrol": 0o775}, nil, ""},
		{"of a user", map[string]os.FileMode{"/usr/bin/scontrol": 0o755}, map[string]int{"/usr/bin/scontrol": 1000}, ""},
		{"none", nil, nil, ""},
	}
	for _, test := range tests {
		h := newHost(t, "host")
		for path, mode := range test.files {
			h.file(path, "", mode)
			if err := os.Chown(h.Root+path, test.owner[path], 0); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.scontrol("/opt/s/sbin/slurmd (deleted)"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A configuration on a dead file system: a pipe that nobody writes to hangs
// its readers in open(2).
func TestDeadFileSystem(t *testing.T) {
	h := newHost(t, "host")
	h.file("/etc/slurm/slurm.conf", small, 0o644)
	h.process(9, 1, "/usr/sbin/slurmd", "slurmd -f /dead.conf", "")
	h.process(10, 1, "/usr/sbin/slurmd", "slurmd", "")
	pipe := h.Root + "/dead.conf"
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the reader that was left behind go
		if writer, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			time.Sleep(50 * time.Millisecond)
			writer.Close()
		}
	})
	began := time.Now()
	found, wrong := h.Find()
	if len(found) != 1 || len(wrong) != 1 || !errors.Is(wrong[0], ErrLate) {
		t.Errorf("%+v %v", found, wrong)
	}
	if took := time.Since(began); took < Patience || took > 3*Patience {
		t.Errorf("took %s", took)
	}
}

// The service looks twice a minute, and may have few threads: a read that
// hangs is not begun again, and not waited for again, while it hangs.
func TestADeadFileSystemHoldsOneThread(t *testing.T) {
	name := t.TempDir()
	answer := make(chan int)
	var begun atomic.Int32
	for range 20 {
		if _, err := within(name, 20*time.Millisecond, func() (int, error) {
			begun.Add(1)
			return <-answer, nil
		}); !errors.Is(err, ErrLate) {
			t.Fatalf("%v, want %v", err, ErrLate)
		}
	}
	if n := begun.Load(); n != 1 {
		t.Fatalf("%d reads were begun, want 1", n)
	}
	prompt := func(name string) error {
		_, err := within(name, time.Minute, func() (int, error) { return 0, nil })
		return err
	}
	if err := prompt(name + "/other"); err != nil {
		t.Errorf("another file: %v", err)
	}
	answer <- 0
	for until := time.Now().Add(10 * time.Second); prompt(name) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it answers again, and is not read")
		}
	}
}

// Several may read the same at a time; only what hangs is not begun again.
func TestTheSameIsReadTwiceAtATime(t *testing.T) {
	inside, release := make(chan bool, 2), make(chan bool)
	answers := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := within("the same", time.Minute, func() (int, error) { inside <- true; <-release; return 1, nil })
			answers <- err
		}()
	}
	for range 2 {
		select {
		case <-inside:
		case err := <-answers:
			t.Fatalf("one of two: %v", err)
		}
	}
	close(release)
	for range 2 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
