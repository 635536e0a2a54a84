package config

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Parse reads the text of a configuration; path is for its messages. The
// message of an error is one sentence: file, line, what is wrong, what would
// be right. It reads the TOML library's syntax tree instead of having structs
// filled: every key then has its line, and the hooks stay small.
func Parse(path string, text []byte) (Config, error) {
	config := Default()
	p := parser{path: path, text: text, config: &config, seen: map[string]int{}}
	p.tree.Reset(text)
	table := ""
	for p.err == nil && p.tree.NextExpression() {
		node := p.tree.Expression()
		switch node.Kind {
		case unstable.Table:
			table = p.tableName(node)
		case unstable.ArrayTable:
			p.complain(node, "[[...]] is not used here; write the table with single brackets")
		case unstable.KeyValue:
			p.keyValue(table, node)
		}
	}
	if err := p.tree.Error(); err != nil && p.err == nil {
		p.err = fmt.Errorf("%s:%d: %.200s; see deploy/lastcall.toml for how each key is written", path, p.lineOfError(err), err.Error())
	}
	p.checkRoom("epilog", config.Epilog)
	p.checkRoom("taskepilog", config.TaskEpilog)
	if p.err != nil {
		return careful(text), p.err
	}
	return config, nil
}

// careful returns the defaults, in observe mode if the text seems to ask for
// it: a typo elsewhere must not make the hooks act on a site that only wants
// to look.
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

// parser walks the syntax tree and keeps the first complaint.
type parser struct {
	path   string
	text   []byte
	tree   unstable.Parser
	config *Config
	seen   map[string]int // line of each key so far
	err    error
}

func (p *parser) complain(node *unstable.Node, format string, values ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%s:%d: %s", p.path, p.line(node), fmt.Sprintf(format, values...))
	}
}

// line returns the line a node stands on: that of its first key part, or its
// own.
func (p *parser) line(node *unstable.Node) int {
	at := node
	switch node.Kind {
	case unstable.Table, unstable.ArrayTable, unstable.KeyValue:
		if key := node.Key(); key.Next() {
			at = key.Node()
		}
	}
	if at.Raw.Length == 0 && len(at.Data) == 0 {
		return 1
	}
	return 1 + bytes.Count(p.text[:min(int(at.Raw.Offset), len(p.text))], []byte("\n"))
}

// lineOfError finds the line of a mistake in the syntax.
func (p *parser) lineOfError(err error) (line int) {
	// Range panics on a highlight that is not part of the text.
	defer func() {
		if recover() != nil {
			line = 1
		}
	}()
	if syntax, ok := err.(*unstable.ParserError); ok && len(syntax.Highlight) > 0 {
		offset := int(p.tree.Range(syntax.Highlight).Offset)
		return 1 + bytes.Count(p.text[:min(offset, len(p.text))], []byte("\n"))
	}
	return max(1, bytes.Count(p.text, []byte("\n")))
}

func keyOf(node *unstable.Node) []string {
	var parts []string
	for key := node.Key(); key.Next(); {
		parts = append(parts, string(key.Node().Data))
	}
	return parts
}

func (p *parser) tableName(node *unstable.Node) string {
	name := strings.Join(keyOf(node), ".")
	if _, known := keys[name]; !known || name == "" {
		p.complain(node, "unknown table [%.40s]; there are [log], [spare], [epilog], [taskepilog], [unkillable], [locks], [on_unkillable], [watch] and [watch.finished]", strings.Trim(strconv.Quote(name), `"`))
	}
	return name
}

// keyValue takes one setting.
func (p *parser) keyValue(table string, node *unstable.Node) {
	parts := keyOf(node)
	name := parts[len(parts)-1]
	if len(parts) > 1 && table == "" {
		table = strings.Join(parts[:len(parts)-1], ".")
	} else if len(parts) > 1 {
		name = strings.Join(parts, ".")
	}
	whole := table + "." + name
	if line, twice := p.seen[whole]; twice {
		p.complain(node, "%s is set a second time; the first is on line %d", name, line)
	}
	p.seen[whole] = p.line(node)
	if !contains(keys[table], name) || table == "" && name != "mode" {
		p.complain(node, "unknown key %.40q%s; %s", name, in(table), suggest(table, name))
		return
	}
	value := setting{parser: p, node: node, table: table, name: name}
	switch table {
	case "":
		p.config.Mode = Mode(value.oneOf(string(Enforce), string(Observe)))
	case "log":
		p.config.LogPath = value.absolute()
	case "spare":
		if name == "users" {
			p.config.Spare.Users = value.names()
		} else {
			p.config.Spare.Commands = value.names()
		}
	case "epilog":
		value.into(&p.config.Epilog)
	case "taskepilog":
		value.into(&p.config.TaskEpilog)
	case "unkillable":
		value.into(&p.config.Unkillable)
	case "locks":
		value.intoLocks(&p.config.Locks)
	case "on_unkillable":
		value.intoOnUnkillable(&p.config.OnUnkillable)
	case "watch":
		value.intoWatch(&p.config.Watch)
	case "watch.finished":
		value.intoFinished(&p.config.Watch.Finished)
	}
}

func in(table string) string {
	if table == "" {
		return ""
	}
	return " in [" + table + "]"
}

// room is what a hook needs beyond its grace: to look, to kill, to record.
const room = time.Second

func (p *parser) checkRoom(table string, hook Hook) {
	if p.err != nil || hook.Grace+room <= hook.Deadline {
		return
	}
	line := max(p.seen[table+".deadline"], p.seen[table+".grace"], 1)
	p.err = fmt.Errorf("%s:%d: deadline%s: %s leaves no room after a grace of %s; use at least %s",
		p.path, line, in(table), hook.Deadline, hook.Grace, hook.Grace+room)
}

func contains(list []string, wanted string) bool {
	for _, one := range list {
		if one == wanted {
			return true
		}
	}
	return false
}
