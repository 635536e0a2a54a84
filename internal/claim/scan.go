package claim

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/cgroup"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Rules is what the site's configuration says about claiming.
type Rules struct {
	Cgroup, Environ, Kin, UID bool
	SpareCommands             []string                           // exact names as in /proc/PID/stat
	SpareUser                 func(uid uint32, name string) bool // nil spares nobody
	// Dispositions says that of everybody must be known what SIGTERM does to it.
	Dispositions bool
}

// Claimed is a living process with the proof that it is the job's.
type Claimed struct {
	Stat     proc.Stat
	Status   proc.Status // as of the look that found it first; of a crowd maybe only the user
	Brief    bool        // one of a crowd, of which no more was read than had to be
	Evidence Evidence
	Proof    string
}

// Spared is a living process that looks like the job's and is left alone.
type Spared struct {
	Stat   proc.Stat
	UID    uint32
	Reason Reason
	Proof  string
}

// Result is what one look found.
type Result struct {
	Claimed  []Claimed
	Spared   []Spared
	LiveStep bool  // a slurmstepd of this very job still has processes here
	Stepd    bool  // a slurmstepd of this very job is there
	Restless bool  // processes of the job's user vanished while they were read
	Partial  bool  // the time was over before everybody was looked at
	Unread   error // the last reason why something of a process could not be read, nil if none
	// Stepds, with Scope.Ending, are the living slurmstepd that name the job:
	// of the run that was told to end, of its next run, or of another node of
	// this host.
	Stepds []proc.Key
}

// Scanner looks for the processes of one job again and again. What does not
// change about a process is read once.
type Scanner struct {
	FS    proc.FS
	Scope Scope
	Rules Rules
	Aside *aside.Reader // what may hang is read with it; its owner closes it

	self     int
	parents  map[int]bool // the hook's own ancestors
	own      []byte       // text of /proc/self/cgroup
	mounts   []cgroup.Mount
	groups   []cgroup.Group // as of the last look
	facts    map[proc.Key]*known
	sessions sessions
	foreign  map[proc.Key]bool // root's processes that are nobody else's in truth
	// contained says that the last pass found a crowd, and nothing of the job
	// or its user outside the job's groups.
	contained bool
	buffer    []byte
}

// known is what one process keeps through its life, as far as it was read.
type known struct {
	facts   Facts
	status  proc.Status
	judged  bool
	late    int     // how often its environment did not come in time
	verdict Verdict // once proven, with the proof
	proof   string
	titled  bool
	title   slurm.Title
	brief   bool // one of a crowd: known by its stat and the list it is on
}

// NewScanner prepares looks for the scope. mounts may be nil: then no cgroup
// is listed and only what stands in /proc/PID/cgroup counts.
func NewScanner(fs proc.FS, scope Scope, rules Rules, mounts []cgroup.Mount, self int) (*Scanner, error) {
	s := &Scanner{
		FS: fs, Scope: scope, Rules: rules, Aside: aside.NewReader(fs), self: self, mounts: mounts,
		facts: map[proc.Key]*known{}, sessions: sessions{}, foreign: map[proc.Key]bool{},
		buffer:  make([]byte, 8<<10),
		parents: map[int]bool{},
	}
	own, err := fs.Cgroup(self, make([]byte, 8<<10))
	if err != nil {
		return nil, err
	}
	s.own = own
	for pid := self; pid > 1; {
		stat, err := fs.Stat(pid, s.buffer)
		if err != nil || s.parents[stat.Parent] {
			break
		}
		pid = stat.Parent
		s.parents[pid] = true
	}
	return s, nil
}

// HadGroups says whether the last look found any group of the job.
func (s *Scanner) HadGroups() bool { return len(s.groups) > 0 }

// OwnPlace returns where the hook itself is.
func (s *Scanner) OwnPlace() cgroup.Place { return cgroup.PlaceOf(s.own) }

