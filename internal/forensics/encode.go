package forensics

import (
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"
)

// maxLine is the most one line may be long, in bytes.
const maxLine = 1 << 20

// maxArgument is the most of a text from outside that is kept, in bytes.
const maxArgument = 512

// Encode returns the record as one line of JSON with its line end. A record
// that is too long loses processes and locks from its end; Omitted says how
// many.
func (r *Record) Encode(most int) ([]byte, error) {
	short := *r
	for {
		line, err := short.encode()
		if err != nil || len(line) <= most {
			return line, err
		}
		processes, locks := len(short.Processes), len(short.Locks)
		if processes+locks == 0 {
			return nil, fmt.Errorf("a record of %d bytes does not fit into %d", len(line), most)
		}
		// What fits is guessed from the mean size, with some room.
		share := float64(most) / float64(len(line)) * 0.9
		short.Processes = short.Processes[:int(float64(processes)*share)]
		short.Locks = short.Locks[:int(float64(locks)*share)]
		short.Omitted += processes - len(short.Processes) + locks - len(short.Locks)
	}
}

func (r *Record) encode() ([]byte, error) {
	// No keys for time, level and message: the record brings its own.
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{SkipLineEnding: false, LineEnding: "\n"})
	buffer, err := encoder.EncodeEntry(zapcore.Entry{}, []zapcore.Field{
		{Type: zapcore.InlineMarshalerType, Interface: r},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the record: %w", err)
	}
	defer buffer.Free()
	return append([]byte(nil), buffer.Bytes()...), nil
}

// MarshalLogObject writes the record's keys (zapcore.ObjectMarshaler).
func (r *Record) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddInt("version", Version)
	e.AddString("time", r.Time.UTC().Format("2006-01-02T15:04:05.000Z"))
	e.AddString("program", "lastcall")
	e.AddString("release", r.Release)
	e.AddString("hook", r.Hook)
	e.AddString("mode", r.Mode)
	text(e, "config", r.Config)
	text(e, "cluster", r.Cluster)
	text(e, "node", r.Node)
	e.AddUint32("job", r.Job)
	if r.HetLeader != 0 {
		e.AddUint32("het_leader", r.HetLeader)
	}
	text(e, "sluid", r.SLUID)
	text(e, "step", r.Step)
	text(e, "user", r.User)
	e.AddInt64("uid", r.UID)
	if r.RunInJob {
		e.AddBool("run_in_job", true)
	}
	e.AddString("verdict", string(r.Verdict))
	e.AddInt("exit_code", r.ExitCode)
	if err := e.AddObject("counts", r.Counts); err != nil {
		return err
	}
	if err := e.AddObject("phases", r.Phases); err != nil {
		return err
	}
	e.AddInt("looks", r.Looks)
	text(e, "method", r.Method)
	text(e, "escalated", r.Escalated)
	if r.Watch != nil {
		if err := e.AddObject("watch", r.Watch); err != nil {
			return err
		}
	}
	array(e, "causes", r.Causes)
	array(e, "processes", r.Processes)
	array(e, "locks", r.Locks)
	array(e, "groups", r.Groups)
	if r.Omitted > 0 {
		e.AddInt("omitted", r.Omitted)
	}
	words(e, "warnings", r.Warnings)
	return nil
}

// MarshalLogObject writes the counts.
func (c Counts) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddInt("survivors", c.Survivors())
	e.AddInt("exited", c.Exited)
	e.AddInt("terminated", c.Terminated)
	e.AddInt("killed", c.Killed)
	e.AddInt("unkillable", c.Unkillable)
	e.AddInt("left", c.Left)
	e.AddInt("spared", c.Spared)
	e.AddInt("locks", c.Locks)
	e.AddInt("locks_freed", c.LocksFreed)
	return nil
}

// MarshalLogObject writes the durations in milliseconds.
func (p Phases) MarshalLogObject(e zapcore.ObjectEncoder) error {
	milliseconds(e, "identity_ms", p.Identity)
	milliseconds(e, "claim_ms", p.Claim)
	milliseconds(e, "ladder_ms", p.Ladder)
	milliseconds(e, "locks_ms", p.Locks)
	milliseconds(e, "total_ms", p.Total)
	return nil
}

