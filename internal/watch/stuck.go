package watch

import (
	"slices"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cause"
	"lastcall/internal/claim"
	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/internal/stuck"
	"lastcall/pkg/locks"
)

const (
	// stuckAfter is how long a process may take to die of SIGKILL before what
	// it waits for is written down: long before Slurm drains the node.
	stuckAfter = time.Second
	// slowAgain is the time until those that are only slow are looked at again.
	slowAgain = 10 * time.Second
	// abortAgain is the time until a FUSE connection that could not be aborted is
	// tried again; it doubles up to abortRarely.
	abortAgain  = 5 * time.Second
	abortRarely = time.Minute
	// treatLimit bounds what is done about the stuck processes of one job.
	treatLimit = 20 * time.Second
	// beforeKill is how long before the end of KillWait the service begins to
	// ask who has SIGKILL pending.
	beforeKill = time.Second
)

// dying is what the service knows of processes of a job that were killed and
// are not gone.
type dying struct {
	since    map[proc.Key]time.Time // when that was first seen
	treated  map[proc.Key]bool
	treating bool
	told     map[string]bool // what the records say already
	again    time.Time       // when another try may free what was treated; zero for never
	pause    time.Duration   // before the next try
	notNow   time.Time       // not before this is anything treated
}

// due says whether a process that does not die since first is to be treated:
// once it had its time, and again where another try may help.
func (d *dying) due(key proc.Key, first, now time.Time) bool {
	if d.treated[key] {
		return !d.again.IsZero() && !now.Before(d.again)
	}
	return now.Sub(first) >= stuckAfter
}

// silence is how long a FUSE daemon has to do nothing now.
func (d *dying) silence() time.Duration {
	if d.again.IsZero() {
		return stuck.Silence
	}
	return stuck.LongSilence
}

// news says whether a record says anything that none said before.
func (d *dying) news(record *forensics.Record) (news bool) {
	note := func(words ...string) {
		line := strings.Join(words, " ")
		news = news || !d.told[line]
		d.told[line] = true
	}
	for _, one := range record.Causes {
		note(one.Code, one.Mount, one.Abort)
	}
	for _, one := range record.Locks {
		note(one.Path, one.Release)
	}
	return news
}

// retry sets the time of the next try after one that treated, if there is to
// be any: tried says that it was not the first.
func (d *dying) retry(tried bool, record *forensics.Record) {
	if !slices.ContainsFunc(record.Causes, func(one forensics.Cause) bool { return stuck.MayChange(one.Abort) }) {
		d.again, d.pause = time.Time{}, 0
		return
	}
	if tried {
		d.pause = min(2*d.pause, abortRarely)
	} else {
		d.pause = abortAgain
	}
	d.again = time.Now().Add(d.pause)
}

// seeStuck looks for processes of a job that do not die, and treats them once
// they have had their time. It runs beside all else that happens to the job:
// nothing here signals anybody.
func (s *Service) seeStuck(j *job, now time.Time) {
	d := &j.dying
	if d.since == nil {
		d.since, d.treated, d.told = map[proc.Key]time.Time{}, map[proc.Key]bool{}, map[string]bool{}
	}
	list := s.finder.Find(s.mayBeDying(j, now))
	still, due := map[proc.Key]time.Time{}, false
	for i := range list {
		key := list[i].Key
		still[key] = now
		if first, ok := d.since[key]; ok {
			still[key] = first
		}
		due = due || d.due(key, still[key], now)
	}
	d.since = still
	if !due || d.treating || j.ending || now.Before(d.notNow) || off() {
		return
	}
	s.treat(j, list, now)
}

// nearKill says whether Slurm sends SIGKILL about now: what does not die of it
// is to be seen at once.
func (j *job) nearKill(now time.Time) bool {
	since := now.Sub(j.ordered) - j.node.KillWait
	return since > -beforeKill && since < 5*time.Second
}

// mayBeDying returns whom to ask: those in state D or exiting, and everybody
// once somebody has sent SIGKILL.
func (s *Service) mayBeDying(j *job, now time.Time) []proc.Key {
	killed := now.Sub(j.ordered) > j.node.KillWait-beforeKill || j.ended != nil || j.inherited
	var keys []proc.Key
	crew := j.crew
	if j.ended != nil || j.refused != "" {
		crew.job.UID = crew.user
		crew = s.roster.crewOf(crew.job, j.node.SpoolDir)
	}
	for _, p := range crew.all() {
		if killed || p.stat.State == 'D' || p.stat.Exiting() || j.dying.since[p.key()] != (time.Time{}) {
			keys = append(keys, p.key())
		}
	}
	return keys
}

