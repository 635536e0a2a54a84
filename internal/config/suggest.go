package config

import (
	"os"
	"strconv"
	"strings"
)

// keys holds every key there is, by table.
var keys = map[string][]string{
	"":               {"mode", "log", "spare", "epilog", "taskepilog", "unkillable", "locks", "on_unkillable", "watch"},
	"log":            {"path"},
	"spare":          {"users", "commands"},
	"epilog":         {"enabled", "grace", "ignored_grace", "deadline", "claims", "drain"},
	"taskepilog":     {"enabled", "grace", "ignored_grace", "deadline", "claims", "scope"},
	"unkillable":     {"enabled", "deadline"},
	"locks":          {"unkillable", "release_paths"},
	"on_unkillable":  {"abort_fuse", "resume", "resumes_per_day"},
	"watch":          {"mode", "idle_grace", "ignored_grace", "confirm_timeout", "partitions", "min_uid"},
	"watch.finished": {"after", "action", "terminate_after"},
}

// suggest says what would be right in place of an unknown key.
func suggest(table, name string) string {
	best, distance := "", 3
	for _, known := range keys[table] {
		if d := edits(name, known); d < distance {
			best, distance = known, d
		}
	}
	switch {
	case best != "" && table == "" && best != "mode":
		return "did you mean the table [" + best + "]?"
	case best != "":
		return "did you mean " + strconv.Quote(best) + "?"
	case table == "":
		return "known outside the tables is mode"
	}
	return "known there are " + strings.Join(keys[table], ", ")
}

// edits is the number of letters to change to get from a to b.
func edits(a, b string) int {
	if len(a) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// SparesUser says whether the user is on the list, by number or by name. name
// may be empty; then a listed name is looked up in /etc/passwd, never through
// a directory service that could hang.
func (s Spare) SparesUser(uid uint32, name string) bool {
	number := strconv.FormatUint(uint64(uid), 10)
	for _, user := range s.Users {
		if user == number || name != "" && user == name {
			return true
		}
		if name == "" && localUser(user) == number {
			return true
		}
	}
	return false
}

// localUser returns the number of a user of /etc/passwd, "" if there is none.
func localUser(name string) string {
	text, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(line, ":")
		if len(fields) > 2 && fields[0] == name {
			return fields[2]
		}
	}
	return ""
}
