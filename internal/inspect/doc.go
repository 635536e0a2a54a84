// Package inspect explains a job on this node without touching it: whose its
// processes are and by what proof, what they are doing, which locks they hold
// and wait for, what those that do not die wait for, and what each program of
// lastcall would do. It is for root, and for a user within a step of the job's
// own (srun --overlap), who sees less.
package inspect

import (
	"errors"
	"fmt"
	"os"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/stuck"
	"lastcall/internal/version"
	"lastcall/pkg/locks"
)

// ErrNoJob says that nothing of the job is on this node.
var ErrNoJob = errors.New("no process of this job is on this node")

// limit bounds each part of an inspection.
const limit = 5 * time.Second

// still is how long the processes are watched for what they do.
const still = time.Second

// Job returns the record of an inspection: a dry run. node is Slurm's name of
// this node, "" where there is only one.
func Job(fs proc.FS, id uint32, node string, settings config.Config, source string) (forensics.Record, error) {
	began := time.Now()
	who, err := identify(fs, id, node)
	if err != nil {
		return forensics.Record{}, err
	}
	record := forensics.Record{
		Time: began, Hook: "inspect", Release: version.Version, Mode: string(settings.Mode), Config: source,
		Node: who.job.Node, Job: id, HetLeader: who.job.HetLeader, SLUID: who.job.SLUID, UID: int64(who.job.UID), Verdict: forensics.Observed,
	}
	look := inspection{fs: fs, settings: settings, who: who, record: &record}
	if err := look.run(); err != nil {
		return record, err
	}
	record.Phases.Total = time.Since(began)
	if len(record.Processes) == 0 {
		return record, fmt.Errorf("job %d: %w", id, ErrNoJob)
	}
	return record, nil
}

// inspection is one run.
type inspection struct {
	fs       proc.FS
	settings config.Config
	who      identity
	record   *forensics.Record
}

func (l *inspection) run() error {
	inside, outside, err := l.claim()
	if err != nil {
		return err
	}
	reader := aside.NewReader(l.fs)
	defer reader.Close()
	x := stuck.New(l.fs, reader)
	keys := keysOf(inside, outside)
	list := x.Find(keys)
	x.Examine(list, time.Now().Add(limit))
	idle := l.doing(keysOf(inside))
	l.describe(inside, outside, idle, reader)
	x.Fill(l.record, list, stuck.Groups(list), func(proc.Key) time.Duration { return 0 }, time.Now().Add(limit))
	if err := l.locks(x, list, keys); err != nil {
		l.record.Warn(err.Error())
	}
	l.would(inside, list, idle)
	return nil
}

// claim finds the processes in the job's steps, and those outside that are
// the job's or look like it.
func (l *inspection) claim() (inside, outside claim.Result, err error) {
	text, err := linux.ReadAll(string(l.fs)+"/self/mountinfo", nil, 4<<20)
	if err != nil {
		return inside, outside, err
	}
	claims := l.settings.Epilog.Claims
	rules := claim.Rules{Cgroup: claims.Cgroup, Environ: claims.Environ, Kin: claims.Kin, UID: claims.UID, SpareCommands: l.settings.Spare.Commands}
	if len(l.settings.Spare.Users) > 0 {
		rules.SpareUser = l.settings.Spare.SparesUser
	}
	for _, ending := range []map[proc.Key]bool{l.who.stepds, nil} {
		scope := claim.Scope{Job: l.who.job, Task: -1, Ending: ending}
		scanner, err := claim.NewScanner(l.fs, scope, rules, cgroup.ParseMounts(text), os.Getpid())
		if err != nil {
			return inside, outside, err
		}
		result, err := scanner.Look(time.Now().Add(limit))
		scanner.Aside.Close()
		if err != nil {
			return inside, outside, err
		}
		if ending != nil {
			inside = result
		} else {
			outside = result
		}
	}
	return inside, without(outside, inside), nil
}

