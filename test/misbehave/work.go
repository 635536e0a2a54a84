package main

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// trickle is the pause between two small pieces of a slow save.
const trickle = 700 * time.Millisecond

// work is what a program does when it is asked to end: it saves.
func (o *options) work() {
	if o.tell {
		o.tellChildren()
		return
	}
	until := time.Now().Add(o.finish)
	if o.finishBy == "tcp" {
		if o.send(until) != nil {
			return
		}
	}
	for time.Now().Before(until) {
		switch o.finishBy {
		case "cpu":
			for i := range 1 << 16 {
				_ = i * i
			}
		case "write":
			_ = os.WriteFile(o.finishFile+".part", make([]byte, 1<<16), 0o644)
		case "trickle":
			o.writeALittle()
			time.Sleep(trickle)
		default:
			time.Sleep(time.Until(until))
		}
	}
	if o.finishFile != "" {
		// Renamed into place, so that the file is there whole or not at all.
		if os.WriteFile(o.finishFile+".part", []byte("saved\n"), 0o644) == nil {
			_ = os.Rename(o.finishFile+".part", o.finishFile)
		}
	}
}

// tellChildren tells the children, who ignore SIGTERM, in their own way.
func (o *options) tellChildren() {
	for _, child := range o.told {
		_ = child.Process.Signal(syscall.SIGUSR1)
	}
	for _, child := range o.told {
		_ = child.Wait()
	}
}

func (o *options) writeALittle() {
	file, err := os.OpenFile(o.finishFile+".part", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err == nil {
		_, _ = file.Write(make([]byte, 512))
		_ = file.Close()
	}
}

// send hands data to somebody who takes it slowly, and returns once all of it
// was taken: the other side says so with one byte.
func (o *options) send(until time.Time) error {
	link, err := net.Dial("tcp", o.finishTo)
	if err != nil {
		return err
	}
	defer link.Close()
	piece := make([]byte, 1<<20)
	for time.Now().Before(until) {
		if _, err := link.Write(piece); err != nil {
			return err
		}
	}
	if err := link.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadFull(link, make([]byte, 1))
	return err
}
