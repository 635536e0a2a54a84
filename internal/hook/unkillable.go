package hook

import (
	"os"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/claim"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/stuck"
	"lastcall/pkg/reaper"
)

// lookTime is the most that finding and examining the processes takes: of a
// crowd the record must still be there soon.
const lookTime = 5 * time.Second

// workUnkillable does everything between the configuration and the record for
// a step that Slurm could not kill: it signals nobody.
func (r *run) workUnkillable() forensics.Verdict {
	if !r.settings.Enabled || linux.Exists(OffSwitch) {
		return forensics.Off
	}
	scope, err := r.identifyUnkillable()
	if err != nil {
		r.warn(err.Error())
		return forensics.NoIdentity
	}
	r.record.Phases.Identity = time.Since(r.start)
	job, err := r.newTarget(scope)
	if err != nil {
		r.warn(err.Error())
		return forensics.Failed
	}
	defer job.Scanner.Aside.Close()
	began := time.Now()
	until := began.Add(lookTime)
	result, err := job.Scanner.Look(until)
	if err != nil {
		r.warn(err.Error())
		return forensics.Failed
	}
	r.record.Phases.Claim, r.record.Looks = time.Since(began), 1
	began = time.Now()
	r.treat(job.Scanner.Aside, result, scope, until)
	r.record.Phases.Locks = time.Since(began)
	return verdictOf(reaper.Report{Looks: 1}, r.record.Counts, false)
}

// treat examines those of the claimed processes that do not die.
func (r *run) treat(reader *aside.Reader, result claim.Result, scope claim.Scope, until time.Time) {
	var keys []proc.Key
	evidence := map[proc.Key]claim.Claimed{}
	for _, claimed := range result.Claimed {
		keys = append(keys, claimed.Stat.Key())
		evidence[claimed.Stat.Key()] = claimed
	}
	x := stuck.New(r.fs, reader)
	list := x.Find(keys)
	x.Examine(list, until)
	if r.logStuck = stuck.On(x.Own(), list, r.config.LogPath); r.logStuck {
		r.warn(r.config.LogPath + " is on the file system that is stuck: this record went to the journal or syslog")
	}
	r.record.Counts.Left = len(keys) - len(list)
	unknown := func(proc.Key) time.Duration { return 0 }
	x.Treat(list, stuck.Case{User: scope.Job.UID, Job: keys, Policy: policyOf(r.config), Since: unknown}, &r.record, r.until().Add(-reserve))
	for i := range r.record.Processes {
		p := &r.record.Processes[i]
		claimed := evidence[proc.Key{PID: p.PID, Start: p.Start}]
		p.Evidence, p.Proof = string(claimed.Evidence), claimed.Proof
	}
}

// policyOf returns what the site allows to be done.
func policyOf(settings config.Config) stuck.Policy {
	return stuck.Policy{
		Observe: settings.Mode == config.Observe, Release: settings.Locks.Unkillable == config.ReleaseLocks,
		ReleasePaths: settings.Locks.ReleasePaths, AbortFUSE: settings.OnUnkillable.AbortFUSE,
	}
}

// identifyUnkillable finds out whose step it is. The environment has the
// numbers only; the rest is where the hook was started: in the cgroup of the
// step, below its slurmstepd.
func (r *run) identifyUnkillable() (claim.Scope, error) {
	job, step, err := slurmStep(r.environment)
	scope := claim.Scope{Job: job, Task: -1, InJob: true}
	if err != nil {
		return scope, err
	}
	r.record.Job, r.record.Step = job.ID, step
	own, err := r.fs.Cgroup(os.Getpid(), make([]byte, 8<<10))
	if err != nil && !linux.Gone(err) {
		return scope, err
	}
	place := cgroup.PlaceOf(own)
	crowd, err := r.stepds(job.ID)
	if err != nil {
		return scope, err
	}
	scope.Job.Node, scope.Ending = crowd.node, crowd.stepds
	if scope.Job.SLUID == "" {
		scope.Job.SLUID = place.SLUID
	}
	if place.UID >= 0 && place.InJob() {
		scope.Job.UID = uint32(place.UID)
	} else {
		scope.Job.UID = r.userOf(scope.Job, crowd.stepds)
	}
	r.fillIdentity(scope)
	r.record.Step = step
	return scope, nil
}
