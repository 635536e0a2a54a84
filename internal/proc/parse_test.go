package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const statTail = "S 1 4700 4701 34816 -1 4194560 98 0 1 0 7 5 0 0 20 0 3 0 416720 2990080 442 18446744073709551615 1 1 0\n"

func TestParseStat(t *testing.T) {
	want := Stat{
		PID: 4711, State: 'S', Parent: 1, Group: 4700, Session: 4701, Terminal: 34816, Flags: 4194560,
		UserTicks: 7, SystemTicks: 5, Threads: 3, Start: 416720,
	}
	for _, comm := range []string{"sleep", "a) Z 1 (", "", " ", "(", ")", "\n", "x) R 2 3 4", "\xff\xfe"} {
		want.Comm = comm
		got, err := ParseStat([]byte("4711 (" + comm + ") " + statTail))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("name %q: %v %s", comm, err, diff)
		}
	}
	for _, bad := range []string{"", "1", "1 (a", "1 a) S", "x (a) " + statTail, "1 (a) S 1 2", "1 (a) SS 1 " + statTail, "0 (a) " + statTail, "-1 (a) " + statTail} {
		if got, err := ParseStat([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func TestStatSaysWhatAProcessIs(t *testing.T) {
	read := func(state string, flags, threads int) Stat {
		t.Helper()
		s, err := ParseStat(fmt.Appendf(nil, "5 (x) %s 1 1 1 0 -1 %d 0 0 0 0 0 0 0 0 20 0 %d 0 9\n", state, flags, threads))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := read("Z", 0, 1); !s.Zombie() || !s.Dead() {
		t.Error("a zombie is dead")
	}
	if s := read("Z", 0, 2); !s.Zombie() || s.Dead() {
		t.Error("a zombie leader with a live thread is not dead")
	}
	if s := read("S", 0x200000, 1); !s.KernelThread() {
		t.Error("PF_KTHREAD is a kernel thread")
	}
	if s := read("D", 0x4, 1); !s.Exiting() || s.Dead() {
		t.Error("PF_EXITING is exiting, not dead")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("4711 (a) b) " + statTail))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseStat(text)
		if err != nil {
			return
		}
		if s.PID <= 0 || s.State == 0 || !strings.Contains(string(text), "("+s.Comm+")") {
			t.Errorf("%q was read as %+v", text, s)
		}
	})
}

const statusText = "Name:\tsleep\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t8335\nTracerPid:\t7\nUid:\t1000\t1001\t1000\t1000\n" +
	"NSpid:\t8335\t2\nVmRSS:\t    1768 kB\nCoreDumping:\t1\nThreads:\t3\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n" +
	"SigBlk:\t0000000000004000\nSigIgn:\t0000000000000006\nSigCgt:\t0000000180000000\n" +
	"voluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n"

func TestParseStatus(t *testing.T) {
	want := Status{
		UID: 1000, EffectiveUID: 1001, Threads: 3, Resident: 1768 << 10, CoreDumping: true, ThreadPending: 0x100,
		Blocked: 0x4000, Ignored: 6, Caught: 0x180000000, Tracer: 7, NamespacePIDs: 2, NamespacePID: 2,
		State: 'S', Switches: 42,
	}
	got, err := ParseStatus([]byte(statusText))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if !got.KillPending() {
		t.Error("SIGKILL is pending")
	}
	for _, bad := range []string{"", "Name:\tx\n", "Uid:\t1\n", "Uid:\tx\t1\n", "Uid:\t1\t1\nSigBlk:\txyz\n", "Uid:\t4294967296\t1\n"} {
		if got, err := ParseStatus([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func TestDisposition(t *testing.T) {
	const term = 15
	tests := []struct {
		status Status
		want   Disposition
	}{
		{Status{}, DispositionDefault},
		{Status{Ignored: 1 << 14}, DispositionIgnored},
		{Status{Blocked: 1 << 14}, DispositionBlocked},
		{Status{Caught: 1 << 14}, DispositionCaught},
		{Status{Caught: 1 << 14, Blocked: 1 << 14}, DispositionBlocked},
		{Status{Caught: 1 << 13, Ignored: 1 << 15}, DispositionDefault},
	}
	for _, test := range tests {
		if got := test.status.Disposition(term); got != test.want {
			t.Errorf("%+v: %s, want %s", test.status, got, test.want)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte(statusText))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseStatus(text)
		if err != nil && s != (Status{}) {
			t.Errorf("an error and %+v", s)
		}
	})
}

func FuzzEachCgroup(f *testing.F) {
	f.Add([]byte("4:freezer:/slurm/uid_1/job_2\n0::/a:b (deleted)\n1:name=systemd:/\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		EachCgroup(text, func(controllers, path []byte) {
			if len(path) == 0 && !strings.Contains(string(text), " (deleted)") || strings.Contains(string(path), "\n") || strings.Contains(string(controllers), ":") {
				t.Errorf("%q gave %q and %q", text, controllers, path)
			}
		})
	})
}

func TestEachCgroup(t *testing.T) {
	var got []string
	EachCgroup([]byte("9:name=systemd:/\n4:freezer:/slurm/uid_1/job_2:x\nbad\nx:y:/z\n0::/a b (deleted)\n"), func(controllers, path []byte) {
		got = append(got, string(controllers)+"="+string(path))
	})
	if diff := cmp.Diff([]string{"name=systemd=/", "freezer=/slurm/uid_1/job_2:x", "=/a b"}, got); diff != "" {
		t.Error(diff)
	}
}

// This very process, as the kernel shows it.
func TestSelf(t *testing.T) {
	pid := os.Getpid()
	stat, err := Default.Stat(pid, make([]byte, 4096))
	if err != nil || stat.PID != pid || stat.Parent != os.Getppid() || stat.Dead() {
		t.Errorf("%+v, %v", stat, err)
	}
	status, err := Default.Status(pid, make([]byte, 8192))
	if err != nil || int(status.UID) != os.Getuid() || status.Threads < 2 || status.Resident == 0 {
		t.Errorf("%+v, %v", status, err)
	}
	environ, err := Default.Environ(pid, make([]byte, 16))
	want := strings.Join(os.Environ(), "\x00") + "\x00"
	if err != nil || !strings.Contains(string(environ), "PATH=") || len(environ) < len(want)/2 {
		t.Errorf("%q, %v", environ, err)
	}
	uptime, err := Default.Uptime()
	if err != nil || uptime < stat.Start || time.Duration(uptime-stat.Start)*Tick > time.Hour {
		t.Errorf("uptime %d, started at %d: %v", uptime, stat.Start, err)
	}
	found := false
	if err := Default.EachPID(func(p int) bool { found = found || p == pid; return !found }); err != nil || !found {
		t.Errorf("not among the processes: %v", err)
	}
	tids, err := Default.Tasks(pid)
	if err != nil || len(tids) < 2 {
		t.Errorf("threads %v, %v", tids, err)
	}
}

// A folder laid out like /proc serves as one.
func TestAnotherRoot(t *testing.T) {
	root := t.TempDir()
	for _, pid := range []int{7, 12} {
		folder := root + "/" + strconv.Itoa(pid)
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(folder+"/stat", []byte(strconv.Itoa(pid)+" (x) "+statTail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/uptime", []byte("4633.42 9000.00\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	fs := FS(root)
	n := 0
	if err := fs.EachPID(func(pid int) bool {
		n++
		stat, err := fs.Stat(pid, make([]byte, 1024))
		if err != nil || stat.Key() != (Key{PID: pid, Start: 416720}) {
			t.Errorf("%+v, %v", stat, err)
		}
		return true
	}); err != nil || n != 2 {
		t.Errorf("%d processes, %v", n, err)
	}
	if uptime, err := fs.Uptime(); uptime != 463342 || err != nil {
		t.Errorf("uptime %d, %v", uptime, err)
	}
}

func BenchmarkStat(b *testing.B) {
	buffer, pid := make([]byte, 4096), os.Getpid()
	for b.Loop() {
		if _, err := Default.Stat(pid, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// A number that an int cannot hold would turn negative, and a negative pid
// means a group of processes, or all of them, to kill(2).
func TestANumberNeverTurnsNegative(t *testing.T) {
	const most, beyond = "9223372036854775807", "9223372036854775808"
	if n, ok := number([]byte(most)); !ok || int(n) != 1<<63-1 {
		t.Errorf("%s was read as %d, %v", most, n, ok)
	}
	if n, ok := number([]byte(beyond)); ok {
		t.Errorf("%s was read as %d", beyond, n)
	}
	if s, err := ParseStatus([]byte("Uid:\t1 1 1 1\nTracerPid:\t" + beyond + "\n")); err == nil {
		t.Errorf("%+v", s)
	}
	if s, err := ParseStat([]byte(beyond + " (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 0 0 1 0 5")); err == nil {
		t.Errorf("%+v", s)
	}
	root := t.TempDir()
	for _, name := range []string{"/7", "/" + beyond, "/9/task/8", "/9/task/" + beyond} {
		if err := os.MkdirAll(root+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := FS(root).EachPID(func(pid int) bool {
		if pid < 0 {
			t.Errorf("process %d", pid)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if tids, err := FS(root).Tasks(9); err != nil || len(tids) != 1 || tids[0] != 8 {
		t.Errorf("%v, %v", tids, err)
	}
}
