package inspect

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/proc"
)

// TestMain lets this test program be the disposable child.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == aside.Argument {
		os.Exit(aside.Serve(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// A process whose memory another of its threads has locked shows nothing of
// that in its state, and never answers: here its environment is a pipe nobody
// writes to. Others still tell whose the job is.
func TestAnEnvironmentThatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	for pid, uid := range map[int]int{100: 1000, 150: 1002, 200: 1001} {
		folder := filepath.Join(dir, strconv.Itoa(pid))
		at := strconv.Itoa(pid)
		for name, text := range map[string]string{
			"stat":   at + " (p) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 2 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
			"status": "Name:\tp\nState:\tS (sleeping)\nUid:\t" + strconv.Itoa(uid) + "\t0\t0\t0\nThreads:\t2\n",
			"cgroup": "0::/user.slice\n",
		} {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(folder+"/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := syscall.Mkfifo(dir+"/100/environ", 0o644); err != nil {
		t.Fatal(err)
	}
	for pid, job := range map[string]string{"150": "78", "200": "77"} {
		if err := os.WriteFile(dir+"/"+pid+"/environ", []byte("HOME=/\x00SLURM_JOB_ID="+job+"\x00SLURMD_NODENAME=n1\x00"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	nobodys := uint32(os.Getuid())
	for _, test := range []struct {
		id   uint32
		node string
		want uint32
	}{{77, "", 1001}, {77, "n1", 1001}, {77, "n2", nobodys}, {78, "", 1002}, {79, "", nobodys}} {
		found := make(chan identity, 1)
		go func() {
			who, err := identify(proc.FS(dir), test.id, test.node)
			if err != nil {
				t.Error(err)
			}
			found <- who
		}()
		select {
		case who := <-found:
			if who.job.UID != test.want {
				t.Errorf("job %d, node %q: user %d, want %d", test.id, test.node, who.job.UID, test.want)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("it hangs")
		}
	}
}

// From Slurm 26.05 the groups of version 2 do not name the job: its slurmstepd
// does, and where that is names the run.
func TestARunByItsName(t *testing.T) {
	dir := t.TempDir()
	const scope = "0::/system.slice/slurmstepd.scope/"
	type fake struct{ comm, title, uid, group string }
	write := func(pid string, one fake) {
		folder := filepath.Join(dir, pid)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"stat":   pid + " (" + one.comm + ") S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 2 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
			"status": "Name:\tp\nUid:\t" + one.uid + "\t0\t0\t0\nThreads:\t2\n", "cgroup": one.group + "\n", "cmdline": one.title,
		} {
			if err := os.WriteFile(folder+"/"+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for pid, one := range map[string]fake{
		"100": {"slurmstepd", "slurmstepd: [77.batch]", "0", scope + "sAN9M8AH0T8H00/step_batch/slurm"},
		"101": {"task", "task", "1001", scope + "sAN9M8AH0T8H00/step_batch/user/task_0"},
		"200": {"slurmstepd", "slurmstepd: [78.batch]", "0", scope + "sAN9M8AH0T8H01/step_batch/slurm"},
		"201": {"task", "task", "1002", scope + "sAN9M8AH0T8H01/step_batch/user/task_0"},
	} {
		write(pid, one)
	}
	who, err := identify(proc.FS(dir), 78, "")
	if err != nil || who.job.SLUID != "sAN9M8AH0T8H01" || who.job.UID != 1002 || len(who.stepds) != 1 || !who.stepds[proc.Key{PID: 200, Start: 5}] {
		t.Errorf("%+v, %v", who, err)
	}
	// A slurmstepd whose place says nothing takes nothing away, in whatever order.
	write("202", fake{"slurmstepd", "slurmstepd: [78.extern]", "0", "0::/elsewhere"})
	for range 200 {
		if who, err := identify(proc.FS(dir), 78, ""); err != nil || who.job.SLUID != "sAN9M8AH0T8H01" || len(who.stepds) != 2 {
			t.Fatalf("%+v, %v", who, err)
		}
	}
}
