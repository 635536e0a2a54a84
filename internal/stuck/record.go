package stuck

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

const (
	// mostStacks is how many processes of one cause are recorded with their
	// stack: the others wait in the same place.
	mostStacks = 8
	// mostCommands is how many are recorded with their arguments.
	mostCommands = 64
	// mostLocks is how many locks a record lists.
	mostLocks = 256
)

// Fill writes the processes and their causes into a record: into the entries
// that are there already, else into new ones. since tells how long a process
// has been stuck, 0 if nobody knows.
func (x *Examiner) Fill(record *forensics.Record, list []Process, groups []Group, since func(proc.Key) time.Duration, until time.Time) {
	index := map[proc.Key]int{}
	for i := range record.Processes {
		p := &record.Processes[i]
		index[proc.Key{PID: p.PID, Start: p.Start}] = i
	}
	var fresh []int
	for _, group := range groups {
		longest := time.Duration(0)
		for nth, i := range group.Members {
			p := &list[i]
			longest = max(longest, since(p.Key))
			at, ok := index[p.Key]
			if !ok {
				at = len(record.Processes)
				record.Processes = append(record.Processes, x.basic(p))
				fresh = append(fresh, at)
			}
			p.describe(&record.Processes[at], nth < mostStacks)
		}
		one := group.record(record.Job, longest)
		one.File = list[group.Members[0]].Cause.File
		record.Causes = append(record.Causes, one)
	}
	x.commands(record, fresh, until)
}

// basic describes a process of which nothing was recorded yet.
func (x *Examiner) basic(p *Process) forensics.Process {
	one := forensics.Process{PID: p.Key.PID, Start: p.Key.Start, UID: p.UID, Comm: p.Comm, Outcome: "unkillable", Resident: p.resident}
	stat, err := x.FS.Stat(p.Key.PID, x.buffer)
	if err != nil || stat.Key() != p.Key {
		return one
	}
	one.Parent, one.Session, one.Threads = stat.Parent, stat.Session, stat.Threads
	one.CPU = time.Duration(stat.UserTicks+stat.SystemTicks) * proc.Tick
	if uptime, err := x.FS.Uptime(); err == nil && uptime > stat.Start {
		one.Age = time.Duration(uptime-stat.Start) * proc.Tick
	}
	if status, err := x.FS.Status(p.Key.PID, x.buffer); err == nil {
		const sigterm = 15
		one.Sigterm = string(status.Disposition(sigterm))
	}
	return one
}

func (p *Process) describe(one *forensics.Process, whole bool) {
	one.State, one.Wchan, one.Cause, one.File = string(p.State), p.Wchan, string(p.Cause.Code), p.Cause.File
	if p.Thread != p.Key.PID {
		one.Thread = p.Thread
	}
	one.Syscall, one.Stack = "", nil
	if whole {
		one.Syscall, one.Stack = p.Syscall, p.Stack
	}
}

// commands reads the arguments of processes, with care.
func (x *Examiner) commands(record *forensics.Record, at []int, until time.Time) {
	at = at[:min(len(at), mostCommands)]
	subjects := make([]aside.Subject, len(at))
	for i, index := range at {
		subjects[i] = aside.Subject{PID: record.Processes[index].PID, Stuck: true}
	}
	x.Aside.Each(subjects, aside.Arguments, until, func(i int, text []byte, _ error) {
		record.Processes[at[i]].Command = string(bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '}))
	})
}

func (g Group) record(job uint32, since time.Duration) forensics.Cause {
	text := g.Sentence(job, len(g.Members), since)
	if backing := backingFile(g.Mount); backing != "" {
		text += "; the loop device's file is " + backing
	}
	return forensics.Cause{
		Code: string(g.Code), Text: text, Count: len(g.Members), Function: g.Function, Call: g.Call, While: g.While,
		Type: g.Mount.Type, Source: g.Mount.Source, Mount: g.Mount.Point, Since: since,
	}
}

// backingFile returns the file behind a loop device, as sysfs tells
// (drivers/block/loop.c, loop_attr_backing_file_show), "" for others.
func backingFile(m cause.Mount) string {
	name, ok := strings.CutPrefix(m.Source, "/dev/loop")
	if _, err := strconv.Atoi(name); !ok || err != nil {
		return ""
	}
	text, err := linux.Read("/sys/block/loop"+name+"/loop/backing_file", make([]byte, 1024))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(text))
}

// Served adds to a cause who serves the file system and what was done.
func Served(one *forensics.Cause, daemons []Daemon, done string) {
	one.Abort = done
	if one.Code != string(cause.FUSE) {
		return
	}
	if len(daemons) == 0 && done != "" && done != leftUnknown {
		one.Text += " (no process with its descriptor was found)"
	}
	for _, daemon := range daemons {
		one.Daemons = append(one.Daemons, forensics.Party{PID: daemon.Key.PID, Comm: daemon.Comm, UID: daemon.UID})
		if daemon.Stopped {
			one.Text += " (" + daemon.Comm + ", process " + strconv.Itoa(daemon.Key.PID) + ", is stopped)"
		}
	}
}

// FillLocks writes the locks into a record: what became of each, and why it
// was freed or not.
func (l Locks) FillLocks(record *forensics.Record) {
	record.Counts.Locks += len(l.Held)
	if !l.Whole {
		record.Warn("not all locks could be looked at in time")
	}
	for i, held := range l.Held {
		one := Describe(held)
		one.Release = l.Release[i]
		one.Fate = string(locks.HeldByJob)
		if i < len(l.Fates) {
			fate := l.Fates[i]
			one.Fate, one.HeldBy = string(fate.State), Parties(fate.Holders)
			for _, waiter := range fate.Waiters {
				one.Waiters = append(one.Waiters, forensics.Party{PID: waiter.PID, Comm: waiter.Comm})
			}
			if fate.State == locks.Freed {
				record.Counts.LocksFreed++
			}
		}
		if i < mostLocks {
			record.Locks = append(record.Locks, one)
		} else {
			record.Omitted++
		}
	}
}

// Describe writes a lock as a record shows it, without its fate.
func Describe(held locks.Held) forensics.Lock {
	lock := held.Lock
	end := "EOF"
	if lock.End != locks.EOF {
		end = strconv.FormatUint(lock.End, 10)
	}
	return forensics.Lock{
		Kind: string(lock.Kind), Mode: lock.Mode, Device: lock.Device.String(), Inode: lock.Inode,
		Start: lock.Start, End: end, Path: held.Path(), Taker: lock.Taker, Holders: Parties(held.Holders),
	}
}

// Parties writes the holders of a lock as a record shows them.
func Parties(list []locks.Holder) []forensics.Party {
	var parties []forensics.Party
	for _, holder := range list {
		parties = append(parties, forensics.Party{PID: holder.PID, Comm: holder.Comm, UID: holder.UID})
	}
	return parties
}
