package cluster

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// endJobs ends what jobs of this cluster still have on the host, and their
// slurmstepd: these outlive the daemons. The name of the cluster and the path
// of its slurm.conf are its own, so nobody else's process carries them.
func (c *Cluster) endJobs() {
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		some := false
		folders, _ := filepath.Glob("/proc/[0-9]*")
		for _, folder := range folders {
			pid, _ := strconv.Atoi(filepath.Base(folder))
			environ, _ := os.ReadFile(folder + "/environ")
			if pid == os.Getpid() || !c.carries(environ) {
				continue
			}
			some = true
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !some {
			return
		}
	}
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
