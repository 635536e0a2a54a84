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
		for _, path := range candidates(mount, job, own) {
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

// layout is where one range of Slurm's versions keeps the groups of a job.
// The names are templates: NODE, UID, JOB and SLUID stand for the job's own.
type layout struct {
	version int    // of cgroups
	since   string // the first version of Slurm with it, "" for all
	base    string // Slurm's own folder; the second where several slurmd share a host
	shared  string
	job     string // the job's folder in it
}

// layouts is all that differs between versions of Slurm about where a job's
// groups are. All rows are tried: a hook is not told which version it serves.
var layouts = []layout{
	// src/plugins/cgroup/v1/cgroup_v1.c, _slurm_cgroup_create and
	// xcgroup_create_slurm_cg; below each controller's mount.
	{version: 1, base: "slurm", shared: "slurm_NODE", job: "uid_UID/job_JOB"},
	// src/plugins/cgroup/v2/cgroup_v2.c, _set_int_cg_ns and
	// cgroup_p_step_create; below a slice. From 26.05.2 on only with
	// CgroupJobIdPaths=yes.
	{version: 2, since: "22.05", base: "slurmstepd.scope", shared: "NODE_slurmstepd.scope", job: "job_JOB"},
	{version: 2, since: "26.05", base: "slurmstepd.scope", shared: "NODE_slurmstepd.scope", job: "SLUID"},
}

// paths returns where the job's folder may be, from a mount or a slice on.
func (l layout) paths(job slurm.Job) []string {
	if strings.Contains(l.job, "SLUID") && job.SLUID == "" {
		return nil
	}
	fill := strings.NewReplacer(
		"NODE", job.Node, "SLUID", job.SLUID,
		"UID", strconv.FormatUint(uint64(job.UID), 10), "JOB", strconv.FormatUint(uint64(job.ID), 10),
	)
	paths := []string{l.base + "/" + fill.Replace(l.job)}
	if job.Node != "" {
		paths = append(paths, fill.Replace(l.shared+"/"+l.job))
	}
	return paths
}

// candidates returns the paths to look at on one mount.
func candidates(mount Mount, job slurm.Job, own []byte) []string {
	starts := []string{mount.Path}
	if mount.Version == 2 {
		starts = bases(mount, own)
	}
	var paths []string
	for _, layout := range layouts {
		if layout.version != mount.Version {
			continue
		}
		for _, below := range layout.paths(job) {
			for _, start := range starts {
				paths = append(paths, start+"/"+below)
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
