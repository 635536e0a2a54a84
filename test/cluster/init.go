package cluster

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// initVariable turns this very program into the init below which a slurmd
// runs: an init reaps orphans at once, and the one of a machine for tests may
// take seconds, in which Slurm waits for zombies.
const initVariable = "LASTCALL_TEST_INIT"

// It must happen before a test's or the demo's own main.
func init() {
	if os.Getenv(initVariable) != "" {
		os.Exit(beInit(os.Args[1:]))
	}
	if os.Getenv(guardVariable) != "" {
		os.Exit(beGuard(os.Args[1:]))
	}
}

// beInit runs a program, reaps all that is left to it, hands SIGTERM on, and
// ends with it.
func beInit(arguments []string) int {
	const setChildSubreaper = 36 // prctl(2)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0); errno != 0 {
		return 125
	}
	path, err := exec.LookPath(arguments[0])
	if err != nil {
		return 127
	}
	_ = os.Unsetenv(initVariable)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	child, err := syscall.ForkExec(path, arguments, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 126
	}
	go func() {
		for range asked {
			_ = syscall.Kill(child, syscall.SIGTERM)
		}
	}()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if pid == child || err != nil && err != syscall.EINTR {
			return status.ExitStatus()
		}
	}
}
