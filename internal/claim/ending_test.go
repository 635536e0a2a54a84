package claim

import (
	"testing"

	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// A job that was told to end: only what is in its steps is claimed.
func TestJudgeEnding(t *testing.T) {
	scope := epilog()
	scope.Ending = map[proc.Key]bool{{PID: 50, Start: 9}: true}
	below := func(f *Facts) {
		f.Above, f.HasAbove, f.AboveEnding = slurm.Title{Job: 77, Step: "0"}, true, true
	}
	tests := []struct {
		name   string
		change func(*Facts)
		want   Verdict
	}{
		{"below its slurmstepd", below, claimed(ByStep)},
		{"below its slurmstepd, without an environment", func(f *Facts) { below(f); f.Mark = slurm.Mark{} }, claimed(ByStep)},
		{"below its slurmstepd, older by a wrong clock", func(f *Facts) { below(f); f.Started = jobStart.AddDate(0, 0, -1) }, claimed(ByStep)},
		{"in its group", func(f *Facts) { f.Place, f.Member = inJob(77, "0", 0), true }, claimed(ByCgroup)},
		{"in its group, another user's", func(f *Facts) { f.Place, f.Member, f.UID = inJob(77, "0", 0), true, 5 }, claimed(ByCgroup)},
		{"in a group of that name elsewhere", func(f *Facts) { f.Place = inJob(77, "0", 0) }, spared(LeftStep)},
		{"slurmstepd", func(f *Facts) { below(f); f.SlurmsOwn = true }, Verdict{Foreign: true}},
		{"a TaskEpilog in Slurm's part of the step", func(f *Facts) {
			below(f)
			f.Place, f.Member = cgroup.Place{Job: 77, UID: -1, Step: "0", Task: -1, Stepd: true}, true
		}, spared(HooksOwn)},
		{"a TaskEpilog without cgroups", func(f *Facts) { below(f); f.Mark.Script = "epilog_task" }, spared(HooksOwn)},
		{"a slurmstepd that is about to become one", func(f *Facts) { below(f); f.Stat.Comm = "slurmstepd" }, spared(Slurms)},
		{"on the spare list", func(f *Facts) { below(f); f.Listed = true }, spared(Listed)},
		{"escaped, by its environment", func(*Facts) {}, spared(LeftStep)},
		{"another user's below slurmstepd", func(f *Facts) { below(f); f.UID = 0 }, spared(LeftStep)},
		{"in another job's group below our slurmstepd", func(f *Facts) { below(f); f.Place, f.Member = inJob(78, "0", 0), true }, spared(OtherJob)},
		{"of another cluster on this host, with the same number", func(f *Facts) { f.Mark.Cluster, f.Place = "jura", inJob(78, "0", 0) }, spared(OtherCluster)},
		{"the next run of the same job", func(f *Facts) { below(f); f.AboveEnding = false }, spared(OtherRun)},
		{"the job's part on another node of this host", func(f *Facts) { below(f); f.AboveEnding, f.Mark.Node = false, "n2" }, spared(OtherCluster)},
		{"another job's", func(f *Facts) { below(f); f.AboveEnding, f.Mark.Job = false, 78 }, Verdict{Foreign: true}},
		{"nothing to do with it", func(f *Facts) { f.Mark = slurm.Mark{} }, Verdict{Foreign: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := ours()
			test.change(&f)
			if got := Judge(scope, f); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}
