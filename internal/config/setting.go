package config

import (
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// setting is one key with its value on the way into a Config.
type setting struct {
	parser      *parser
	node        *unstable.Node
	table, name string
}

func (s setting) wrong(format string, values ...any) {
	s.parser.complain(s.node, s.name+in(s.table)+": "+format, values...)
}

// into sets one key of a hook.
func (s setting) into(hook *Hook) {
	switch s.name {
	case "enabled":
		hook.Enabled = s.boolean()
	case "drain":
		hook.Drain = s.boolean()
	case "grace":
		hook.Grace = s.duration(0, 5*time.Minute)
	case "ignored_grace":
		hook.IgnoredGrace = s.duration(0, 5*time.Minute)
	case "deadline":
		hook.Deadline = s.duration(2*time.Second, 10*time.Minute)
	case "scope":
		hook.Scope = Scope(s.oneOf(string(ScopeStep), string(ScopeTask)))
	case "claims":
		hook.Claims = s.claims()
	}
}

// intoWatch sets one key of the node service.
func (s setting) intoWatch(watch *Watch) {
	switch s.name {
	case "mode":
		watch.Mode = Mode(s.oneOf(string(Enforce), string(Observe)))
	case "idle_grace":
		watch.IdleGrace = s.durationOr("off", Never, time.Second, 5*time.Minute)
	case "ignored_grace":
		watch.IgnoredGrace = s.duration(time.Second, 5*time.Minute)
	case "confirm_timeout":
		watch.ConfirmTimeout = s.duration(100*time.Millisecond, 30*time.Second)
	case "partitions":
		watch.Partitions = s.names()
	case "min_uid":
		watch.MinUID = s.userID()
	}
}

// intoLocks sets one key about locks.
func (s setting) intoLocks(locks *Locks) {
	switch s.name {
	case "unkillable":
		locks.Unkillable = Release(s.oneOf(string(ReportLocks), string(ReleaseLocks)))
	case "release_paths":
		locks.ReleasePaths = s.folders()
	}
}

// intoOnUnkillable sets one key about processes that do not die.
func (s setting) intoOnUnkillable(on *OnUnkillable) {
	switch s.name {
	case "abort_fuse":
		on.AbortFUSE = s.boolean()
	case "resume":
		on.Resume = s.boolean()
	case "resumes_per_day":
		on.ResumesPerDay = s.number(1, 100)
	}
}

// intoFinished sets one key about jobs that have finished their work.
func (s setting) intoFinished(finished *Finished) {
	switch s.name {
	case "after":
		finished.After = s.durationOr("off", Never, 10*time.Second, 24*time.Hour)
	case "action":
		finished.Action = Action(s.oneOf(string(Report), string(Terminate)))
	case "terminate_after":
		finished.TerminateAfter = s.duration(30*time.Second, 7*24*time.Hour)
	}
}

func (s setting) text(example string) (string, bool) {
	value := s.node.Value()
	if value.Kind != unstable.String {
		s.wrong("%.40q is no text in quotes; write it like %q", string(value.Data), example)
		return "", false
	}
	return string(value.Data), true
}

func (s setting) boolean() bool {
	value := s.node.Value()
	if value.Kind != unstable.Bool {
		s.wrong("%.40q is not possible; use true or false, without quotes", string(value.Data))
		return false
	}
	return string(value.Data) == "true"
}

func (s setting) oneOf(allowed ...string) string {
	value, ok := s.text(allowed[0])
	if ok && !contains(allowed, value) {
		s.wrong(`%.60q is not possible; use "%s"`, value, strings.Join(allowed, `" or "`))
	}
	return value
}

func (s setting) absolute() string {
	const example = "/var/log/slurm/lastcall.jsonl"
	value, ok := s.text(example)
	if ok && (!strings.HasPrefix(value, "/") || strings.ContainsAny(value, "\x00\n") ||
		strings.HasSuffix(value, "/") || strings.Contains(value+"/", "/../")) {
		s.wrong("%.60q is not possible; use the whole path of a file like %q", value, example)
	}
	return value
}

// duration reads a duration; or says what else is possible, for messages.
func (s setting) duration(least, most time.Duration, or ...string) time.Duration {
	value, ok := s.text("2s")
	if !ok {
		return least
	}
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		s.wrong(`%.60q is no duration; use one like "2s" or "500ms"%s`, value, strings.Join(or, ""))
	case d < least || d > most:
		s.wrong("%s is not possible; use %s to %s", d, least, most)
	}
	return d
}

// durationOr reads a duration, or the word that stands for a special one.
func (s setting) durationOr(word string, special, least, most time.Duration) time.Duration {
	value := s.node.Value()
	if value.Kind == unstable.String && string(value.Data) == word {
		return special
	}
	return s.duration(least, most, `, or "`+word+`"`)
}

// userID reads the number of a user.
func (s setting) userID() uint32 {
	value := s.node.Value()
	n, err := strconv.ParseUint(string(value.Data), 10, 32)
	if value.Kind != unstable.Integer || err != nil {
		s.wrong("%.40q is no user number; use one like 1000, without quotes", string(value.Data))
	}
	return uint32(n)
}

// number reads a whole number.
func (s setting) number(least, most int) int {
	value := s.node.Value()
	n, err := strconv.Atoi(string(value.Data))
	if value.Kind != unstable.Integer || err != nil || n < least || n > most {
		s.wrong("%.40q is not possible; use a number from %d to %d, without quotes", string(value.Data), least, most)
		return least
	}
	return n
}

// folders reads a list of absolute paths.
func (s setting) folders() []string {
	list := s.list(`["/scratch", "/local"]`)
	for _, path := range list {
		if !strings.HasPrefix(path, "/") || path == "/" || filepath.Clean(path) != path || strings.ContainsAny(path, "\x00\n") {
			s.wrong("%.60q is not possible; use whole paths of folders like %q", path, "/scratch")
		}
	}
	return list
}

// list reads an array of texts.
func (s setting) list(example string) []string {
	value := s.node.Value()
	list := []string{}
	ok := value.Kind == unstable.Array
	if ok {
		for items := value.Children(); items.Next(); {
			ok = ok && items.Node().Kind == unstable.String
			list = append(list, string(items.Node().Data))
		}
	}
	if !ok {
		s.wrong("this is no list of texts; write it like %s", example)
		return nil
	}
	return list
}

func (s setting) names() []string {
	list := s.list(`["one", "two"]`)
	for _, name := range list {
		if name == "" || len(name) > 64 || strings.ContainsAny(name, "\x00\n/:") {
			s.wrong("%.60q is not possible; use plain names", name)
		}
	}
	return list
}

func (s setting) claims() Claims {
	var claims Claims
	for _, name := range s.list(`["cgroup", "environ", "kin"]`) {
		switch name {
		case "cgroup":
			claims.Cgroup = true
		case "environ":
			claims.Environ = true
		case "kin":
			claims.Kin = true
		case "uid":
			claims.UID = true
		default:
			s.wrong(`%.60q is not possible; use "cgroup", "environ", "kin" and "uid"`, name)
		}
	}
	return claims
}
