package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// live is the misbehaviour itself, in the process it is meant for.
func (o *options) live() error {
	if o.name != "" {
		if err := o.rename(); err != nil {
			return err
		}
	}
	asked := o.disposition()
	if len(o.locks) > 0 {
		done, err := o.takeLocks()
		if done || err != nil {
			return err
		}
	}
	child := *o
	child.children, child.forkRate, child.forkChain, child.zombie, child.locks = 0, 0, false, false, nil
	for range o.children {
		if _, err := o.again(child, nil); err != nil {
			return err
		}
	}
	for range o.threads {
		go func() {
			runtime.LockOSThread()
			select {}
		}()
	}
	if o.forkChain {
		return o.chain()
	}
	o.sayReady()
	if o.forkRate > 0 {
		go o.fork()
	}
	if o.stopped {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	if o.zombie {
		return o.leaveLeader()
	}
	<-asked
	o.work()
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

// disposition sets what SIGTERM does and returns a channel that tells when to
// begin the last work.
func (o *options) disposition() <-chan os.Signal {
	asked := make(chan os.Signal, 1)
	switch o.term {
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
	case "catch":
		signal.Notify(asked, syscall.SIGTERM)
	}
	return asked
}

// work is what a program does when it is asked to end: it saves.
func (o *options) work() {
	until := time.Now().Add(o.finish)
	for time.Now().Before(until) {
		switch o.finishBy {
		case "cpu":
			for i := range 1 << 16 {
				_ = i * i
			}
		case "write":
			if o.finishFile != "" {
				_ = os.WriteFile(o.finishFile+".part", make([]byte, 1<<16), 0o644)
			}
		default:
			time.Sleep(time.Until(until))
		}
	}
	if o.finishFile != "" {
		_ = os.WriteFile(o.finishFile, []byte("saved\n"), 0o644)
	}
}

// sayReady adds this process to the ready file.
func (o *options) sayReady() {
	if o.ready == "" {
		return
	}
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	file, err := os.OpenFile(o.ready, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		return
	}
	defer file.Close()
	fmt.Fprintf(file, "%d %s\n", os.Getpid(), fields[19])
}

// leaveLeader ends the first thread of the process alone; the others live on
// and the process shows as a zombie. main is on the first thread only if the
// runtime was told so at the start (init below).
func (o *options) leaveLeader() error {
	go func() {
		runtime.LockOSThread()
		time.Sleep(o.max)
		os.Exit(3)
	}()
	time.Sleep(20 * time.Millisecond)
	syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
	return nil
}

func init() { runtime.LockOSThread() }
