package cluster

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestClusterRunsJobsAndLeavesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	c, err := Start(t.Context(), Options{Nodes: 2})
	if err != nil {
		t.Fatal(err)
	}
	dir := c.Dir
	var pids []int
	for _, daemon := range c.daemons {
		pids = append(pids, daemon.command.Process.Pid)
	}
	defer c.Stop()
	for _, uid := range []int{0, 65534} {
		id, err := c.Submit(t.Context(), Job{Script: "#!/bin/sh\nid -u\n", UID: uid})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Wait(t.Context(), id); err != nil {
			t.Fatalf("%v%s", err, c.tails())
		}
		want := map[int]string{0: "0\n", 65534: "65534\n"}[uid]
		if got := c.Output(id); got != want {
			t.Errorf("job of user %d wrote %q%s", uid, got, c.tails())
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	for _, pid := range pids {
		if syscallAlive(pid) {
			t.Errorf("daemon %d is still there", pid)
		}
	}
}

// Stopped in the middle of a job, a cluster takes the job with it.
// Clusters that start at once have ports of their own, which nobody is given by
// connecting somewhere.
func TestPortsAreNobodyElses(t *testing.T) {
	free, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", fmt.Sprintf(":%d", free[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	lastPort.Add(-1) // the next in turn is the taken one
	seen := map[int]bool{free[0]: true}
	for range 5 {
		list, err := freePorts(20)
		if err != nil || len(list) != 20 {
			t.Fatalf("%v, %v", list, err)
		}
		for _, port := range list {
			if seen[port] || port < 1024 || port >= 32768 {
				t.Errorf("port %d", port)
			}
			seen[port] = true
		}
	}
}

func TestStopEndsJobs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	c, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	id, err := c.Submit(t.Context(), Job{Script: "#!/bin/sh\nsetsid sleep 600 &\nsleep 600\n", UID: 65534})
	if err != nil {
		t.Fatal(err)
	}
	err = until(t.Context(), time.Minute, "the job to run", func() bool { return len(c.Processes(id)) >= 3 })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if left := c.Processes(id); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// What is left of a test that failed in the middle: a process that nothing but
// the job's group ties to the cluster, and which no SIGKILL reaches because
// its group is frozen.
func TestStopEndsWhatIsFrozen(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	c, err := Start(t.Context(), Options{Proctrack: "cgroup"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	id, err := c.Submit(t.Context(), Job{Script: "#!/bin/sh\nsleep 600\n", UID: 65534})
	if err != nil {
		t.Fatal(err)
	}
	err = until(t.Context(), time.Minute, "the job to run", func() bool { return len(c.Processes(id)) >= 2 })
	if err != nil {
		t.Fatal(err)
	}
	frozen := ""
	for _, group := range c.Groups(id) {
		if c.Place.Cgroup == 2 || strings.HasPrefix(group, "/sys/fs/cgroup/freezer/") {
			frozen = group + "/container"
		}
	}
	stranger := exec.Command("sleep", "600")
	stranger.Env = []string{"HOME=/"}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { _ = stranger.Wait(); close(gone) }()
	file, word := "/freezer.state", "FROZEN"
	if c.Place.Cgroup == 2 {
		file, word = "/cgroup.freeze", "1"
	}
	t.Cleanup(func() {
		_ = os.WriteFile(frozen+"/freezer.state", []byte("THAWED"), 0)
		_ = stranger.Process.Kill()
	})
	for _, step := range []error{
		os.Mkdir(frozen, 0o755),
		os.WriteFile(frozen+"/cgroup.procs", []byte(strconv.Itoa(stranger.Process.Pid)), 0),
		os.WriteFile(frozen+file, []byte(word), 0),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	select {
	case <-gone:
	case <-time.After(Patiently(20 * time.Second)):
		t.Errorf("process %d is left in %s", stranger.Process.Pid, frozen)
	}
	if _, err := os.Stat(frozen); err == nil {
		t.Errorf("%s is left", frozen)
	}
}

// victim makes this test program one that a test kills.
const victim = "LASTCALL_TEST_VICTIM"

// A program that is killed runs no cleanup; its cluster is gone nevertheless.
func TestKilledItLeavesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	if os.Getenv(victim) != "" {
		c, err := Start(t.Context(), Options{Proctrack: "cgroup"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := c.Submit(t.Context(), Job{Script: "#!/bin/sh\nsetsid sleep 600 &\nsleep 600\n", UID: 65534})
		if err != nil {
			t.Fatal(err)
		}
		if err := until(t.Context(), time.Minute, "the job to run", func() bool { return len(c.Processes(id)) >= 3 }); err != nil {
			t.Fatal(err)
		}
		fmt.Println("victim", c.Name, c.Dir, c.Nodes[0])
		select {}
	}
	command := exec.Command(os.Args[0], "-test.run=^TestKilledItLeavesNothing$", "-test.timeout=5m")
	command.Env = append(os.Environ(), victim+"=1")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	c := Cluster{Nodes: make([]string, 1)}
	_, err = fmt.Fscanf(out, "victim %s %s %s\n", &c.Name, &c.Dir, &c.Nodes[0])
	_ = command.Process.Kill()
	_ = command.Wait()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if err := until(t.Context(), time.Minute, "the end of it", func() bool {
		_, err := os.Stat(c.Dir)
		return os.IsNotExist(err) && len(c.carriers()) == 0
	}); err != nil {
		t.Errorf("%v; %v are left", err, c.carriers())
	}
	if left := append(c.tops(), c.scopes(c.Nodes[0])...); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

func TestABadLineIsNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	c, err := Start(t.Context(), Options{Conf: []string{"Nonsense=1"}})
	if err == nil {
		c.Stop()
		t.Fatal("a cluster with a bad line started")
	}
	if !strings.Contains(err.Error(), "Nonsense") {
		t.Errorf("the error does not name the line: %v", err)
	}
}

func syscallAlive(pid int) bool { return syscall.Kill(pid, 0) == nil }
