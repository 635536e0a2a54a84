package watch

import (
	"fmt"
	"time"

	"lastcall/internal/activity"
	"lastcall/internal/controller"
	"lastcall/internal/forensics"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// job is a run of a job that slurmd was told to end, on one node.
type job struct {
	id      uint32
	node    *node
	ordered time.Time // when the service noticed
	// inherited says that the order is older than the service: whom an earlier
	// one has told to end is not known.
	inherited bool
	stepds    map[proc.Key]bool // those of this run, as of the first look
	crew      crew
	samples   []activity.Sample
	told      map[proc.Key]bool // whom lastcall sent SIGTERM
	clock     Clock
	look      Look
	rule      Rule   // by which it is ready now
	refused   string // why it is left to Slurm
	doubted   bool   // because the controller did not confirm the order: the next one is looked at anew
	asking    bool
	asked     int
	answer    *controller.Answer
	answered  time.Time
	notBefore time.Time // no question before
	leader    uint32    // of a het job: whom to ask for to hear of all components
	ending    bool
	ended     *ended    // what was done
	gone      time.Time // when its steps were gone, if that was while it was being ended
	dying     dying
}

// ended is what an end did.
type ended struct {
	rule   Rule
	at     time.Time
	still  time.Duration
	record forensics.Record
}

func newJob(n *node, id uint32, now time.Time) *job {
	return &job{id: id, node: n, ordered: now, clock: NewClock(), told: map[proc.Key]bool{}}
}

// see looks at the job once: the roster says who is there.
func (j *job) see(r *roster, reader *activity.Reader, now time.Time) {
	who := slurm.Job{ID: j.id, HetLeader: j.leader, Node: j.node.Node, Cluster: j.node.Cluster, UID: j.crew.user, Restarts: -1}
	crew := r.crewOf(who, j.node.SpoolDir)
	if j.stepds == nil && len(crew.stepds) > 0 {
		j.stepds = crew.stepds
	}
	j.crew = crew
	keys := keysOf(crew.all())
	until := now.Add(lookLimit)
	before := j.samples
	j.samples = reader.Sample(keys, until)
	moved := activity.Progress(before, j.samples)
	if before == nil {
		moved = nil
	}
	if len(moved) == 0 {
		reader.Look(j.samples, crew.helpers(), until)
		if before != nil {
			moved = activity.Progress(before, j.samples)
		}
	}
	j.look = j.summary(moved, now)
	j.clock = j.clock.After(j.look)
}

func keysOf(people []*person) []proc.Key {
	keys := make([]proc.Key, 0, len(people))
	for _, p := range people {
		keys = append(keys, p.key())
	}
	return keys
}

// summary sums a look up for the decision.
func (j *job) summary(moved []activity.Moved, now time.Time) Look {
	l := Look{Now: now.Sub(j.ordered), Vetoes: j.vetoes()}
	for _, m := range moved {
		l.Moved = append(l.Moved, wordsFor(m))
	}
	for i := range j.samples {
		s := &j.samples[i]
		if s.Gone {
			continue
		}
		l.All++
		deaf := s.Term == proc.DispositionIgnored
		if deaf {
			l.Ignoring++
		}
		// The samples are in the order of the crew: those in the steps first.
		if i < len(j.crew.inside) {
			l.InSteps++
			if !deaf && !j.wasTold(j.crew.inside[i]) {
				l.Untold++
			}
		}
		for _, veto := range s.Vetoes {
			l.Vetoes = append(l.Vetoes, nameOf(s)+": "+veto.Text)
		}
		if !s.Looked && len(s.Vetoes) == 0 && len(moved) == 0 {
			l.Vetoes = append(l.Vetoes, nameOf(s)+": there was no time to look at it")
		}
	}
	if j.inherited && l.Untold > 0 {
		l.Vetoes = append(l.Vetoes, "the service was started after the order to end and cannot know whom it has told before")
	}
	return l
}

// vetoes are the reasons that are not one process's alone.
func (j *job) vetoes() []string {
	var list []string
	for key := range j.crew.stepds {
		if !j.stepds[key] {
			list = append(list, "a step was started after the order to end")
			break
		}
	}
	if len(j.crew.hooks) > 0 {
		list = append(list, "a TaskEpilog is at work")
	}
	if j.crew.unread != nil {
		list = append(list, "a process of the user could not be asked whose it is")
	}
	if j.crew.off {
		list = append(list, "LASTCALL_WATCH=off")
	}
	return list
}

// wasTold says whether somebody has asked a process of the job to end.
func (j *job) wasTold(p *person) bool {
	return j.told[p.key()] || j.node.tells(p, &j.crew)
}

// String tells of the last look, for the verbose log.
func (j *job) String() string {
	l := j.look
	text := fmt.Sprintf("job %d on %s: %.1f s after the order: %d in steps, %d in all, %d ignore SIGTERM, %d never told",
		j.id, j.node.Node, l.Now.Seconds(), l.InSteps, l.All, l.Ignoring, l.Untold)
	if j.clock.Still >= 0 {
		text += fmt.Sprintf("; still for %.1f s", (l.Now - j.clock.Still).Seconds())
	}
	for _, why := range append(append([]string{}, l.Moved...), l.Vetoes...) {
		text += "; " + why
	}
	if j.rule != NoRule {
		text += "; ready: " + string(j.rule)
	}
	if j.refused != "" {
		text += "; refused: " + j.refused
	}
	return text
}
