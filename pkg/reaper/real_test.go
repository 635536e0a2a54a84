package reaper

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/proc"
)

// children is a Target of this test's own processes, found by their group.
type children struct {
	t     *testing.T
	group int
}

func (c children) Look(time.Time) (Seen, error) {
	var seen Seen
	buffer := make([]byte, 8192)
	err := proc.Default.EachPID(func(pid int) bool {
		stat, err := proc.Default.Stat(pid, buffer)
		if err != nil || stat.Group != c.group || stat.Dead() {
			return true
		}
		status, err := proc.Default.Status(pid, buffer)
		if err == nil {
			seen.Survivors = append(seen.Survivors, Survivor{
				Key: Key(stat.Key()), Ignores: status.Disposition(15) == proc.DispositionIgnored,
			})
		}
		return true
	})
	return seen, err
}

// start runs a script in a process group of its own and waits for its first
// line.
func start(t *testing.T, script string) children {
	t.Helper()
	command := exec.Command("bash", "-c", script)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		_ = command.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = command.Process.Wait() }()
	return children{t, command.Process.Pid}
}

func reap(t *testing.T, l Ladder, target Target) Report {
	t.Helper()
	k, err := NewKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Free()
	return Reap(context.Background(), l, target, k)
}

func TestRealProcesses(t *testing.T) {
	tests := []struct {
		name, script string
		outcome      Outcome // of the script itself
		within       time.Duration
	}{
		{"default", "echo; while :; do sleep 1; done", Terminated, time.Second},
		{"ignores", "trap '' TERM; echo; while :; do sleep 1; done", Killed, 2 * time.Second},
		{"catches and ends", "trap 'sleep 0.3; exit' TERM; echo; while :; do sleep 0.1; done", Terminated, 1900 * time.Millisecond},
		{"catches and goes on", "trap ':' TERM; echo; while :; do sleep 0.1; done", Killed, 4 * time.Second},
		{"stopped", "echo; kill -STOP $$; sleep 60", Terminated, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target := start(t, test.script)
			time.Sleep(50 * time.Millisecond)
			began := time.Now()
			report := reap(t, ladder, target)
			if took := time.Since(began); took > test.within {
				t.Errorf("it took %s", took)
			}
			for _, result := range report.Results {
				if result.Key.PID == target.group && result.Outcome != test.outcome {
					t.Errorf("%s, want %s", result.Outcome, test.outcome)
				}
			}
			if seen, _ := target.Look(time.Time{}); len(seen.Survivors) > 0 || len(report.Results) == 0 {
				t.Errorf("%+v left, of %+v", seen, report)
			}
		})
	}
}

// A kernel that lost its pidfds, or never had any.
func TestWithoutPidfds(t *testing.T) {
	target := start(t, "trap '' TERM; echo; while :; do sleep 1; done")
	k, err := NewKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Free()
	report := Reap(context.Background(), ladder, target, numbers{k})
	if seen, _ := target.Look(time.Time{}); len(seen.Survivors) > 0 || report.Method != ByPID || report.Results[0].Outcome != Killed {
		t.Errorf("%+v left, of %+v", seen, report)
	}
}

// numbers is the real kernel without pidfds.
type numbers struct{ *Linux }

func (n numbers) Open(key Key) (int, error) { return n.byNumber(key) }

// A process that is gone by the time it is taken hold of by its number is
// waited for by nobody.
func TestByNumberKnowsTheDead(t *testing.T) {
	k, err := NewKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Free()
	if _, err := k.byNumber(Key{PID: os.Getpid(), Start: 1}); !k.Gone(err) {
		t.Errorf("%v", err)
	}
	began := time.Now()
	gone, err := k.Wait(context.Background(), 100*time.Millisecond)
	if err != nil || len(gone) > 0 || time.Since(began) < 90*time.Millisecond {
		t.Errorf("%v, %v after %s", gone, err, time.Since(began))
	}
}

// Where descriptors are scarce some are left for the looks, and who has none
// is held by its number.
func TestDescriptorsAreLeftForOthers(t *testing.T) {
	target := start(t, "sleep 60 & sleep 60 & echo; wait")
	k, err := NewKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Free()
	if k.room < 1024-spareDescriptors {
		t.Errorf("room for %d only", k.room)
	}
	k.room = 1
	seen, err := target.Look(time.Time{})
	if err != nil || len(seen.Survivors) != 3 {
		t.Fatalf("%+v, %v", seen, err)
	}
	byNumber := 0
	var handles []int
	for _, survivor := range seen.Survivors {
		handle, err := k.Open(survivor.Key)
		if err != nil {
			t.Fatal(err)
		}
		if handles = append(handles, handle); handle < 0 {
			byNumber++
		}
	}
	if byNumber != 2 || k.Method() != ByPID {
		t.Errorf("%d of 3 are held by their numbers, method %s", byNumber, k.Method())
	}
	for _, handle := range handles {
		k.Close(handle)
	}
	if handle, err := k.Open(seen.Survivors[0].Key); handle < 0 || err != nil {
		t.Errorf("there is room again: %d, %v", handle, err)
	}
}

// A recycled pid is another process: nothing may reach it.
func TestTheStartTimeDecides(t *testing.T) {
	target := start(t, "echo; sleep 60")
	k, err := NewKernel("/proc")
	if err != nil {
		t.Fatal(err)
	}
	defer k.Free()
	stat, err := proc.Default.Stat(target.group, make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(Key{PID: target.group, Start: stat.Start + 1}); !k.Gone(err) {
		t.Errorf("another start time opened it: %v", err)
	}
	if err := k.Signal(-99, Key{PID: target.group, Start: stat.Start + 1}, syscall.SIGKILL); !k.Gone(err) {
		t.Errorf("another start time was signalled: %v", err)
	}
	if handle, err := k.Open(Key{PID: target.group, Start: stat.Start}); err != nil || handle < 0 {
		t.Errorf("%d, %v", handle, err)
	}
}

// Descriptors are given back.
func TestNoDescriptorIsLost(t *testing.T) {
	before := descriptors(t)
	for range 3 {
		reap(t, ladder, start(t, "sleep 60 & sleep 60 & echo; wait"))
	}
	if after := descriptors(t); after > before+1 {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	n := 0
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		link, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if strings.Contains(link, "pidfd") || strings.Contains(link, "eventpoll") {
			n++
		}
	}
	return n
}

// ExampleReap ends two processes of this program's own.
func ExampleReap() {
	command := exec.Command("sleep", "60")
	if err := command.Start(); err != nil {
		panic(err)
	}
	go func() { _ = command.Wait() }()
	k, err := NewKernel("/proc")
	if err != nil {
		panic(err)
	}
	defer k.Free()
	report := Reap(context.Background(), Ladder{Grace: time.Second, IgnoredGrace: time.Second, Settle: time.Second, Deadline: 5 * time.Second}, one(command.Process.Pid), k)
	fmt.Println(len(report.Results), report.Results[0].Outcome)
	// Output: 1 terminated
}

// one is a Target of a single process, known by its pid from its parent.
type one int

func (o one) Look(time.Time) (Seen, error) {
	stat, err := proc.Default.Stat(int(o), make([]byte, 4096))
	if err != nil || stat.Dead() {
		return Seen{}, nil
	}
	if stat.Parent != os.Getpid() {
		return Seen{}, fmt.Errorf("process %s is not a child of this program", strconv.Itoa(int(o)))
	}
	return Seen{Survivors: []Survivor{{Key: Key(stat.Key())}}}, nil
}
