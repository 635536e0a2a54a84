// Package states watches the programs of this project while they work: none
// may wait in the kernel for a file system that is stuck.
package states

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// instance is a process that runs a program.
type instance struct {
	pid       string
	state     string
	arguments string
}

// stuckIn are functions of a wait that is not over in moments.
var stuckIn = []string{"percpu_rwsem_wait", "__percpu_down_read", "request_wait_answer", "fuse_", "nfs_", "rpc_wait"}

// Watch samples every process that runs one of the programs: but for the
// disposable children none may be in state D for a file system that is stuck,
// and of those none may stay. The function it returns ends that; stays names
// the programs that go on.
func Watch(t *testing.T, every time.Duration, programs []string, stays ...string) func() {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	samples := 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(every):
			}
			for _, p := range running(programs) {
				samples++
				if p.state == "D" && !strings.Contains(p.arguments, "-read-aside") && p.stuck() {
					t.Errorf("%s (%s) is stuck", p.arguments, p.pid)
				}
			}
		}
	}()
	return func() {
		t.Helper()
		close(done)
		<-ended
		t.Logf("%d samples of our programs", samples)
		var gone []string
		for _, program := range programs {
			if !slices.Contains(stays, program) {
				gone = append(gone, program)
			}
		}
		for end := time.Now().Add(15 * time.Second); len(running(gone)) > 0; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("left behind: %+v", running(gone))
				return
			}
		}
	}
}

// stuck says whether a process in state D waits for more than a page of a
// disk.
func (p instance) stuck() bool {
	text, _ := os.ReadFile("/proc/" + p.pid + "/stack")
	return slices.ContainsFunc(stuckIn, func(function string) bool { return strings.Contains(string(text), function) })
}

func running(programs []string) []instance {
	var list []instance
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		folder := filepath.Join("/proc", entry.Name())
		path, err := os.Readlink(folder + "/exe")
		if err != nil || !slices.Contains(programs, path) {
			continue
		}
		stat, _ := os.ReadFile(folder + "/stat")
		at := strings.LastIndex(string(stat), ") ")
		arguments, _ := os.ReadFile(folder + "/cmdline")
		if at > 0 && stat[at+2] != 'Z' {
			list = append(list, instance{entry.Name(), string(stat[at+2 : at+3]), strings.ReplaceAll(string(arguments), "\x00", " ")})
		}
	}
	return list
}
