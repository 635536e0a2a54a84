// Package bench measures whole programs. Each figure is a ratio to a named
// reference that does a comparable thing, measured in the same run, one after
// the other in turns: on a busy machine both are slow together.
package bench

import (
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastcall/internal/linux"
)

// built holds the programs.
var built string

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "crowd" {
		crowd(os.Args[2:])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "locks" {
		manyLocks(os.Args[2])
		return
	}
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "lastcall-bench-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(built)
		_ = os.Chmod(built, 0o755)
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built+"/", "lastcall/cmd/epilog")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			panic(string(out))
		}
		config := fmt.Sprintf("log.path = %q\nepilog.grace = \"0s\"\n", built+"/log.jsonl")
		if err := os.WriteFile(built+"/lastcall.toml", []byte(config), 0o644); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// compare runs both in turns and reports the medians and their ratio.
func compare(b *testing.B, runs int, ours, reference func() time.Duration) {
	b.Helper()
	var a, r []time.Duration
	for range b.N {
		for range runs {
			a, r = append(a, ours()), append(r, reference())
		}
	}
	ratio := float64(median(a)) / float64(median(r))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(median(a).Microseconds())/1000, "ms")
	b.ReportMetric(float64(median(r).Microseconds())/1000, "reference-ms")
	b.ReportMetric(ratio, "ratio")
}

func median(list []time.Duration) time.Duration {
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list[len(list)/2]
}

func timed(b *testing.B, command *exec.Cmd) time.Duration {
	b.Helper()
	start := time.Now()
	if err := command.Run(); err != nil {
		if status, ok := err.(*exec.ExitError); !ok || status.ExitCode() != 1 {
			b.Fatal(command.Args, err)
		}
	}
	return time.Since(start)
}

func epilog(id, uid int, more ...string) *exec.Cmd {
	command := exec.Command(built + "/epilog")
	command.Env = append([]string{"SLURM_JOB_ID=" + strconv.Itoa(id), "SLURM_JOB_UID=" + strconv.Itoa(uid)}, more...)
	return command
}

// lonely is a user without any process.
const lonely = 61_236

// BenchmarkEmptyRun: the user has nothing on the node. Reference: /bin/true.
func BenchmarkEmptyRun(b *testing.B) {
	compare(b, 200, func() time.Duration { return timed(b, epilog(5_000_000, lonely)) },
		func() time.Duration { return timed(b, exec.Command("/bin/true")) })
}

// BenchmarkScan5000: five thousand processes of another user, and one of the
// job's user that is not of the job. Reference: pgrep -u.
func BenchmarkScan5000(b *testing.B) {
	defer startCrowd(b, 5000, 5, "")()
	defer startCrowd(b, 1, lonely, "")()
	compare(b, 9, func() time.Duration { return timed(b, epilog(5_000_001, lonely)) },
		func() time.Duration { return timed(b, exec.Command("pgrep", "-u", strconv.Itoa(lonely))) })
}

// BenchmarkKill1000: a thousand processes that ignore SIGTERM, all graces 0,
// in the job's own cgroup. Reference: cgroup.kill and waiting for
// "populated 0".
func BenchmarkKill1000(b *testing.B) {
	job := 6_000_000
	compare(b, 5, func() time.Duration {
		job++
		node, folder, remove := scope(b, job)
		defer remove()
		defer startCrowd(b, crowdSize, crowdUser, folder)()
		took := timed(b, epilog(job, crowdUser, "SLURMD_NODENAME="+node))
		// The hook removes what the job left of its groups.
		if text, _ := os.ReadFile(folder + "/cgroup.events"); strings.Contains(string(text), "populated 1") {
			b.Fatalf("not empty: %s", text)
		}
		allKilled(b, job)
		return took
	}, func() time.Duration {
		job++
		_, folder, remove := scope(b, job)
		defer remove()
		defer startCrowd(b, crowdSize, crowdUser, folder)()
		start := time.Now()
		if err := os.WriteFile(folder+"/cgroup.kill", []byte("1"), 0); err != nil {
			b.Fatal(err)
		}
		for {
			text, err := os.ReadFile(folder + "/cgroup.events")
			if err != nil {
				b.Fatal(err)
			}
			if strings.Contains(string(text), "populated 0") {
				return time.Since(start)
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
}

// BenchmarkKillByEnviron1000: the same crowd without a cgroup of its own, as
// under proctrack/linuxproc: each is proven by its environment. Reference:
// pkill by user, and waiting until the user has no process.
func BenchmarkKillByEnviron1000(b *testing.B) {
	job := 6_500_000
	compare(b, 5, func() time.Duration {
		job++
		defer startCrowd(b, crowdSize, crowdUser, "", "SLURM_JOB_ID="+strconv.Itoa(job), "SLURM_PROCID=0")()
		took := timed(b, epilog(job, crowdUser))
		allKilled(b, job)
		return took
	}, func() time.Duration {
		job++
		defer startCrowd(b, crowdSize, crowdUser, "")()
		start := time.Now()
		timed(b, exec.Command("pkill", "-KILL", "-u", strconv.Itoa(crowdUser)))
		for linux.HasProcesses(crowdUser) {
			time.Sleep(100 * time.Microsecond)
		}
		return time.Since(start)
	})
}

// The crowd to be ended, of a user with nothing else on this machine.
const (
	crowdSize = 1000
	crowdUser = 61_237
)

// allKilled makes sure that the record of the job tells the whole story.
func allKilled(b *testing.B, job int) {
	b.Helper()
	text, err := os.ReadFile(built + "/log.jsonl")
	if err != nil {
		b.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	for _, wanted := range []string{`"job":` + strconv.Itoa(job), `"verdict":"cleaned"`, `"killed":` + strconv.Itoa(crowdSize)} {
		if !strings.Contains(last, wanted) {
			b.Fatalf("no %s in the record of job %d: %.600s", wanted, job, last)
		}
	}
}

// scope makes the folders slurmd would make for a job's step.
func scope(b *testing.B, job int) (node, folder string, remove func()) {
	b.Helper()
	node = fmt.Sprintf("lcb%d", job)
	parts := []string{"/sys/fs/cgroup/unified/" + node + "_slurmstepd.scope", fmt.Sprintf("job_%d", job), "step_0", "user", "task_0"}
	var made []string
	for i := range parts {
		made = append(made, strings.Join(parts[:i+1], "/"))
		if err := os.Mkdir(made[i], 0o755); err != nil {
			b.Fatal(err)
		}
	}
	return node, made[3], func() {
		for i := len(made) - 1; i >= 0; i-- {
			for range 200 {
				if syscall.Rmdir(made[i]) != syscall.EBUSY {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
}
