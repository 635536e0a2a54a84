// Package conf reads of slurm.conf and cgroup.conf what a node's watcher has
// to know. It follows src/common/parse_config.c (s_p_parse_file,
// _get_next_line, _parse_include_directive): keys in any case, # comments, a
// backslash at the end of a line, quotes around values with blanks, Include.
// Where Slurm would go on with a complaint, so does this package; it only
// fails where the values it returns could be wrong.
package conf

import (
	"errors"
	"path/filepath"
	"strings"
	"time"
)

// ErrConf says that a configuration file cannot be understood.
var ErrConf = errors.New("not a configuration Slurm would take")

// Conf is what was read. Keys that are not there have Slurm's default values
// (src/common/read_config.h, the same from 20.11 to 26.05).
type Conf struct {
	Cluster         string        // ClusterName, in lower case as Slurm keeps it; "" if not there
	SpoolDir        string        // SlurmdSpoolDir with %h and %n not yet replaced
	Proctrack       string        // ProctrackType without "proctrack/", like "cgroup"
	KillWait        time.Duration // how long Slurm waits from SIGTERM to SIGKILL
	SignalsChildren bool          // cgroup.conf, SignalChildrenProcesses: SIGTERM goes to all processes, not to task leaders only

	nodes []nodeLine
}

// nodeLine is one NodeName line; both lists as they are written.
type nodeLine struct {
	names, hostnames string
	file             string
	line             int
}

// Expand replaces %h by the short host name and then %n by the node's name,
// as slurmd does (slurmd.c, _massage_pathname; later
// slurm_conf_expand_slurmd_path), and cleans the path.
func Expand(path, node, host string) string {
	path = strings.ReplaceAll(path, "%h", host)
	return filepath.Clean(strings.ReplaceAll(path, "%n", node))
}

// ShortName returns the part of a host name before the first dot
// (read_config.c, gethostname_short).
func ShortName(hostname string) string {
	short, _, _ := strings.Cut(hostname, ".")
	return short
}
