package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"lastcall/internal/forensics/report"
	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// row is one line of the table.
type row struct {
	job        string
	lastcall   string
	completing time.Duration
	processes  int
	locks      int
	done       string
}

// script is a job, with what the table calls it.
type script struct {
	name, file string
	env        []string
	ready      int // how many processes say that they are ready, before it is cancelled; 0 for jobs that end by themselves
}

// ending jobs end by themselves and leave something, one after the other.
var ending = []script{
	{name: "left-overs and a lock", file: "leftovers.sh"},
	{name: "forks without end", file: "forkbomb.sh"},
	{name: "wants to save its work", file: "savefile.sh"},
}

// cancelled jobs are cancelled, all at once.
var cancelled = []script{
	{name: "cancelled; it does not end", file: "second.sh", ready: 6},
	{
		name: "cancelled; saves for 12 s", file: "checkpoint.sh", ready: 1,
		env: []string{"HOW=-term catch -finish-by trickle", "FINISH=12s"},
	},
}

// act is what is seen of all jobs on one cluster.
type act struct {
	rows      []row
	forgotten string // what is said of the job that is done and runs on
	log       string // path of the records
}

// play runs all jobs on a cluster of its own.
func play(ctx context.Context, bin string, with bool) (a act, err error) {
	folder, err := os.MkdirTemp("", "lastcall-demo-")
	if err != nil {
		return act{}, err
	}
	defer func() {
		if !with || err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	// Jobs of any user read the programs; the records stay for reading.
	if err := os.Chmod(folder, 0o755); err != nil {
		return act{}, err
	}
	a.log = filepath.Join(folder, "lastcall.jsonl")
	if err := install(bin, folder, a.log); err != nil {
		return act{}, err
	}
	defer func() { err = errors.Join(err, removePrograms(folder)) }()
	options := cluster.Options{Proctrack: "linuxproc", KillWait: 30}
	if with {
		options.Epilog, options.TaskEpilog = folder+"/epilog", folder+"/taskepilog"
	}
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return act{}, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	if with {
		if err := c.Launch("watch", folder+"/lastcall", "watch", "-slurm-conf", c.Conf()); err != nil {
			return act{}, err
		}
	}
	err = a.perform(ctx, c, folder, with)
	return a, err
}

// perform runs all jobs on the cluster.
func (a *act) perform(ctx context.Context, c *cluster.Cluster, folder string, with bool) error {
	job, err := beginForgotten(ctx, c)
	if err != nil {
		return err
	}
	var inspecting sync.WaitGroup
	var wrong error
	if with {
		inspecting.Go(func() { a.forgotten, wrong = job.inspect(ctx, c, folder+"/lastcall") })
	}
	a.rows, err = playAll(ctx, c, folder, a.log)
	inspecting.Wait()
	if !with {
		a.forgotten = job.stock(ctx, c)
	}
	for i := range a.rows {
		a.rows[i].lastcall = map[bool]string{false: "without", true: "with"}[with]
	}
	return errors.Join(err, wrong)
}

// playAll runs the jobs.
func playAll(ctx context.Context, c *cluster.Cluster, folder, log string) ([]row, error) {
	var rows []row
	for _, script := range ending {
		j, err := begin(ctx, c, folder, script)
		if err != nil {
			return nil, err
		}
		r, err := j.finish(ctx, c, log)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	var running []running
	for _, script := range cancelled {
		j, err := begin(ctx, c, folder, script)
		if err != nil {
			return nil, err
		}
		running = append(running, j)
	}
	for _, j := range running {
		if err := c.Cancel(ctx, j.id); err != nil {
			return nil, err
		}
	}
	more, wrong := make([]row, len(running)), make([]error, len(running))
	var all sync.WaitGroup
	for i, j := range running {
		all.Go(func() { more[i], wrong[i] = j.finish(ctx, c, log) })
	}
	all.Wait()
	return append(rows, more...), errors.Join(wrong...)
}

var programs = []string{"epilog", "taskepilog", "lastcall", "misbehave"}

func install(bin, folder, log string) error {
	for _, name := range programs {
		text, err := os.ReadFile(filepath.Join(bin, name))
		if err != nil {
			return fmt.Errorf("%w; make build first", err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o755); err != nil {
			return err
		}
	}
	config := fmt.Sprintf("[log]\npath = %q\n", log)
	return os.WriteFile(filepath.Join(folder, "lastcall.toml"), []byte(config), 0o644)
}

func removePrograms(folder string) error {
	var all error
	for _, name := range append(programs, "lastcall.toml") {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

const nobody = 65534

// running is a job that was handed in.
type running struct {
	script
	id  int
	out string
}

// begin hands a job in, and waits until it is ready to be cancelled.
func begin(ctx context.Context, c *cluster.Cluster, folder string, script script) (running, error) {
	out, err := folderOf(c)
	if err != nil {
		return running{}, err
	}
	id, err := c.Submit(ctx, cluster.Job{
		Script: jobs.Script(script.file), UID: nobody,
		Env: append([]string{"MISBEHAVE=" + filepath.Join(folder, "misbehave"), "OUT=" + out}, script.env...),
	})
	if err != nil {
		return running{}, err
	}
	err = await(ctx, "the job of "+script.file+" does not begin", func() bool {
		text, _ := os.ReadFile(out + "/ready")
		return strings.Count(string(text), "\n") >= script.ready
	})
	return running{script: script, id: id, out: out}, err
}

// folderOf makes a folder for a job, which its user may write to.
func folderOf(c *cluster.Cluster) (string, error) {
	out, err := os.MkdirTemp(c.Dir, "job-")
	if err != nil {
		return "", err
	}
	return out, os.Chown(out, nobody, nobody)
}

// await waits until yes says so, three minutes at most.
func await(ctx context.Context, complaint string, yes func() bool) error {
	for end := time.Now().Add(3 * time.Minute); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(ctx.Err(), errors.New(complaint))
		}
	}
	return nil
}

// finish waits until the job is over, counts what it left, and ends that.
func (j running) finish(ctx context.Context, c *cluster.Cluster, log string) (row, error) {
	took, err := c.Wait(ctx, j.id)
	left := c.Processes(j.id)
	r := row{job: j.name, completing: took, processes: len(left), locks: locks(j.out), done: done(c.Output(j.id), log, j.id, j.out)}
	// What is left without lastcall the demo ends itself: it started it.
	for range 50 {
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if left = c.Processes(j.id); len(left) == 0 {
			break
		}
	}
	return r, err
}

// locks counts the locks on the files in the folder.
func locks(folder string) int {
	text, _ := os.ReadFile("/proc/locks")
	files, _ := filepath.Glob(folder + "/*")
	n := 0
	for _, path := range files {
		var status syscall.Stat_t
		if syscall.Stat(path, &status) == nil {
			n += strings.Count(string(text), ":"+strconv.FormatUint(status.Ino, 10)+" ")
		}
	}
	return n
}

// done says what lastcall did about the job: taskepilog tells the user in the
// job's own output, epilog writes its record.
func done(output, log string, id int, out string) string {
	var parts []string
	for line := range strings.Lines(output) {
		if told, ok := strings.CutPrefix(strings.TrimSpace(line), "lastcall: "); ok {
			parts = append(parts, strings.ReplaceAll(told, out+"/", ""))
		}
	}
	if file, err := os.Open(log); err == nil {
		defer file.Close()
		_ = report.Read(file, func(record report.Record) {
			c := record.Counts
			switch {
			case int(record.Job) != id:
			case record.Verdict == "left-to-slurm":
				parts = append(parts, "watch: it is working, so it is left to finish")
			case record.Hook == "epilog" && c.Survivors > 0:
				parts = append(parts, fmt.Sprintf("epilog: %d ended by SIGTERM, %d by SIGKILL, %d locks freed", c.Terminated, c.Killed, c.LocksFreed))
			}
		})
	}
	if _, err := os.Stat(filepath.Join(out, "saved")); err == nil {
		parts = append(parts, "its work was saved")
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
