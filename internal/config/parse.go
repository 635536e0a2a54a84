package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// The tables as they stand in the file. Everything is a string or a pointer,
// so that a wrong value can be told with its line.
type file struct {
	Mode       *string   `toml:"mode"`
	Log        logTable  `toml:"log"`
	Spare      spare     `toml:"spare"`
	Epilog     hookTable `toml:"epilog"`
	TaskEpilog taskTable `toml:"taskepilog"`
}

type logTable struct {
	Path *string `toml:"path"`
}

type spare struct {
	Users    []string `toml:"users"`
	Commands []string `toml:"commands"`
}

type hookTable struct {
	Enabled      *bool    `toml:"enabled"`
	Grace        *string  `toml:"grace"`
	IgnoredGrace *string  `toml:"ignored_grace"`
	Deadline     *string  `toml:"deadline"`
	Claims       []string `toml:"claims"`
	Drain        *bool    `toml:"drain"`
}

type taskTable struct {
	Enabled      *bool    `toml:"enabled"`
	Grace        *string  `toml:"grace"`
	IgnoredGrace *string  `toml:"ignored_grace"`
	Deadline     *string  `toml:"deadline"`
	Claims       []string `toml:"claims"`
	Scope        *string  `toml:"scope"`
}

// Parse reads the text of a configuration; path is for its messages. Of an
// error the message is one sentence: file, line, what is wrong, what would be
// right.
func Parse(path string, text []byte) (Config, error) {
	var raw file
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&raw); err != nil {
		return careful(text), explain(path, text, err)
	}
	config := Default()
	p := parser{path: path, text: text}
	if raw.Mode != nil {
		config.Mode = Mode(p.oneOf("", "mode", *raw.Mode, string(Enforce), string(Observe)))
	}
	if raw.Log.Path != nil {
		config.LogPath = p.absolute("log", "path", *raw.Log.Path)
	}
	config.Spare = Spare{Users: p.names("users", raw.Spare.Users), Commands: p.names("commands", raw.Spare.Commands)}
	p.hook("epilog", &config.Epilog, raw.Epilog)
	task := raw.TaskEpilog
	p.hook("taskepilog", &config.TaskEpilog, hookTable{
		Enabled: task.Enabled, Grace: task.Grace, IgnoredGrace: task.IgnoredGrace, Deadline: task.Deadline, Claims: task.Claims,
	})
	if task.Scope != nil {
		config.TaskEpilog.Scope = Scope(p.oneOf("taskepilog", "scope", *task.Scope, string(ScopeStep), string(ScopeTask)))
	}
	if p.err != nil {
		return careful(text), p.err
	}
	return config, nil
}

// careful returns the defaults, in observe mode if the text seems to ask for
// it.
func careful(text []byte) Config {
	config := Default()
	for line := range bytes.Lines(text) {
		name, value, ok := bytes.Cut(line, []byte("="))
		if ok && string(bytes.TrimSpace(name)) == "mode" && bytes.Contains(value, []byte(Observe)) {
			config.Mode = Observe
		}
	}
	return config
}

// parser reads values and keeps the first complaint.
type parser struct {
	path string
	text []byte
	err  error
}

func (p *parser) complain(table, key, format string, values ...any) {
	if p.err == nil {
		where := key
		if table != "" {
			where = key + " in [" + table + "]"
		}
		p.err = fmt.Errorf("%s:%d: %s: %s", p.path, lineOf(p.text, table, key), where, fmt.Sprintf(format, values...))
	}
}

func (p *parser) oneOf(table, key, value string, allowed ...string) string {
	for _, one := range allowed {
		if value == one {
			return value
		}
	}
	p.complain(table, key, "%.60q is not possible; use %s", value, `"`+strings.Join(allowed, `" or "`)+`"`)
	return allowed[0]
}

func (p *parser) absolute(table, key, value string) string {
	if !strings.HasPrefix(value, "/") || strings.ContainsAny(value, "\x00\n") || strings.HasSuffix(value, "/") || strings.Contains(value+"/", "/../") {
		p.complain(table, key, `%.60q is not possible; use the whole path of a file like "/var/log/slurm/lastcall.jsonl"`, value)
	}
	return value
}

func (p *parser) names(key string, values []string) []string {
	for _, value := range values {
		if value == "" || len(value) > 64 || strings.ContainsAny(value, "\x00\n/:") {
			p.complain("spare", key, "%.60q is not possible; use plain names", value)
		}
	}
	return values
}

func (p *parser) duration(table, key string, value *string, least, most time.Duration, set *time.Duration) {
	if value == nil {
		return
	}
	d, err := time.ParseDuration(*value)
	if err != nil {
		p.complain(table, key, `%.60q is no duration; use one like "2s" or "500ms"`, *value)
		return
	}
	if d < least || d > most {
		p.complain(table, key, "%s is not possible; use %s to %s", d, least, most)
		return
	}
	*set = d
}

// room is what a hook needs beyond its grace: to look, to kill, to record.
const room = time.Second

func (p *parser) hook(table string, hook *Hook, raw hookTable) {
	if raw.Enabled != nil {
		hook.Enabled = *raw.Enabled
	}
	if raw.Drain != nil {
		hook.Drain = *raw.Drain
	}
	p.duration(table, "grace", raw.Grace, 0, 5*time.Minute, &hook.Grace)
	p.duration(table, "ignored_grace", raw.IgnoredGrace, 0, 5*time.Minute, &hook.IgnoredGrace)
	p.duration(table, "deadline", raw.Deadline, 2*time.Second, 10*time.Minute, &hook.Deadline)
	if hook.Grace+room > hook.Deadline {
		p.complain(table, "deadline", "%s leaves no room after a grace of %s; use at least %s", hook.Deadline, hook.Grace, hook.Grace+room)
	}
	if raw.Claims == nil {
		return
	}
	hook.Claims = Claims{}
	for _, name := range raw.Claims {
		switch name {
		case "cgroup":
			hook.Claims.Cgroup = true
		case "environ":
			hook.Claims.Environ = true
		case "kin":
			hook.Claims.Kin = true
		case "uid":
			hook.Claims.UID = true
		default:
			p.complain(table, "claims", `%.60q is not possible; use "cgroup", "environ", "kin" and "uid"`, name)
		}
	}
}

// explain turns the TOML library's error into one sentence.
func explain(path string, text []byte, err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		first := strict.Errors[0]
		row, _ := first.Position()
		key := first.Key()
		return fmt.Errorf("%s:%d: unknown key %q; %s", path, row, strings.Join(key, "."), suggest(key))
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		row, _ := wrong.Position()
		message := strings.TrimPrefix(wrong.Error(), "toml: ")
		return fmt.Errorf("%s:%d: %.200s; see deploy/lastcall.toml for the form of each key", path, row, message)
	}
	return fmt.Errorf("%s: %.200s", path, strconv.Quote(err.Error()))
}

// lineOf finds the line a key stands on. The text has been parsed by then, so
// a plain search is enough.
func lineOf(text []byte, table, key string) int {
	current, number := "", 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			current = strings.Trim(strings.SplitN(line, "#", 2)[0], "[] \t")
			continue
		}
		name, _, ok := strings.Cut(line, "=")
		name = strings.Trim(strings.TrimSpace(name), `"'`)
		if ok && (current == table && name == key || current == "" && name == table+"."+key) {
			return number
		}
	}
	return 1
}
