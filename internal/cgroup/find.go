package cgroup

import (
	"strconv"
	"strings"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Group is a folder of a cgroup hierarchy that belongs to a job.
type Group struct {
	Path    string
	Version int
	Freezer bool // version 1: in the hierarchy of the freezer
}

// Find returns the groups of the job that exist now. own is the text of
// /proc/self/cgroup: it leads to a scope that is not where it usually is. At
// the time of an Epilog the list is most often empty, since the last
// slurmstepd of a job removes them; they stay when something in them could
// not be ended.
func Find(mounts []Mount, job slurm.Job, own []byte) []Group {
	var groups []Group
	for _, mount := range mounts {
		var candidates []string
		if mount.Version == 2 {
			candidates = candidates2(mount, job, own)
		} else {
			candidates = candidates1(mount, job)
		}
		for _, path := range candidates {
			if linux.Exists(path) {
				groups = append(groups, Group{
					Path: path, Version: mount.Version,
					Freezer: strings.Contains(mount.Controllers, "freezer"),
				})
			}
		}
	}
	return groups
}

func candidates1(mount Mount, job slurm.Job) []string {
	below := "/uid_" + strconv.FormatUint(uint64(job.UID), 10) + "/job_" + strconv.FormatUint(uint64(job.ID), 10)
	paths := []string{mount.Path + "/slurm" + below}
	if job.Node != "" {
		paths = append(paths, mount.Path+"/slurm_"+job.Node+below)
	}
	return paths
}

func candidates2(mount Mount, job slurm.Job, own []byte) []string {
	folders := []string{"job_" + strconv.FormatUint(uint64(job.ID), 10)}
	if job.SLUID != "" {
		folders = append(folders, job.SLUID)
	}
	scopes := []string{"slurmstepd.scope"}
	if job.Node != "" {
		scopes = append(scopes, job.Node+"_slurmstepd.scope")
	}
	var paths []string
	for _, base := range bases(mount, own) {
		for _, scope := range scopes {
			for _, folder := range folders {
				paths = append(paths, base+"/"+scope+"/"+folder)
			}
		}
	}
	return paths
}

// bases returns the folders a scope may be in: the root, every slice right
// below it (CgroupSlice= of cgroup.conf), and the folders above this
// process's own group, which in a container is where slurmd put the scope.
func bases(mount Mount, own []byte) []string {
	found := []string{mount.Path}
	piece := make([]byte, 4096)
	_ = linux.EachName(mount.Path, piece, func(name []byte) bool {
		if strings.HasSuffix(string(name), ".slice") {
			found = append(found, mount.Path+"/"+string(name))
		}
		return true
	})
	proc.EachCgroup(own, func(controllers, path []byte) {
		if len(controllers) > 0 {
			return
		}
		above := string(path)
		for strings.Count(above, "/") > 1 {
			above = above[:strings.LastIndexByte(above, '/')]
			if !strings.Contains(above, "/..") && !contains(found, mount.Path+above) {
				found = append(found, mount.Path+above)
			}
		}
	})
	return found
}

func contains(list []string, wanted string) bool {
	for _, one := range list {
		if one == wanted {
			return true
		}
	}
	return false
}
