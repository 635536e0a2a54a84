// Command slowfs mounts a folder through FUSE on which each write takes its
// time: a test helper for jobs that save to a slow file system. It ends, and
// unmounts, when it is asked to.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// delay is how long each write takes.
const delay = 400 * time.Millisecond

// file is an open file that is slow to write.
type file struct{ *fs.LoopbackFile }

func (f file) Write(ctx context.Context, data []byte, at int64) (uint32, syscall.Errno) {
	time.Sleep(delay)
	return f.LoopbackFile.Write(ctx, data, at)
}

// PassthroughFd keeps the kernel from writing to the file behind by itself.
func (file) PassthroughFd() (int, bool) { return 0, false }

// node is a file or folder whose files are slow to write.
type node struct{ fs.LoopbackNode }

func (n *node) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	opened, mode, errno := n.LoopbackNode.Open(ctx, flags)
	return slowed(opened), mode, errno
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, opened, fuseFlags, errno := n.LoopbackNode.Create(ctx, name, flags, mode, out)
	return inode, slowed(opened), fuseFlags, errno
}

// WrapChild makes everything below such a node too.
func (n *node) WrapChild(context.Context, fs.InodeEmbedder) fs.InodeEmbedder {
	return &node{fs.LoopbackNode{RootData: n.RootData}}
}

func slowed(opened fs.FileHandle) fs.FileHandle {
	if plain, ok := opened.(*fs.LoopbackFile); ok {
		return file{plain}
	}
	return opened
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "slowfs:", err)
		os.Exit(1)
	}
}

// run serves the folder of the first argument at that of the second.
func run() error {
	if len(os.Args) != 3 {
		return errors.New("use slowfs FOLDER MOUNTPOINT")
	}
	root := &fs.LoopbackRoot{Path: os.Args[1]}
	server, err := fs.Mount(os.Args[2], &node{fs.LoopbackNode{RootData: root}}, &fs.Options{
		MountOptions: fuse.MountOptions{AllowOther: true, DirectMount: true, FsName: "slowfs", Options: []string{"default_permissions"}},
	})
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		for range asked {
			_ = server.Unmount()
		}
	}()
	server.Wait()
	return nil
}
