package hook

import (
	"fmt"
	"os"
	"strings"

	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/spool"
)

// slurmStep reads the job and the step from the environment.
func slurmStep(environment []string) (slurm.Job, string, error) {
	return slurm.StepFromEnvironment(environment)
}

// stepds are the living slurmstepd of a job on one node.
type stepds struct {
	stepds map[proc.Key]bool
	node   string
	user   uint32 // of what runs below them, 0 if that is root's or nobody's
}

// stepds finds the slurmstepd of a job: those whose sockets are in one folder
// with that of the hook's own, since this host may run the nodes of several
// clusters.
func (r *run) stepds(job uint32) (stepds, error) {
	found := stepds{stepds: map[proc.Key]bool{}}
	buffer := make([]byte, 4096)
	sockets := map[proc.Key]string{}
	own, parents := "", map[int][]int{}
	err := r.fs.EachPID(func(pid int) bool {
		stat, err := r.fs.Stat(pid, buffer)
		if err != nil || stat.KernelThread() {
			return true
		}
		parents[stat.Parent] = append(parents[stat.Parent], pid)
		if !r.isStepd(stat, job, buffer) {
			return true
		}
		socket := spool.SocketOf(r.fs, pid, job)
		sockets[stat.Key()] = socket
		if own == "" || pid == os.Getppid() {
			own = socket
		}
		return true
	})
	switch {
	case err != nil:
		return found, err
	case len(sockets) == 0:
		return found, fmt.Errorf("SLURM_JOB_ID=%d: no slurmstepd of this job is on this node: %w", job, slurm.ErrIdentity)
	}
	found.node = spool.NodeOf(own, job)
	for key, socket := range sockets {
		if folder(socket) == folder(own) {
			found.stepds[key] = true
			found.user = max(found.user, r.userBelow(parents[key.PID], buffer))
		}
	}
	return found, nil
}

func folder(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }

// isStepd says whether a process of root is a slurmstepd of the job.
func (r *run) isStepd(stat proc.Stat, job uint32, buffer []byte) bool {
	if stat.Comm != "slurmstepd" {
		return false
	}
	status, err := r.fs.Status(stat.PID, buffer)
	if err != nil || status.UID != 0 {
		return false
	}
	line, err := r.fs.CommandLine(stat.PID, buffer[:256])
	title, ok := slurm.ParseTitle(line)
	return err == nil && ok && title.Job == job
}

// userBelow returns the user of the children of a slurmstepd, 0 if all are
// root's: the extern step keeps one of root's in every job.
func (r *run) userBelow(pids []int, buffer []byte) uint32 {
	for _, pid := range pids {
		if status, err := r.fs.Status(pid, buffer); err == nil && status.UID != 0 {
			return status.UID
		}
	}
	return 0
}
