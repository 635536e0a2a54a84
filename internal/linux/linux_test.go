package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAppend(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/log"
	for range 2 {
		if err := Append(path, []byte("line\n"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	text, _ := os.ReadFile(path)
	if err != nil || string(text) != "line\nline\n" || info.Mode().Perm()&^0o640 != 0 {
		t.Errorf("%q, mode %v, %v", text, info.Mode(), err)
	}
	if err := Append(dir+"/none/log", nil, 0o640); !Gone(err) || !strings.Contains(err.Error(), dir+"/none/log") {
		t.Errorf("a missing folder: %v", err)
	}
	// What somebody else may have put in the place of a log.
	for name, make := range map[string]func(string) error{
		"link":   func(p string) error { return os.Symlink(path, p) },
		"pipe":   func(p string) error { return syscall.Mkfifo(p, 0o666) },
		"folder": func(p string) error { return os.Mkdir(p, 0o777) },
	} {
		p := filepath.Join(dir, name)
		if err := make(p); err != nil {
			t.Fatal(err)
		}
		if err := Append(p, []byte("line\n"), 0o640); err == nil {
			t.Errorf("a %s was written to", name)
		}
	}
	if text, _ := os.ReadFile(path); len(text) != 10 {
		t.Errorf("written through the link: %q", text)
	}
}

func TestSendDatagram(t *testing.T) {
	path := t.TempDir() + "/socket"
	if err := SendDatagram(path, []byte("x")); !Gone(err) {
		t.Errorf("nobody there: %v", err)
	}
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := SendDatagram(path, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 10)
	if n, err := listener.Read(buffer); err != nil || string(buffer[:n]) != "hello" {
		t.Errorf("%q, %v", buffer[:n], err)
	}
	// Nobody reads: it fails, and does not wait.
	start := time.Now()
	for range 10000 {
		if err = SendDatagram(path, make([]byte, 1000)); err != nil {
			break
		}
	}
	if err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}

func TestSayUntil(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fd := int(write.Fd()) // blocking from here on, as a hook's output is
	long := []byte(strings.Repeat("x", 10_000))
	if !SayUntil(fd, long, time.Now().Add(5*time.Second)) {
		t.Error("not said into an empty pipe")
	}
	start := time.Now()
	for range 100 {
		if !SayUntil(fd, long, start.Add(200*time.Millisecond)) {
			break
		}
	}
	if took := time.Since(start); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("a full pipe was waited for %s", took)
	}
	read.Close()
	if SayUntil(fd, long, time.Now().Add(time.Second)) {
		t.Error("said into a closed pipe")
	}
	write.Close()
}

func TestEachName(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		if err := os.WriteFile(fmt.Sprintf("%s/%d", dir, i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	err := EachName(dir, make([]byte, 512), func(name []byte) bool {
		seen[string(name)] = true
		return true
	})
	if err != nil || len(seen) != 300 || !seen["299"] {
		t.Errorf("%d names, %v", len(seen), err)
	}
	n := 0
	if err := EachName(dir, make([]byte, 512), func([]byte) bool { n++; return n < 3 }); err != nil || n != 3 {
		t.Errorf("%d names, %v", n, err)
	}
	if _, err := Names(dir + "/none"); !Gone(err) {
		t.Error(err)
	}
}

func FuzzEachEntry(f *testing.F) {
	f.Add([]byte("12345678" + "12345678" + "\x18\x00" + "\x08" + "name\x00"))
	f.Fuzz(func(t *testing.T, entries []byte) {
		eachEntry(entries, func(name []byte, _ byte) bool {
			if len(name) > len(entries) || strings.Contains(string(name), "\x00") {
				t.Errorf("%q", name)
			}
			return true
		})
	})
}

func TestReadAndWrite(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := Write(path, "x"); !Gone(err) {
		t.Errorf("Write made a file: %v", err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("0123456789", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := Read(path, make([]byte, 4)); err != nil || string(text) != "0123" {
		t.Errorf("%q, %v", text, err)
	}
	for _, limit := range []int{1, 4096, 9999, 10000, 20000} {
		if text, err := ReadAll(path, make([]byte, 16), limit); err != nil || len(text) != min(limit, 10000) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(text), err)
		}
	}
	if err := Write(path, "new"); err != nil {
		t.Error(err)
	}
	if text, _ := Read(path, make([]byte, 4)); string(text) != "new3" {
		t.Errorf("%q", text)
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	link := t.TempDir() + "/link"
	if err := os.Symlink("/nowhere/at all", link); err != nil {
		t.Fatal(err)
	}
	if text, err := Link(link); err != nil || text != "/nowhere/at all" {
		t.Errorf("%q, %v", text, err)
	}
	if !Exists(link) || Exists(link+"x") {
		t.Error("Exists asks what the link points to")
	}
	if uid, err := Owner(link); err != nil || int(uid) != os.Getuid() {
		t.Errorf("%d, %v", uid, err)
	}
}

func TestWhatAnErrorMeans(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOENT, syscall.ESRCH, syscall.ENODEV} {
		if err := fmt.Errorf("outer: %w", fail("open", "/x", errno)); !Gone(err) || Denied(err) {
			t.Error(err)
		}
	}
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES} {
		if err := fail("open", "/x", errno); !Denied(err) || Gone(err) {
			t.Error(err)
		}
	}
	var pathError *fs.PathError
	if err := fail("open", "/x", syscall.EIO); Gone(err) || Denied(err) || !errors.As(err, &pathError) || pathError.Path != "/x" {
		t.Error(err)
	}
}

func TestAWatchTellsOfTheEnd(t *testing.T) {
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Wait() }()
	fd, err := OpenPidfd(command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	watch, err := NewWatch()
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if err := watch.Add(fd, 42); err != nil {
		t.Fatal(err)
	}
	if tokens, err := watch.Wait(nil, 20*time.Millisecond); err != nil || len(tokens) > 0 {
		t.Errorf("%v, %v", tokens, err)
	}
	if err := SignalPidfd(fd, SIGKILL); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); ; {
		tokens, err := watch.Wait(nil, time.Second)
		if err != nil || time.Now().After(until) {
			t.Fatalf("%v, %v", tokens, err)
		}
		if len(tokens) == 1 && tokens[0] == 42 {
			break
		}
	}
	// It is told once, although nobody has reaped the process yet.
	if tokens, err := watch.Wait(nil, 20*time.Millisecond); err != nil || len(tokens) > 0 {
		t.Errorf("%v, %v", tokens, err)
	}
	if _, err := OpenPidfd(1 << 22); !Gone(err) && !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

func TestRaiseFileLimit(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if got := RaiseFileLimit(before.Cur + 10); got < before.Cur {
		t.Errorf("%d after %d", got, before.Cur)
	}
	if got := RaiseFileLimit(1); got < before.Cur {
		t.Errorf("lowered to %d", got)
	}
}

func TestHasProcesses(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	const lonely = 61_234
	if !HasProcesses(0) || HasProcesses(lonely) {
		t.Fatal("before")
	}
	command := exec.Command("sleep", "60")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: lonely, Gid: lonely}}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if !HasProcesses(lonely) {
		t.Error("a process is not seen")
	}
	_ = command.Process.Kill()
	_ = command.Wait()
	if HasProcesses(lonely) {
		t.Error("a reaped process is seen")
	}
}

// A chain of forks, of which each link lives a moment, is always seen.
func TestHasProcessesSeesAChain(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	const lonely = 61_235
	command := exec.Command("perl", "-e", "$SIG{CHLD} = 'IGNORE'; $| = 1; print qq(x\n); for (1..200000) { exit if fork }")
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: lonely, Gid: lonely}, Setpgid: true}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }()
	if _, err := out.Read(make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	go func() { _ = command.Wait() }()
	looks := 0
	for end := time.Now().Add(time.Second); time.Now().Before(end); looks++ {
		if !HasProcesses(lonely) {
			t.Fatalf("look %d did not see it", looks)
		}
	}
	if looks < 100 {
		t.Errorf("only %d looks", looks)
	}
}
