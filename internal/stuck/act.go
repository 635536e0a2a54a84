package stuck

import (
	"slices"
	"strconv"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

const (
	// taskTime is how long one disposable child may take.
	taskTime = time.Second
	// searchTime is the most that one search among all processes takes: for
	// locks, for who else has them, for who serves or uses a file system.
	searchTime = 2 * time.Second
	// releaseTime is the most that freeing the locks of a job takes.
	releaseTime = 10 * time.Second
	// afterAbort is how long the processes may take to end after their
	// connection was aborted.
	afterAbort = 2 * time.Second
)

// Locks are the locks of processes that do not die, and what became of them.
type Locks struct {
	Held    []locks.Held
	Release []string // by lock: "released", or why not
	Fates   []locks.Fate
	Whole   bool // all were found in time
}

// Locks finds the locks that the processes hold and frees what the policy
// allows.
func (x *Examiner) Locks(list []Process, policy Policy, until time.Time) (Locks, error) {
	keys := Keys(list)
	held, whole, err := locks.HeldBy(x.FS, keys, soonest(until, searchTime))
	result := Locks{Held: held, Whole: whole}
	byKey := map[proc.Key]*Process{}
	for i := range list {
		byKey[list[i].Key] = &list[i]
	}
	refuses := func(one locks.Held) string { return policy.refuses(one, byKey, list, x.Own()) }
	// So far only these processes were asked. Who else has the open file loses
	// the lock with them; those that do not die pass it on to nobody any more.
	seen := true
	if slices.ContainsFunc(held, func(one locks.Held) bool { return refuses(one) == "" }) {
		seen = locks.Everyone(x.FS, held, soonest(until, searchTime))
	}
	last := soonest(until, releaseTime)
	for _, one := range held {
		why := refuses(one)
		switch {
		case why != "":
		case !seen:
			why = reasonUnseen
		case policy.Observe:
			why = wouldRelease
		case !time.Now().Before(last):
			why = "there was no time"
		default:
			why = x.free(one, last)
		}
		result.Release = append(result.Release, why)
	}
	return result, err
}

// look finds out what became of the locks.
func (x *Examiner) look(l *Locks, list []Process, until time.Time) {
	fates, complete, err := locks.Look(x.FS, l.Held, Keys(list), soonest(until, searchTime))
	l.Fates, l.Whole = fates, l.Whole && complete && err == nil
	for i, fate := range fates {
		if l.Release[i] == released && fate.State == locks.HeldByJob {
			l.Release[i] = "unlocked, but its holder has it still"
		}
	}
}

// free frees one lock through the first of its holders.
func (x *Examiner) free(held locks.Held, until time.Time) string {
	if err := aside.Free(x.FS, held.Holders[0], held.Lock, soonest(until, taskTime)); err != nil {
		return "not freed: " + err.Error()
	}
	return released
}

// Abort aborts the connection of a FUSE file system whose daemon is silent if
// the policy allows it, and waits a moment for the processes that waited for
// it. user is the job's; job are all its processes. It returns who serves the
// file system and what was done.
func (x *Examiner) Abort(group Group, list []Process, user uint32, job []proc.Key, policy Policy, until time.Time) ([]Daemon, string) {
	if group.Code != cause.FUSE {
		return nil, ""
	}
	if !group.Mount.Known() {
		return nil, leftUnknown
	}
	if !group.Mount.IsFUSE() { // virtiofs: its daemon is the host's
		return nil, ""
	}
	skip := map[proc.Key]bool{}
	for _, key := range append(append([]proc.Key{}, job...), Keys(list)...) {
		skip[key] = true
	}
	s, complete := x.whoServes(group.Mount, skip, soonest(until, searchTime))
	if why := policy.refusesAbort(group.Mount, user, s, complete); why != "" {
		return s.daemons, why
	}
	members := make([]proc.Key, 0, len(group.Members))
	for _, i := range group.Members {
		members = append(members, list[i].Key)
	}
	if time.Until(until) < x.Silence {
		return s.daemons, leftNoTime
	}
	time.Sleep(x.Silence)
	if x.Gone(members) == len(members) {
		return s.daemons, leftAnswered
	}
	if !x.silent(s.daemons) {
		return s.daemons, leftWorks
	}
	if err := aside.AbortFUSE(group.Mount.Connection(), soonest(until, taskTime)); err != nil {
		return s.daemons, notAborted + err.Error()
	}
	for end := soonest(until, afterAbort); x.Gone(members) < len(members) && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	return s.daemons, "aborted: " + strconv.Itoa(x.Gone(members)) + " of " + strconv.Itoa(len(members)) + " processes are gone now"
}

// Keys returns the names of the processes.
func Keys(list []Process) []proc.Key {
	keys := make([]proc.Key, 0, len(list))
	for i := range list {
		keys = append(keys, list[i].Key)
	}
	return keys
}

// soonest returns the earlier of a time and so long from now.
func soonest(until time.Time, most time.Duration) time.Time {
	if then := time.Now().Add(most); then.Before(until) {
		return then
	}
	return until
}
