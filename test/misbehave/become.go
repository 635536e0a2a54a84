package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
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
	before := o.readyLines()
	switch {
	case o.daemon:
		// The middle process leads the new session and exits once its child
		// is there: fork, setsid, fork.
		middle := rest
		middle.exit = true
		if _, err := o.again(middle, attributes); err != nil {
			return true, err
		}
		return true, o.waitReady(before)
	case o.exit:
		if _, err := o.again(rest, attributes); err != nil {
			return true, err
		}
		return true, o.waitReady(before)
	case o.uid != 0 || o.setsid || o.cleanEnv || len(o.env) > 0:
		command, err := o.again(rest, attributes)
		if err != nil {
			return true, err
		}
		return true, command.Wait()
	case o.term == "block" || o.term == "sigwait":
		if blocked, err := termBlocked(); blocked || err != nil {
			return err != nil, err
		}
		return true, o.blockAndExec()
	}
	return false, nil
}

// readyLines counts the processes that said they are ready.
func (o *options) readyLines() int {
	text, err := os.ReadFile(o.ready)
	if err != nil {
		return 0 // nobody has made the file yet
	}
	return strings.Count(string(text), "\n")
}

// waitReady waits until all processes that were started are in the ready file,
// which had before lines at first.
func (o *options) waitReady(before int) error {
	if o.ready == "" {
		return nil
	}
	want := before + 1 + o.children
	for until := time.Now().Add(10 * time.Second); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if o.readyLines() >= want {
			return nil
		}
	}
	return fmt.Errorf("%s: %d of %d got ready in 10 s", o.ready, o.readyLines()-before, want-before)
}

// arguments writes the options as a command line.
func (o options) arguments() []string {
	args := []string{
		"-term", o.term, "-finish", o.finish.String(), "-finish-by", o.finishBy, "-finish-file", o.finishFile,
		"-finish-to", o.finishTo, "-child-term", o.childTerm,
		"-children", strconv.Itoa(o.children), "-threads", strconv.Itoa(o.threads),
		"-fork-rate", strconv.Itoa(o.forkRate), "-link", o.link.String(), "-child-life", o.childLife.String(),
		"-name", o.name, "-uid", strconv.Itoa(o.uid), "-cgroup", o.cgroup, "-hold-memory", o.memory, "-write-to", o.writeTo,
		"-ready", o.ready, "-max", o.max.String(),
	}
	for _, flag := range []struct {
		name string
		on   bool
	}{
		{"-daemon", o.daemon},
		{"-setsid", o.setsid},
		{"-setpgid", o.setpgid},
		{"-clean-env", o.cleanEnv},
		{"-exit", o.exit},
		{"-zombie-leader", o.zombie},
		{"-stopped", o.stopped},
		{"-fork-chain", o.forkChain},
		{"-lock-shared", o.shared},
		{"-pass-lock", o.passLock},
		{"-tell", o.tell},
		{"-write-aside", o.writeAside},
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
