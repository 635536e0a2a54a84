// Package target is the job as the ladder sees it: every look is claimed, and
// captured into the record, before anything is signalled; afterwards the
// record gets what became of each process and each lock.
package target

import (
	"strings"
	"time"

	"lastcall/internal/capture"
	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/stuck"
	"lastcall/pkg/locks"
	"lastcall/pkg/reaper"
)

// Target implements reaper.Target and reaper.Whole for one job.
type Target struct {
	Scanner *claim.Scanner
	FS      proc.FS
	Record  *forensics.Record
	// FUSE says that there are FUSE file systems on this node: their servers
	// are ended last.
	FUSE bool
	// Groups says that the job's cgroups are the caller's to kill and to thaw:
	// only root owns them.
	Groups bool
	// Hold, if not nil, says after each look why nobody may be signalled.
	Hold func(claim.Result) string
	// OnStuck, if not nil, says what may be done about those that do not die.
	OnStuck *stuck.Policy
	// Told, if not nil, says whom somebody else has asked to end.
	Told func(proc.Key) bool

	// Stepd says that a slurmstepd of the job was there at the last look.
	Stepd bool

	first     *reaper.Seen
	camera    *capture.Camera
	processes []forensics.Process
	index     map[reaper.Key]int
	lasts     map[reaper.Key]bool
	spared    map[proc.Key]bool
	unread    bool
	stroke    cgroup.Stroke

	held  []locks.Held
	fates []locks.Fate
}

// Keep makes a look that was made already the ladder's first.
func (t *Target) Keep(seen reaper.Seen) { t.first = &seen }

// Look implements reaper.Target. The look that found out whether there is
// anything to do at all is also the ladder's first.
func (t *Target) Look(until time.Time) (reaper.Seen, error) {
	if t.first != nil {
		seen := *t.first
		t.first = nil
		return seen, nil
	}
	result, err := t.Scanner.Look(until)
	if err != nil {
		return reaper.Seen{}, err
	}
	if result.Unread != nil && !t.unread {
		t.unread = true
		t.Record.Warn("a process could not be read: " + result.Unread.Error())
	}
	t.Stepd = result.Stepd
	seen := reaper.Seen{Restless: result.Restless, Partial: result.Partial}
	if t.Hold != nil {
		seen.Hold = t.Hold(result)
	}
	t.noteSpared(result.Spared)
	t.note(result.Claimed, until)
	for _, claimed := range result.Claimed {
		key := reaper.Key(claimed.Stat.Key())
		const sigterm = 15
		seen.Survivors = append(seen.Survivors, reaper.Survivor{
			Key: key, Last: t.lasts[key], Told: t.Told != nil && t.Told(claimed.Stat.Key()),
			Ignores: claimed.Status.Disposition(sigterm) == proc.DispositionIgnored,
		})
	}
	return seen, nil
}

func (t *Target) prepare() {
	if t.camera == nil {
		t.camera = capture.NewCamera(t.FS, t.Scanner.Aside)
		t.index = map[reaper.Key]int{}
		t.lasts = map[reaper.Key]bool{}
		t.spared = map[proc.Key]bool{}
	}
}

// note captures those that were not seen before.
func (t *Target) note(claimed []claim.Claimed, until time.Time) {
	var fresh []claim.Claimed
	for _, one := range claimed {
		t.prepare()
		key := reaper.Key(one.Stat.Key())
		if _, ok := t.index[key]; !ok {
			t.index[key] = len(t.processes) + len(fresh)
			t.lasts[key] = t.FUSE && t.servesFUSE(key.PID)
			fresh = append(fresh, one)
		}
	}
	if len(fresh) > 0 {
		t.processes = append(t.processes, t.camera.Survivors(fresh, soonest(until, captureTime))...)
	}
}

// captureTime is the most that the details of processes may take.
const captureTime = time.Second

// soonest returns the earlier of a time and so long from now.
func soonest(until time.Time, most time.Duration) time.Time {
	if then := time.Now().Add(most); then.Before(until) {
		return then
	}
	return until
}

// mostSpared is how many spared processes a record lists.
const mostSpared = 64

func (t *Target) noteSpared(list []claim.Spared) {
	for _, spared := range list {
		t.prepare()
		key := spared.Stat.Key()
		if t.spared[key] {
			continue
		}
		t.spared[key] = true
		t.Record.Counts.Spared++
		if len(t.spared) <= mostSpared {
			t.Record.Processes = append(t.Record.Processes, t.camera.Spared(spared))
		}
	}
}

// servesFUSE says whether a process has /dev/fuse open: it is what a file
// system lives in, and others may be writing their last data into it.
func (t *Target) servesFUSE(pid int) bool {
	serves := false
	piece := make([]byte, 4096)
	folder := t.FS.Path(pid, "fd")
	_ = linux.EachName(folder, piece, func(name []byte) bool {
		link, err := linux.Link(folder + "/" + string(name))
		serves = err == nil && link == "/dev/fuse"
		return !serves
	})
	return serves
}

// KillWhole implements reaper.Whole: it wakes the job's frozen groups and
// uses cgroup.kill where a step's user part holds only the job's own. Only
// root owns the groups.
func (t *Target) KillWhole(member func(pid int) bool) []int {
	if !t.Groups {
		return nil
	}
	groups := t.Scanner.Groups()
	until := time.Now().Add(lockTime)
	if n, awake := cgroup.Thaw(groups, until); n > 0 && awake {
		t.Record.Warn("a frozen cgroup of the job was thawed, since nothing in it could end")
	} else if n > 0 {
		t.Record.Warn("a frozen cgroup of the job did not wake up in " + lockTime.String())
	}
	t.stroke = cgroup.KillWhole(groups, until, member)
	return t.stroke.PIDs
}

// Emptied implements reaper.Whole.
func (t *Target) Emptied(most time.Duration) bool { return t.stroke.Emptied(time.Now().Add(most)) }

// Untouched is the report of a run that only looks.
func (t *Target) Untouched(seen reaper.Seen) reaper.Report {
	report := reaper.Report{Looks: 1}
	for _, survivor := range seen.Survivors {
		report.Results = append(report.Results, reaper.Result{Key: survivor.Key, Outcome: reaper.Left})
	}
	return report
}

// Fill writes what the ladder did into the record. What the unkillable wait
// for is asked until the time given.
func (t *Target) Fill(report reaper.Report, until time.Time) {
	counts := &t.Record.Counts
	for _, result := range report.Results {
		switch result.Outcome {
		case reaper.Exited:
			counts.Exited++
		case reaper.Terminated:
			counts.Terminated++
		case reaper.Killed:
			counts.Killed++
		case reaper.Unkillable:
			counts.Unkillable++
		case reaper.Left:
			counts.Left++
		}
		if at, ok := t.index[result.Key]; ok {
			process := &t.processes[at]
			process.Outcome, process.Took = string(result.Outcome), result.Took
		}
	}
	t.fillLocks()
	t.Record.Processes = append(t.processes, t.Record.Processes...)
	t.treatStuck(report, until)
	t.Record.Looks, t.Record.Method = report.Looks, string(report.Method)
	t.Record.Escalated = report.Escalated
	if report.Err != nil {
		t.Record.Warn(strings.TrimSpace(report.Err.Error()))
	}
}
