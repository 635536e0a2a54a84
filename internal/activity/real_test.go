package activity

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// Every way to wait that the design calls idle, as real processes.
func TestIdle(t *testing.T) {
	for role, doing := range map[string]string{
		"nanosleep": "nanosleep", "pause": "pause", "futex": "futex", "select": "select", "sigsuspend": "rt_sigsuspend",
		"wait4": "wait4", "waitid": "waitid", "pipe": "read of a pipe", "poll": "poll, 1 pipes and 0 sockets open",
		"recvfrom": "recvfrom of a socket", "loopback": "read of a socket", "accept": "accept of a socket",
		"eventfd": "read of an event", "timerfd": "read of an event", "signalfd": "read of an event", "epoll": "epoll_wait",
		"netlink": "clock_nanosleep", "threads": "clock_nanosleep (6 threads)", "zombie-leader": "clock_nanosleep",
		"flag": "nanosleep", "deaf-end": "clock_nanosleep", "dead-peer": "clock_nanosleep",
	} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			samples := idle(t, New(proc.Default), stageBy(t, asUser(exec.Command(play, role))))
			if !strings.Contains(samples[0].Doing, doing) && !(role == "select" && strings.Contains(samples[0].Doing, "select")) {
				t.Errorf("it does %q, not %q", samples[0].Doing, doing)
			}
		})
	}
	// The most common leftover of all.
	if s := idle(t, New(proc.Default), []proc.Key{start(t, "sleep", "60")}); s[0].Doing != "clock_nanosleep" {
		t.Errorf("sleep does %q", s[0].Doing)
	}
}

func TestVetoes(t *testing.T) {
	folder := t.TempDir()
	fifo := folder + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args   []string
		reason Reason
		text   string
	}{
		"fuse":          {[]string{"open", "/dev/fuse"}, Device, `"/dev/fuse"`},
		"kmsg":          {[]string{"open", "/dev/kmsg"}, Device, `"/dev/kmsg"`},
		"tty":           {[]string{"open", "/dev/tty1"}, Terminal, `"/dev/tty1"`},
		"pty":           {[]string{"pty"}, Terminal, "ptmx"},
		"terminal":      {[]string{"terminal"}, Terminal, "it has a terminal"},
		"ring":          {[]string{"ring"}, Ring, "io_uring"},
		"sigwait":       {[]string{"sigwait"}, BusyCall, "which is not waiting"},
		"unread":        {[]string{"unread"}, Unread, "5 bytes"},
		"unsent":        {[]string{"unsent"}, Unsent, "were not taken"},
		"unread TCP":    {[]string{"unsent"}, Unread, "wait for it"},
		"half-accepted": {[]string{"half-accepted"}, Unread, "waits to be accepted"},
		"datagrams":     {[]string{"datagrams"}, OddSocket, "anybody can send"},
		"packet":        {[]string{"packet"}, OddSocket, "nobody can tell"},
		"own-table":     {[]string{"own-table"}, Device, `"/dev/fuse"`},
		"worker-thread": {[]string{"worker-thread"}, Running, "is running"},
		"zombie-worker": {[]string{"zombie-worker"}, Running, "is running"},
		"zombie-holder": {[]string{"zombie-holder"}, Device, `"/dev/fuse"`},
		"stopped":       {[]string{"stopped"}, Stopped, "stopped"},
		"named-pipe":    {[]string{"named-pipe", fifo}, BusyCall, "no pipe, socket or event"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vetoedFor(t, New(proc.Default), stage(t, test.args[0], test.args[1:]...), test.reason, test.text)
		})
	}
}

func TestWork(t *testing.T) {
	for role, change := range map[string]Change{
		"cpu": UsedCPU, "worker-thread": UsedCPU, "zombie-worker": UsedCPU, "writer": Written, "drip": Network, "file-reader": Read,
	} {
		t.Run(role, func(t *testing.T) {
			file := t.TempDir() + "/file"
			if err := os.WriteFile(file, []byte("some"), 0o600); err != nil {
				t.Fatal(err)
			}
			keys := stage(t, role, file)
			r := New(proc.Default)
			after := look(r, keys)
			// A crowded machine may give it no time for a while.
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
				before := after
				time.Sleep(250 * time.Millisecond)
				after = look(r, keys)
				for _, moved := range Progress(before, after) {
					if moved.Change == change && moved.Amount > 0 {
						return
					}
				}
			}
			t.Errorf("no %s: %s", change, tell(after))
		})
	}
}

