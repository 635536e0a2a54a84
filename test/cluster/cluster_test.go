package cluster

import (
	"os"
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
	err = until(t.Context(), 20*time.Second, "the job to run", func() bool { return len(c.Processes(id)) >= 3 })
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