// without leaves out of the second view what is in a step: there it is spared
// only because the step lives.
func without(outside, inside claim.Result) claim.Result {
	in := map[proc.Key]bool{}
	for _, one := range inside.Claimed {
		in[one.Stat.Key()] = true
	}
	var rest claim.Result
	for _, one := range outside.Claimed {
		if !in[one.Stat.Key()] {
			rest.Claimed = append(rest.Claimed, one)
		}
	}
	for _, one := range outside.Spared {
		if !in[one.Stat.Key()] {
			rest.Spared = append(rest.Spared, one)
		}
	}
	return rest
}

func keysOf(results ...claim.Result) []proc.Key {
	var keys []proc.Key
	for _, result := range results {
		for _, one := range result.Claimed {
			keys = append(keys, one.Stat.Key())
		}
	}
	return keys
}

// doing watches the processes in the steps for a moment and returns why each
// is not idle, "" for one that is.
func (l *inspection) doing(keys []proc.Key) map[proc.Key]state {
	reader := activity.New(l.fs)
	helpers := l.who.helpers()
	until := time.Now().Add(limit)
	before := reader.Sample(keys, until)
	reader.Look(before, helpers, until)
	time.Sleep(still)
	after := reader.Sample(keys, until)
	reader.Look(after, helpers, until)
	states := map[proc.Key]state{}
	for i := range after {
		one := state{doing: after[i].Doing}
		switch {
		case len(after[i].Vetoes) > 0:
			one.busy = after[i].Vetoes[0].Text
		case !after[i].Idle():
			one.busy = "it cannot be seen whether it works"
		}
		states[after[i].Key] = one
	}
	for _, moved := range activity.Progress(before, after) {
		one := states[moved.Key]
		if one.busy == "" {
			one.busy = "it works: " + string(moved.Change)
		}
		states[moved.Key] = one
	}
	return states
}

// state is what a process in a step was seen doing.
type state struct {
	doing string
	busy  string // why it is not idle, "" if it is
}

// locks writes the locks that are held, and those that are waited for.
func (l *inspection) locks(x *stuck.Examiner, list []stuck.Process, keys []proc.Key) error {
	policy := stuck.Policy{
		Observe: true, Release: l.settings.Locks.Unkillable == config.ReleaseLocks, ReleasePaths: l.settings.Locks.ReleasePaths,
		AbortFUSE: l.settings.OnUnkillable.AbortFUSE,
	}
	held, whole, err := locks.HeldBy(l.fs, keys, time.Now().Add(limit))
	if err != nil {
		return err
	}
	fates, complete, err := locks.Look(l.fs, held, keys, time.Now().Add(limit))
	l.note(fates, keys)
	l.record.Counts.Locks = len(held)
	x.Release(list, policy, l.record, time.Now().Add(limit))
	x.AbortAll(stuck.Groups(list), list, stuck.Case{User: l.who.job.UID, Job: keys, Policy: policy}, l.record, time.Now().Add(limit))
	if err != nil {
		return err
	}
	waited, all, err := locks.WaitedFor(l.fs, keys, time.Now().Add(limit))
	var foreign []locks.Fate
	for _, fate := range waited {
		if fate.State != locks.HeldByJob {
			fate.Held.Holders = fate.Holders
			foreign = append(foreign, fate)
		}
	}
	l.note(foreign, keys)
	if !whole || !complete || !all {
		l.record.Warn("not all locks could be looked at in time")
	}
	return err
}

func (l *inspection) note(fates []locks.Fate, keys []proc.Key) {
	ours := map[int]bool{}
	for _, key := range keys {
		ours[key.PID] = true
	}
	for _, fate := range fates {
		one := stuck.Describe(fate.Held)
		one.Fate, one.HeldBy = string(fate.State), stuck.Parties(fate.Holders)
		for _, waiter := range fate.Waiters {
			one.Waiters = append(one.Waiters, forensics.Party{PID: waiter.PID, Comm: waiter.Comm})
		}
		for i := range l.record.Processes {
			p := &l.record.Processes[i]
			for _, holder := range fate.Holders {
				if holder.PID == p.PID && ours[p.PID] {
					p.Locks++
				}
			}
		}
		l.record.Locks = append(l.record.Locks, one)
	}
}
