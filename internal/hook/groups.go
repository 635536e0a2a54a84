package hook

import (
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/pkg/reaper"
)

// stumble is how long a slurmstepd that could not remove the job's groups is
// given for its next try: it tries once a second while they are in use
// (src/plugins/cgroup/common/cgroup_common.c, common_cgroup_delete).
const stumble = 1200 * time.Millisecond

// removeGroups removes the empty groups the job left on this node, which
// nobody else would do. Only root's hook at the end of the job does so, and
// only after a run that was allowed to act and saw everything.
func (t *target) removeGroups(report reaper.Report, until time.Time) {
	if t.run.name != Epilog || t.run.config.Mode != config.Enforce || report.Hold != "" || report.Err != nil {
		return
	}
	groups := t.scanner.Groups()
	if len(groups) == 0 {
		return
	}
	// While Slurm's own programs are there, what they made is theirs to
	// remove; with RunInJob that includes the place the hook is in.
	foreign := t.stepd || t.run.record.RunInJob
	total := t.removeOnce(groups, foreign, until)
	if foreign && total > 0 && !t.run.record.RunInJob {
		t.afterSlurm(groups, earlier(until, time.Now().Add(stumble)))
	}
}

// afterSlurm waits until the slurmstepd has removed what is its own, now that
// nothing hinders it, and does it if it has given up already.
func (t *target) afterSlurm(groups []cgroup.Group, until time.Time) {
	for time.Now().Before(until) && len(t.scanner.Groups()) > 0 {
		if result, err := t.scanner.Look(until); err == nil && !result.Stepd && !result.LiveStep {
			t.removeOnce(groups, false, until)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeOnce removes what can be removed now, notes it in the record, and
// returns how many folders that were.
func (t *target) removeOnce(groups []cgroup.Group, foreign bool, until time.Time) int {
	total := 0
	for _, group := range groups {
		removal := cgroup.Remove(group, foreign, until)
		total += removal.Removed
		if removal.Removed > 0 {
			t.run.record.Groups = append(t.run.record.Groups, forensics.Group{
				Path: removal.Path, Removed: removal.Removed, Gone: removal.Gone,
			})
		}
	}
	return total
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
