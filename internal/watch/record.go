package watch

import (
	"strconv"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/forensics"
	"lastcall/internal/note"
	"lastcall/internal/proc"
	"lastcall/internal/version"
	"lastcall/pkg/reaper"
)

// newRecord starts the record of a job.
func (s *Service) newRecord(j *job) forensics.Record {
	record := forensics.Record{
		Time: j.ordered, Hook: "watch", Release: version.Version, Mode: string(s.Mode()), Config: s.Source,
		Cluster: j.node.Cluster, Node: j.node.Node, Job: j.id, UID: int64(j.crew.job.UID), SLUID: j.crew.job.SLUID,
	}
	if j.answer != nil {
		record.HetLeader = j.answer.Record().HetLeader
	}
	return record
}

// verdictOf names what an end came to.
func verdictOf(report reaper.Report, counts forensics.Counts, observe bool) forensics.Verdict {
	switch {
	case observe:
		return forensics.Observed
	case counts.Unkillable > 0:
		return forensics.Unkillable
	case counts.Left > 0:
		return forensics.Deadline
	case report.Err != nil && counts.Survivors() == 0:
		return forensics.Failed
	}
	return forensics.Cleaned
}

// describe adds to the processes of a record what they were doing, and who
// had told them to end.
func describe(record *forensics.Record, e *ending) {
	asked := map[proc.Key]bool{}
	for _, result := range e.report.Results {
		asked[proc.Key(result.Key)] = result.Asked
	}
	doing := map[proc.Key]string{}
	for i := range e.samples {
		doing[e.samples[i].Key] = e.samples[i].Doing
	}
	for i := range record.Processes {
		p := &record.Processes[i]
		key := proc.Key{PID: p.PID, Start: p.Start}
		p.Doing = doing[key]
		p.Told = teller(e.told[key], asked[key])
	}
}

func teller(slurm, lastcall bool) string {
	switch {
	case lastcall:
		return "lastcall"
	case slurm:
		return "slurm"
	}
	return ""
}

// close ends the story of a job whose steps are gone from the node. While it is
// being ended its story is not known yet: wasEnded will be here again.
func (s *Service) close(j *job, now time.Time) {
	if j.ending {
		j.gone = now
		return
	}
	if err := note.Remove(s.Notes, j.node.Node, j.id); err != nil {
		s.Log(err.Error())
	}
	took := now.Sub(j.ordered)
	if j.ended == nil && (took < worthTelling || len(j.samples) == 0) {
		return
	}
	record := s.newRecord(j)
	watch := &forensics.Watch{Order: j.ordered, ToEmpty: took, KillWait: j.node.KillWait, Asked: j.asked, Reason: j.clock.Why}
	if j.refused != "" {
		watch.Reason = j.refused
	}
	if j.ended != nil {
		record = j.ended.record
		watch.Rule, watch.ToEnd, watch.Still = string(j.ended.rule), j.ended.at.Sub(j.ordered), j.ended.still
	} else {
		record.Verdict = forensics.LeftToSlurm
		record.Processes, record.Counts.Left = j.lastSeen(), j.look.All
	}
	record.Watch, record.Phases.Total = watch, took
	if err := record.Append(s.Config.LogPath); err != nil {
		s.Log("no record was written: " + err.Error())
	}
	s.Log(record.Summary())
}

// lastSeen describes the processes of a job that was left to Slurm.
func (j *job) lastSeen() []forensics.Process {
	var list []forensics.Process
	people := j.crew.all()
	for i := range j.samples {
		sample := &j.samples[i]
		if sample.Gone || i >= len(people) {
			continue
		}
		p := people[i]
		one := forensics.Process{
			PID: sample.Key.PID, Start: sample.Key.Start, Parent: p.stat.Parent, Session: p.stat.Session, UID: p.uid,
			Comm: sample.Comm, State: string(p.stat.State), Sigterm: string(sample.Term), Threads: sample.Threads,
			CPU: sample.CPU, Doing: sample.Doing, Told: teller(i < len(j.crew.inside) && j.node.tells(p, &j.crew), j.told[sample.Key]),
			Outcome: string(reaper.Left),
		}
		if !sample.Idle() && sample.Doing == "" {
			one.Doing = whyNot(sample)
		}
		list = append(list, one)
	}
	return list
}

// wordsFor says what a process has done.
func wordsFor(m activity.Moved) string {
	name := forensics.Quote(m.Comm, 64) + " (" + strconv.Itoa(m.Key.PID) + ") "
	bytes := strconv.FormatUint(m.Amount, 10) + " bytes"
	switch m.Change {
	case activity.Started:
		return name + "was started"
	case activity.Ended:
		return name + "ended"
	case activity.UsedCPU:
		return name + "used " + time.Duration(m.Amount).Round(time.Millisecond).String() + " of a processor"
	case activity.Read:
		return name + "read " + bytes
	case activity.Written:
		return name + "wrote " + bytes
	case activity.Network:
		return name + "moved " + bytes + " over TCP"
	case activity.Threaded:
		return name + "started or ended a thread"
	case activity.NewDuties:
		return name + "changed what SIGTERM does to it"
	}
	return name + "could not be read"
}

// nameOf names a process in a sentence.
func nameOf(s *activity.Sample) string {
	return forensics.Quote(s.Comm, 64) + " (" + strconv.Itoa(s.Key.PID) + ")"
}

// whyNot says what speaks against calling a process idle.
func whyNot(s *activity.Sample) string {
	if len(s.Vetoes) > 0 {
		return s.Vetoes[0].Text
	}
	return "there was no time to look at it"
}

// sentence is what the user reads in the job's own output.
func sentence(j *job) string {
	deaf, idle := 0, 0
	for i := range j.samples {
		switch {
		case j.samples[i].Gone:
		case j.samples[i].Term == proc.DispositionIgnored:
			deaf++
		default:
			idle++
		}
	}
	still := (j.look.Now - j.clock.Still).Round(100 * time.Millisecond)
	text := "lastcall: the job was told to end; "
	switch {
	case idle == 0:
		text += count(deaf) + " ignored SIGTERM and did nothing for " + still.String()
	case deaf == 0:
		text += count(idle) + " did not end and did nothing for " + still.String()
	default:
		text += count(idle) + " did not end, " + count(deaf) + " ignored SIGTERM, and nothing moved for " + still.String()
	}
	text += ": ended now"
	// When the order came is not known to a service that was started after it.
	if left := (j.node.KillWait - j.look.Now).Round(time.Second); left > 0 && !j.inherited {
		text += ", " + left.String() + " before Slurm would have"
	}
	return text + "\n"
}

func count(n int) string {
	if n == 1 {
		return "1 process"
	}
	return strconv.Itoa(n) + " processes"
}
