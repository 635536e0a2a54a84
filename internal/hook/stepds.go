package hook

import (
	"fmt"
	"os"
	"strings"

	"lastcall/internal/cgroup"
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
}

// stepds finds the slurmstepd of a job: those whose sockets are in one folder
// with that of the hook's own, since this host may run the nodes of several
// clusters.
func (r *run) stepds(job uint32) (stepds, error) {
	found := stepds{stepds: map[proc.Key]bool{}}
	buffer := make([]byte, 4096)
	sockets := map[proc.Key]string{}
	own := ""
	err := r.fs.EachPID(func(pid int) bool {
		stat, err := r.fs.Stat(pid, buffer)
		if err != nil || stat.KernelThread() || !r.isStepd(stat, job, buffer) {
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

// userOf returns the user of a job: of the first child of its slurmstepds, or,
// once its tasks have ended and init has adopted theirs, of all that is in its
// groups. 0 if that is root's, nobody's or several users'.
func (r *run) userOf(job slurm.Job, stepds map[proc.Key]bool) uint32 {
	buffer := make([]byte, 8<<10)
	child, inGroups, several := uint32(0), uint32(0), false
	_ = r.fs.EachPID(func(pid int) bool {
		status, err := r.fs.Status(pid, buffer)
		if err != nil || status.UID == 0 {
			return true
		}
		stat, err := r.fs.Stat(pid, buffer)
		for stepd := range stepds {
			if err == nil && stat.Parent == stepd.PID && child == 0 {
				child = status.UID
			}
		}
		if text, err := r.fs.Cgroup(pid, buffer); err == nil && cgroup.PlaceOf(text).Belongs(job) {
			several = several || inGroups != 0 && inGroups != status.UID
			inGroups = status.UID
		}
		return true
	})
	if child != 0 || several {
		return child
	}
	return inGroups
}
