package slurm

import (
	"bytes"
	"time"
)

// Mark is what the environment of a process says about where it comes from.
// The process and its user can write anything into it: a mark is a claim, and
// only counts together with the user id and the rest of the evidence.
type Mark struct {
	Job      uint32 // SLURM_JOB_ID; 0 for none
	Step     string // "batch", "extern", "interactive", "0", ...; "" if not told
	Task     int    // SLURM_PROCID, -1 if not told
	HasTask  bool   // the variables of a task are there, not only those of an allocation
	Cluster  string
	Node     string // SLURMD_NODENAME
	SLUID    string
	Start    time.Time
	Restarts int    // SLURM_RESTART_COUNT, -1 if not told: never requeued, or an old Slurm
	Launcher string // SLURM_STEP_LAUNCHER_PORT: the srun that started the step
	Script   string // SLURM_SCRIPT_CONTEXT, like "epilog_task": Slurm started it as a hook; "" for none
	Nodes    int    // SLURM_JOB_NUM_NODES, 0 if not told
	WatchOff bool   // LASTCALL_WATCH=off: its user wants the job left to Slurm
}

// ParseMark reads the marks in an environment as /proc/PID/environ shows it.
// Values that Slurm could not have written are passed over.
func ParseMark(environ []byte) Mark {
	mark := Mark{Task: -1, Restarts: -1}
	var seen names
	for len(environ) > 0 {
		entry := environ
		if end := bytes.IndexByte(environ, 0); end >= 0 {
			entry, environ = environ[:end], environ[end+1:]
		} else {
			environ = nil
		}
		if !bytes.HasPrefix(entry, []byte("SLURM")) && !bytes.HasPrefix(entry, []byte("LASTCALL")) {
			continue
		}
		name, value, ok := bytes.Cut(entry, []byte("="))
		if ok && seen.first(name) {
			mark.take(string(name), string(value))
		}
	}
	return mark
}

// names remembers which variables were seen: the first of a name counts.
type names map[string]bool

func (n *names) first(name []byte) bool {
	if *n == nil {
		*n = make(names, 32)
	}
	if (*n)[string(name)] {
		return false
	}
	(*n)[string(name)] = true
	return true
}

func (m *Mark) take(name, value string) {
	n, isNumber := number(value)
	switch name {
	case "SLURM_JOB_ID":
		if isNumber {
			m.Job = n
		}
	case "SLURM_STEP_ID":
		m.Step = stepName(value)
	case "SLURM_PROCID":
		m.HasTask = m.HasTask || isNumber
		if isNumber && n < 1<<31 {
			m.Task = int(n)
		}
	case "SLURM_TASK_PID":
		m.HasTask = m.HasTask || isNumber
	case "SLURM_CLUSTER_NAME":
		m.Cluster = value
	case "SLURMD_NODENAME":
		m.Node = value
	case "SLURM_JOB_SLUID":
		m.SLUID = value
	case "SLURM_JOB_START_TIME":
		if isNumber && n != 0 {
			m.Start = time.Unix(int64(n), 0).UTC()
		}
	case "SLURM_RESTART_COUNT":
		if isNumber {
			m.Restarts = int(n)
		}
	case "SLURM_STEP_LAUNCHER_PORT":
		m.Launcher = value
	case "SLURM_SCRIPT_CONTEXT":
		m.Script = value
	case "SLURM_JOB_NUM_NODES":
		if isNumber && n < 1<<20 {
			m.Nodes = int(n)
		}
	case "LASTCALL_WATCH":
		m.WatchOff = value == "off"
	}
}

// IsHookVariable says whether lastcall reads the variable of this name from
// the environment of a process. Nothing else of a user's environment is ever
// passed on.
func IsHookVariable(name string) bool {
	switch name {
	case "SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_PROCID", "SLURM_TASK_PID", "SLURM_CLUSTER_NAME",
		"SLURMD_NODENAME", "SLURM_JOB_SLUID", "SLURM_JOB_START_TIME", "SLURM_RESTART_COUNT",
		"SLURM_STEP_LAUNCHER_PORT", "SLURM_SCRIPT_CONTEXT", "SLURM_JOB_NUM_NODES", "SLURM_GTIDS", "LASTCALL_WATCH":
		return true
	}
	return false
}
