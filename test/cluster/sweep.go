package cluster

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endJobs ends what jobs of this cluster still have on the host, and their
// slurmstepd: these outlive the daemons. The name of the cluster and the path
// of its slurm.conf are its own, so nobody else's process carries them.
func (c *Cluster) endJobs() {
	for until := time.Now().Add(Patiently(20 * time.Second)); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		some := c.endGroups()
		for _, pid := range c.carriers() {
			some = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !some {
			return
		}
	}
}

// carriers returns the processes with an environment that this cluster gave.
func (c *Cluster) carriers() []int {
	var found []int
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		pid, _ := strconv.Atoi(filepath.Base(folder))
		environ, _ := os.ReadFile(folder + "/environ")
		if pid != os.Getpid() && c.carries(environ) {
			found = append(found, pid)
		}
	}
	return found
}

// endGroups ends what is in the groups of this cluster's nodes, version 1, and
// says whether there was anything. Some of it carries nothing of the cluster,
// and no SIGKILL ends what is frozen. On version 2 removeCgroups does that.
func (c *Cluster) endGroups() bool {
	some := false
	for _, top := range c.tops() {
		_ = filepath.WalkDir(top, func(folder string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil
			}
			_ = os.WriteFile(folder+"/freezer.state", []byte("THAWED"), 0)
			text, _ := os.ReadFile(folder + "/cgroup.procs")
			for pid := range strings.FieldsSeq(string(text)) {
				if n, _ := strconv.Atoi(pid); n > 0 {
					some = true
					_ = syscall.Kill(n, syscall.SIGKILL)
				}
			}
			return nil
		})
	}
	return some
}

// tops returns where the groups of this cluster's nodes are, version 1.
func (c *Cluster) tops() []string {
	var all []string
	for _, node := range c.Nodes {
		found, _ := filepath.Glob("/sys/fs/cgroup/*/slurm_" + node)
		all = append(all, found...)
	}
	return all
}

// carries says whether an environment is one that this cluster gave.
func (c *Cluster) carries(environ []byte) bool {
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		switch string(entry) {
		case "SLURM_CLUSTER_NAME=" + c.Name, "SLURM_CONF=" + c.Conf():
			return true
		}
	}
	return false
}
