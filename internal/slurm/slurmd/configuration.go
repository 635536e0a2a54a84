package slurmd

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm/conf"
)

// mostConf bounds one file of the configuration.
const mostConf = 8 << 20

// process is what /proc says of a slurmd.
type process struct {
	options    options
	executable string
	folder     string // where it stands: -f may be relative
	conf       string // SLURM_CONF of its environment
	cache      string // SLURMD_RECONF_CONF_CACHE: set when a configless slurmd starts itself anew
}

func (h Host) process(key proc.Key) (process, error) {
	return within(fmt.Sprint(h.Proc, key), Patience, func() (process, error) {
		line, err := h.Proc.CommandLine(key.PID, make([]byte, 16<<10))
		if err != nil {
			return process{}, err
		}
		environ, err := h.Proc.Environ(key.PID, nil)
		if err != nil {
			return process{}, err
		}
		p := process{options: parseArguments(strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"))}
		if p.executable, err = h.Proc.Executable(key.PID); err != nil {
			return process{}, err
		}
		p.folder, _ = linux.Link(h.Proc.Path(key.PID, "cwd"))
		for entry := range strings.SplitSeq(string(environ), "\x00") {
			name, value, _ := strings.Cut(entry, "=")
			switch {
			case name == "SLURM_CONF" && p.conf == "":
				p.conf = value
			case name == "SLURMD_RECONF_CONF_CACHE" && p.cache == "":
				p.cache = value
			}
		}
		// The same process all the time?
		stat, err := h.Proc.Stat(key.PID, make([]byte, 1024))
		if err == nil && stat.Key() != key {
			err = linux.Errno(3) // ESRCH
		}
		return p, err
	})
}

// places lists where the slurm.conf of a slurmd may be, in slurmd's order
// (slurmd.c, _establish_configuration, _slurm_conf_file_exists). Without a
// file it gets the configuration from slurmctld and keeps it in
// SlurmdSpoolDir/conf-cache, to which /run/slurm/conf leads
// (_handle_slash_run). Packages differ in the built-in place.
func (p process) places() []string {
	if p.cache != "" {
		return []string{p.cache + "/slurm.conf"}
	}
	kept := []string{"/run/slurm/conf/slurm.conf", "/var/spool/slurmd/conf-cache/slurm.conf", "/var/lib/slurm/slurmd/conf-cache/slurm.conf", "/var/spool/slurm/conf-cache/slurm.conf"}
	switch {
	case p.options.configless:
		return kept
	case p.options.conf != "":
		return []string{p.absolute(p.options.conf)}
	case p.conf != "":
		return []string{p.absolute(p.conf)}
	}
	return append([]string{"/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/usr/local/etc/slurm.conf", "/opt/slurm/etc/slurm.conf"}, kept...)
}

func (p process) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.folder, path)
}

// configuration reads the first slurm.conf there is.
func (h Host) configuration(p process) (string, *conf.Conf, error) {
	places := p.places()
	for _, path := range places {
		text, err := h.file(path)
		if linux.Gone(err) {
			continue
		}
		if err != nil {
			return "", nil, err
		}
		c, err := conf.Read(path, func(one string) ([]byte, error) {
			if one == path {
				return text, nil
			}
			return h.file(one)
		}, linux.Gone)
		return path, c, err
	}
	return "", nil, fmt.Errorf("no slurm.conf at %s: %w", strings.Join(places, ", "), errNoConf)
}

var errNoConf = errors.New("the configuration of this slurmd cannot be found")

func (h Host) file(path string) ([]byte, error) {
	text, err := within(h.Root+path, Patience, func() ([]byte, error) {
		return linux.ReadAll(h.Root+path, nil, mostConf)
	})
	switch {
	case errors.Is(err, ErrLate):
		return nil, fmt.Errorf("%s: %w", path, err)
	case err == nil && len(text) == mostConf:
		return nil, fmt.Errorf("%s: more than %d bytes: %w", path, mostConf, conf.ErrConf)
	}
	return text, err
}

// hanging names what within left behind and still waits for.
var hanging = struct {
	sync.Mutex
	names map[string]bool
}{names: map[string]bool{}}

// within waits for work no longer than limit. Work that hangs in the kernel
// is left behind with its thread: nothing can end it from here, and only a
// dead file system makes it happen. Find is called for as long as a service
// lives, and threads are few: so while work of a name hangs, the answer is
// ErrLate at once.
func within[T any](name string, limit time.Duration, work func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	hanging.Lock()
	hangs := hanging.names[name]
	hanging.Unlock()
	if hangs {
		return none, fmt.Errorf("a read begun earlier: %w", ErrLate)
	}
	done, left := make(chan result, 1), false // left is guarded by hanging
	go func() {
		value, err := work()
		done <- result{value, err}
		hanging.Lock()
		defer hanging.Unlock()
		if left {
			delete(hanging.names, name)
		}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
	}
	hanging.Lock()
	defer hanging.Unlock()
	select {
	case r := <-done: // in the last moment
		return r.value, r.err
	default:
	}
	hanging.names[name], left = true, true
	return none, fmt.Errorf("after %s: %w", limit, ErrLate)
}
