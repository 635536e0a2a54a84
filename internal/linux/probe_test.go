package linux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// abortFUSE has a child abort the connection, which may mount something for
// itself, and returns what that says.
func abortFUSE(connection string) string {
	command := exec.Command(os.Args[0], "-test.run=^TestAbortFUSEOnlyIfSomebodyWaits$")
	command.Env = append(os.Environ(), "ABORT_FUSE="+connection)
	out, err := command.Output()
	return fmt.Sprint(string(out), err)
}

// A connection nobody waits for is not aborted: that there are requests is the
// kernel's own word that it is the one.
func TestAbortFUSEOnlyIfSomebodyWaits(t *testing.T) {
	if connection, ok := os.LookupEnv("ABORT_FUSE"); ok {
		err := AbortFUSE(connection)
		fmt.Print(errors.Is(err, ErrNobodyWaits), " ", err, " ")
		os.Exit(0)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skip("only root may mount: ", err)
	}
	defer unix.Close(fd)
	on := t.TempDir()
	if err := unix.Mount("test", on, "fuse.test", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		t.Skip("only root may mount: ", err)
	}
	defer func() { _ = unix.Unmount(on, unix.MNT_DETACH) }()
	request := make([]byte, 1<<20)
	next := func() int {
		t.Helper()
		if !Readable(fd, 5*time.Second) {
			t.Fatal("no request came")
		}
		n, err := unix.Read(fd, request)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	next() // FUSE_INIT
	answer := make([]byte, 16+64)
	binary.NativeEndian.PutUint32(answer, uint32(len(answer)))
	copy(answer[8:16], request[8:16])
	binary.NativeEndian.PutUint32(answer[16:], 7)
	binary.NativeEndian.PutUint32(answer[20:], 31)
	if _, err := unix.Write(fd, answer); err != nil {
		t.Fatal(err)
	}
	connection := ""
	mounts, _ := os.ReadFile("/proc/thread-self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if words := strings.Fields(line); words[4] == on {
			_, connection, _ = strings.Cut(words[2], ":")
		}
	}
	if said := abortFUSE(connection); !strings.HasPrefix(said, "true ") {
		t.Errorf("nobody waits: %s", said)
	}
	if _, err := unix.Read(fd, request); err != unix.EAGAIN {
		t.Errorf("the connection is gone: %v", err)
	}
	waits := exec.Command("ls", on+"/x")
	if err := waits.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waits.Process.Signal(syscall.SIGKILL) }()
	next()
	if said := abortFUSE(connection); said != "false <nil> <nil>" {
		t.Fatal(said)
	}
	if _, err := unix.Read(fd, request); err != unix.ENODEV {
		t.Fatalf("the connection is still there: %v", err)
	}
	if err := waits.Wait(); err == nil {
		t.Error("it got an answer")
	}
}
