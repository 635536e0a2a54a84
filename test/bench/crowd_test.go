package bench

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

// startCrowd starts so many sleeping processes that ignore SIGTERM, below a
// parent that reaps them, in the task folder of a step if one is given, and
// with such an environment.
func startCrowd(b *testing.B, n, uid int, folder string, environment ...string) (stop func()) {
	b.Helper()
	command := exec.Command(os.Args[0], "crowd", strconv.Itoa(n), strconv.Itoa(uid), folder)
	command.Env = append([]string{}, environment...)
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("the crowd: %q, %v", line, err)
	}
	time.Sleep(200 * time.Millisecond)
	return func() {
		in.Close()
		_ = command.Wait()
	}
}

// crowd is the parent. It ends when its input is closed, and ends its
// children then.
func crowd(arguments []string) {
	n, _ := strconv.Atoi(arguments[0])
	uid, _ := strconv.Atoi(arguments[1])
	folder := arguments[2]
	var pids []int
	for range n {
		pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "trap '' TERM; exec sleep 600"}, &syscall.ProcAttr{
			Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}},
		})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		pids = append(pids, pid)
		if folder != "" {
			if err := os.WriteFile(folder+"/task_0/cgroup.procs", []byte(strconv.Itoa(pid)), 0); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
	go func() {
		for {
			if _, err := syscall.Wait4(-1, nil, 0, nil); err == syscall.ECHILD {
				return
			}
		}
	}()
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// manyLocks holds ten thousand byte ranges of one file.
func manyLocks(path string) {
	file, err := os.Create(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for i := range 10000 {
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Start: int64(2 * i), Len: 1}
		if err := syscall.FcntlFlock(file.Fd(), syscall.F_SETLK, &lock); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// BenchmarkLocks10000: finding ten thousand locks and their holder.
// Reference: lslocks.
func BenchmarkLocks10000(b *testing.B) {
	command := exec.Command(os.Args[0], "locks", b.TempDir()+"/locked")
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	in, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = command.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.Fatal(line, err)
	}
	stat, err := proc.Default.Stat(command.Process.Pid, make([]byte, 4096))
	if err != nil {
		b.Fatal(err)
	}
	compare(b, 9, func() time.Duration {
		start := time.Now()
		held, complete, err := locks.HeldBy(proc.Default, []proc.Key{stat.Key()}, start.Add(time.Minute))
		if err != nil || !complete || len(held) != 10000 {
			b.Fatal(len(held), complete, err)
		}
		if _, _, err := locks.Look(proc.Default, held, []proc.Key{stat.Key()}, start.Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}, func() time.Duration { return timed(b, exec.Command("lslocks", "-n")) })
}
