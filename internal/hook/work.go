package hook

import (
	"bytes"
	"os"
	"time"

	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/target"
	"lastcall/pkg/reaper"
)

// reserve is the part of the deadline that is kept for the locks and the
// record.
const reserve = 500 * time.Millisecond

// settle is how long a process may take to die of SIGKILL before it is called
// unkillable: freeing the memory of a large one takes its time.
const settle = 2 * time.Second

// work does everything between the configuration and the record.
func (r *run) work() forensics.Verdict {
	if !r.settings.Enabled || linux.Exists(OffSwitch) {
		r.silent = true
		return forensics.Off
	}
	scope, err := r.identify()
	if err != nil {
		r.warn(err.Error())
		return forensics.NoIdentity
	}
	if r.name == TaskEpilog && scope.Task < 0 && r.siblingsLive() {
		r.silent = true
		return forensics.LiveStep
	}
	r.record.Phases.Identity = time.Since(r.start)
	job, err := r.newTarget(scope)
	if err != nil {
		r.warn(err.Error())
		return forensics.Failed
	}
	defer job.Scanner.Aside.Close()
	report := r.end(job)
	r.removeGroups(job, report, r.until().Add(-reserve))
	job.Fill(report, r.until())
	verdict := verdictOf(report, r.record.Counts, r.config.Mode == config.Observe)
	switch verdict {
	case forensics.Clean, forensics.SparedOnly, forensics.LiveStep:
		r.silent = true
	}
	return verdict
}

// siblingsLive says whether the slurmstepd above still has another child: a
// task, whoever its user is by now, or one that was forked and is about to
// become a task. What the first task left may serve it.
func (r *run) siblingsLive() bool {
	self, parent := os.Getpid(), os.Getppid()
	buffer := make([]byte, 4096)
	live := false
	err := r.fs.EachPID(func(pid int) bool {
		if pid == self {
			return true
		}
		stat, err := r.fs.Stat(pid, buffer)
		live = err == nil && stat.Parent == parent && !stat.Dead()
		return !live
	})
	// Who cannot see must not act.
	return live || err != nil
}

// newTarget prepares the looks at the job.
func (r *run) newTarget(scope claim.Scope) (*target.Target, error) {
	text, err := linux.ReadAll(string(r.fs)+"/self/mountinfo", make([]byte, 32<<10), 4<<20)
	if err != nil {
		r.warn("the cgroups cannot be found: " + err.Error())
	}
	claims := r.settings.Claims
	rules := claim.Rules{
		Cgroup: claims.Cgroup, Environ: claims.Environ, Kin: claims.Kin, UID: claims.UID,
		SpareCommands: r.config.Spare.Commands,
		Dispositions:  r.settings.Grace > 0,
	}
	if len(r.config.Spare.Users) > 0 {
		rules.SpareUser = r.config.Spare.SparesUser
	}
	scanner, err := claim.NewScanner(r.fs, scope, rules, cgroup.ParseMounts(text), os.Getpid())
	if err != nil {
		return nil, err
	}
	job := &target.Target{
		Scanner: scanner, FS: r.fs, Record: &r.record,
		FUSE: bytes.Contains(text, []byte(" - fuse")), Groups: r.name == Epilog,
	}
	if r.name == Epilog {
		policy := policyOf(r.config)
		job.Hold, job.OnStuck = holdsLive, &policy
	}
	return job, nil
}

// holdsLive stops an Epilog that finds a living step of the job.
func holdsLive(result claim.Result) string {
	if result.LiveStep {
		return string(claim.LiveStep)
	}
	return ""
}

// end runs the ladder, unless there is nobody to end or the site only wants
// to look.
func (r *run) end(t *target.Target) reaper.Report {
	began := time.Now()
	until := r.until().Add(-reserve)
	first, err := t.Look(until)
	r.record.Phases.Claim = time.Since(began)
	if err != nil {
		r.warn(err.Error())
		return reaper.Report{Err: err}
	}
	if first.Hold != "" || len(first.Survivors) == 0 && !first.Restless && !first.Partial {
		return reaper.Report{Looks: 1, Hold: first.Hold}
	}
	asked := r.interruptible()
	began = time.Now()
	t.FindLocks(until)
	r.record.Phases.Locks = time.Since(began)
	if r.config.Mode == config.Observe {
		return t.Untouched(first)
	}
	kernel, err := reaper.NewKernel(string(r.fs))
	if err != nil {
		r.warn(err.Error())
		return reaper.Report{Err: err, Looks: 1}
	}
	defer kernel.Free()
	t.Keep(first)
	t.Scanner.Aside.Dismiss() // most often nobody new comes
	began = time.Now()
	report := reaper.Reap(asked, reaper.Ladder{
		Grace: r.settings.Grace, IgnoredGrace: r.settings.IgnoredGrace, Settle: settle, Deadline: time.Until(until),
	}, t, kernel)
	r.record.Phases.Ladder = time.Since(began)
	began = time.Now()
	t.LookAtLocks(r.until().Add(-reserve / 2))
	r.record.Phases.Locks += time.Since(began)
	return report
}
