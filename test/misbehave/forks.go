package main

import (
	"os"
	"syscall"
	"time"
)

// fork starts children at the rate asked for, each of which lives childLife.
func (o *options) fork() {
	tick := time.NewTicker(time.Second / time.Duration(o.forkRate))
	child := options{term: o.term, max: o.childLife, finishBy: "sleep"}
	for range tick.C {
		pid, err := o.spawn(child)
		if err == nil {
			go func() { _, _ = syscall.Wait4(pid, nil, 0, nil) }()
		}
	}
}

// spawn starts this program again as cheaply as Go can.
func (o *options) spawn(child options) (int, error) {
	return syscall.ForkExec(self, append([]string{self}, child.arguments()...), &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
	})
}

// chain starts the next link and exits: no process of it ever gets old. The
// time that is left is handed on, so that the chain ends.
func (o *options) chain() error {
	if err := o.sayReady(); err != nil {
		return err
	}
	next := *o
	next.ready = ""
	next.max = o.max - o.link
	if next.max <= 0 {
		return nil
	}
	time.Sleep(o.link)
	_, err := o.spawn(next)
	return err
}
