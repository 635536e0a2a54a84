// Package cluster starts and stops a private real Slurm on this host: its own
// munged with its own key, slurmctld, and any number of slurmd, all on
// loopback and in one temporary folder. Several may run at once.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options is what a cluster is to be like.
type Options struct {
	Nodes      int      // how many slurmd, 1 if zero
	Proctrack  string   // "linuxproc" if empty, "cgroup", "pgid"
	TaskPlugin string   // "none" if empty, "cgroup"
	KillWait   int      // seconds, 5 if zero
	Conf       []string // more lines for slurm.conf
	Epilog     string   // path of the program, "" for none
	TaskEpilog string
	FirstJob   int      // number of the first job, 1 if zero
	CPUs       int      // of each node, 8 if zero
	AuthInfo   string   // more for AuthInfo=, like "cred_expire=5"
	Cgroup     []string // more lines for cgroup.conf
	// ByHand starts slurmd without systemd also where there is one.
	ByHand bool
}

// Cluster is a running Slurm.
type Cluster struct {
	Name    string
	Dir     string
	Nodes   []string
	Place   Place
	options Options
	ports   []int
	daemons []*daemon
	dismiss func() // ends the guard, nil if there is none
}

// Start starts a cluster and waits until all its nodes are idle. On an error
// everything that was started is stopped again.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	options = withDefaults(options)
	name := "lc" + strconv.FormatUint(rand.Uint64N(36*36*36*36*36), 36)
	place, err := Here()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lastcall-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{Name: name, Dir: dir, Place: place, options: options}
	for i := range options.Nodes {
		c.Nodes = append(c.Nodes, name+"n"+strconv.Itoa(i+1))
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting a private Slurm: %w%s", err, c.tails()), c.Stop())
	}
	return c, nil
}

func withDefaults(o Options) Options {
	o.Nodes = max(o.Nodes, 1)
	if o.Proctrack == "" {
		o.Proctrack = "linuxproc"
	}
	if o.TaskPlugin == "" {
		o.TaskPlugin = "none"
	}
	if o.KillWait == 0 {
		o.KillWait = 5
	}
	o.FirstJob = max(o.FirstJob, 1)
	if o.CPUs == 0 {
		o.CPUs = 8
	}
	if o.AuthInfo != "" {
		o.AuthInfo = "," + o.AuthInfo
	}
	return o
}

func (c *Cluster) start(ctx context.Context) error {
	if os.Getuid() != 0 {
		return errors.New("only root can start a Slurm that runs jobs of several users")
	}
	if err := c.startGuard(); err != nil {
		return err
	}
	if err := c.folders(); err != nil {
		return err
	}
	var err error
	if c.ports, err = freePorts(1 + len(c.Nodes)); err != nil {
		return err
	}
	if err := c.configure(); err != nil {
		return err
	}
	if err := c.startMunge(ctx); err != nil {
		return err
	}
	if err := c.launch("slurmctld", "slurmctld", "-D", "-i", "-f", c.Conf()); err != nil {
		return err
	}
	for _, node := range c.Nodes {
		if err := c.startNode(node); err != nil {
			return err
		}
	}
	return c.waitIdle(ctx)
}

func (c *Cluster) environ() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_CONF=" + c.Conf(), "HOME=/root"}
}

func (c *Cluster) startMunge(ctx context.Context) error {
	if err := c.launch(
		"munge", "munged", "--foreground", "--force", "--num-threads=2", "--key-file="+c.path("munge/key"),
		"--socket="+c.path("munge/socket"), "--pid-file="+c.path("munge/pid"), "--log-file="+c.path("munge/log"),
		"--seed-file="+c.path("munge/seed"),
	); err != nil {
		return err
	}
	return until(ctx, time.Minute, "munged to listen", func() bool {
		_, err := os.Stat(c.path("munge/socket"))
		return err == nil
	})
}

func (c *Cluster) waitIdle(ctx context.Context) error {
	err := until(ctx, 2*time.Minute, "all nodes to be idle", func() bool {
		if c.ended() != "" {
			return true
		}
		text, err := c.Run(ctx, "sinfo", "-h", "-N", "-p", "main", "-o", "%T")
		return err == nil && strings.Count(text, "idle") == len(c.Nodes) && !strings.Contains(text, "*")
	})
	if trouble := c.ended(); trouble != "" {
		return errors.New(trouble)
	}
	return err
}

func (c *Cluster) path(name string) string { return filepath.Join(c.Dir, name) }

// Conf returns the path of slurm.conf.
func (c *Cluster) Conf() string { return c.path("etc/slurm.conf") }

// Log returns the log of a node's slurmd, or of "slurmctld".
func (c *Cluster) Log(name string) string {
	text, _ := os.ReadFile(c.path(name + ".log"))
	return string(text)
}

// tails returns the ends of all logs, for errors.
func (c *Cluster) tails() string {
	var b strings.Builder
	for _, name := range append([]string{"munge", "slurmctld"}, c.Nodes...) {
		for _, ending := range []string{".out", ".log"} {
			text, _ := os.ReadFile(c.path(name + ending))
			if len(text) > 1500 {
				text = text[len(text)-1500:]
			}
			if len(text) > 0 {
				fmt.Fprintf(&b, "\n--- %s%s:\n%s", name, ending, text)
			}
		}
	}
	return b.String()
}

// Stop ends the daemons, by pid, and what jobs are still there, and removes
// the folder and the cluster's own empty cgroups. It may be called again.
func (c *Cluster) Stop() error {
	for i := len(c.daemons) - 1; i >= 0; i-- {
		c.daemons[i].stop()
	}
	c.daemons = nil
	c.endJobs()
	c.removeCgroups()
	if c.Dir == "" {
		return nil
	}
	err := os.RemoveAll(c.Dir)
	c.Dir = ""
	if c.dismiss != nil {
		c.dismiss()
	}
	return err
}
