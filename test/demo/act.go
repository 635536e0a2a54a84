package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// scripts are the jobs, with what the table calls them.
var scripts = []struct{ name, file string }{
	{"left-overs and a lock", "leftovers.sh"},
	{"forks without end", "forkbomb.sh"},
	{"wants to save its work", "savefile.sh"},
}

// play runs all jobs on a cluster of its own and returns their rows and the
// path of the log.
func play(ctx context.Context, bin string, with bool) (rows []row, log string, err error) {
	folder, err := os.MkdirTemp("", "lastcall-demo-")
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if !with || err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}()
	// Jobs of any user read the programs; the records stay for reading.
	if err := os.Chmod(folder, 0o755); err != nil {
		return nil, "", err
	}
	log = filepath.Join(folder, "lastcall.jsonl")
	if err := install(bin, folder, log); err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, removePrograms(folder)) }()
	options := cluster.Options{Proctrack: "linuxproc"}
	if with {
		options.Epilog, options.TaskEpilog = folder+"/epilog", folder+"/taskepilog"
	}
	c, err := cluster.Start(ctx, options)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	for _, script := range scripts {
		r, err := one(ctx, c, folder, script.file, log)
		if err != nil {
			return nil, "", err
		}
		r.job, r.lastcall = script.name, "without"
		if with {
			r.lastcall = "with"
		}
		rows = append(rows, r)
	}
	return rows, log, nil
}

var programs = []string{"epilog", "taskepilog", "misbehave"}

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

// one runs one job, counts what it left, and ends that.
func one(ctx context.Context, c *cluster.Cluster, folder, file, log string) (row, error) {
	out, err := os.MkdirTemp(c.Dir, "job-")
	if err != nil {
		return row{}, err
	}
	if err := os.Chown(out, nobody, nobody); err != nil {
		return row{}, err
	}
	id, err := c.Submit(ctx, cluster.Job{
		Script: jobs.Script(file), UID: nobody,
		Env: []string{"MISBEHAVE=" + filepath.Join(folder, "misbehave"), "OUT=" + out},
	})
	if err != nil {
		return row{}, err
	}
	took, err := c.Wait(ctx, id)
	left := c.Processes(id)
	r := row{completing: took, processes: len(left), locks: locks(out), done: done(c.Output(id), log, id, out)}
	// What is left without lastcall the demo ends itself: it started it.
	for range 50 {
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if left = c.Processes(id); len(left) == 0 {
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
			if c := record.Counts; int(record.Job) == id && c.Survivors > 0 {
				parts = append(parts, fmt.Sprintf("epilog: %d ended by SIGTERM, %d by SIGKILL, %d locks freed", c.Terminated, c.Killed, c.LocksFreed))
			}
		})
	}
	if len(parts) == 0 {
		return "nothing: what Slurm does not end stays"
	}
	if _, err := os.Stat(filepath.Join(out, "saved")); err == nil {
		parts = append(parts, "its work was saved")
	}
	return strings.Join(parts, "; ")
}
