package target

import (
	"time"

	"lastcall/internal/proc"
	"lastcall/internal/stuck"
	"lastcall/pkg/reaper"
)

// treatStuck finds out what those that did not die wait for, and does what the
// site allows.
func (t *Target) treatStuck(report reaper.Report, until time.Time) {
	var keys, all []proc.Key
	took := map[proc.Key]time.Duration{}
	for _, result := range report.Results {
		key := proc.Key(result.Key)
		all = append(all, key)
		if result.Outcome == reaper.Unkillable {
			keys, took[key] = append(keys, key), result.Took
		}
	}
	if len(keys) == 0 {
		return
	}
	x := stuck.New(t.FS, t.Scanner.Aside)
	list := x.Find(keys)
	x.Examine(list, soonest(until, captureTime))
	groups := stuck.Groups(list)
	defer func() { t.late(x, keys) }()
	if t.OnStuck == nil {
		x.Fill(t.Record, list, groups, func(proc.Key) time.Duration { return 0 }, until)
		return
	}
	x.Release(list, *t.OnStuck, t.Record, until)
	x.Fill(t.Record, list, groups, func(key proc.Key) time.Duration { return took[key] }, until)
	x.AbortAll(groups, list, stuck.Case{User: t.Scanner.Scope.Job.UID, Job: all, Policy: *t.OnStuck}, t.Record, until)
}

// late counts those as killed that have died of SIGKILL after all, by what was
// done or by themselves: only what is still there is unkillable, and may drain
// the node.
func (t *Target) late(x *stuck.Examiner, keys []proc.Key) {
	for _, key := range keys {
		if x.Gone([]proc.Key{key}) == 0 {
			continue
		}
		t.Record.Counts.Unkillable--
		t.Record.Counts.Killed++
		if at, ok := t.index[reaper.Key(key)]; ok {
			t.Record.Processes[at].Outcome = string(reaper.Killed)
		}
	}
}
