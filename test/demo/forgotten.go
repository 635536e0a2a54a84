package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"lastcall/test/cluster"
	"lastcall/test/jobs"
)

// workDone is what the log of the forgotten job says last of its work.
const workDone = "all work is done"

// forgotten is a job whose log says that all is done, and which never ends: a
// thread was forgotten.
type forgotten struct {
	id   int
	done time.Time // when its log said so
}

// beginForgotten hands the job in, and waits until its log says that all is
// done.
func beginForgotten(ctx context.Context, c *cluster.Cluster) (forgotten, error) {
	out, err := folderOf(c)
	if err != nil {
		return forgotten{}, err
	}
	if err := os.WriteFile(out+"/first.py", []byte(jobs.Script("first.py")), 0o644); err != nil {
		return forgotten{}, err
	}
	id, err := c.Submit(ctx, cluster.Job{Script: "#!/bin/bash\npython3 " + out + "/first.py\n", UID: nobody})
	if err != nil {
		return forgotten{}, err
	}
	err = await(ctx, "the job of first.py is not done", func() bool { return strings.Contains(c.Output(id), workDone) })
	return forgotten{id: id, done: time.Now()}, err
}

// stock says what Slurm alone shows of the job.
func (f forgotten) stock(ctx context.Context, c *cluster.Cluster) string {
	return fmt.Sprintf("squeue says %s, %.0f s after the job's log said %q", c.State(ctx, f.id), time.Since(f.done).Seconds(), workDone)
}

// inspect returns the sentences of `lastcall inspect JOB` about why the job
// still runs. It takes the half minute between two looks.
func (f forgotten) inspect(ctx context.Context, c *cluster.Cluster, lastcall string) (string, error) {
	command := c.Command(ctx, 0, nil, lastcall, "inspect", "-node", c.Nodes[0], strconv.Itoa(f.id))
	var wrong bytes.Buffer
	command.Stderr = &wrong
	text, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("lastcall inspect %d: %w: %s", f.id, err, &wrong)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, fmt.Sprintf("job %d has finished its work: ", f.id)) {
			return strings.TrimSpace(line), nil
		}
	}
	return "", errors.New("lastcall inspect does not say why the job still runs")
}
