package cgroup

import (
	"os"
	"strings"
	"testing"
	"time"

	"lastcall/internal/slurm"
)

// pretend makes a folder that looks like a group of version 2.
func pretend(t *testing.T, path, procs, events string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cgroup.procs": procs, "cgroup.events": events} {
		if err := os.WriteFile(path+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNobodyListedIsNoProof(t *testing.T) {
	tests := []struct {
		name          string
		procs, events string
		pids          int
		sure          bool
	}{
		{"empty", "", "populated 0\nfrozen 0\n", 0, true},
		{"one", "7\n", "populated 1\nfrozen 0\n", 1, true},
		{"counted, not listed", "", "populated 1\nfrozen 0\n", 0, false},
		{"of a foreign pid namespace", "0\n", "populated 1\n", 0, true},
		{"one of a foreign pid namespace beside ours", "7\n0\n", "populated 1\n", 1, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			top := t.TempDir()
			pretend(t, top, "", test.events)
			pretend(t, top+"/step_0/user", test.procs, test.events)
			pids, sure := listed(Group{Path: top, Version: 2})
			if len(pids) != test.pids || sure != test.sure {
				t.Errorf("found %v, sure %v", pids, sure)
			}
		})
	}
}

// A list that cannot be read is no empty list.
func TestAnUnreadableListIsNoProof(t *testing.T) {
	for _, version := range []int{1, 2} {
		top := t.TempDir()
		if err := os.Mkdir(top+"/cgroup.procs", 0o755); err != nil { // EISDIR
			t.Fatal(err)
		}
		if pids, sure := listed(Group{Path: top, Version: version}); len(pids) > 0 || sure {
			t.Errorf("version %d: found %v, sure %v", version, pids, sure)
		}
	}
}

// Who has no number here cannot be claimed: nothing is killed beside it.
func TestKillWholeSparesForeignNamespaces(t *testing.T) {
	top := t.TempDir()
	for step, procs := range map[string]string{"step_0": "7\n", "step_1": "7\n0\n", "step_2": ""} {
		folder := top + "/" + step + "/user"
		pretend(t, folder, procs, "populated 1\n")
		if err := os.WriteFile(folder+"/cgroup.kill", nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stroke := KillWhole([]Group{{Path: top, Version: 2}}, soon(), func(int) bool { return true })
	if len(stroke.folders) != 1 || stroke.folders[0] != top+"/step_0/user" {
		t.Errorf("%+v", stroke)
	}
	for step, want := range map[string]string{"step_0": "1", "step_1": "", "step_2": ""} {
		if text, err := os.ReadFile(top + "/" + step + "/user/cgroup.kill"); string(text) != want || err != nil {
			t.Errorf("%s: %q was written, %v", step, text, err)
		}
	}
}

func TestAWalkThatIsNotWholeIsNotSure(t *testing.T) {
	top := t.TempDir()
	pretend(t, top+"/a/b", "", "populated 0\n")
	if EachMember(Group{Path: top, Version: 2}, time.Now().Add(-time.Second), func(string, int) {}) {
		t.Error("sure after the time was over")
	}
	deep := top + strings.Repeat("/d", maxDepth+2)
	pretend(t, deep, "9\n", "populated 1\n")
	if _, sure := listed(Group{Path: top, Version: 2}); sure {
		t.Error("sure though the groups are nested too deep")
	}
	if _, sure := listed(Group{Path: top + "/gone", Version: 2}); !sure {
		t.Error("a group that is gone has nobody in it")
	}
}

func FuzzPopulatedIn(f *testing.F) {
	f.Add([]byte("populated 1\nfrozen 0\n"))
	f.Add([]byte("populated 0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if populatedIn(text) && !strings.Contains(string(text), "populated 1") {
			t.Errorf("%q says that somebody is there", text)
		}
	})
}

func TestIsSlurms(t *testing.T) {
	tests := map[string]bool{
		"": true, "/step_0": true, "/step_extern/user": true, "/step_batch/slurm": true, "/step_0/user/task_0": true,
		"/step_0/user/task_special": true, "/step_3/task_1": true,
		"/container": false, "/step_0/nested": false, "/step_0/slurm/x": false, "/step_0/user/x": false,
		"/step_0/user/task_0/x": false, "/step_0/user/task_x": false, "/step_0/task_1/x": false, "/a/step_0": false,
	}
	for below, want := range tests {
		if got := IsSlurms(below); got != want {
			t.Errorf("%q: %v", below, got)
		}
	}
}

// What the table of layouts says is what the paths of processes are read by.
func TestEveryLayoutIsReadBack(t *testing.T) {
	job := slurm.Job{ID: 77, UID: 1000, Node: "n1", SLUID: "s50DM84J1GD700"}
	other := slurm.Job{ID: 78, UID: 1000, Node: "n1", SLUID: "s50DM84J1GD701"}
	rows := 0
	for _, layout := range layouts {
		for _, path := range layout.paths(job) {
			rows++
			place := PlaceOf([]byte("0::/" + path + "/step_0/user/task_1\n"))
			if !place.Belongs(job) || place.Belongs(other) || place.Step != "0" || place.Task != 1 {
				t.Errorf("%s is read as %+v", path, place)
			}
			if strings.ToUpper(path) == path || strings.Contains(path, "NODE") || strings.Contains(path, "UID") {
				t.Errorf("%s has a name that was not filled in", path)
			}
		}
		if layout.version == 2 && layout.since == "" {
			t.Errorf("%s: which version brought it?", layout.job)
		}
	}
	if rows != 2*len(layouts) {
		t.Errorf("%d paths for %d layouts", rows, len(layouts))
	}
	if found := layouts[len(layouts)-1].paths(slurm.Job{ID: 1}); found != nil {
		t.Errorf("a job without a SLUID is looked for at %v", found)
	}
}