// MarshalLogObject writes what the node service says.
func (w *Watch) MarshalLogObject(e zapcore.ObjectEncoder) error {
	text(e, "rule", w.Rule)
	text(e, "reason", w.Reason)
	e.AddString("order", w.Order.UTC().Format("2006-01-02T15:04:05.000Z"))
	if w.ToEnd > 0 {
		milliseconds(e, "to_end_ms", w.ToEnd)
	}
	milliseconds(e, "to_empty_ms", w.ToEmpty)
	milliseconds(e, "still_ms", w.Still)
	milliseconds(e, "kill_wait_ms", w.KillWait)
	e.AddInt("asked", w.Asked)
	return nil
}

// MarshalLogObject writes one process.
func (p Process) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddInt("pid", p.PID)
	e.AddUint64("start", p.Start)
	e.AddInt("ppid", p.Parent)
	e.AddInt("session", p.Session)
	e.AddUint32("uid", p.UID)
	e.AddString("comm", Quote(p.Comm, maxArgument))
	text(e, "command", p.Command)
	text(e, "state", p.State)
	text(e, "sigterm", p.Sigterm)
	text(e, "evidence", p.Evidence)
	text(e, "proof", p.Proof)
	text(e, "spared", p.Spared)
	e.AddInt("threads", p.Threads)
	milliseconds(e, "age_ms", p.Age)
	milliseconds(e, "cpu_ms", p.CPU)
	if p.Resident > 0 {
		e.AddUint64("resident", p.Resident)
	}
	text(e, "wchan", p.Wchan)
	text(e, "syscall", p.Syscall)
	words(e, "stack", p.Stack)
	if p.Thread > 0 {
		e.AddInt("thread", p.Thread)
	}
	text(e, "cause", p.Cause)
	text(e, "file", p.File)
	if p.Locks > 0 {
		e.AddInt("locks", p.Locks)
	}
	text(e, "doing", p.Doing)
	text(e, "told", p.Told)
	words(e, "would", p.Would)
	e.AddString("outcome", p.Outcome)
	if p.Took > 0 {
		milliseconds(e, "took_ms", p.Took)
	}
	return nil
}

// MarshalLogObject writes one cause.
func (c Cause) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("code", c.Code)
	text(e, "text", c.Text)
	e.AddInt("count", c.Count)
	text(e, "function", c.Function)
	text(e, "call", c.Call)
	text(e, "while", c.While)
	text(e, "type", c.Type)
	text(e, "source", c.Source)
	text(e, "mount", c.Mount)
	text(e, "file", c.File)
	if c.Since > 0 {
		milliseconds(e, "since_ms", c.Since)
	}
	array(e, "daemons", c.Daemons)
	text(e, "abort", c.Abort)
	return nil
}

// MarshalLogObject writes one lock.
func (l Lock) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("kind", l.Kind)
	e.AddString("mode", l.Mode)
	e.AddString("device", l.Device)
	e.AddUint64("inode", l.Inode)
	e.AddUint64("start", l.Start)
	e.AddString("end", l.End)
	text(e, "path", l.Path)
	e.AddInt("taker", l.Taker)
	array(e, "holders", l.Holders)
	e.AddString("fate", l.Fate)
	text(e, "release", l.Release)
	array(e, "held_by", l.HeldBy)
	array(e, "waiters", l.Waiters)
	return nil
}

// MarshalLogObject writes one group that was removed.
func (g Group) MarshalLogObject(e zapcore.ObjectEncoder) error {
	text(e, "path", g.Path)
	e.AddInt("removed", g.Removed)
	e.AddBool("gone", g.Gone)
	return nil
}

// MarshalLogObject writes one process beside a lock.
func (p Party) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddInt("pid", p.PID)
	e.AddString("comm", Quote(p.Comm, maxArgument))
	e.AddUint32("uid", p.UID)
	return nil
}

// text writes a text from outside, escaped, or nothing if it is empty.
func text(e zapcore.ObjectEncoder, key, value string) {
	if value != "" {
		e.AddString(key, Quote(value, maxArgument))
	}
}

func milliseconds(e zapcore.ObjectEncoder, key string, d time.Duration) {
	e.AddFloat64(key, float64(d.Microseconds())/1000)
}

func words(e zapcore.ObjectEncoder, key string, values []string) {
	if len(values) == 0 {
		return
	}
	_ = e.AddArray(key, zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
		for _, value := range values {
			a.AppendString(Quote(value, maxArgument))
		}
		return nil
	}))
}

func array[T zapcore.ObjectMarshaler](e zapcore.ObjectEncoder, key string, values []T) {
	if len(values) == 0 {
		return
	}
	_ = e.AddArray(key, zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
		for _, value := range values {
			if err := a.AppendObject(value); err != nil {
				return err
			}
		}
		return nil
	}))
}
