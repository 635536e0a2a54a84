package controller

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// line is what Slurm 22.05.8 printed for a cancelled job of one node, with
// shorter names; changes replace parts of it, "old->new".
func line(changes ...string) string {
	text := "JobId=7 JobName=job UserId=ada(1000) GroupId=ada(1000) MCS_label=N/A Priority=4294901759 Nice=0 Account=(null) QOS=(null) " +
		"JobState=COMPLETING Reason=None Dependency=(null) Requeue=1 Restarts=2 BatchFlag=1 Reboot=0 ExitCode=0:0 RunTime=00:00:04 " +
		"TimeLimit=UNLIMITED TimeMin=N/A SubmitTime=1794999990 EligibleTime=1794999990 AccrueTime=1794999990 StartTime=1795000000 " +
		"EndTime=1795000004 Deadline=N/A SuspendTime=None SecsPreSuspend=0 LastSchedEval=1795000000 Scheduler=Main Partition=main " +
		"AllocNode:Sid=localhost:3008 ReqNodeList=(null) ExcNodeList=(null) NodeList=n1 BatchHost=n1 NumNodes=1 NumCPUs=1 NumTasks=1 " +
		"CPUs/Task=1 ReqB:S:C:T=0:0:*:* TRES=cpu=1,node=1,billing=1 Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=* MinCPUsNode=1 " +
		"MinMemoryNode=0 MinTmpDiskNode=0 Features=(null) DelayBoot=00:00:00 OverSubscribe=YES Contiguous=0 Licenses=(null) " +
		"Network=(null) Command=/tmp/job.sh WorkDir=/tmp StdErr=/tmp/job-7.out StdIn=/dev/null StdOut=/tmp/job-7.out Power= \n"
	for _, change := range changes {
		before, after, _ := strings.Cut(change, "->")
		if !strings.Contains(text, before) {
			panic(before)
		}
		text = strings.Replace(text, before, after, 1)
	}
	return text
}