// treat writes the causes down and does what the site allows, in a goroutine
// of its own.
func (s *Service) treat(j *job, list []stuck.Process, now time.Time) {
	since := make(map[proc.Key]time.Duration, len(list))
	for key, first := range j.dying.since {
		since[key] = now.Sub(first)
	}
	c := stuck.Case{
		User: j.crew.job.UID, Job: keysOf(j.crew.all()), Policy: *s.policy(),
		Since: func(key proc.Key) time.Duration { return since[key] },
	}
	first, silence := j.dying.earliest(), j.dying.silence()
	record := s.newRecord(j)
	record.Time = now
	j.dying.treating = true
	s.working++
	go func() {
		reader := aside.NewReader(s.fs)
		defer reader.Close()
		x := stuck.New(s.fs, reader)
		x.Silence = silence
		began := time.Now()
		x.Examine(list, began.Add(lookLimit))
		slow := stuck.OnlySlow(list)
		var left []stuck.Process
		if !slow {
			left = x.Treat(list, c, &record, began.Add(treatLimit))
		}
		record.Phases.Total = time.Since(began)
		held, _, _ := locks.HeldBy(s.fs, stuck.Keys(left), time.Now().Add(lookLimit))
		logStuck := stuck.On(x.Own(), list, s.Config.LogPath)
		s.do(func() { s.wasTreated(j, list, left, held, record, first, slow, logStuck) })
	}()
}

// wasTreated takes the result of a treatment: first is when the first of the
// list was seen. Who is stuck by now may be nobody, or others.
func (s *Service) wasTreated(j *job, list, left []stuck.Process, held []locks.Held, record forensics.Record, first time.Time, slow, logStuck bool) {
	d := &j.dying
	d.treating = false
	if slow {
		d.notNow = time.Now().Add(slowAgain)
		return
	}
	tried := true
	for i := range list {
		tried = tried && d.treated[list[i].Key]
		d.treated[list[i].Key] = true
	}
	d.retry(tried, &record)
	if news := d.news(&record); tried && len(left) == len(list) && !news {
		return // all of it is written already
	}
	for _, p := range j.crew.inside {
		for i := range record.Processes {
			if one := &record.Processes[i]; one.PID == p.stat.PID && one.Start == p.stat.Start {
				one.Evidence = string(claim.ByStep)
			}
		}
	}
	record.Verdict = forensics.Unkillable
	if len(left) == 0 {
		record.Verdict = forensics.Cleaned
	}
	s.write(&record, logStuck)
	if tried {
		held = nil // they are held already
	}
	if len(left) > 0 {
		j.node.hold(j, left, held, first)
	}
}

// write writes a record, past a log that is on the file system that is stuck.
func (s *Service) write(record *forensics.Record, logStuck bool) {
	var err error
	if logStuck {
		err = record.Send()
	} else {
		err = record.Append(s.Config.LogPath)
	}
	if err != nil {
		s.Log("no record was written: " + err.Error())
	}
	s.Log(record.Summary())
}

// held is what keeps a node from coming back: processes of one job that did
// not die, their locks, and the file systems they wait for.
type held struct {
	job    uint32
	start  forensics.Record // who the job is
	keys   []proc.Key
	locks  []locks.Held
	mounts []cause.Mount
	since  time.Time // when it was seen
}

// hold remembers processes that did not die, beyond the end of their job. A
// drain that is older than first is not theirs.
func (n *node) hold(j *job, list []stuck.Process, locked []locks.Held, first time.Time) {
	h := n.held[j.id]
	if h == nil {
		h = &held{job: j.id, since: first}
		h.start = forensics.Record{Cluster: n.Cluster, Node: n.Node, Job: j.id, UID: int64(j.crew.job.UID), SLUID: j.crew.job.SLUID}
		n.held[j.id] = h
	}
	h.locks = append(h.locks, locked...)
	for i := range list {
		if !slices.Contains(h.keys, list[i].Key) {
			h.keys = append(h.keys, list[i].Key)
		}
		h.mounts = addMount(h.mounts, list[i].Cause.Mount)
	}
}

func addMount(mounts []cause.Mount, mount cause.Mount) []cause.Mount {
	for _, one := range mounts {
		if one.Same(mount) {
			return mounts
		}
	}
	if mount.Known() {
		mounts = append(mounts, mount)
	}
	return mounts
}

// earliest is when the first of them was seen.
func (d *dying) earliest() time.Time {
	var first time.Time
	for _, at := range d.since {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}
