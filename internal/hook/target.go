package hook

import (
	"strings"
	"time"

	"lastcall/internal/capture"
	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
	"lastcall/pkg/reaper"
)

// target is the job as the ladder sees it: every look is claimed and captured
// before anything is signalled.
type target struct {
	run       *run
	scanner   *claim.Scanner
	fs        proc.FS
	holdsLive bool // a living step of the job stops everything
	fuse      bool // there are FUSE file systems on this node
	stepd     bool // a slurmstepd of the job was there at the last look
	first     *reaper.Seen

	camera    *capture.Camera
	processes []forensics.Process
	index     map[reaper.Key]int
	lasts     map[reaper.Key]bool
	spared    map[proc.Key]bool
	unread    bool

	held  []locks.Held
	fates []locks.Fate
}

// Look implements reaper.Target. The look that found out whether there is
// anything to do at all is also the ladder's first.
func (t *target) Look(until time.Time) (reaper.Seen, error) {
	if t.first != nil {
		seen := *t.first
		t.first = nil
		return seen, nil
	}
	result, err := t.scanner.Look(until)
	if err != nil {
		return reaper.Seen{}, err
	}
	if result.Unread != nil && !t.unread {
		t.unread = true
		t.run.warn("a process could not be read: " + result.Unread.Error())
	}
	t.stepd = result.Stepd
	seen := reaper.Seen{Restless: result.Restless}
	if t.holdsLive && result.LiveStep {
		seen.Hold = string(claim.LiveStep)
	}
	t.noteSpared(result.Spared)
	for _, claimed := range result.Claimed {
		key := reaper.Key(claimed.Stat.Key())
		if _, ok := t.index[key]; !ok {
			t.note(key, claimed)
		}
		const sigterm = 15
		seen.Survivors = append(seen.Survivors, reaper.Survivor{
			Key: key, Last: t.lasts[key],
			Ignores: claimed.Status.Disposition(sigterm) == proc.DispositionIgnored,
		})
	}
	return seen, nil
}

func (t *target) prepare() {
	if t.camera == nil {
		t.camera = capture.NewCamera(t.fs)
		t.index = map[reaper.Key]int{}
		t.lasts = map[reaper.Key]bool{}
		t.spared = map[proc.Key]bool{}
	}
}

func (t *target) note(key reaper.Key, claimed claim.Claimed) {
	t.prepare()
	t.index[key] = len(t.processes)
	t.processes = append(t.processes, t.camera.Survivor(claimed))
	t.lasts[key] = t.fuse && t.servesFUSE(key.PID)
}

// mostSpared is how many spared processes a record lists.
const mostSpared = 64

func (t *target) noteSpared(list []claim.Spared) {
	for _, spared := range list {
		t.prepare()
		key := spared.Stat.Key()
		if t.spared[key] {
			continue
		}
		t.spared[key] = true
		t.run.record.Counts.Spared++
		if len(t.spared) <= mostSpared {
			t.run.record.Processes = append(t.run.record.Processes, t.camera.Spared(spared))
		}
	}
}

// servesFUSE says whether a process has /dev/fuse open: it is what a file
// system lives in, and others may be writing their last data into it.
func (t *target) servesFUSE(pid int) bool {
	serves := false
	piece := make([]byte, 4096)
	folder := t.fs.Path(pid, "fd")
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
func (t *target) KillWhole(member func(pid int) bool) {
	if !t.holdsLive {
		return
	}
	groups := t.scanner.Groups()
	until := time.Now().Add(lockTime)
	if n, awake := cgroup.Thaw(groups, until); n > 0 && awake {
		t.run.warn("a frozen cgroup of the job was thawed, since nothing in it could end")
	} else if n > 0 {
		t.run.warn("a frozen cgroup of the job did not wake up in " + lockTime.String())
	}
	cgroup.KillWhole(groups, until, member)
}

// untouched is the report of a run that only looks.
func (t *target) untouched(seen reaper.Seen) reaper.Report {
	report := reaper.Report{Looks: 1}
	for _, survivor := range seen.Survivors {
		report.Results = append(report.Results, reaper.Result{Key: survivor.Key, Outcome: reaper.Left})
	}
	return report
}

// fill writes what the ladder did into the record.
func (r *run) fill(t *target, report reaper.Report) {
	counts := &r.record.Counts
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
			if result.Outcome == reaper.Unkillable {
				t.camera.Stuck(process)
			}
		}
	}
	t.fillLocks()
	r.record.Processes = append(t.processes, r.record.Processes...)
	r.record.Looks, r.record.Method = report.Looks, string(report.Method)
	r.record.Escalated = report.Escalated
	if report.Err != nil {
		r.warn(strings.TrimSpace(report.Err.Error()))
	}
}