// Groups returns the job's groups as they are now.
func (s *Scanner) Groups() []cgroup.Group { return cgroup.Find(s.mounts, s.Scope.Job, s.own) }

// look is the state of one pass over /proc.
type look struct {
	until     time.Time
	members   map[int]*member // who is on a list of the job's groups
	listedAt  uint64          // ticks since boot right before those lists were read, 0 unknown
	relatives map[int]*relative
	records   map[int]*known
	stepds    map[int]*known // living slurmstepd, by pid
	present   map[int]link   // all that were looked at, also root's own
	leaders   map[int]bool   // sessions that were asked about: is the leader a living stranger
	crowd     crowd
	order     []int
	restless  bool
	cut       bool // the time was over before everybody was read
	otherJobs bool
	unread    error
}

// link is what the way up from a process needs of those above it.
type link struct {
	parent int
	comm   string
}

// missed notes a process that could not be read: gone, which is a reason to
// look again, or kept from us, which the record must say.
func (l *look) missed(err error) {
	if linux.Gone(err) {
		l.restless = true
	} else {
		l.unread = err
	}
}

// Look makes one pass over /proc and judges what it found. Only the owner is
// asked of a process that cannot be the job's, so foreign processes cost one
// call each.
func (s *Scanner) Look(until time.Time) (Result, error) {
	l := &look{
		until:   until,
		members: map[int]*member{}, relatives: map[int]*relative{},
		records: map[int]*known{}, stepds: map[int]*known{}, present: map[int]link{}, leaders: map[int]bool{},
	}
	if s.groups = s.Groups(); len(s.groups) > 0 {
		l.listedAt, _ = s.FS.Uptime()
	}
	for _, group := range s.groups {
		// Who is counted by the kernel and on no list may be on the next one.
		sure := s.list(l, group, until)
		l.restless = l.restless || !sure
	}
	if l.crowd = s.crowdOf(l); l.crowd.is() {
		s.readCrowd(l, until)
	}
	if len(l.members) == 0 && (s.nobody() || s.contained && !l.restless) {
		return Result{}, nil
	}
	kernel := s.FS.KernelThreads()
	uptime, _ := s.FS.Uptime()
	now := time.Now()
	err := s.FS.EachPID(func(pid int) bool {
		if l.cut = !time.Now().Before(until); l.cut {
			return false
		}
		if pid != s.self && pid != s.Aside.Child() && !kernel[pid] {
			s.visit(l, pid)
		}
		return true
	})
	if err != nil {
		return Result{}, err
	}
	s.relate(l, now, uptime, until)
	s.judgeAll(l)
	s.contained = !l.cut && s.contains(l)
	return s.result(l), nil
}

// nobody says that the job's user has no process at all. Then only the job's
// groups can hold something of it.
func (s *Scanner) nobody() bool {
	return s.FS == proc.Default && !linux.HasProcesses(s.Scope.Job.UID)
}

// visit reads the cheapest discriminating thing first: the owner, and only
// for the job's user, for members of its groups and for root (Slurm's programs,
// and those the user started set-user-ID) the rest.
func (s *Scanner) visit(l *look, pid int) {
	listed := l.members[pid]
	stat, owner, ok := s.first(l, pid, listed)
	if !ok {
		return
	}
	l.present[pid] = link{stat.Parent, stat.Comm}
	if stat.KernelThread() || stat.Dead() || pid == 1 {
		return
	}
	key := stat.Key()
	if s.foreign[key] && listed == nil {
		return
	}
	record := s.facts[key]
	if record == nil {
		if record = s.meetBrief(l, stat, owner); record == nil {
			record = s.meet(l, stat)
		}
		if record == nil {
			return
		}
	}
	record.facts.Stat = stat
	if record.titled {
		l.stepds[pid] = record
	}
	l.records[pid] = record
	l.order = append(l.order, pid)
}

