package hook

import (
	"strings"
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/target"
	"lastcall/pkg/reaper"
)

// ending is how long a slurmstepd that is about to end is waited for, once it
// is known that it could not remove the job's groups.
const ending = 1200 * time.Millisecond

// removeGroups removes the empty groups the job left on this node, which
// nobody else would do. Only root's hook at the end of the job does so, and
// only after a run that was allowed to act and saw everything.
func (r *run) removeGroups(t *target.Target, report reaper.Report, until time.Time) {
	if r.name != Epilog || r.config.Mode != config.Enforce || report.Hold != "" || report.Err != nil {
		return
	}
	if !t.Scanner.HadGroups() {
		return // most often: Slurm has removed them
	}
	groups := t.Scanner.Groups()
	switch {
	case r.record.RunInJob:
		r.removeOnce(groups, ownStep(t.Scanner.OwnPlace().Step), until)
	case t.Stepd:
		// It may be one that ends, or that of another run of this job id that
		// begins: what Slurm makes is its own business for now.
		if r.removeOnce(groups, cgroup.IsSlurms, until) > 0 {
			r.afterSlurm(t, groups, earlier(until, time.Now().Add(ending)))
		}
	default:
		r.removeOnce(groups, nil, until)
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
func (r *run) afterSlurm(t *target.Target, groups []cgroup.Group, until time.Time) {
	for time.Now().Before(until) && len(t.Scanner.Groups()) > 0 {
		if result, err := t.Scanner.Look(until); err == nil && !result.Stepd && !result.LiveStep {
			r.removeOnce(groups, nil, until)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeOnce removes what can be removed now, notes it in the record, and
// returns how many folders that were.
func (r *run) removeOnce(groups []cgroup.Group, keep func(below string) bool, until time.Time) int {
	total := 0
	for _, group := range groups {
		removal := cgroup.Remove(group, keep, until)
		total += removal.Removed
		if removal.Removed > 0 {
			r.record.Groups = append(r.record.Groups, forensics.Group{
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
