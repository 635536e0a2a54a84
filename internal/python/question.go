package python

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
)

// Answers lets a disposable child (package aside) read stacks.
var Answers = aside.Extra{aside.Python: answer}

const (
	// patience is how long the child may read one process.
	patience = 300 * time.Millisecond
	// mostAnswer is the most an answer may be long, in bytes.
	mostAnswer = 400 << 10
	// mostMemory is where the child begins to save memory, in bytes.
	mostMemory = 12 << 20
)

// reply is what travels from the child.
type reply struct {
	Snapshot *Snapshot     `json:",omitempty"`
	Unknown  *UnknownError `json:",omitempty"`
	None     bool          `json:",omitempty"`
	Wrong    string        `json:",omitempty"`
}

// answer reads one process and puts the outcome into words.
func answer(fs proc.FS, pid int, _ []byte) ([]byte, error) {
	debug.SetMemoryLimit(mostMemory)
	// A hostile memory makes MiB of garbage in no time. Where the machine has no
	// processor for the collector, that of several readings would be there at once.
	defer runtime.GC()
	s, err := Read(fs, pid, time.Now().Add(patience))
	if linux.Gone(err) || linux.Denied(err) {
		return nil, err
	}
	r := reply{Snapshot: s}
	switch {
	case errors.As(err, &r.Unknown):
	case errors.Is(err, ErrNone):
		r.None = true
	case err != nil:
		r.Wrong = err.Error()
	}
	return r.encode(mostAnswer)
}

// encode writes the reply in at most most bytes: if need be without the middle
// of the stacks, and then without the last threads. What is too long by its
// names alone is not written down first: a hostile memory can have the same
// long name in every frame, which makes hundreds of MiB.
func (r reply) encode(most int) ([]byte, error) {
	for keep := mostFrames; ; keep /= 4 {
		if r.Snapshot == nil || r.Snapshot.names() <= most {
			text, err := json.Marshal(r)
			if err != nil || len(text) <= most {
				return text, err
			}
		}
		r.Snapshot.Cut = true
		for n := range r.Snapshot.Threads {
			t := &r.Snapshot.Threads[n]
			t.Frames = shortened(t.Frames, max(keep, 8))
		}
		if keep < 8 {
			r.Snapshot.Threads = r.Snapshot.Threads[:len(r.Snapshot.Threads)/2]
		}
	}
}

// names is how long all names in the snapshot are together, in bytes: JSON
// makes none of them shorter.
func (s *Snapshot) names() int {
	sum := 0
	for n := range s.Threads {
		t := &s.Threads[n]
		sum += len(t.Name)
		if t.Base != nil {
			sum += t.Base.names()
		}
		for at := range t.Frames {
			sum += t.Frames[at].names()
		}
	}
	return sum
}

func (f *Frame) names() int {
	sum := len(f.Function) + len(f.File)
	if f.Self != nil {
		sum += len(f.Self.Name)
	}
	return sum
}

// shortened keeps both ends of a stack.
func shortened(frames []Frame, most int) []Frame {
	if len(frames) <= most {
		return frames
	}
	inner := most / 2
	return append(frames[:inner:inner], frames[len(frames)-(most-inner):]...)
}

// Ask has a process read by the child of r. The errors are those of Read and
// of the child.
func Ask(r *aside.Reader, subject aside.Subject, until time.Time) (*Snapshot, error) {
	text, err := r.One(subject, aside.Python, until)
	if err != nil {
		return nil, err
	}
	var got reply
	if err := json.Unmarshal(text, &got); err != nil {
		return nil, fmt.Errorf("process %d: %w", subject.PID, err)
	}
	switch {
	case got.Unknown != nil:
		return nil, got.Unknown
	case got.None:
		return nil, ErrNone
	case got.Snapshot == nil:
		return nil, errors.New(got.Wrong)
	}
	return got.Snapshot, nil
}
