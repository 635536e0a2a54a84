package inspect

import (
	"bytes"
	"strconv"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/claim"
	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/internal/stuck"
)

// describe writes the processes into the record: those in steps, those that
// have left them, those that only look like the job's.
func (l *inspection) describe(inside, outside claim.Result, idle map[proc.Key]state, reader *aside.Reader) {
	var subjects []aside.Subject
	for _, result := range []claim.Result{inside, outside} {
		for _, one := range result.Claimed {
			p := l.basic(one.Stat)
			p.UID, p.Resident, p.Threads = one.Status.UID, one.Status.Resident, one.Stat.Threads
			const sigterm = 15
			p.Sigterm = string(one.Status.Disposition(sigterm))
			p.Evidence, p.Proof, p.Outcome = string(one.Evidence), one.Proof, "left"
			p.Wchan, _ = l.fs.Text(p.PID, "wchan", make([]byte, 256))
			p.Doing = idle[one.Stat.Key()].doing
			l.record.Processes = append(l.record.Processes, p)
			l.record.Counts.Left++
			subjects = append(subjects, aside.Subject{PID: p.PID, Stuck: one.Stat.State == 'D'})
		}
	}
	reader.Each(subjects, aside.Arguments, time.Now().Add(limit), func(i int, text []byte, _ error) {
		l.record.Processes[i].Command = string(bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '}))
	})
	for _, one := range outside.Spared {
		p := l.basic(one.Stat)
		p.UID, p.Spared, p.Outcome = one.UID, string(one.Reason), "spared"
		l.record.Processes = append(l.record.Processes, p)
		l.record.Counts.Spared++
	}
}

func (l *inspection) basic(stat proc.Stat) forensics.Process {
	p := forensics.Process{
		PID: stat.PID, Start: stat.Start, Parent: stat.Parent, Session: stat.Session, Comm: stat.Comm, State: string(stat.State),
		Threads: stat.Threads, CPU: time.Duration(stat.UserTicks+stat.SystemTicks) * proc.Tick,
	}
	if uptime, err := l.fs.Uptime(); err == nil && uptime > stat.Start {
		p.Age = time.Duration(uptime-stat.Start) * proc.Tick
	}
	return p
}

// would adds what each program would do with each process.
func (l *inspection) would(inside claim.Result, list []stuck.Process, idle map[proc.Key]state) {
	in, dying := map[proc.Key]bool{}, map[proc.Key]bool{}
	for _, one := range inside.Claimed {
		in[one.Stat.Key()] = true
	}
	for i := range list {
		dying[list[i].Key] = true
	}
	deaf, busy := allDeaf(inside), busiest(inside, idle)
	for i := range l.record.Processes {
		p := &l.record.Processes[i]
		key := proc.Key{PID: p.PID, Start: p.Start}
		switch {
		case p.Spared != "":
			p.Would = []string{"left alone by all: " + p.Spared}
		case dying[key]:
			p.Would = []string{"unkillable: the cause and the locks are written down", "epilog: the same, 2 s after its SIGKILL"}
		case in[key]:
			p.Would = []string{l.watchWould(idle[key], deaf, busy), l.hookWould("taskepilog", l.settings.TaskEpilog.Grace, "once the last task of its step has ended")}
		default:
			p.Would = []string{l.hookWould("epilog", l.settings.Epilog.Grace, "once the job is over")}
		}
	}
}

// allDeaf says whether everything in the steps ignores SIGTERM.
func allDeaf(inside claim.Result) bool {
	for _, one := range inside.Claimed {
		const sigterm = 15
		if one.Status.Disposition(sigterm) != proc.DispositionIgnored {
			return false
		}
	}
	return true
}

// busiest returns the first process that keeps the job from being idle, 0 for
// none.
func busiest(inside claim.Result, idle map[proc.Key]state) int {
	for _, one := range inside.Claimed {
		if idle[one.Stat.Key()].busy != "" {
			return one.Stat.PID
		}
	}
	return 0
}

func (l *inspection) watchWould(s state, deaf bool, busy int) string {
	watch := l.settings.Watch
	switch {
	case s.busy != "":
		return "watch: the whole job is left to KillWait: " + s.busy
	case busy != 0:
		return "watch: left to KillWait, because process " + strconv.Itoa(busy) + " is not idle"
	case deaf:
		return "watch: ended " + watch.IgnoredGrace.String() + " after the order to end, if nothing moves"
	case watch.IdleGrace < 0:
		return "watch: left to KillWait"
	}
	return "watch: ended " + watch.IdleGrace.String() + " after the order to end, if all of the job stays idle"
}

func (l *inspection) hookWould(name string, grace time.Duration, when string) string {
	if grace == 0 {
		return name + ": SIGKILL " + when
	}
	return name + ": SIGTERM, after " + grace.String() + " SIGKILL, " + when
}
