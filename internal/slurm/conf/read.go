package conf

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	deepest = 8       // Includes within Includes
	mostOf  = 8 << 20 // bytes of all files together
)

// Reader returns the content of a file. It is called for each file once, and
// may refuse one that is too large or does not answer in time.
type Reader func(path string) ([]byte, error)

// Read reads the slurm.conf at path with everything it includes, and the
// cgroup.conf beside it if there is one. gone tells of an error of read that
// the file is not there. Errors name file and line; those about the content
// wrap ErrConf.
func Read(path string, read Reader, gone func(error) bool) (*Conf, error) {
	c := &Conf{SpoolDir: "/var/spool/slurmd", Proctrack: "cgroup", KillWait: 30 * time.Second}
	r := reader{read: read, folder: filepath.Dir(path), left: mostOf, cluster: &c.Cluster}
	if err := r.file(path, 0, c.slurm); err != nil {
		return nil, err
	}
	err := r.file(filepath.Join(r.folder, "cgroup.conf"), 0, c.cgroup)
	if err != nil && !gone(err) {
		return nil, err
	}
	return c, nil
}

func (c *Conf) slurm(at place, key, value, rest string) error {
	switch strings.ToLower(key) {
	case "clustername":
		c.Cluster = strings.ToLower(value)
	case "slurmdspooldir":
		c.SpoolDir = value
	case "proctracktype":
		c.Proctrack = strings.TrimPrefix(value, "proctrack/")
	case "killwait":
		seconds, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return at.complain("KillWait=%.40q: expected seconds", value)
		}
		c.KillWait = time.Duration(seconds) * time.Second
	case "nodename":
		return c.node(at, value, rest)
	}
	return nil
}

// node takes a NodeName line. NodeHostname is the only other key that says
// where a node runs; DEFAULT is no node (read_config.c, _parse_nodename).
func (c *Conf) node(at place, names, rest string) error {
	if strings.EqualFold(names, "DEFAULT") {
		return nil
	}
	line := nodeLine{names: names, hostnames: names, file: at.file, line: at.line}
	for rest != "" {
		key, value, after, ok := nextPair(rest)
		if !ok {
			break
		}
		if strings.EqualFold(key, "NodeHostname") {
			line.hostnames = value
		}
		rest = after
	}
	c.nodes = append(c.nodes, line)
	return nil
}

func (c *Conf) cgroup(at place, key, value, _ string) error {
	if !strings.EqualFold(key, "SignalChildrenProcesses") {
		return nil
	}
	yes, ok := boolean(value)
	if !ok {
		return at.complain("SignalChildrenProcesses=%.40q: expected yes or no", value)
	}
	c.SignalsChildren = yes
	return nil
}

// boolean reads a word the way s_p_handle_boolean does.
func boolean(value string) (yes, ok bool) {
	switch strings.ToLower(value) {
	case "yes", "up", "true", "1":
		return true, true
	case "no", "down", "false", "0":
		return false, true
	}
	return false, false
}

// place is where in which file something stands.
type place struct {
	file string
	line int
}

func (p place) complain(format string, values ...any) error {
	return fmt.Errorf("%s:%d: %s: %w", p.file, p.line, fmt.Sprintf(format, values...), ErrConf)
}

// reader goes through the files.
type reader struct {
	read    Reader
	folder  string  // of slurm.conf: relative Includes start there, wherever they stand
	left    int     // bytes that may still be read
	cluster *string // for %c in the name of an Include
}

func (r *reader) file(path string, depth int, use func(at place, key, value, rest string) error) error {
	text, err := r.read(path)
	if err != nil {
		return err
	}
	if r.left -= len(text); r.left < 0 {
		return fmt.Errorf("%s: more than %d bytes of configuration: %w", path, mostOf, ErrConf)
	}
	for number, line := range logicalLines(string(text)) {
		at := place{file: path, line: number}
		if name, ok := included(line); ok {
			if err := r.include(at, name, depth, use); err != nil {
				return err
			}
			continue
		}
		key, value, rest, ok := nextPair(line)
		if !ok {
			continue
		}
		if err := use(at, key, value, rest); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) include(at place, name string, depth int, use func(at place, key, value, rest string) error) error {
	if depth >= deepest {
		return at.complain("Include within Include more than %d deep", deepest)
	}
	if strings.Contains(name, "*") {
		return nil // Slurm passes these over with a complaint
	}
	name = strings.ReplaceAll(name, "%c", *r.cluster)
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.folder, name)
	}
	if err := r.file(name, depth+1, use); err != nil {
		return fmt.Errorf("included at %s:%d: %w", at.file, at.line, err)
	}
	return nil
}
