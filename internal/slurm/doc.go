// Package slurm knows what Slurm tells a hook: the identity of the job in the
// hook's environment, the marks the job's own processes carry in theirs, and
// the title slurmstepd gives itself. It parses text and never asks a daemon.
//
// Versions 20.11 to 26.05 are known. Names of variables and their first
// version come from Slurm's source: src/plugins/prep/script/prep_script_slurmd.c
// (_build_env, Epilog), src/slurmd/slurmstepd/mgr.c (_run_script_as_user,
// TaskEpilog) and src/common/env.c (tasks).
package slurm

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// ErrIdentity says that an environment does not name a job the way Slurm
// does. Nothing may be signalled then.
var ErrIdentity = errors.New("this is not the environment of a Slurm hook")

// Job is the run of a job a hook was started for.
type Job struct {
	ID        uint32    // raw, unique id; of an array its task's, of a het job its component's
	HetLeader uint32    // id of the het job's first component, 0 for other jobs
	SLUID     string    // id of this very run, "" before Slurm 25.11
	UID       uint32    // the job's user
	User      string    // that user's name as Slurm says, "" if not told
	Cluster   string    // "" if not told
	Node      string    // Slurm's name of this node, "" if not told
	Start     time.Time // zero where Slurm does not tell (Epilog before 23.02)
	Restarts  int       // how often it was requeued, -1 where Slurm does not tell
}

// Names says whether the job id that stands in a process's environment is
// this job's. All components of a het job show the id of the first one there
// (src/slurmd/slurmstepd/task.c, exec_task), so for them the leader counts.
func (j Job) Names(id uint32) bool {
	if j.HetLeader != 0 {
		return id == j.HetLeader
	}
	return id == j.ID
}

// number reads a job, user or task number: decimal digits and nothing else,
// since the numbers become parts of paths.
func number(text string) (uint32, bool) {
	if text == "" || text[0] == '+' || text[0] == '-' {
		return 0, false
	}
	value, err := strconv.ParseUint(text, 10, 32)
	return uint32(value), err == nil
}

// IsSLUID says whether text has the form print_sluid of src/common/sluid.c
// gives: an s and 13 characters of Crockford's base 32.
func IsSLUID(text string) bool {
	if len(text) != 14 || text[0] != 's' {
		return false
	}
	return strings.Trim(text[1:], "0123456789ABCDEFGHJKMNPQRSTVWXYZ") == ""
}

// IsNodeName says whether text can be the name of a node.
func IsNodeName(text string) bool {
	_, ok := nodeName(text)
	return ok && text != ""
}

// nodeName returns text if it can be the name of a node: it is compared with
// and becomes part of cgroup paths.
func nodeName(text string) (string, bool) {
	for _, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '-' && c != '_' && c != '.' {
			return "", false
		}
	}
	return text, len(text) <= 255 && text != "." && text != ".."
}
