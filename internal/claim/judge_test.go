package claim

import (
	"testing"
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

var jobStart = time.Unix(1795000000, 0)

// ours is a process of job 77 as Slurm started it, before a test changes it.
func ours() Facts {
	return Facts{
		Stat: proc.Stat{PID: 100, Parent: 1, Session: 90, Start: 1000, State: 'S', Threads: 1}, UID: 1000,
		Place:   cgroup.Place{UID: -1, Task: -1},
		Mark:    slurm.Mark{Job: 77, Task: 0, HasTask: true, Cluster: "alps", Node: "n1", Restarts: -1},
		Started: jobStart.Add(time.Minute), SameCgroup: true,
	}
}

func epilog() Scope {
	return Scope{Job: slurm.Job{ID: 77, UID: 1000, Cluster: "alps", Node: "n1", Start: jobStart, Restarts: 0}, Task: -1}
}

func batch() Scope {
	s := epilog()
	s.Step, s.InJob = "batch", true
	return s
}

func inJob(id uint32, step string, task int) cgroup.Place {
	return cgroup.Place{Job: id, UID: 1000, Step: step, Task: task}
}

func TestJudge(t *testing.T) {
	het := epilog()
	het.Job.ID, het.Job.HetLeader = 78, 77
	rootJob := epilog()
	rootJob.Job.UID = 0
	sluid := epilog()
	sluid.Job.SLUID = "s50DM84J1GD700"
	started := epilog()
	started.Job.Restarts = -1
	task := batch()
	task.Task = 1
	step := epilog()
	step.Step, step.Launcher = "0", "5000"
	none, foreign := Verdict{}, Verdict{Foreign: true}
	tests := []struct {
		name   string
		scope  Scope
		change func(*Facts)
		want   Verdict
	}{
		{"by its environment", epilog(), func(*Facts) {}, claimed(ByEnviron)},
		{"another user's, planted", epilog(), func(f *Facts) { f.UID = 1001 }, foreign},
		{"root's, planted", epilog(), func(f *Facts) { f.UID = 0 }, foreign},
		{"another job's", epilog(), func(f *Facts) { f.Mark.Job = 78 }, foreign},
		{"without a mark", epilog(), func(f *Facts) { f.Mark = slurm.Mark{} }, none},
		{"without a mark, in a login", epilog(), func(f *Facts) { f.Mark = slurm.Mark{}; f.Place.Login = true }, foreign},
		{"het component shows its leader", het, func(*Facts) {}, claimed(ByEnviron)},
		{"het: the component's own number is another job's", het, func(f *Facts) { f.Mark.Job = 78 }, foreign},
		{"slurmstepd", epilog(), func(f *Facts) { f.SlurmsOwn = true }, foreign},
		{"spare list", epilog(), func(f *Facts) { f.Listed = true }, spared(Listed)},
		{"spare list, by cgroup", epilog(), func(f *Facts) { f.Listed, f.Place, f.Member = true, inJob(77, "0", 0), true }, spared(Listed)},
		{"another cluster", epilog(), func(f *Facts) { f.Mark.Cluster = "jura" }, spared(OtherCluster)},
		{"another node of the host", epilog(), func(f *Facts) { f.Mark.Node = "n2" }, spared(OtherCluster)},
		{"login session", epilog(), func(f *Facts) { f.Place.Login = true }, spared(LoginSession)},
		{"salloc", epilog(), func(f *Facts) { f.Salloc = true }, spared(Allocation)},
		{"never was a task", epilog(), func(f *Facts) { f.Mark.HasTask = false }, Verdict{Reason: NoTask}},
		{"requeued: the second run", epilog(), func(f *Facts) { f.Mark.Restarts = 1 }, spared(OtherRun)},
		{"requeued, Slurm does not tell the hook", started, func(f *Facts) { f.Mark.Restarts = 1 }, claimed(ByEnviron)},
		{"another run by start time", epilog(), func(f *Facts) { f.Mark.Start = jobStart.Add(time.Second) }, spared(OtherRun)},
		{"the same run by start time", epilog(), func(f *Facts) { f.Mark.Start, f.Mark.Restarts = jobStart, 5 }, claimed(ByEnviron)},
		{"another run by SLUID", sluid, func(f *Facts) { f.Mark.SLUID = "s50DM84J1GD701" }, spared(OtherRun)},
		{"older than the job", epilog(), func(f *Facts) { f.Started = jobStart.Add(-time.Minute) }, spared(Older)},
		{"older by a clock that is off, but of this very run", epilog(), func(f *Facts) {
			f.Started, f.Mark.Start = jobStart.Add(-time.Hour), jobStart
		}, claimed(ByEnviron)},
		{"a little older, by the clocks", epilog(), func(f *Facts) { f.Started = jobStart.Add(-time.Second) }, claimed(ByEnviron)},
		{"below a living step of the job", epilog(), func(f *Facts) { f.HasAbove, f.Above = true, slurm.Title{Job: 77, Step: "1"} }, spared(LiveStep)},
		{"below another job's step", epilog(), func(f *Facts) { f.HasAbove, f.Above = true, slurm.Title{Job: 80} }, spared(OtherJob)},
		{"below a step of another cluster's job 77", epilog(), func(f *Facts) { f.HasAbove, f.Above, f.Mark.Cluster = true, slurm.Title{Job: 77}, "jura" }, spared(OtherCluster)},
		{"below a slurmstepd whose title is cut off", epilog(), func(f *Facts) { f.HasAbove = true }, spared(OtherJob)},
		{"below the slurmstepd of the hook, RunInJob", epilog(), func(f *Facts) { f.HasAbove, f.AboveHook, f.Above = true, true, slurm.Title{Job: 77} }, claimed(ByEnviron)},
		{"below the slurmstepd of a task's hook", task, func(f *Facts) { f.Mark.Task, f.HasAbove, f.AboveHook = 1, true, true }, spared(OtherStep)},
		{"the same, without a mark", batch(), func(f *Facts) { f.Mark, f.HasAbove, f.AboveHook = slurm.Mark{}, true, true }, foreign},
		{"the same, by cgroup: forked, and no task yet", task, func(f *Facts) {
			f.Mark, f.Place, f.HasAbove, f.AboveHook = slurm.Mark{}, inJob(77, "batch", 1), true, true
		}, spared(OtherStep)},
		{"below somebody who cannot be seen", epilog(), func(f *Facts) { f.HiddenAbove = true }, spared(Hidden)},
		{"root's job, in slurmd's cgroup", rootJob, func(f *Facts) { f.UID = 0 }, claimed(ByEnviron)},
		{"root's job, elsewhere", rootJob, func(f *Facts) { f.UID, f.SameCgroup = 0, false }, spared(RootElsewhere)},

		{"in the job's group", epilog(), func(f *Facts) { f.Mark, f.Place, f.Member = slurm.Mark{}, inJob(77, "0", 0), true }, claimed(ByCgroup)},
		{"in the job's group, another user", epilog(), func(f *Facts) { f.UID, f.Mark, f.Place, f.Member = 5, slurm.Mark{}, inJob(77, "0", 0), true }, claimed(ByCgroup)},
		{"in a group of the same name elsewhere", epilog(), func(f *Facts) { f.Place, f.SameCgroup = inJob(77, "0", 0), false }, spared(OtherJob)},
		{"in another job's group, planted", epilog(), func(f *Facts) { f.Place = inJob(80, "0", 0) }, spared(OtherJob)},
		{"in another job's group", epilog(), func(f *Facts) { f.Mark, f.Place = slurm.Mark{}, inJob(80, "0", 0) }, foreign},
		{"in two jobs' groups", epilog(), func(f *Facts) { f.Place = inJob(77, "0", 0); f.Place.Conflict = true }, spared(OtherJob)},
		{"in the job's group, of another run", epilog(), func(f *Facts) { f.Place, f.Member, f.Mark.Restarts = inJob(77, "0", 0), true, 1 }, spared(OtherRun)},
		{"in the job's group, below a living step", epilog(), func(f *Facts) {
			f.Place, f.Member, f.HasAbove, f.Above = inJob(77, "0", 0), true, true, slurm.Title{Job: 77}
		}, spared(LiveStep)},
		{"in the job's group, below a slurmstepd whose title is cut off", epilog(), func(f *Facts) {
			f.Place, f.Member, f.HasAbove = inJob(77, "0", 0), true, true
		}, spared(LiveStep)},
		{"in a component's group, below a living step of it", het, func(f *Facts) {
			f.Place, f.Member, f.HasAbove, f.Above = inJob(78, "0", 0), true, true, slurm.Title{Job: 78}
		}, spared(LiveStep)},
		{"beside the hook in the job", batch(), func(f *Facts) { f.Place = inJob(77, "batch", -1); f.Place.Stepd = true }, spared(HooksOwn)},

		{"of the batch step, which has no number", batch(), func(*Facts) {}, claimed(ByEnviron)},
		{"of another step", batch(), func(f *Facts) { f.Mark.Step = "0" }, spared(OtherStep)},
		{"of another step by cgroup", batch(), func(f *Facts) { f.Place = inJob(77, "0", 0) }, spared(OtherStep)},
		{"of the step by cgroup", batch(), func(f *Facts) { f.Place = inJob(77, "batch", 0) }, claimed(ByCgroup)},
		{"in the job's group, the step by environment", batch(), func(f *Facts) { f.Place = inJob(77, "", -1) }, claimed(ByCgroup)},
		{"of the step of srun", step, func(f *Facts) { f.Mark.Step, f.Mark.Launcher = "0", "5000" }, claimed(ByEnviron)},
		{"of a step with that number, another srun", step, func(f *Facts) { f.Mark.Step, f.Mark.Launcher = "0", "5001" }, spared(OtherStep)},
		{"of another task", task, func(*Facts) {}, spared(OtherStep)},
		{"of the task", task, func(f *Facts) { f.Mark.Task = 1 }, claimed(ByEnviron)},
		{"of another task by cgroup", task, func(f *Facts) { f.Place = inJob(77, "batch", 0) }, spared(OtherStep)},
		{"of the task by cgroup", task, func(f *Facts) { f.Place = inJob(77, "batch", 1) }, claimed(ByCgroup)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := ours()
			test.change(&f)
			if got := Judge(test.scope, f); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// family builds the relatives of a kin test: the change is made to a process
// without a mark, judged like all others.
type relativeOf struct {
	pid, parent, session int
	start                uint64
	change               func(*Facts)
}

func TestKin(t *testing.T) {
	bare := func(f *Facts) { f.Mark = slurm.Mark{} }
	marked := func(*Facts) {}
	stepd := func(f *Facts) { f.SlurmsOwn, f.UID, f.Stat.Comm = true, 0, "slurmstepd" }
	slurmd := func(f *Facts) { f.SlurmsOwn, f.UID, f.Stat.Comm = true, 0, "slurmd" }
	tests := []struct {
		name   string
		family []relativeOf
		want   map[int]bool // who is claimed
	}{
		{"a child", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 101, 20, bare}}, map[int]bool{100: true, 101: true}},
		{"a grandchild with its own session", []relativeOf{{103, 102, 103, 30, bare}, {102, 100, 102, 20, bare}, {100, 1, 100, 10, marked}}, map[int]bool{100: true, 102: true, 103: true}},
		{"the same session, its leader gone", []relativeOf{{100, 1, 90, 10, marked}, {101, 1, 90, 20, bare}}, map[int]bool{100: true, 101: true}},
		{"the same session, older", []relativeOf{{100, 1, 90, 10, marked}, {101, 1, 90, 5, bare}}, map[int]bool{100: true}},
		{"somebody's shell leads the session", []relativeOf{{90, 1, 90, 1, bare}, {100, 90, 90, 10, marked}, {101, 90, 90, 20, bare}}, map[int]bool{100: true}},
		{"a stranger leads the session", []relativeOf{{100, 1, 90, 10, func(f *Facts) { f.ForeignLed = true }}, {101, 1, 90, 20, func(f *Facts) { bare(f); f.ForeignLed = true }}}, map[int]bool{100: true}},
		{"the leader's number is used again", []relativeOf{{100, 1, 90, 10, marked}, {90, 1, 90, 20, bare}, {101, 90, 90, 30, bare}}, map[int]bool{100: true}},
		{"slurmstepd leads the session", []relativeOf{{90, 1, 90, 1, stepd}, {100, 1, 90, 10, marked}, {101, 1, 90, 20, bare}}, map[int]bool{100: true, 101: true}},
		{"slurmd leads the session", []relativeOf{{90, 1, 90, 1, slurmd}, {100, 1, 90, 10, marked}, {101, 1, 90, 20, bare}}, map[int]bool{100: true}},
		{"a child that has lost its number", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 101, 20, func(f *Facts) { f.Mark.HasTask = false }}}, map[int]bool{100: true, 101: true}},
		{"the same in the session of a salloc", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 101, 20, func(f *Facts) { f.Mark.HasTask, f.Salloc = false, true }}}, map[int]bool{100: true}},
		{"another user's child", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 101, 20, func(f *Facts) { bare(f); f.UID = 5 }}}, map[int]bool{100: true}},
		{"a child with another job's mark", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 100, 20, func(f *Facts) { f.Mark.Job = 80 }}}, map[int]bool{100: true}},
		{"a child in a login session", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 100, 20, func(f *Facts) { bare(f); f.Place.Login = true }}}, map[int]bool{100: true}},
		{"a child below another's slurmstepd", []relativeOf{{100, 1, 100, 10, marked}, {101, 100, 100, 20, func(f *Facts) { bare(f); f.HasAbove = true }}}, map[int]bool{100: true}},
		{"a child of a spared one", []relativeOf{{100, 1, 100, 10, func(f *Facts) { f.Mark.HasTask = false }}, {101, 100, 100, 20, bare}}, map[int]bool{}},
		{"no relation", []relativeOf{{100, 1, 100, 10, marked}, {101, 1, 101, 20, bare}}, map[int]bool{100: true}},
		{"a recycled parent", []relativeOf{{100, 1, 100, 30, marked}, {101, 100, 101, 20, bare}}, map[int]bool{100: true}},
		{"session 0 or 1 is nobody's", []relativeOf{{100, 1, 1, 10, marked}, {101, 1, 1, 20, bare}}, map[int]bool{100: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			relatives, order := map[int]*relative{}, []int{}
			for _, one := range test.family {
				f := ours()
				f.Stat.PID, f.Stat.Parent, f.Stat.Session, f.Stat.Start = one.pid, one.parent, one.session, one.start
				one.change(&f)
				relatives[one.pid] = &relative{facts: f, verdict: Judge(epilog(), f)}
				order = append(order, one.pid)
			}
			kin(epilog(), relatives, order, sessions{})
			for pid, r := range relatives {
				if got := r.verdict.Evidence != NoEvidence; got != test.want[pid] {
					t.Errorf("process %d is claimed: %v (%s), want %v", pid, got, r.proof, test.want[pid])
				}
				if r.verdict.Evidence == ByKin && r.proof == "" {
					t.Errorf("process %d has no written proof", pid)
				}
			}
		})
	}
}

