package slurm

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is a version of Slurm, like 24.11.5.
type Version struct{ Year, Month, Patch int }

// ParseVersion reads what "slurmd -V" prints: a name, a blank, the version,
// like "slurm-wlm 24.11.5" (Debian) or "slurm 26.05.0-0rc1".
func ParseVersion(text string) (Version, error) {
	_, number, _ := strings.Cut(strings.TrimSpace(text), " ")
	number, _, _ = strings.Cut(number, "-")
	parts := strings.Split(number, ".")
	var v Version
	if len(parts) != 3 {
		return v, fmt.Errorf("%.40q is no version of Slurm", text)
	}
	for n, into := range []*int{&v.Year, &v.Month, &v.Patch} {
		value, err := strconv.Atoi(parts[n])
		if err != nil || value < 0 {
			return Version{}, fmt.Errorf("%.40q is no version of Slurm", text)
		}
		*into = value
	}
	return v, nil
}

// String gives the version the form Slurm gives it.
func (v Version) String() string { return fmt.Sprintf("%d.%02d.%d", v.Year, v.Month, v.Patch) }

// Compare returns -1, 0 or 1, like cmp.Compare.
func (v Version) Compare(other Version) int {
	for _, pair := range [][2]int{{v.Year, other.Year}, {v.Month, other.Month}, {v.Patch, other.Patch}} {
		if pair[0] != pair[1] {
			if pair[0] < pair[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// Change is something that is not the same in all versions.
type Change string

// The changes that matter to what lastcall sees and to what its tests ask for.
const (
	CgroupV2           Change = "cgroup/v2"
	RestartsInEpilog   Change = "SLURM_JOB_RESTART_COUNT in the Epilog"
	StartInEpilog      Change = "SLURM_JOB_START_TIME in the Epilog"
	RunInJob           Change = "PrologFlags=RunInJob"
	SystemdTimeout     Change = "SystemdTimeout="
	CgroupKillsNested  Change = "a step's left-overs end by cgroup.kill, nested groups too"
	ExternStepEmpty    Change = "no process of Slurm's in step_extern/user"
	SLUIDInEnvironment Change = "SLURM_JOB_SLUID in the Epilog"
	CgroupSlice        Change = "CgroupSlice="
	SlurmdBelowUnit    Change = "slurmd in a group below its unit"
	SLUIDNamesCgroup   Change = "the job's group is named by SLUID, version 2"
	SLUIDInTasks       Change = "SLURM_JOB_SLUID in a task's environment"
	NoTimeoutForTasks  Change = "no UnkillableStepTimeout while the stuck process is the task itself of a cancelled job"
	CgroupJobIDPaths   Change = "CgroupJobIdPaths="
)

// History says since when each change holds, and where in Slurm's source it
// is. The hooks never ask which version they serve: they look for every
// layout and read every variable that any version has. The tests ask, in
// order to expect the right thing.
var History = []struct {
	Since  Version
	Change Change
	Source string
}{
	{Version{22, 5, 0}, CgroupV2, "src/plugins/cgroup/v2/cgroup_v2.c"},
	{Version{22, 5, 0}, RestartsInEpilog, "src/plugins/prep/script/prep_script_slurmd.c, _build_env"},
	{Version{23, 2, 0}, StartInEpilog, "src/plugins/prep/script/prep_script_slurmd.c, _build_env"},
	{Version{24, 5, 0}, RunInJob, "src/slurmd/slurmstepd/mgr.c, _run_prolog_epilog"},
	{Version{24, 5, 0}, SystemdTimeout, "doc/man/man5/cgroup.conf.5"},
	{Version{25, 5, 0}, CgroupKillsNested, "src/plugins/cgroup/v2/cgroup_v2.c, CG_KILL_BUTTON"},
	{Version{25, 5, 0}, ExternStepEmpty, "src/slurmd/slurmstepd/mgr.c, _spawn_job_container"},
	{Version{25, 11, 0}, SLUIDInEnvironment, "src/plugins/prep/script/prep_script_slurmd.c, _build_env"},
	{Version{25, 11, 0}, CgroupSlice, "src/plugins/cgroup/v2/cgroup_v2.c, _set_int_cg_ns"},
	{Version{25, 11, 3}, SlurmdBelowUnit, "src/plugins/cgroup/v2/cgroup_v2.c, SLURMD_CGROUP"},
	{Version{26, 5, 0}, SLUIDNamesCgroup, "src/plugins/cgroup/v2/cgroup_v2.c, cgroup_p_step_create"},
	{Version{26, 5, 0}, SLUIDInTasks, "src/common/env.c"},
	{Version{26, 5, 0}, NoTimeoutForTasks, "src/slurmd/slurmstepd/req.c, _handle_terminate"},
	{Version{26, 5, 2}, CgroupJobIDPaths, "doc/man/man5/cgroup.conf.5"},
}

// Has says whether the change holds in this version.
func (v Version) Has(change Change) bool {
	for _, row := range History {
		if row.Change == change {
			return v.Compare(row.Since) >= 0
		}
	}
	return false
}
