package watch

import (
	"strings"
	"testing"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/cgroup"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/slurmd"
)

// seen is job 77 of the cast, with one process that has left the steps, as a
// look found it: all heed SIGTERM, nothing moves, nothing speaks against idle.
func seen(change func(r *roster)) *job {
	r := cast()
	add(r, process(200, 1, orphan))
	change(r)
	r.settle()
	j := newJob(&node{Instance: slurmd.Instance{Node: "n1", SpoolDir: spoolDir, Proctrack: "cgroup"}}, 77, time.Now())
	j.crew = r.crewOf(slurm.Job{ID: 77, Node: "n1", Cluster: "alps"}, spoolDir)
	j.stepds = map[proc.Key]bool{{PID: 10, Start: 1}: true}
	for _, key := range keysOf(j.crew.all()) {
		j.samples = append(j.samples, activity.Sample{Key: key, Comm: "train", Looked: true, Term: proc.DispositionDefault})
	}
	return j
}

func TestSummary(t *testing.T) {
	same := func(*job) {}
	tests := []struct {
		name                           string
		change                         func(*job)
		inSteps, all, ignoring, untold int
		vetoes                         string
	}{
		{"as it is", same, 3, 4, 0, 1, ""}, // 102 is no child of slurmstepd
		{"one was told by lastcall", func(j *job) { j.told[j.samples[2].Key] = true }, 3, 4, 0, 0, ""},
		{"one ignores SIGTERM", func(j *job) { j.samples[2].Term = proc.DispositionIgnored }, 3, 4, 1, 0, ""},
		{"the one outside ignores SIGTERM", func(j *job) { j.samples[3].Term = proc.DispositionIgnored }, 3, 4, 1, 1, ""},
		{"one is gone", func(j *job) { j.samples[2].Gone, j.samples[2].Looked = true, false }, 2, 3, 0, 0, ""},
		{"one speaks against it", func(j *job) { j.samples[3].Vetoes = []activity.Veto{{Reason: activity.OffNode, Text: "off this node"}} }, 3, 4, 0, 1, "train (200): off this node"},
		{"one was not looked at", func(j *job) { j.samples[1].Looked = false }, 3, 4, 0, 1, "train (101): there was no time"},
		{"the service came later", func(j *job) { j.inherited = true }, 3, 4, 0, 1, "cannot know whom it has told"},
		{"the service came later, all were told by Slurm", func(j *job) { j.inherited = true; j.samples[2].Gone = true }, 2, 3, 0, 0, ""},
	}
	for _, test := range tests {
		j := seen(func(*roster) {})
		test.change(j)
		l := j.summary(nil, time.Now())
		if l.InSteps != test.inSteps || l.All != test.all || l.Ignoring != test.ignoring || l.Untold != test.untold {
			t.Errorf("%s: %+v", test.name, l)
		}
		if got := strings.Join(l.Vetoes, "; "); (got == "") != (test.vetoes == "") || !strings.Contains(got, test.vetoes) {
			t.Errorf("%s: %q, want %q", test.name, got, test.vetoes)
		}
	}
}

// What speaks against a job as a whole.
func TestVetoesOfAJob(t *testing.T) {
	for want, change := range map[string]func(*roster){
		"a step was started after the order to end": func(r *roster) {
			add(r, &person{
				stat: proc.Stat{PID: 13, Parent: 1, Comm: "slurmstepd", Start: 9}, isStepd: true, read: true,
				title: slurm.Title{Job: 77, Step: "1"}, socket: spoolDir + "/n1_77.1", place: cgroup.Place{UID: -1, Task: -1},
			})
		},
		"a TaskEpilog is at work": func(r *roster) {
			add(r, process(300, 10, func(p *person) { p.mark.Script = "epilog_task" }))
		},
		"a process of the user could not be asked whose it is": func(r *roster) {
			add(r, process(300, 1, orphan, unmarked, func(p *person) { p.read = false }))
		},
		"LASTCALL_WATCH=off": func(r *roster) { r.people[102].mark.WatchOff = true },
	} {
		if l := seen(change).summary(nil, time.Now()); len(l.Vetoes) != 1 || l.Vetoes[0] != want {
			t.Errorf("%q, want %q", l.Vetoes, want)
		}
	}
}

// The sentence for the user promises nothing that is not known.
func TestSentence(t *testing.T) {
	j := seen(func(*roster) {})
	j.node.KillWait, j.look.Now, j.clock.Still = 30*time.Second, 8*time.Second, 3*time.Second
	tests := []struct {
		change func()
		want   string
	}{
		{func() {}, "4 processes did not end and did nothing for 5s: ended now, 22s before Slurm would have\n"},
		{func() { j.samples[0].Gone, j.samples[1].Gone, j.samples[2].Term = true, true, proc.DispositionIgnored }, "1 process did not end, 1 process ignored SIGTERM, and nothing moved for 5s: ended now, 22s before Slurm would have\n"},
		{func() { j.samples[3].Gone = true }, "1 process ignored SIGTERM and did nothing for 5s: ended now, 22s before Slurm would have\n"},
		{func() { j.inherited = true }, "1 process ignored SIGTERM and did nothing for 5s: ended now\n"},
		{func() { j.inherited, j.node.KillWait = false, 7*time.Second }, "1 process ignored SIGTERM and did nothing for 5s: ended now\n"},
	}
	for _, test := range tests {
		test.change()
		if got := sentence(j); got != "lastcall: the job was told to end; "+test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}
