package main

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// write writes to a file until it is asked to end, or as long as that works:
// once its file system does not answer any more it waits in the kernel.
func (o *options) write(asked <-chan os.Signal) {
	for {
		_ = os.WriteFile(o.writeTo, []byte("x"), 0o666)
		select {
		case <-asked:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// holdMemory is for a file on a file system that will be frozen: then one
// thread gets stuck writing to a page of it, and another that takes the page
// away gets stuck with the lock of this process's memory. The first thread
// goes on sleeping.
func (o *options) holdMemory() error {
	file, err := os.OpenFile(o.memory, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Truncate(4096); err != nil {
		return err
	}
	page, err := syscall.Mmap(int(file.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	var beats atomic.Int64
	go func() {
		runtime.LockOSThread()
		for ; ; time.Sleep(10 * time.Millisecond) {
			page[0]++
			beats.Add(1)
		}
	}()
	go func() {
		runtime.LockOSThread()
		for last := int64(-1); beats.Load() != last; time.Sleep(300 * time.Millisecond) {
			last = beats.Load()
		}
		_ = syscall.Munmap(page)
	}()
	return nil
}
