package locks

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// TestMain lets this test program hold locks in processes of its own.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "hold" {
		if err := hold(os.Args[2], os.Args[3]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const (
	setOFDLock = 37   // F_OFD_SETLK
	setLease   = 1024 // F_SETLEASE
)

func init() { runtime.LockOSThread() }

// hold takes a lock and lives on. "inherited" has a child do so, "zombie"
// another thread, "waiting" waits for what somebody else has.
func hold(kind, path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	fd := file.Fd()
	posix := func(command int, start, length int64) error {
		return syscall.FcntlFlock(fd, command, &syscall.Flock_t{Type: syscall.F_WRLCK, Start: start, Len: length})
	}
	switch kind {
	case "flock", "inherited", "zombie":
		err = syscall.Flock(int(fd), syscall.LOCK_EX)
	case "shared":
		err = syscall.Flock(int(fd), syscall.LOCK_SH)
	case "posix":
		err = posix(syscall.F_SETLK, 10, 20)
	case "ofd":
		err = posix(setOFDLock, 5, 0)
	case "lease":
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, setLease, syscall.F_WRLCK); errno != 0 {
			err = errno
		}
	case "waiting":
		fmt.Println(os.Getpid())
		if err := syscall.Flock(int(fd), syscall.LOCK_EX); err != nil {
			return err
		}
		time.Sleep(time.Minute)
	}
	if err != nil {
		return err
	}
	switch kind {
	case "inherited":
		child := exec.Command("sleep", "60")
		child.ExtraFiles = []*os.File{file}
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Println(child.Process.Pid)
		return nil
	case "zombie":
		go func() { time.Sleep(time.Minute); os.Exit(0) }()
		fmt.Println(os.Getpid())
		time.Sleep(50 * time.Millisecond)
		syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
	}
	fmt.Println(os.Getpid())
	time.Sleep(time.Minute)
	return nil
}

// holder starts one and returns the process that has the lock.
func holder(t testing.TB, kind, path string) proc.Key {
	t.Helper()
	command := exec.Command(os.Args[0], "hold", kind, path)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, err := fmt.Sscan(line, &pid); err != nil {
		t.Fatalf("%s: %q, %v", kind, line, err)
	}
	if kind == "inherited" {
		_ = command.Wait() // the taker is gone now
	} else {
		go func() { _ = command.Wait() }()
	}
	if kind == "zombie" {
		time.Sleep(100 * time.Millisecond)
	}
	stat, err := proc.Default.Stat(pid, make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(stat.Key()) })
	return stat.Key()
}

// end kills the process and waits until nothing of it is left.
func end(key proc.Key) {
	_ = syscall.Kill(key.PID, syscall.SIGKILL)
	for range 500 {
		stat, err := proc.Default.Stat(key.PID, make([]byte, 4096))
		if err != nil || stat.Start != key.Start || stat.Dead() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func soon() time.Time { return time.Now().Add(5 * time.Second) }

func TestHeldByAndLook(t *testing.T) {
	want := map[string]Lock{
		"flock":     {Kind: FLOCK, State: "ADVISORY", Mode: "WRITE", End: EOF},
		"shared":    {Kind: FLOCK, State: "ADVISORY", Mode: "READ", End: EOF},
		"inherited": {Kind: FLOCK, State: "ADVISORY", Mode: "WRITE", End: EOF},
		"zombie":    {Kind: FLOCK, State: "ADVISORY", Mode: "WRITE", End: EOF},
		"posix":     {Kind: POSIX, State: "ADVISORY", Mode: "WRITE", Start: 10, End: 29},
		"ofd":       {Kind: OFDLCK, State: "ADVISORY", Mode: "WRITE", Start: 5, End: EOF},
		"lease":     {Kind: LEASE, State: "ACTIVE", Mode: "WRITE", End: EOF},
	}
	for kind, lock := range want {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "locked")
			key := holder(t, kind, path)
			held, complete, err := HeldBy(proc.Default, []proc.Key{key}, soon())
			if err != nil || !complete || len(held) != 1 || len(held[0].Holders) != 1 {
				t.Fatalf("%+v, %v, %v", held, complete, err)
			}
			got := held[0]
			var status syscall.Stat_t
			if err := syscall.Stat(path, &status); err != nil {
				t.Fatal(err)
			}
			lock.Taker, lock.Device, lock.Inode = got.Lock.Taker, got.Lock.Device, status.Ino
			if got.Lock != lock || got.Holders[0].Key != key || got.Path() != path {
				t.Errorf("%+v, want %+v on %s by %v", got, lock, path, key)
			}
			if gone := got.Lock.Taker != key.PID; gone != (kind == "inherited" || kind == "ofd") {
				t.Errorf("the kernel names %d as the taker, the holder is %d", got.Lock.Taker, key.PID)
			}
			fate := fateOf(t, held, key)
			if fate.State != HeldByJob || len(fate.Holders) == 0 {
				t.Errorf("while it lives: %+v", fate)
			}
			end(key)
			if fate := fateOf(t, held, key); fate.State != Freed || len(fate.Holders) != 0 {
				t.Errorf("after its end: %+v", fate)
			}
		})
	}
}

