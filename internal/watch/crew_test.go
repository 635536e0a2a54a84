package watch

import (
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastcall/internal/activity"
	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/slurmd"
)

const spoolDir = "/var/spool/slurmd"

// cast is a node on which job 77 of user 1000 has a step 0 with two tasks.
func cast() *roster {
	r := newRoster("/nowhere")
	stepd := func(pid int, job uint32, socket string) *person {
		return &person{
			stat:    proc.Stat{PID: pid, Parent: 1, Comm: "slurmstepd", State: 'S', Threads: 1, Start: 1, Session: pid},
			isStepd: true, title: slurm.Title{Job: job, Step: "0"}, socket: socket,
			place: cgroup.Place{UID: -1, Task: -1}, read: true,
		}
	}
	add(r, stepd(10, 77, spoolDir+"/n1_77.0"))
	add(r, stepd(11, 77, "/var/spool/other/n2_77.0"))
	add(r, stepd(12, 78, spoolDir+"/n1_78.0"))
	add(r, process(100, 10))
	add(r, process(101, 10))
	add(r, process(102, 100))
	return r
}

// process is one of the job's user.
func process(pid, parent int, change ...func(*person)) *person {
	p := &person{
		stat: proc.Stat{PID: pid, Parent: parent, Comm: "train", State: 'S', Threads: 1, Start: 2, Session: 100, Group: pid},
		uid:  1000, place: cgroup.Place{UID: -1, Task: -1}, read: true,
		mark: slurm.Mark{Job: 77, Node: "n1", Cluster: "alps", Restarts: -1},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func add(r *roster, p *person) { r.people[p.stat.PID] = p }

// settle does what the end of a pass does.
func (r *roster) settle() {
	for _, p := range r.people {
		p.above = r.findAbove(p)
		r.order = append(r.order, p)
	}
	sort.Slice(r.order, func(i, j int) bool { return r.order[i].stat.PID < r.order[j].stat.PID })
}

func pidsOf(people []*person) []int {
	var pids []int
	for _, p := range people {
		pids = append(pids, p.stat.PID)
	}
	return pids
}

func orphan(p *person)   { p.stat.Parent, p.stat.Session = 1, p.stat.PID }
func unmarked(p *person) { p.mark = slurm.Mark{Restarts: -1} }

func in(place cgroup.Place) func(*person) { return func(p *person) { p.place = place } }

func TestCrew(t *testing.T) {
	ours := cgroup.Place{Job: 77, UID: 1000, Node: "n1", Step: "0", Task: 0}
	tests := []struct {
		name                   string
		extra                  *person
		inside, outside, hooks []int
	}{
		{"the step itself", nil, nil, nil, nil},
		{"one that left it, by its environment", process(200, 1, orphan), nil, []int{200}, nil},
		{"one that left it and its environment, in the session", process(200, 1, unmarked), nil, []int{200}, nil},
		{"a child of the step without an environment", process(200, 102, unmarked), []int{200}, nil, nil},
		{"one that left it, but not the group", process(200, 1, orphan, in(ours)), []int{200}, nil, nil},
		{"another user's in the group", process(200, 1, orphan, in(ours), func(p *person) { p.uid = 5 }), []int{200}, nil, nil},
		{"another user's in the session", process(200, 1, unmarked, func(p *person) { p.uid = 5 }), nil, nil, nil},
		{"another user's, with the number planted", process(200, 1, orphan, func(p *person) { p.uid = 5 }), nil, nil, nil},
		{"of the other node of this host", process(200, 11, func(p *person) { p.mark.Node, p.stat.Session = "n2", 11 }), nil, nil, nil},
		{"of the other node, escaped", process(200, 1, orphan, func(p *person) { p.mark.Node = "n2" }), nil, nil, nil},
		{"of another cluster", process(200, 1, orphan, func(p *person) { p.mark.Cluster = "jura" }), nil, nil, nil},
		{"of another job", process(200, 12, func(p *person) { p.mark.Job, p.stat.Session = 78, 12 }), nil, nil, nil},
		{"a TaskEpilog", process(200, 10, func(p *person) { p.mark.Script = "epilog_task" }), nil, nil, []int{200}},
		{"a slurmstepd about to become one", process(200, 10, func(p *person) { p.stat.Comm = "slurmstepd" }), nil, nil, []int{200}},
		{"a TaskEpilog by its group", process(200, 10, unmarked, in(cgroup.Place{Job: 77, UID: -1, Step: "0", Task: -1, Stepd: true})), nil, nil, []int{200}},
		{"the user's own, elsewhere", process(200, 1, orphan, unmarked), nil, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := cast()
			if test.extra != nil {
				add(r, test.extra)
			}
			r.settle()
			c := r.crewOf(slurm.Job{ID: 77, Node: "n1", Cluster: "alps"}, spoolDir)
			if c.job.UID != 1000 || c.user != 1000 || len(c.stepds) != 1 || len(c.beside) != 1 {
				t.Errorf("user %d, slurmstepd %v, beside %v", c.job.UID, c.stepds, c.beside)
			}
			for _, list := range []struct {
				name      string
				got, want []int
			}{
				{"inside", pidsOf(c.inside), append([]int{100, 101, 102}, test.inside...)},
				{"outside", pidsOf(c.outside), test.outside},
				{"hooks", pidsOf(c.hooks), test.hooks},
			} {
				if diff := cmp.Diff(list.want, list.got); diff != "" {
					t.Errorf("%s: %s", list.name, diff)
				}
			}
		})
	}
}

// Kin of one that left the steps is found however it is numbered, in a session
// of its own too.
func TestCrewFindsTheKinOfOneThatLeft(t *testing.T) {
	alone := func(p *person) { unmarked(p); p.stat.Session = p.stat.PID }
	r := cast()
	add(r, process(202, 1, orphan))
	add(r, process(201, 202, alone))
	add(r, process(200, 201, alone))
	r.settle()
	c := r.crewOf(slurm.Job{ID: 77, Node: "n1", Cluster: "alps"}, spoolDir)
	got := pidsOf(c.outside)
	sort.Ints(got)
	if diff := cmp.Diff([]int{200, 201, 202}, got); diff != "" {
		t.Error(diff)
	}
}

// The tasks have ended, and what they left in the job's groups, which with
// version 2 name no user, is below init now.
func TestTheUserOfOrphans(t *testing.T) {
	group := cgroup.Place{Job: 77, UID: -1, Node: "n1", Step: "batch", Task: 0}
	stranger := func(p *person) { p.uid = 5 }
	for _, test := range []struct {
		name   string
		people []*person
		before uint32
		want   uint32
	}{
		{"one", []*person{process(200, 1, orphan, in(group))}, 0, 1000},
		{"root's beside it", []*person{process(200, 1, orphan, in(group), func(p *person) { p.uid = 0 }), process(201, 1, orphan, in(group))}, 0, 1000},
		{"of two users", []*person{process(200, 1, orphan, in(group)), process(201, 1, orphan, in(group), stranger)}, 0, 0},
		{"of another than before", []*person{process(200, 1, orphan, in(group), stranger)}, 1000, 1000},
		{"in another job's groups", []*person{process(200, 1, orphan, in(cgroup.Place{Job: 78, UID: -1, Node: "n1", Task: 0}))}, 0, 0},
		{"below another job's slurmstepd", []*person{process(200, 12, in(group))}, 0, 0},
		{"elsewhere", []*person{process(200, 1, orphan)}, 0, 0},
		{"nobody", nil, 1000, 1000},
	} {
		r := cast()
		delete(r.people, 100)
		delete(r.people, 101)
		delete(r.people, 102)
		for _, p := range test.people {
			add(r, p)
		}
		r.settle()
		if c := r.crewOf(slurm.Job{ID: 77, Node: "n1", UID: test.before}, spoolDir); c.job.UID != test.want {
			t.Errorf("%s: user %d, want %d", test.name, c.job.UID, test.want)
		} else if c.user != test.before {
			t.Errorf("%s: user %d counts as proven", test.name, c.user)
		}
	}
}

// Who the user is was seen while the tasks lived: afterwards another's process
// in the groups changes nothing.
func TestTheUserIsRemembered(t *testing.T) {
	instance := slurmd.Instance{Node: "n1", Cluster: "alps", SpoolDir: spoolDir}
	reader := activity.New(proc.FS(t.TempDir()))
	later := newRoster("/nowhere")
	add(later, cast().people[10])
	add(later, process(200, 1, orphan, in(cgroup.Place{Job: 77, UID: -1, Node: "n1", Task: 0}), func(p *person) { p.uid = 5 }))
	later.settle()
	at := &node{Instance: instance}
	ending, living := newJob(at, 77, time.Now()), &running{vigilKey: vigilKey{node: at, job: 77}}
	for _, r := range []*roster{settled(cast()), later} {
		ending.see(r, reader, time.Now())
		(&vigil{roster: r, reader: reader}).see(living, time.Now())
		if ending.crew.job.UID != 1000 || living.crew.job.UID != 1000 {
			t.Errorf("users %d and %d", ending.crew.job.UID, living.crew.job.UID)
		}
	}
}

func settled(r *roster) *roster {
	r.settle()
	return r
}

func TestCrewSaysWhatSpeaksAgainstIt(t *testing.T) {
	r := cast()
	add(r, process(200, 1, orphan, unmarked, func(p *person) { p.read = false }))
	r.people[102].mark.WatchOff = true
	r.people[102].mark.Nodes = 4
	r.settle()
	c := r.crewOf(slurm.Job{ID: 77, Node: "n1", Cluster: "alps"}, spoolDir)
	if c.unread == nil || !c.off || c.nodes != 4 {
		t.Errorf("unread %v, off %v, nodes %d", c.unread, c.off, c.nodes)
	}
}

// Whom Slurm has told to end depends on how it keeps track of processes.
func TestTells(t *testing.T) {
	for proctrack, want := range map[string][]int{
		"cgroup": {100, 101}, "linuxproc": {100, 101, 102}, "pgid": {100, 101}, "children": {100, 101, 102},
	} {
		r := cast()
		add(r, process(200, 1, orphan, in(cgroup.Place{Job: 77, UID: 1000, Node: "n1", Step: "0", Task: 0})))
		r.settle()
		n := &node{Instance: slurmd.Instance{Proctrack: proctrack}}
		if proctrack == "children" {
			n.Proctrack, n.SignalsChildren = "cgroup", true
		}
		c := r.crewOf(slurm.Job{ID: 77, Node: "n1"}, spoolDir)
		var told []int
		for _, p := range c.inside {
			if n.tells(p, &c) {
				told = append(told, p.stat.PID)
			}
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("%s: %s", proctrack, diff)
		}
	}
}
