// Command silentfuse mounts a FUSE file system, becomes its user, takes every
// request, and answers none: what a hung daemon looks like. It is a test
// helper; SIGTERM, or -max, ends it, and the kernel then ends the connection.
// The mount is left to whoever started it.
package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	on := flag.String("on", "", "folder to mount on")
	user := flag.Int("user", 0, "user who mounts it and serves it")
	busy := flag.Bool("busy", false, "use the processor all the time")
	most := flag.Duration("max", 2*time.Minute, "end after this long in any case")
	flag.Parse()
	if err := serve(*on, *user, *busy, *most); err != nil {
		fmt.Fprintln(os.Stderr, "silentfuse:", err)
		os.Exit(1)
	}
}

// serve mounts, answers the first request, which is FUSE_INIT
// (include/uapi/linux/fuse.h), says so, and reads on.
func serve(on string, user int, busy bool, most time.Duration) error {
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other", fd, user, user)
	if err := syscall.Mount("silent", on, "fuse.silent", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount on %s: %w", on, err)
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	time.AfterFunc(most, func() { os.Exit(0) })
	go func() {
		<-asked
		os.Exit(0)
	}()
	request := make([]byte, 1<<20)
	n, err := syscall.Read(fd, request)
	if err != nil {
		return err
	}
	if _, err := syscall.Write(fd, welcome(request[:n])); err != nil {
		return err
	}
	// Before Linux 6.15 the real user is all there is to tell whose daemon it is.
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(user), syscall.Setuid(user)); err != nil {
		return fmt.Errorf("become user %d: %w", user, err)
	}
	fmt.Println("ready")
	if busy {
		go func() {
			for {
				runtime.Gosched()
			}
		}()
	}
	for {
		if _, err := syscall.Read(fd, request); err != nil && err != syscall.EINTR {
			// The connection was aborted.
			time.Sleep(most)
		}
	}
}

// welcome is the answer to FUSE_INIT: the kernel's own version, no features.
func welcome(request []byte) []byte {
	order := binary.NativeEndian
	answer := make([]byte, 16+64)
	order.PutUint32(answer, uint32(len(answer)))
	copy(answer[8:16], request[8:16]) // which request
	order.PutUint32(answer[16:], 7)
	order.PutUint32(answer[20:], order.Uint32(request[44:]))
	order.PutUint32(answer[36:], 1<<17) // max_write
	return answer
}