// first reads what tells whether a process can be the job's at all.
func (s *Scanner) first(l *look, pid int, listed *member) (stat proc.Stat, owner uint32, ok bool) {
	var err error
	if listed != nil && listed.read {
		if listed.err != nil {
			l.missed(listed.err)
		}
		return listed.stat, listed.owner, listed.err == nil
	}
	uid := s.Scope.Job.UID
	if owner, err = s.FS.Owner(pid); err != nil || owner != uid && owner != 0 && listed == nil {
		return stat, owner, false
	}
	if stat, err = s.FS.Stat(pid, s.buffer); err != nil && owner == uid {
		l.missed(err)
	}
	return stat, owner, err == nil
}

// meet reads what stays true of a process that was not seen before; nil for
// one that cannot be the job's.
func (s *Scanner) meet(l *look, stat proc.Stat) *known {
	record := &known{facts: Facts{Stat: stat}}
	status, err := s.FS.Status(stat.PID, s.buffer)
	if err != nil {
		l.missed(err)
		return nil
	}
	record.status = status
	record.facts.UID = status.UID
	if status.UID == 0 && isSlurmName(stat.Comm) {
		record.facts.SlurmsOwn = s.slurmsExecutable(stat.PID, stat.Comm)
		if record.facts.SlurmsOwn && stat.Comm == "slurmstepd" {
			// Cut off or not to be read, it still is some job's: job 0.
			line := s.arguments(l, stat)
			record.title, _ = slurm.ParseTitle(line)
			record.titled = !bytes.Contains(line, []byte("\x00infinity"))
		}
	} else if status.UID != s.Scope.Job.UID && l.members[stat.PID] == nil {
		s.foreign[stat.Key()] = true
		return nil
	}
	s.facts[stat.Key()] = record
	return record
}

// arguments reads the arguments of a slurmstepd: aside, since it may wait for
// the file system of the job's output, or its own program's, with any thread.
func (s *Scanner) arguments(l *look, stat proc.Stat) []byte {
	until := time.Now().Add(readLimit)
	if l.until.Before(until) {
		until = l.until
	}
	line, _ := s.Aside.One(aside.Subject{PID: stat.PID, Stuck: stat.State == 'D'}, aside.Arguments, until)
	return line
}

// isSlurmName says whether a name is that of a program of Slurm that may sit
// among a job's processes.
func isSlurmName(comm string) bool {
	switch comm {
	case "slurmstepd", "slurmd", "slurmctld", "slurmscriptd", "slurmdbd":
		return true
	}
	return false
}

// slurmsExecutable makes sure that a process of root with Slurm's name is
// Slurm's: a job of root could call itself anything. Distributions add an
// ending (Debian: slurmstepd-wlm), and the link of a replaced program says
// " (deleted)". Where the link cannot be read the name is believed, since
// that only spares.
func (s *Scanner) slurmsExecutable(pid int, comm string) bool {
	path, err := s.FS.Executable(pid)
	return err != nil || strings.HasPrefix(path[strings.LastIndexByte(path, '/')+1:], comm)
}

// startTime turns clock ticks since boot into a time.
func startTime(start, uptime uint64, now time.Time) time.Time {
	if uptime == 0 {
		return time.Time{}
	}
	return now.Add(-time.Duration(int64(uptime)-int64(start)) * proc.Tick)
}

func proofOf(f Facts, evidence Evidence) string {
	switch evidence {
	case ByCgroup:
		step := f.Place.Step
		if step == "" {
			return "job_" + strconv.FormatUint(uint64(f.Place.Job), 10)
		}
		return "step_" + step
	case ByEnviron:
		return "SLURM_JOB_ID=" + strconv.FormatUint(uint64(f.Mark.Job), 10)
	case ByUID:
		return "user " + strconv.FormatUint(uint64(f.UID), 10)
	case ByStep:
		return "below slurmstepd of step " + f.Above.Step
	}
	return ""
}