func record(change func(*Record)) Record {
	r := Record{
		Job: 7, State: "COMPLETING", Nodes: "n1", User: 1000, UserName: "ada", Partition: "main", Start: time.Unix(1795000000, 0),
		End: time.Unix(1795000004, 0), Restarts: 2, Requeue: true,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func TestParse(t *testing.T) {
	tests := []struct {
		name  string
		text  string
		asked uint32
		job   uint32
		want  []Record
	}{
		{"plain", line(), 7, 7, []Record{record(nil)}},
		{"26.05", line("UserId->SLUID=s50DM84J1GD700 UserId", "Dependency->FailedNode=n2 Dependency", "TRES=cpu=1,node=1,billing=1->ReqTRES=cpu=1 AllocTRES=cpu=1", " Power= -> "), 7, 7, []Record{record(nil)}},
		{"no node left", line("NodeList=n1->NodeList="), 7, 7, []Record{record(func(r *Record) { r.Nodes = "" })}},
		{"pending again", line("COMPLETING->PENDING", "StartTime=1795000000->StartTime=Unknown", "EndTime=1795000004->EndTime=Unknown", "NodeList=n1->NodeList=(null)"), 7, 7, []Record{record(func(r *Record) {
			r.State, r.Nodes, r.Start, r.End = "PENDING", "", time.Time{}, time.Time{}
		})}},
		{"suspended", line("COMPLETING->SUSPENDED", "SuspendTime=None->SuspendTime=1795000003"), 7, 7, []Record{record(func(r *Record) {
			r.State, r.Suspended = "SUSPENDED", time.Unix(1795000003, 0)
		})}},
		{
			"a task among its array",
			line("JobId=7->JobId=5 ArrayJobId=5 ArrayTaskId=3-9%2 ArrayTaskThrottle=2", "COMPLETING->PENDING") +
				line("JobId=7->JobId=7 ArrayJobId=5 ArrayTaskId=1"), 5, 7,
			[]Record{record(func(r *Record) { r.Array = 5 })},
		},
		{"a task alone", line("JobId=7->JobId=7 ArrayJobId=5 ArrayTaskId=1"), 7, 7, []Record{record(func(r *Record) { r.Array = 5 })}},
		{
			"a het job",
			line("JobId=7->JobId=7 HetJobId=7 HetJobOffset=0") + line("JobId=7->JobId=8 HetJobId=7 HetJobOffset=1", "NodeList=n1->NodeList=n2"), 7, 8,
			[]Record{record(func(r *Record) { r.HetLeader = 7 }), record(func(r *Record) { r.Job, r.HetLeader, r.HetOffset, r.Nodes = 8, 7, 1, "n2" })},
		},
		{"a component alone", line("JobId=7->JobId=8 HetJobId=7 HetJobOffset=1"), 8, 8, []Record{record(func(r *Record) { r.Job, r.HetLeader, r.HetOffset = 8, 7, 1 })}},
		{"a user name with brackets", line("ada(1000)->a(5)b(1000)"), 7, 7, nil},
		{"words that are no keys", line("JobName=job->JobName=Some JobStateX=1 XNodeList=n9 =NodeList, ReqNodeList=n5"), 7, 7, []Record{record(nil)}},
	}
	for _, test := range tests {
		got, err := Parse(test.text, test.asked, test.job)
		if test.want == nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got.Records); diff != "" || err != nil || got.Job != test.job {
			t.Errorf("%s: %v %s", test.name, err, diff)
		}
	}
}

// What a user can write into his job. None of it may give an answer.
func TestForgeries(t *testing.T) {
	whole := strings.TrimSuffix(line(), " \n")
	_, fields, _ := strings.Cut(whole, "JobName=job ")
	tests := []struct {
		name string
		text string
	}{
		{"a state in the name", line("JobName=job->JobName=x JobState=COMPLETING", "=N/A Priority->=N/A Priority", "JobState=COMPLETING Reason->JobState=RUNNING Reason")},
		{"a state in the comment", line("Power=->Comment=x JobState=RUNNING Power=")},
		{"nodes in the working folder", line("WorkDir=/tmp->WorkDir=/tmp/ NodeList=n1")},
		{"a tab instead of a blank", line("WorkDir=/tmp->WorkDir=/tmp/\tNodeList=n1")},
		{"a whole record in the name", line("JobName=job->JobName=x " + fields + " ")},
		{"a second record of the same job", line("JobName=job->JobName=x " + fields + "\nJobId=7 JobName=y")},
		{"a second record of another job", line("JobName=job->JobName=x " + fields + "\nJobId=9 JobName=y")},
		{"a second record of an array", line("JobName=job->JobName=x " + fields + "\nJobId=9 ArrayJobId=7 ArrayTaskId=1 JobName=y")},
		{"a second record of a het job", line("JobName=job->JobName=x " + fields + "\nJobId=9 HetJobId=7 HetJobOffset=1 JobName=y")},
		{"a second record of an array task", line("JobId=7->JobId=7 ArrayJobId=5 ArrayTaskId=1", "JobName=job->JobName=x "+fields+"\nJobId=9 ArrayJobId=5 ArrayTaskId=2 JobName=y")},
		{"the first task of an array twice", strings.Repeat(line("JobId=7->JobId=7 ArrayJobId=7 ArrayTaskId=1"), 2)},
		{"a task of another array", line("JobId=7->JobId=7 ArrayJobId=7 ArrayTaskId=1") + line("JobId=7->JobId=9 ArrayJobId=6 ArrayTaskId=1")},
		{"a component of another het job", line("JobId=7->JobId=7 HetJobId=7 HetJobOffset=0") + line("JobId=7->JobId=9 HetJobId=6 HetJobOffset=1")},
		{"a line end in the name", line("JobName=job->JobName=x\ny")},
		{"a line end at the end", line("StdOut=/tmp/job-7.out->StdOut=/tmp/\nNodeList=n1")},
	}
	for _, test := range tests {
		answer, err := Parse(test.text, 7, 7)
		if !errors.Is(err, ErrAmbiguous) && !errors.Is(err, ErrFormat) || answer.Records != nil {
			t.Errorf("%s: %+v %v", test.name, answer, err)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	tests := map[string]string{
		"nothing":            "",
		"words":              "slurm_load_jobs error: Unable to contact slurm controller\n",
		"another job":        line("JobId=7->JobId=70"),
		"no number":          line("JobId=7->JobId=7x"),
		"no state":           line("JobState=->XJobState="),
		"no nodes":           line(" NodeList=->  XNodeList="),
		"two states at once": line("JobState=COMPLETING->JobState=CANCELLED,COMPLETING"),
		"no user":            line("UserId=ada(1000)->UserId=ada"),
		"a date":             line("StartTime=1795000000->StartTime=2026-11-25T10:00:00"),
		"before all time":    line("StartTime=1795000000->StartTime=-5"),
		"after all time":     line("EndTime=1795000004->EndTime=9999999999999"),
		"no name":            line("JobName=job->JobNames=job"),
		"half of a het job":  line("JobId=7->JobId=7 HetJobId=7"),
		"negative restarts":  line("Restarts=2->Restarts=-2"),
		"a cut answer":       line()[:400],
		"two tasks as one":   line("JobId=7->JobId=7 ArrayJobId=5 ArrayTaskId=1") + line("JobId=7->JobId=7 ArrayJobId=5 ArrayTaskId=2"),
	}
	for name, text := range tests {
		if answer, err := Parse(text, 7, 7); !errors.Is(err, ErrFormat) && !errors.Is(err, ErrAmbiguous) || answer.Records != nil {
			t.Errorf("%s: %+v %v", name, answer, err)
		}
	}
}

func TestOverAndLastNode(t *testing.T) {
	plain := func(state, nodes string) Answer {
		return Answer{Job: 7, Records: []Record{{Job: 7, State: state, Nodes: nodes}}}
	}
	het := func(job uint32, states, nodes [2]string) Answer {
		return Answer{Job: job, Records: []Record{{Job: 7, HetLeader: 7, State: states[0], Nodes: nodes[0]}, {Job: 8, HetLeader: 7, HetOffset: 1, State: states[1], Nodes: nodes[1]}}}
	}
	both := [2]string{"COMPLETING", "COMPLETING"}
	tests := []struct {
		name       string
		answer     Answer
		over, last bool
		leader     uint32
	}{
		{"the last node", plain("COMPLETING", "n1"), true, true, 0},
		{"two nodes left", plain("COMPLETING", "n[1-2]"), true, false, 0},
		{"another node left", plain("COMPLETING", "n2"), true, false, 0},
		{"no node left", plain("COMPLETING", ""), true, false, 0},
		{"a list that is none", plain("COMPLETING", "n[1"), true, false, 0},
		{"running", plain("RUNNING", "n1"), false, false, 0},
		{"over already", plain("CANCELLED", "n1"), false, false, 0},
		{"nothing", Answer{Job: 7}, false, false, 0},
		{"het, here both", het(7, both, [2]string{"n1", "n1"}), true, true, 0},
		{"het, the other on another node", het(7, both, [2]string{"n1", "n2"}), true, false, 0},
		{"het, the other is over", het(8, [2]string{"CANCELLED", "COMPLETING"}, [2]string{"n2", "n1"}), true, true, 0},
		{"het, the other runs", het(7, [2]string{"COMPLETING", "RUNNING"}, [2]string{"n1", "n2"}), false, true, 0},
		{"het, without the leader", Answer{Job: 8, Records: []Record{{Job: 8, HetLeader: 7, State: "COMPLETING", Nodes: "n1"}}}, false, true, 7},
		{"het, the leader alone is whole", Answer{Job: 7, Records: []Record{{Job: 7, HetLeader: 7, State: "COMPLETING", Nodes: "n1"}}}, true, true, 0},
	}
	for _, test := range tests {
		a := test.answer
		if a.Over() != test.over || a.LastNode("n1") != test.last || a.Leader() != test.leader {
			t.Errorf("%s: over %v, last %v, leader %d", test.name, a.Over(), a.LastNode("n1"), a.Leader())
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(line())
	f.Add(line("JobId=7->JobId=7 HetJobId=7 HetJobOffset=0") + line("JobId=7->JobId=8 HetJobId=7 HetJobOffset=1"))
	f.Add(line("JobId=7->JobId=7 ArrayJobId=7 ArrayTaskId=1") + line("JobId=7->JobId=9 ArrayJobId=7 ArrayTaskId=2"))
	f.Fuzz(func(t *testing.T, text string) {
		answer, err := Parse(text, 7, 7)
		if err != nil {
			if !errors.Is(err, ErrAmbiguous) && !errors.Is(err, ErrFormat) || answer.Records != nil {
				t.Errorf("%q: %+v %v", text, answer, err)
			}
			return
		}
		if answer.Record().Job != 7 || !strings.HasPrefix(text, "JobId=") && !strings.Contains(text, "\nJobId=") {
			t.Errorf("%q was read as %+v", text, answer)
		}
		answer.LastNode("n1")
	})
}

// A user's text is put at every place where one can stand; whatever it is,
// it must never change what the answer says.
func FuzzUserText(f *testing.F) {
	f.Add("x JobState=COMPLETING NodeList=n1")
	f.Add("x\nJobId=7 JobName=y")
	true7, err := Parse(line("COMPLETING->RUNNING"), 7, 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, words string) {
		for _, place := range []string{"JobName=job->JobName=", "Command=/tmp/job.sh->Command=", "WorkDir=/tmp->WorkDir=", "Power=->Comment="} {
			text := line("COMPLETING->RUNNING", place+words)
			answer, err := Parse(text, 7, 7)
			if err != nil {
				continue
			}
			if diff := cmp.Diff(true7.Record(), answer.Record()); diff != "" {
				t.Errorf("%q changed the answer: %s", words, diff)
			}
		}
	})
}
