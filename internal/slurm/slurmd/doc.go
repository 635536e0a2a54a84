// Package slurmd finds the slurmds that run on this host, and with each the
// node it serves, its configuration and its spool folder. Everything is read
// from /proc and slurm.conf; no daemon is asked.
package slurmd

import (
	"errors"
	"time"

	"lastcall/internal/proc"
)

// Errors of Find about one slurmd.
var (
	// ErrLate says that a file did not answer in time: slurm.conf may lie on
	// a network file system that is dead.
	ErrLate = errors.New("no answer in time")
	// ErrNode says that the name of the node cannot be told.
	ErrNode = errors.New("which node this slurmd serves cannot be told")
)

// Patience is how long one file of the configuration may take to be read.
const Patience = 2 * time.Second

// Instance is one slurmd of this host.
type Instance struct {
	Key             proc.Key      // of the slurmd process
	Node            string        // name of the node it serves
	Cluster         string        // ClusterName in lower case
	Conf            string        // path of its slurm.conf
	SpoolDir        string        // SlurmdSpoolDir, %h and %n replaced
	KillWait        time.Duration // KillWait of slurm.conf; slurmd waits at least 5 s (req.c, _rpc_terminate_job)
	Proctrack       string        // "cgroup", "linuxproc", "pgid"
	SignalsChildren bool          // SIGTERM reaches all processes, not only task leaders
	Scontrol        string        // path of scontrol; "" if there is none only root can change
}

// Host is where to look. Root is put before every path of a file and Proc is
// a mounted proc file system, so that tests can bring their own.
type Host struct {
	Proc proc.FS
	Root string // "" for the real one
	Name string // the host's name as gethostname(2) gives it
}