func fateOf(t *testing.T, held []Held, job ...proc.Key) Fate {
	t.Helper()
	fates, complete, err := Look(proc.Default, held, job, soon())
	if err != nil || !complete || len(fates) != 1 {
		t.Fatalf("%+v, %v, %v", fates, complete, err)
	}
	return fates[0]
}

// The descriptor of the job's lock lives on in a process outside the job.
func TestHeldByOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	key := holder(t, "inherited", path)
	held, _, err := HeldBy(proc.Default, []proc.Key{key}, soon())
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	fate := fateOf(t, held) // nobody is the job's now
	if fate.State != HeldByOther || len(fate.Holders) != 1 || fate.Holders[0].Key != key || fate.Holders[0].Comm != "sleep" {
		t.Errorf("%+v", fate)
	}
}

func TestWhoWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	key := holder(t, "flock", path)
	waiter := holder(t, "waiting", path)
	held, _, err := HeldBy(proc.Default, []proc.Key{key, waiter}, soon())
	if err != nil || len(held) != 1 || len(held[0].Holders) != 1 {
		t.Fatalf("who waits does not hold: %+v, %v", held, err)
	}
	for end := time.Now().Add(5 * time.Second); ; {
		fate := fateOf(t, held, key)
		if len(fate.Waiters) == 1 && fate.Waiters[0].Key == waiter {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", fate)
		}
		time.Sleep(10 * time.Millisecond)
	}
	end(key)
	// The one who waited has it now, and it is none of the job's.
	for end := time.Now().Add(5 * time.Second); fateOf(t, held, key).State != HeldByOther; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the lock is not the waiter's")
		}
	}
}

func TestOneDescriptionManyHolders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var keys []proc.Key
	for range 3 {
		child := exec.Command("sleep", "60")
		child.ExtraFiles = []*os.File{file}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		stat, err := proc.Default.Stat(child.Process.Pid, make([]byte, 4096))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, stat.Key())
		t.Cleanup(func() { end(stat.Key()); _ = child.Wait() })
	}
	held, _, err := HeldBy(proc.Default, keys, soon())
	if err != nil || len(held) != 1 || len(held[0].Holders) != 3 {
		t.Errorf("one lock, three holders: %+v, %v", held, err)
	}
}

func TestTheGoneAndTheLate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	key := holder(t, "flock", path)
	recycled := proc.Key{PID: key.PID, Start: key.Start + 1}
	held, complete, err := HeldBy(proc.Default, []proc.Key{recycled, {PID: 1 << 30}}, soon())
	if len(held) != 0 || !complete || err != nil {
		t.Errorf("%+v, %v, %v", held, complete, err)
	}
	if _, complete, _ := HeldBy(proc.Default, []proc.Key{key}, time.Now().Add(-time.Second)); complete {
		t.Error("with no time left it is said to be complete")
	}
	if fates, complete, err := Look("/nowhere", nil, nil, soon()); fates != nil || !complete || err != nil {
		t.Errorf("without a lock: %+v, %v, %v", fates, complete, err)
	}
}

// lslocks(8) reads the same kernel.
func TestLikeLslocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locked")
	key := holder(t, "posix", path)
	out, err := exec.Command("lslocks", "-n", "-b", "-p", fmt.Sprint(key.PID), "-o", "TYPE,MODE,START,END").Output()
	if err != nil {
		t.Fatal(err)
	}
	held, _, err := HeldBy(proc.Default, []proc.Key{key}, soon())
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	l := held[0].Lock
	if got, want := fmt.Sprint(l.Kind, " ", l.Mode, " ", l.Start, " ", l.End), strings.Join(strings.Fields(string(out)), " "); got != want {
		t.Errorf("%s, lslocks says %s", got, want)
	}
}
