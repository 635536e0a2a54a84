package cluster

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// guardVariable turns this very program into the guard of a cluster, which
// stops it if the program that started it cannot: a test that takes too long,
// or is interrupted, runs no cleanup, and daemons, jobs and groups would stay.
const guardVariable = "LASTCALL_TEST_GUARD"

// startGuard starts the guard. It waits for the end of a pipe, whose other end
// the kernel closes with this program, however that ends.
func (c *Cluster) startGuard() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	guard := exec.Command(self, append([]string{c.Name, c.Dir, strconv.Itoa(c.Place.Cgroup)}, c.Nodes...)...)
	guard.Env = append(os.Environ(), guardVariable+"=1")
	guard.Dir = "/"
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	lifeline, err := guard.StdinPipe()
	if err != nil {
		return err
	}
	if err := guard.Start(); err != nil {
		return err
	}
	c.dismiss = func() {
		lifeline.Close()
		late := time.AfterFunc(Patiently(time.Minute), func() { _ = guard.Process.Kill() })
		defer late.Stop()
		_ = guard.Wait()
	}
	return nil
}

// beGuard waits for the end of the program that started the cluster, and stops
// what it has left.
func beGuard(arguments []string) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	_, _ = io.Copy(io.Discard, os.Stdin)
	c := Cluster{Name: arguments[0], Dir: arguments[1], Nodes: arguments[3:]}
	c.Place.Cgroup, _ = strconv.Atoi(arguments[2])
	if c.Stop() != nil {
		return 1
	}
	return 0
}
