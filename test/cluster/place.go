package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/slurm"
)

// Place is what a machine has for a cluster.
type Place struct {
	Version slurm.Version // of its Slurm
	Cgroup  int           // 1, or 2 where version 2 is all there is
	Systemd bool          // is the first process, so that it can start a slurmd
}

// Here looks at this machine.
func Here() (Place, error) {
	var place Place
	out, err := exec.Command("slurmd", "-V").Output()
	if err != nil {
		return place, fmt.Errorf("asking slurmd for its version: %w", err)
	}
	if place.Version, err = slurm.ParseVersion(string(out)); err != nil {
		return place, err
	}
	place.Cgroup = 1
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		place.Cgroup = 2
	}
	_, err = os.Stat("/run/systemd/system")
	place.Systemd = err == nil && place.Cgroup == 2
	return place, nil
}

// patience is by how much everything here takes longer than on a real
// machine, LASTCALL_PATIENCE: an emulated one is slow.
var patience = func() time.Duration {
	n, err := strconv.Atoi(os.Getenv("LASTCALL_PATIENCE"))
	if err != nil || n < 1 {
		return 1
	}
	return time.Duration(n)
}()

// Patiently turns a time that is ample on a real machine into one that is
// ample here.
func Patiently(d time.Duration) time.Duration { return d * patience }

// until asks every 20 ms until the answer is yes.
func until(ctx context.Context, most time.Duration, what string, yes func() bool) error {
	most = Patiently(most)
	for end := time.Now().Add(most); ; {
		if yes() {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %s for %s in vain", most, what)
		}
		time.Sleep(20 * time.Millisecond * patience)
	}
}

// SLUID returns the id of this run of a job, from Slurm 26.05 on the name of
// its cgroup; "" where Slurm has none.
func (c *Cluster) SLUID(ctx context.Context, id int) (string, error) {
	if !c.Place.Version.Has(slurm.SLUIDNamesCgroup) {
		return "", nil
	}
	out, err := c.Run(ctx, "squeue", "-h", "-t", "all", "-j", strconv.Itoa(id), "-O", "SLUID:20")
	if err != nil {
		return "", err
	}
	if sluid := strings.TrimSpace(out); slurm.IsSLUID(sluid) {
		return sluid, nil
	}
	return "", errors.New("squeue shows no SLUID but " + out)
}
