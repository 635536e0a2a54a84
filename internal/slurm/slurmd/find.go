package slurmd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
	"lastcall/internal/slurm/conf"
)

// Find returns the slurmds of the host. One that cannot be understood gives
// an error and does not stop the others. A slurmd has to run as root: with
// another SlurmdUser it could not start the jobs of others, and processes of
// other users could only pretend.
func (h Host) Find() ([]Instance, []error) {
	var keys []proc.Key
	err := h.Proc.EachPID(func(pid int) bool {
		if stat, ok := h.isSlurmd(pid); ok {
			if _, child := h.isSlurmd(stat.Parent); !child {
				keys = append(keys, stat.Key())
			}
		}
		return true
	})
	if err != nil {
		return nil, []error{err}
	}
	slices.SortFunc(keys, func(a, b proc.Key) int { return a.PID - b.PID })
	var found []Instance
	var wrong []error
	for _, key := range keys {
		instance, err := h.read(key)
		switch {
		case err == nil:
			found = append(found, instance)
		case !linux.Gone(err) || h.alive(key):
			wrong = append(wrong, fmt.Errorf("slurmd %d: %w", key.PID, err))
		}
	}
	return found, wrong
}

// isSlurmd asks the cheapest question first. A process whose parent is a
// slurmd too is a child that starts a hook or a step (or, for a moment, the
// successor in a reconfiguration), not another slurmd.
func (h Host) isSlurmd(pid int) (proc.Stat, bool) {
	if pid <= 1 {
		return proc.Stat{}, false
	}
	owner, err := h.Proc.Owner(pid)
	if err != nil || owner != 0 {
		return proc.Stat{}, false
	}
	executable, err := h.Proc.Executable(pid)
	if err != nil || !isProgram(executable) {
		return proc.Stat{}, false
	}
	// A set-user-ID program of root's, started by a user under another name.
	status, err := h.Proc.Status(pid, make([]byte, 8<<10))
	if err != nil || status.UID != 0 {
		return proc.Stat{}, false
	}
	stat, err := h.Proc.Stat(pid, make([]byte, 1024))
	return stat, err == nil && !stat.Zombie()
}

// isProgram says whether the link /proc/PID/exe names slurmd: the file
// slurmd, which Debian calls slurmd-wlm. After an upgrade of the package the
// kernel says "(deleted)" behind the name (proc(5)).
func isProgram(executable string) bool {
	name := filepath.Base(strings.TrimSuffix(executable, " (deleted)"))
	return name == "slurmd" || name == "slurmd-wlm"
}

func (h Host) alive(key proc.Key) bool {
	stat, err := h.Proc.Stat(key.PID, make([]byte, 1024))
	return err == nil && stat.Key() == key
}

// read makes out all about one slurmd.
func (h Host) read(key proc.Key) (Instance, error) {
	process, err := h.process(key)
	if err != nil {
		return Instance{}, err
	}
	path, c, err := h.configuration(process)
	if err != nil {
		return Instance{}, err
	}
	instance := Instance{
		Key: key, Cluster: c.Cluster, Conf: path, KillWait: c.KillWait,
		Proctrack: c.Proctrack, SignalsChildren: c.SignalsChildren,
	}
	if instance.Node, err = h.node(process.options, c); err != nil {
		return Instance{}, err
	}
	if !slurm.IsNodeName(instance.Node) {
		return Instance{}, fmt.Errorf("%.80q: %w", instance.Node, ErrNode)
	}
	instance.SpoolDir = conf.Expand(c.SpoolDir, instance.Node, conf.ShortName(h.Name))
	instance.Scontrol = h.scontrol(process.executable)
	return instance, nil
}

// node finds the name the way slurmd does (slurmd.c, _read_config; later
// _log_setup): -N, a dynamic node's host name, the node whose
// NodeHostname is the short host name, the whole one, or "localhost". The
// names the resolver knows for the host's addresses are left out: asking for
// them may hang.
func (h Host) node(o options, c *conf.Conf) (string, error) {
	switch {
	case o.node != "":
		return o.node, nil
	case o.future:
		return "", fmt.Errorf("slurmctld gave it a name (-F): %w; start it with -N", ErrNode)
	case o.dynamic:
		return h.Name, nil
	}
	for _, host := range []string{conf.ShortName(h.Name), h.Name, "localhost"} {
		names, err := c.NodesOn(host)
		if err != nil {
			return "", err
		}
		if len(names) > 0 {
			return names[0], nil
		}
	}
	return "", fmt.Errorf("no NodeName has the NodeHostname %.80q: %w; start it with -N", conf.ShortName(h.Name), ErrNode)
}

// scontrol returns the scontrol that belongs to the slurmd: PREFIX/bin beside
// PREFIX/sbin, else where distributions put it. Only root may be able to
// change it.
func (h Host) scontrol(executable string) string {
	prefix := filepath.Dir(filepath.Dir(strings.TrimSuffix(executable, " (deleted)")))
	for _, path := range []string{filepath.Join(prefix, "bin/scontrol"), "/usr/bin/scontrol", "/usr/local/bin/scontrol", "/opt/slurm/bin/scontrol"} {
		safe, err := within(h.Root+path, Patience, func() (bool, error) { return linux.OnlyRootWrites(h.Root + path) })
		if err == nil && safe {
			return path
		}
	}
	return ""
}
