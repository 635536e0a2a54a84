package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSetsEveryKey(t *testing.T) {
	got, err := Parse("f", []byte(`
mode = "observe"
log.path = "/var/log/x.jsonl"
[spare]
users = ["root", "1000"]
commands = ["nfsd", "my daemon"]
[epilog]
enabled = false
grace = "0s"
ignored_grace = "250ms"
deadline = "20s"
drain = true
claims = ["cgroup", "uid"]
[taskepilog]
grace = "1s"
scope = "task"
claims = []
[unkillable]
deadline = "90s"
[locks]
unkillable = "release"
release_paths = ["/scratch", "/local/x"]
[on_unkillable]
abort_fuse = false
resume = true
resumes_per_day = 7
[watch]
mode = "observe"
idle_grace = "off"
ignored_grace = "2s"
confirm_timeout = "500ms"
partitions = ["debug", "long"]
min_uid = 1000
[watch.finished]
after = "off"
action = "terminate"
terminate_after = "1h"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Mode, want.LogPath = Observe, "/var/log/x.jsonl"
	want.Spare = Spare{Users: []string{"root", "1000"}, Commands: []string{"nfsd", "my daemon"}}
	want.Epilog = Hook{
		IgnoredGrace: 250 * time.Millisecond, Deadline: 20 * time.Second, Drain: true,
		Claims: Claims{Cgroup: true, UID: true},
	}
	want.TaskEpilog.Grace, want.TaskEpilog.Scope, want.TaskEpilog.Claims = time.Second, ScopeTask, Claims{}
	want.Watch = Watch{
		Mode: Observe, IdleGrace: Never, IgnoredGrace: 2 * time.Second, ConfirmTimeout: 500 * time.Millisecond,
		Partitions: []string{"debug", "long"}, MinUID: 1000,
		Finished: Finished{After: Never, Action: Terminate, TerminateAfter: time.Hour},
	}
	want.Unkillable.Deadline = 90 * time.Second
	want.Locks = Locks{Unkillable: ReleaseLocks, ReleasePaths: []string{"/scratch", "/local/x"}}
	want.OnUnkillable = OnUnkillable{Resume: true, ResumesPerDay: 7}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseSaysWhatWouldBeRight(t *testing.T) {
	tests := []struct{ text, want string }{
		{"[epilog]\ngrase = \"2s\"", `f:2: unknown key "grase" in [epilog]; did you mean "grace"?`},
		{"moed = \"observe\"", `f:1: unknown key "moed"; did you mean "mode"?`},
		{"epilog = 1", `f:1: unknown key "epilog"; did you mean the table [epilog]?`},
		{"\n[epilog]\nwhatever = 1", "f:3: unknown key \"whatever\" in [epilog]; known there are enabled, grace, ignored_grace, deadline, claims, drain"},
		{"[epilogue]\n", "f:1: unknown table [epilogue]; there are [log], [spare], [epilog], [taskepilog], [unkillable], [locks], [on_unkillable], [watch] and [watch.finished]"},
		{"[epilog]\n\ngrace = \"2 s\"", `f:3: grace in [epilog]: "2 s" is no duration; use one like "2s" or "500ms"`},
		{"[epilog]\ngrace = 2", `f:2: grace in [epilog]: "2" is no text in quotes; write it like "2s"`},
		{"[epilog]\ngrace = \"-1s\"", "f:2: grace in [epilog]: -1s is not possible; use 0s to 5m0s"},
		{"[epilog]\ngrace = \"9500ms\"", "f:2: deadline in [epilog]: 10s leaves no room after a grace of 9.5s; use at least 10.5s"},
		{"[taskepilog]\ndeadline = \"1s\"", "f:2: deadline in [taskepilog]: 1s is not possible; use 2s to 10m0s"},
		{"[taskepilog]\nscope = \"job\"", `f:2: scope in [taskepilog]: "job" is not possible; use "step" or "task"`},
		{"[spare]\ncommands = [\"a/b\"]", `f:2: commands in [spare]: "a/b" is not possible; use plain names`},
		{"mode = \"dry-run\"", `f:1: mode: "dry-run" is not possible; use "enforce" or "observe"`},
		{"[epilog]\ndrain = \"yes\"", `f:2: drain in [epilog]: "yes" is not possible; use true or false, without quotes`},
		{"[epilog]\nclaims = [\"name\"]", `f:2: claims in [epilog]: "name" is not possible; use "cgroup", "environ", "kin" and "uid"`},
		{"[log]\npath = \"x.log\"", `f:2: path in [log]: "x.log" is not possible; use the whole path of a file like "/var/log/slurm/lastcall.jsonl"`},
		{"[spare]\nusers = \"root\"", `f:2: users in [spare]: this is no list of texts; write it like ["one", "two"]`},
		{"mode = \"observe\"\nmode = \"enforce\"", "f:2: mode is set a second time; the first is on line 1"},
		{"[[epilog]]\n", "f:1: [[...]] is not used here; write the table with single brackets"},
		{"\n\nmode = \n", "f:3: "},
		{"[watch]\nidle_grace = \"never\"", `f:2: idle_grace in [watch]: "never" is no duration; use one like "2s" or "500ms", or "off"`},
		{"[watch]\nidle_grace = \"10ms\"", "f:2: idle_grace in [watch]: 10ms is not possible; use 1s to 5m0s"},
		{"[watch]\nignored_grace = \"off\"", `f:2: ignored_grace in [watch]: "off" is no duration; use one like "2s" or "500ms"`},
		{"[watch]\nmin_uid = \"1000\"", `f:2: min_uid in [watch]: "1000" is no user number; use one like 1000, without quotes`},
		{"[locks]\nunkillable = \"free\"", `f:2: unkillable in [locks]: "free" is not possible; use "report" or "release"`},
		{"[locks]\nrelease_paths = [\"/\"]", `f:2: release_paths in [locks]: "/" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a/../b\"]", `f:2: release_paths in [locks]: "/a/../b" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"\"]", `f:2: release_paths in [locks]: "" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"//\"]", `f:2: release_paths in [locks]: "//" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"scratch\"]", `f:2: release_paths in [locks]: "scratch" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/scratch/\"]", `f:2: release_paths in [locks]: "/scratch/" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a//b\"]", `f:2: release_paths in [locks]: "/a//b" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a/./b\"]", `f:2: release_paths in [locks]: "/a/./b" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a/.\"]", `f:2: release_paths in [locks]: "/a/." is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a/..\"]", `f:2: release_paths in [locks]: "/a/.." is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a\\nb\"]", `f:2: release_paths in [locks]: "/a\nb" is not possible; use whole paths of folders like "/scratch"`},
		{"[locks]\nrelease_paths = [\"/a\\u0000b\"]", `f:2: release_paths in [locks]: "/a\x00b" is not possible; use whole paths of folders like "/scratch"`},
		{"[on_unkillable]\nresumes_per_day = 101", `f:2: resumes_per_day in [on_unkillable]: "101" is not possible; use a number from 1 to 100, without quotes`},
		{"[watch]\nmin_uid = 4294967296", `f:2: min_uid in [watch]: "4294967296" is no user number; use one like 1000, without quotes`},
		{"[watch]\nconfirm_timeout = \"50ms\"", "f:2: confirm_timeout in [watch]: 50ms is not possible; use 100ms to 30s"},
		{"[watch]\nconfirm_timeout = \"31s\"", "f:2: confirm_timeout in [watch]: 31s is not possible; use 100ms to 30s"},
		{"[watch.finished]\nafter = \"5s\"", "f:2: after in [watch.finished]: 5s is not possible; use 10s to 24h0m0s"},
		{"[watch.finished]\nterminate_after = \"10s\"", "f:2: terminate_after in [watch.finished]: 10s is not possible; use 30s to 168h0m0s"},
		{"[on_unkillable]\nresumes_per_day = 0", `f:2: resumes_per_day in [on_unkillable]: "0" is not possible; use a number from 1 to 100, without quotes`},
		{"[watch]\nmin_uid = -1", `f:2: min_uid in [watch]: "-1" is no user number; use one like 1000, without quotes`},
		{"[watch]\npartitions = 1", `f:2: partitions in [watch]: this is no list of texts; write it like ["one", "two"]`},
		{"[watch]\nidle = \"1s\"", "f:2: unknown key \"idle\" in [watch]; known there are mode, idle_grace, ignored_grace, confirm_timeout, partitions, min_uid"},
		{"[taskepilog]\ndrain = true", `f:2: unknown key "drain" in [taskepilog]; known there are enabled, grace, ignored_grace, deadline, claims, scope`},
	}
	for _, test := range tests {
		_, err := Parse("f", []byte(test.text))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %s", test.text, err, test.want)
		}
	}
}

// Whatever key has a value of the wrong kind: its table, its line, and what
// would be right.
func TestEveryKeySaysWhatWouldBeRight(t *testing.T) {
	right := map[string]string{
		"mode": `write it like "enforce"`, "path": `write it like "/var/log/slurm/lastcall.jsonl"`,
		"users": `write it like ["one", "two"]`, "commands": `write it like ["one", "two"]`,
		"enabled": "use true or false, without quotes", "drain": "use true or false, without quotes",
		"grace": `write it like "2s"`, "ignored_grace": `write it like "2s"`, "deadline": `write it like "2s"`,
		"claims": `write it like ["cgroup", "environ", "kin"]`, "scope": `write it like "step"`,
		"idle_grace": `write it like "2s"`, "confirm_timeout": `write it like "2s"`,
		"unkillable": `write it like "report"`, "release_paths": `write it like ["/scratch", "/local"]`,
		"abort_fuse": "use true or false, without quotes", "resume": "use true or false, without quotes",
		"resumes_per_day": "use a number from 1 to 100, without quotes",
		"partitions":      `write it like ["one", "two"]`, "min_uid": "use one like 1000, without quotes",
		"after": `write it like "2s"`, "action": `write it like "report"`, "terminate_after": `write it like "2s"`,
	}
	checked := 0
	for table, names := range keys {
		for _, name := range names {
			if table == "" && name != "mode" {
				continue
			}
			text := fmt.Sprintf("# a comment\n[%s]\n\n%s = 1979-05-27\n", table, name)
			if table == "" {
				text = "# a comment\n\n\nmode = 1979-05-27\n"
			}
			_, err := Parse("/etc/f", []byte(text))
			if err == nil || !strings.HasPrefix(err.Error(), "/etc/f:4: "+name+in(table)+": ") || !strings.HasSuffix(err.Error(), right[name]) {
				t.Errorf("%s%s: %v, want the end %q", name, in(table), err, right[name])
			}
			checked++
		}
	}
	if checked != 32 {
		t.Errorf("%d keys were checked: is the list of what would be right complete?", checked)
	}
}

func TestATypoKeepsObserveMode(t *testing.T) {
	got, err := Parse("f", []byte("mode = \"observe\"\n[epilog]\ngrase = \"1s\"\n"))
	want := Default()
	want.Mode = Observe
	if diff := cmp.Diff(want, got); diff != "" || err == nil {
		t.Errorf("error %v, and %s", err, diff)
	}
}

// Every key of the shipped file is there, and what it says is the default.
func TestShippedFileIsTheDefault(t *testing.T) {
	text, err := os.ReadFile("../../deploy/lastcall.toml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("lastcall.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Spare = Spare{Users: []string{}, Commands: []string{}}
	want.Watch.Partitions = []string{}
	want.Locks.ReleasePaths = []string{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	manual, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for table, names := range keys {
		for _, name := range names {
			if table == "" && name != "mode" {
				continue
			}
			if !strings.Contains(string(text), "\n"+name+" = ") {
				t.Errorf("deploy/lastcall.toml lacks %s%s", name, in(table))
			}
			if !strings.Contains(string(manual), "`"+name+"`") {
				t.Errorf("docs/configuration.md lacks `%s`", name)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("mode = \"observe\"\n[epilog]\ngrace = \"2s\"\nclaims = [\"uid\"]\n")
	f.Add("[[a]]\n[b.c]\nx.y = {z = 1}\n")
	f.Add("mode = \"\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		config, err := Parse("f", []byte(text))
		if err == nil {
			return
		}
		if !strings.HasPrefix(err.Error(), "f:") || strings.Contains(err.Error(), "f:0:") {
			t.Errorf("%q: no line in %q", text, err)
		}
		config.Mode = Enforce
		if diff := cmp.Diff(Default(), config); diff != "" {
			t.Errorf("%q: an error, but not the defaults: %s", text, diff)
		}
	})
}
