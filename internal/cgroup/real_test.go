package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/google/go-cmp/cmp"
)

// eachHierarchy runs the test on every hierarchy this machine has and a job's
// processes can be in: version 1's freezer, and version 2, which may be there
// beside it.
func eachHierarchy(t *testing.T, test func(t *testing.T, mount Mount)) {
	if os.Getuid() != 0 {
		t.Skip("not root")
	}
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	mounts := ParseMounts(text)
	tried := 0
	for _, mount := range mounts {
		if mount.Version == 1 && !strings.Contains(mount.Controllers, "freezer") {
			continue
		}
		tried++
		t.Run("version "+strconv.Itoa(mount.Version), func(t *testing.T) { test(t, mount) })
	}
	if tried == 0 {
		t.Skip("no cgroups here")
	}
}

// tree makes a group with the folders below it, and removes all of it at the
// end.
func tree(t *testing.T, mount Mount, folders ...string) Group {
	t.Helper()
	top := fmt.Sprintf("%s/lastcall-%d-%d", mount.Path, os.Getpid(), time.Now().UnixNano())
	group := Group{Path: top, Version: mount.Version, Freezer: mount.Version == 1}
	t.Cleanup(func() {
		for range 50 {
			if r := Remove(group, nil, soon()); r.Gone {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Errorf("%s could not be removed", top)
	})
	for _, folder := range append([]string{""}, folders...) {
		if err := os.MkdirAll(top+folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return group
}

func soon() time.Time { return time.Now().Add(5 * time.Second) }

// live starts a process in the group.
func live(t *testing.T, group string) int {
	t.Helper()
	command := exec.Command("sleep", "1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	move(t, group, command.Process.Pid)
	return command.Process.Pid
}

func move(t *testing.T, group string, pid int) {
	t.Helper()
	if err := os.WriteFile(group+"/cgroup.procs", []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
}

func listed(group Group) ([]int, bool) {
	var pids []int
	sure := EachMember(group, soon(), func(_ string, pid int) { pids = append(pids, pid) })
	slices.Sort(pids)
	return slices.Compact(pids), sure
}

// The names include those of control files' kind: a group may be called so.
var folders = []string{"/a", "/a/cpu.mine", "/a/cpu.mine/memory", "/cgroup.x/tasks.y", "/step_0/user/task_0/deep/er"}

func TestMembersAreThoseContainerdFinds(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, mount Mount) {
		group := tree(t, mount, folders...)
		var want []int
		for _, folder := range folders {
			want = append(want, live(t, group.Path+folder), live(t, group.Path+folder))
		}
		slices.Sort(want)
		got, sure := listed(group)
		if diff := cmp.Diff(want, got); diff != "" || !sure {
			t.Errorf("sure %v: %s", sure, diff)
		}
		if diff := cmp.Diff(oracle(t, group), got); diff != "" {
			t.Error("containerd says otherwise:", diff)
		}
	})
}

// oracle asks another implementation for the same.
func oracle(t *testing.T, group Group) []int {
	t.Helper()
	name := "/" + filepath.Base(group.Path)
	var pids []int
	if group.Version == 2 {
		manager, err := cgroup2.Load(name, cgroup2.WithMountpoint(filepath.Dir(group.Path)))
		if err != nil {
			t.Fatal(err)
		}
		found, err := manager.Procs(true)
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range found {
			pids = append(pids, int(pid))
		}
	} else {
		freezer := func() ([]cgroup1.Subsystem, error) {
			return []cgroup1.Subsystem{cgroup1.NewFreezer(filepath.Dir(filepath.Dir(group.Path)))}, nil
		}
		control, err := cgroup1.Load(cgroup1.StaticPath(name), cgroup1.WithHierarchy(freezer))
		if err != nil {
			t.Fatal(err)
		}
		found, err := control.Processes(cgroup1.Freezer, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, process := range found {
			pids = append(pids, process.Pid)
		}
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

func TestRemoveLeavesWhatIsInUse(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, mount Mount) {
		group := tree(t, mount, "/step_0/user/task_0/nested/deep", "/step_0/slurm", "/extra/in use/below", "/extra/empty")
		live(t, group.Path+"/extra/in use")
		got := Remove(group, IsSlurms, soon())
		want := Removal{Path: group.Path, Removed: 4, Gone: false}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("what is not Slurm's:", diff)
		}
		got = Remove(group, nil, soon())
		want.Removed = 4
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error("all that is empty:", diff)
		}
		if _, err := os.Stat(group.Path + "/extra/in use"); err != nil {
			t.Error(err)
		}
	})
}

func TestThaw(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, mount Mount) {
		group := tree(t, mount, "/frozen/inner", "/awake")
		file, word, waken := "/cgroup.freeze", "1", "0"
		if mount.Version == 1 {
			file, word, waken = "/freezer.state", "FROZEN", "THAWED"
		}
		pid := live(t, group.Path+"/frozen/inner")
		// Whatever Thaw does: a frozen process never ends.
		t.Cleanup(func() { _ = os.WriteFile(group.Path+"/frozen"+file, []byte(waken), 0) })
		if err := os.WriteFile(group.Path+"/frozen"+file, []byte(word), 0); err != nil {
			t.Fatal(err)
		}
		if n, awake := Thaw([]Group{group}, soon()); n == 0 || !awake {
			t.Errorf("thawed %d, awake %v", n, awake)
		}
		if n, awake := Thaw([]Group{group}, soon()); n != 0 || !awake {
			t.Errorf("the second time thawed %d, awake %v", n, awake)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
		for end := soon(); ; time.Sleep(5 * time.Millisecond) {
			if pids, _ := listed(group); len(pids) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatal("what was thawed does not die")
			}
		}
	})
}

func TestKillWholeOnlyWhereAllAreClaimed(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, mount Mount) {
		if mount.Version == 1 {
			t.Skip("cgroup version 2 only")
		}
		group := tree(t, mount, "/step_0/user/task_0", "/step_0/slurm", "/step_1/user/task_0")
		ours, beside := live(t, group.Path+"/step_0/user/task_0"), live(t, group.Path+"/step_0/slurm")
		live(t, group.Path+"/step_1/user/task_0") // somebody else's
		claimed := func(pid int) bool { return pid == ours }
		if _, err := os.Stat(group.Path + "/cgroup.kill"); err != nil {
			t.Skip("this kernel has no cgroup.kill")
		}
		stroke := KillWhole([]Group{group}, soon(), claimed)
		if !slices.Equal(stroke.PIDs, []int{ours}) {
			t.Errorf("%v were hit, want %d alone", stroke.PIDs, ours)
		}
		if !stroke.Emptied(soon()) {
			t.Error("who was hit does not end")
		}
		for end := soon(); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if pids, _ := listed(group); len(pids) == 2 && slices.Contains(pids, beside) {
				return
			}
		}
		pids, _ := listed(group)
		t.Errorf("left are %v, want %d and another", pids, beside)
	})
}
