package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// live is the misbehaviour itself, in the process it is meant for.
func (o *options) live() error {
	if o.setpgid {
		if err := syscall.Setpgid(0, 0); err != nil {
			return fmt.Errorf("-setpgid: %w", err)
		}
	}
	if o.name != "" {
		if err := o.rename(); err != nil {
			return err
		}
	}
	asked, err := o.disposition()
	if err != nil {
		return err
	}
	if len(o.locks) > 0 {
		done, err := o.takeLocks()
		if done || err != nil {
			return err
		}
	}
	if err := o.company(); err != nil {
		return err
	}
	if o.forkChain {
		return o.chain()
	}
	if o.zombie {
		return o.leaveLeader(asked)
	}
	if o.memory != "" {
		if err := o.holdMemory(); err != nil {
			return err
		}
	}
	if err := o.sayReady(); err != nil {
		return err
	}
	if o.forkRate > 0 {
		go o.fork()
	}
	if o.stopped {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	if o.writeTo != "" && !o.writeAside {
		o.write(asked)
	} else {
		if o.writeTo != "" {
			go o.write(nil)
		}
		<-asked
	}
	o.work()
	return nil
}

// company starts the children and threads asked for. A child that ends is
// reaped at once: a zombie nobody asked for would be one more survivor.
func (o *options) company() error {
	child := *o
	child.children, child.forkRate, child.forkChain = 0, 0, false
	child.zombie, child.setpgid, child.locks = false, false, nil
	child.tell, child.childTerm = false, ""
	if o.childTerm != "" {
		child.term = o.childTerm
	}
	for range o.children {
		command, err := o.again(child, nil)
		if err != nil {
			return err
		}
		if o.tell {
			o.told = append(o.told, command)
			continue
		}
		go func() { _ = command.Wait() }()
	}
	for range o.threads {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
	return nil
}

// rename sets the name in /proc/PID/comm, of this thread and the whole
// process: the leader's is the one that shows.
func (o *options) rename() error {
	name, err := strconv.Unquote(`"` + o.name + `"`)
	if err != nil {
		return fmt.Errorf("-name %q: %w", o.name, err)
	}
	return os.WriteFile("/proc/self/task/"+strconv.Itoa(os.Getpid())+"/comm", []byte(name), 0)
}

// sayReady adds this process to the ready file in one write, so that lines of
// several never mix.
func (o *options) sayReady() error {
	if o.ready == "" {
		return nil
	}
	_, start, err := stateAndStart()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(o.ready, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = fmt.Fprintf(file, "%d %s\n", os.Getpid(), start)
	return err
}

// stateAndStart returns the state of this process and its start time in clock
// ticks after boot, fields 3 and 22 of proc_pid_stat(5).
func stateAndStart() (state, start string, err error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return "", "", err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 {
		return "", "", fmt.Errorf("/proc/self/stat: only %d fields after the name", len(fields))
	}
	return fields[0], fields[19], nil
}

// leaveLeader ends the first thread of the process alone. The others live on,
// and the process shows as a zombie; one of them says so and works.
func (o *options) leaveLeader(asked <-chan os.Signal) error {
	go func() {
		runtime.LockOSThread()
		for {
			if state, _, err := stateAndStart(); err != nil || state == "Z" {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err := o.sayReady(); err != nil {
			os.Exit(1)
		}
		if o.forkRate > 0 {
			go o.fork()
		}
		<-asked
		o.work()
		os.Exit(0)
	}()
	// The goroutine needs a thread of its own before this one ends.
	time.Sleep(20 * time.Millisecond)
	syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
	return nil
}

// The first goroutine stays on the first thread: it is the one whose name and
// mask the kernel shows for the process, and the one that can leave it.
func init() { runtime.LockOSThread() }
