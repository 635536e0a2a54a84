package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// self is the path of this program: processes are named after it.
var self, _ = os.Executable()

// again starts this program once more with the arguments changed; attributes
// are those of the new process.
func (o *options) again(o2 options, attributes *syscall.SysProcAttr, files ...*os.File) (*exec.Cmd, error) {
	command := exec.Command(self, o2.arguments()...)
	command.Env = os.Environ()
	if o.cleanEnv {
		command.Env = []string{}
	}
	command.Env = append(command.Env, o.env...)
	command.SysProcAttr = attributes
	command.ExtraFiles = files
	if !o.exit && !o.daemon {
		command.Stdout, command.Stderr = os.Stdout, os.Stderr
	}
	return command, command.Start()
}

// become takes the steps that need a new process. It returns true in the
// process that is done once they are taken.
func (o *options) become() (bool, error) {
	rest := *o
	rest.cgroup, rest.uid, rest.env, rest.cleanEnv = "", 0, nil, false
	rest.daemon, rest.setsid, rest.exit = false, false, false
	attributes := &syscall.SysProcAttr{Setsid: o.setsid || o.daemon}
	if o.uid != 0 {
		attributes.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.uid)}
	}
	switch {
	case o.daemon:
		// The middle process leads the new session and exits once its child
		// is there: fork, setsid, fork.
		middle := rest
		middle.exit = true
		if _, err := o.again(middle, attributes); err != nil {
			return true, err
		}
		return true, o.waitReady()
	case o.exit:
		if _, err := o.again(rest, attributes); err != nil {
			return true, err
		}
		return true, o.waitReady()
	case o.uid != 0 || o.setsid || o.cleanEnv || len(o.env) > 0:
		command, err := o.again(rest, attributes)
		if err != nil {
			return true, err
		}
		return true, command.Wait()
	case o.term == "block" || o.term == "sigwait":
		return true, o.blockAndExec()
	}
	return false, nil
}

// waitReady waits for the line of the first process in the ready file.
func (o *options) waitReady() error {
	if o.ready == "" {
		return nil
	}
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(o.ready); err == nil && strings.HasSuffix(string(text), "\n") {
			return nil
		}
	}
	return fmt.Errorf("%s: nobody got ready in 10 s", o.ready)
}

// waiter does what a program in sigwait(3) does, in a language that keeps the
// signal mask it is started with; Go unblocks SIGTERM. Its arguments: seconds
// of work, how, the file to write, seconds to live.
const waiter = `
use POSIX ();
my ($finish, $by, $file, $max) = @ARGV;
my $until = time + $max;
my $pending = POSIX::SigSet->new;
while (time < $until) {
	POSIX::sigpending($pending);
	last if $finish >= 0 && $pending->ismember(POSIX::SIGTERM());
	select(undef, undef, undef, 0.02);
}
exit 3 if time >= $until;
my @start = POSIX::times();
my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());
while (((POSIX::times())[0] - $start[0]) / $ticks < $finish) {
	select(undef, undef, undef, 0.02) unless $by eq "cpu";
}
if ($file ne "") { open(my $f, ">", $file) or exit 4; print $f "saved\n"; close($f) }
`

// blockAndExec blocks SIGTERM in this thread and becomes the waiter: the mask
// lives on over execve(2).
func (o *options) blockAndExec() error {
	runtime.LockOSThread()
	mask := uint64(1) << (syscall.SIGTERM - 1)
	const sigBlock = 0
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigBlock, uintptr(unsafe.Pointer(&mask)), 0, 8, 0, 0)
	if errno != 0 {
		return errno
	}
	finish := o.finish.Seconds()
	if o.term == "block" {
		finish = -1 // never looks
	}
	o.sayReady()
	return syscall.Exec("/usr/bin/perl", []string{
		"misbehave", "-e", waiter, "--", fmt.Sprintf("%g", finish), o.finishBy, o.finishFile, fmt.Sprintf("%g", o.max.Seconds()),
	}, os.Environ())
}

// arguments writes the options as a command line.
func (o options) arguments() []string {
	args := []string{
		"-term", o.term, "-finish", o.finish.String(), "-finish-by", o.finishBy, "-finish-file", o.finishFile,
		"-children", strconv.Itoa(o.children), "-threads", strconv.Itoa(o.threads),
		"-fork-rate", strconv.Itoa(o.forkRate), "-link", o.link.String(), "-child-life", o.childLife.String(),
		"-name", o.name, "-uid", strconv.Itoa(o.uid), "-cgroup", o.cgroup, "-ready", o.ready, "-max", o.max.String(),
	}
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"-daemon", o.daemon},
		{"-setsid", o.setsid},
		{"-clean-env", o.cleanEnv},
		{"-exit", o.exit},
		{"-zombie-leader", o.zombie},
		{"-stopped", o.stopped},
		{"-fork-chain", o.forkChain},
		{"-lock-shared", o.shared},
		{"-pass-lock", o.passLock},
	} {
		if flag.on {
			args = append(args, flag.name)
		}
	}
	for _, lock := range o.locks {
		args = append(args, "-lock", lock)
	}
	for _, variable := range o.env {
		args = append(args, "-env", variable)
	}
	return args
}
