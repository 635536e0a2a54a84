package hook

import (
	"fmt"
	"os"
	"testing"

	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// With version 2 no group names the user, and what a task leaves is adopted by
// init.
func TestTheUserOfAStuckStep(t *testing.T) {
	const (
		ours  = "0::/system.slice/slurmstepd.scope/job_77/step_batch/user/task_0"
		other = "0::/system.slice/slurmstepd.scope/job_78/step_batch/user/task_0"
		none  = "0::/user.slice"
	)
	type process struct {
		parent, uid int
		group       string
	}
	for _, test := range []struct {
		name string
		list []process
		want uint32
	}{
		{"a task", []process{{10, 1000, ours}}, 1000},
		{"a task in no group", []process{{10, 1000, none}}, 1000},
		{"a task, beside a container's", []process{{1, 100000, ours}, {10, 1000, ours}, {1, 100001, ours}}, 1000},
		{"a task, and one that became another user's", []process{{10, 1000, ours}, {10, 5, ours}}, 1000},
		{"what a task left", []process{{1, 1000, ours}}, 1000},
		{"beside root's", []process{{10, 0, ours}, {1, 1000, ours}, {1, 0, ours}}, 1000},
		{"of two users", []process{{1, 1000, ours}, {1, 5, ours}}, 0},
		{"another job's", []process{{1, 1000, other}}, 0},
		{"elsewhere", []process{{1, 1000, none}}, 0},
		{"nobody", nil, 0},
	} {
		dir := t.TempDir()
		for i, p := range test.list {
			at := fmt.Sprintf("%s/%d", dir, 100+i)
			if err := os.Mkdir(at, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{
				"stat":   fmt.Sprintf("%d (p) S %d 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", 100+i, p.parent),
				"status": fmt.Sprintf("Name:\tp\nState:\tS (sleeping)\nUid:\t%d\t%[1]d\t%[1]d\t%[1]d\nThreads:\t1\n", p.uid),
				"cgroup": p.group + "\n",
			} {
				if err := os.WriteFile(at+"/"+name, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		r := &run{fs: proc.FS(dir)}
		if got := r.userOf(slurm.Job{ID: 77}, map[proc.Key]bool{{PID: 10, Start: 1}: true}); got != test.want {
			t.Errorf("%s: user %d, want %d", test.name, got, test.want)
		}
	}
}