// A pipe to the test, which is not in the job, and the same pipe when the test
// is one of the job's helpers.
func TestPipeToOutside(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	r := New(proc.Default)
	var keys []proc.Key
	for _, role := range []string{"inherited", "polls-inherited"} {
		waiting := exec.Command(play, role, "3")
		waiting.ExtraFiles = []*os.File{read}
		keys = stageBy(t, waiting)
		vetoedFor(t, r, keys, Outside, "whose other end is open in process")
		idle(t, r, keys, os.Getpid())
	}

	// One that nobody waits for is still a way out, as long as somebody has it.
	holding := exec.Command("sleep", "60")
	holding.ExtraFiles = []*os.File{write}
	sleeper := []proc.Key{launch(t, holding)}
	vetoedFor(t, r, sleeper, Outside, ", outside the job")
	idle(t, r, append(sleeper, keys...), os.Getpid())
}

func TestUnixSocketToOutside(t *testing.T) {
	for _, test := range map[string]struct {
		socket, role string
		reason       Reason
	}{
		"a service":           {"/service.sock", "connect-unix", Outside},
		"a container service": {"/docker.sock", "connect-unix", Container},
	} {
		path := t.TempDir() + test.socket
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		keys := stage(t, test.role, path)
		r := New(proc.Default)
		if test.reason == Outside {
			vetoedFor(t, r, keys, Outside, "not accepted yet")
		}
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		vetoedFor(t, r, keys, test.reason, strconv.Quote(path))
		if test.reason == Outside {
			idle(t, r, keys, os.Getpid())
			server.Close()
			idle(t, r, keys)
		}
	}
}

// A child that left the job, to a container or a session, may be at work.
func TestChildOutside(t *testing.T) {
	r := New(proc.Default)
	for _, role := range []string{"wait4", "waitid"} {
		keys := stage(t, role)
		vetoedFor(t, r, keys[:1], Outside, "its child "+strconv.Itoa(keys[1].PID))
		idle(t, r, keys)
	}
}

// A debugger of whatever kind.
func TestTraced(t *testing.T) {
	keys := stage(t, "pause")
	debugger := start(t, "strace", "-o", "/dev/null", "-p", strconv.Itoa(keys[0].PID))
	vetoedFor(t, New(proc.Default), keys, Traced, strconv.Itoa(debugger.PID))
}

// A stop and a continue turn a sleep into restart_syscall, which is the same.
func TestContinuedSleep(t *testing.T) {
	keys := stage(t, "nanosleep")
	r := New(proc.Default)
	idle(t, r, keys)
	_ = syscall.Kill(keys[0].PID, syscall.SIGSTOP)
	vetoedFor(t, r, keys, Stopped, "stopped")
	_ = syscall.Kill(keys[0].PID, syscall.SIGCONT)
	if s := idle(t, r, keys); s[0].Doing != "restart_syscall" {
		t.Errorf("it does %q", s[0].Doing)
	}
}

// An srun is judged by whether a slurmstepd of the job is connected to it.
func TestLauncher(t *testing.T) {
	named := filepath.Join(t.TempDir(), "srun")
	text, err := os.ReadFile(play)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(named, text, 0o755); err != nil {
		t.Fatal(err)
	}
	r := New(proc.Default)
	keys := stageBy(t, exec.Command(named, "launcher"))
	if s := idle(t, r, keys[:1], keys[1].PID); s[0].Doing != "sigwait" {
		t.Errorf("it does %q", s[0].Doing)
	}
	vetoedFor(t, r, keys, RemoteStep, "none of its tasks") // no slurmstepd among them
	vetoedFor(t, r, stage(t, "launcher")[:1], BusyCall, "which is not waiting")

	// Its child that cleans up after it has no connection, and needs none.
	keys = stageBy(t, exec.Command(named, "shepherd"))
	vetoedFor(t, r, keys[:1], RemoteStep, "none of its tasks")
	eventually(t, "the child reads", func() bool {
		s := look(r, keys)
		return s[0].vetoed(RemoteStep) && s[1].Idle() && s[1].Comm == srun
	})
	vetoedFor(t, r, keys[1:], RemoteStep, "none of its tasks") // whose child is it?
}

// What there is no time for counts as working, and a question that hangs in
// the kernel is not asked a second time.
func TestLate(t *testing.T) {
	keys := stage(t, "loopback")
	r := New(proc.Default)
	idle(t, r, keys)
	samples := r.Sample(keys, soon())
	r.Look(samples, nil, time.Now())
	for _, s := range samples {
		if s.Idle() || !errors.Is(s.Unreadable, ErrLate) {
			t.Errorf("%+v", s)
		}
	}
	hanging := make(chan answer, 1)
	r.late = hanging
	for range 2 {
		if s := look(r, keys)[0]; s.Idle() || !errors.Is(s.Unreadable, errStuck) {
			t.Errorf("%+v", s)
		}
	}
	hanging <- answer{}
	idle(t, r, keys)
}