// In a chain of forks the proven link is dead when the next one is seen.
func TestASessionStaysProven(t *testing.T) {
	known := sessions{}
	first := ours()
	kin(epilog(), map[int]*relative{100: {facts: first, verdict: claimed(ByEnviron)}}, []int{100}, known)
	next := ours()
	next.Stat.PID, next.Stat.Start, next.Mark = 200, 2000, slurm.Mark{}
	r := &relative{facts: next}
	kin(epilog(), map[int]*relative{200: r}, []int{200}, known)
	if r.verdict.Evidence != ByKin {
		t.Errorf("%+v", r)
	}
}

// With scope = "task" the siblings of the ended task live on in the session of
// slurmstepd.
func TestOneTaskTakesNoSharedSession(t *testing.T) {
	scope := batch()
	scope.Task = 1
	left, sibling, stepd := ours(), ours(), ours()
	left.Mark.Task = 1
	sibling.Mark, sibling.Stat.PID, sibling.Stat.Start = slurm.Mark{}, 101, 2000
	stepd.SlurmsOwn, stepd.Stat.Comm, stepd.Stat.PID = true, "slurmstepd", 90
	relatives := map[int]*relative{}
	for _, f := range []Facts{left, sibling, stepd} {
		relatives[f.Stat.PID] = &relative{facts: f, verdict: Judge(scope, f)}
	}
	kin(scope, relatives, []int{90, 100, 101}, sessions{})
	if relatives[100].verdict.Evidence != ByEnviron || relatives[101].verdict.Evidence != NoEvidence {
		t.Errorf("%+v, %+v", relatives[100].verdict, relatives[101].verdict)
	}
}
