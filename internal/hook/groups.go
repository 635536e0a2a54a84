package hook

import (
	"strings"
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/pkg/reaper"
)

// ending is how long a slurmstepd that is about to end is waited for, once it
// is known that it could not remove the job's groups.
const ending = 1200 * time.Millisecond

// removeGroups removes the empty groups the job left on this node, which
// nobody else would do. Only root's hook at the end of the job does so, and
// only after a run that was allowed to act and saw everything.
func (t *target) removeGroups(report reaper.Report, until time.Time) {
	if t.run.name != Epilog || t.run.config.Mode != config.Enforce || report.Hold != "" || report.Err != nil {
		return
	}
	if !t.scanner.HadGroups() {
		return // most often: Slurm has removed them
	}
	groups := t.scanner.Groups()
	switch {
	case t.run.record.RunInJob:
		t.removeOnce(groups, ownStep(t.scanner.OwnPlace().Step), until)
	case t.stepd:
		// It may be one that ends, or that of another run of this job id that
		// begins: what Slurm makes is its own business for now.
		if t.removeOnce(groups, cgroup.IsSlurms, until) > 0 {
			t.afterSlurm(groups, earlier(until, time.Now().Add(ending)))
		}
	default:
		t.removeOnce(groups, nil, until)
	}
}

// ownStep keeps what the slurmstepd above the hook will remove when the hook
// has ended: the folders of its step, and the job's own.
func ownStep(step string) func(below string) bool {
	return func(below string) bool {
		folder, _, _ := strings.Cut(strings.TrimPrefix(below, "/"), "/")
		return cgroup.IsSlurms(below) && (below == "" || folder == "step_"+step)
	}
}

// afterSlurm waits for the end of the slurmstepd, which had failed to remove
// the job's groups, and removes what is left of them.
func (t *target) afterSlurm(groups []cgroup.Group, until time.Time) {
	for time.Now().Before(until) && len(t.scanner.Groups()) > 0 {
		if result, err := t.scanner.Look(until); err == nil && !result.Stepd && !result.LiveStep {
			t.removeOnce(groups, nil, until)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeOnce removes what can be removed now, notes it in the record, and
// returns how many folders that were.
func (t *target) removeOnce(groups []cgroup.Group, keep func(below string) bool, until time.Time) int {
	total := 0
	for _, group := range groups {
		removal := cgroup.Remove(group, keep, until)
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
