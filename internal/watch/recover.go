package watch

import (
	"strconv"
	"time"

	"lastcall/internal/controller"
)

// recovery is how far a node is on its way back after Slurm drained it for
// processes that did not die.
type recovery struct {
	drain   controller.Node // as the service first saw it drained for them
	seen    bool            // the drain was seen
	asking  bool
	asked   int
	next    time.Time
	lastWhy string // why it is left for now
}

// Facts is what a resume is decided by.
type Facts struct {
	Allowed   bool            // on_unkillable.resume
	Off       bool            // lastcall is switched off on this node
	Drain     controller.Node // as first seen
	Now       controller.Node // as the controller says at this moment
	Jobs      map[uint32]bool // whose processes did not die
	Since     time.Time       // when the first of them was seen
	Gone      bool            // all their processes are gone
	LocksFree bool
	Answers   string // "" if every file system answers, else which does not
	Today     int    // resumes of this node within a day
	Most      int
}

// slackTime is by how much the controller's clock may be behind the node's.
const slackTime = 5 * time.Second

// notOurs says why the drain of a node is not for these processes, "" if it
// is. It is a pure function of what was seen.
func notOurs(f Facts) string {
	job, killFailed := f.Now.KillFailed()
	switch {
	case !f.Now.Drained():
		return "it is not drained any more"
	case !killFailed:
		return "the reason of the drain is not Slurm's own: somebody else wants it drained"
	case job != 0 && !f.Jobs[job]:
		return "it is drained for job " + strconv.FormatUint(uint64(job), 10) + ", which is another one"
	case job == 0 && !younger(f.Now.Since, f.Since):
		return "it was drained before the processes were stuck"
	}
	return ""
}

// MayResume says why a node is not resumed, "" if it may be. It is a pure
// function of what was seen.
func MayResume(f Facts) string {
	if why := notOurs(f); why != "" {
		return why
	}
	switch {
	case f.Now.Reason != f.Drain.Reason || f.Now.Since != f.Drain.Since || f.Now.By != f.Drain.By:
		return "the drain is not the one that was seen first"
	case f.Now.Hindrance() != "":
		return "it is also " + f.Now.Hindrance()
	case !f.Gone:
		return "processes that did not die are still there"
	case !f.LocksFree:
		return "a lock of theirs is still held by them"
	case f.Answers != "":
		return f.Answers + " does not answer"
	case f.Off:
		return "lastcall is switched off on this node"
	case !f.Allowed:
		return "[on_unkillable] resume is false"
	case f.Today >= f.Most:
		return "it was resumed " + strconv.Itoa(f.Today) + " times within a day: resumes_per_day"
	}
	return ""
}

// younger says whether a drain, in seconds since 1970, came after a moment.
func younger(seconds string, moment time.Time) bool {
	value, err := strconv.ParseInt(seconds, 10, 64)
	return err == nil && !time.Unix(value, 0).Before(moment.Add(-slackTime))
}
