package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/cgroups/v3"

	"lastcall/internal/config"
	"lastcall/internal/hook"
)

// showConfig prints what the hooks would go by. Trouble with the file is an
// error here, where somebody reads it.
func showConfig(arguments []string, out io.Writer) error {
	explicit, folder := "", ""
	if len(arguments) > 0 {
		explicit = arguments[0]
	}
	if program, err := os.Executable(); err == nil {
		folder = filepath.Dir(program)
	}
	settings, source, err := config.Load(explicit, folder)
	if source == "" {
		source = "none; these are the defaults"
	}
	fmt.Fprintf(out, "file        %s\nmode        %s\nlog         %s\nspare users %s\nspare names %s\n", source, settings.Mode,
		settings.LogPath, strings.Join(settings.Spare.Users, ", "), strings.Join(settings.Spare.Commands, ", "))
	showHook(out, "epilog", settings.Epilog)
	showHook(out, "taskepilog", settings.TaskEpilog)
	showUnkillable(out, settings)
	showWatch(out, settings.Watch)
	fmt.Fprintf(out, "cgroups     %s\n", cgroupMode())
	if _, err := os.Stat(hook.OffSwitch); err == nil {
		fmt.Fprintf(out, "switched off on this node by %s\n", hook.OffSwitch)
	}
	return err
}

func showHook(out io.Writer, name string, h config.Hook) {
	var claims []string
	for _, claim := range []struct {
		name string
		on   bool
	}{{"cgroup", h.Claims.Cgroup}, {"environ", h.Claims.Environ}, {"kin", h.Claims.Kin}, {"uid", h.Claims.UID}} {
		if claim.on {
			claims = append(claims, claim.name)
		}
	}
	state := "on"
	if !h.Enabled {
		state = "off"
	}
	fmt.Fprintf(out, "%-11s %s, grace %s (%s if all ignore SIGTERM), deadline %s, claims by %s", name, state,
		h.Grace, h.IgnoredGrace, h.Deadline, strings.Join(claims, ", "))
	if h.Scope != "" {
		fmt.Fprintf(out, ", for each %s", h.Scope)
	}
	if h.Drain {
		fmt.Fprint(out, ", drains the node for the unkillable")
	}
	fmt.Fprintln(out)
}

func showUnkillable(out io.Writer, c config.Config) {
	on := map[bool]string{true: "on", false: "off"}
	fmt.Fprintf(out, "unkillable  %s, deadline %s, locks: %s", on[c.Unkillable.Enabled], c.Unkillable.Deadline, c.Locks.Unkillable)
	if len(c.Locks.ReleasePaths) > 0 {
		fmt.Fprintf(out, " below %s", strings.Join(c.Locks.ReleasePaths, ", "))
	}
	fmt.Fprintf(out, ", aborts silent FUSE: %s, resumes nodes: %s", on[c.OnUnkillable.AbortFUSE], on[c.OnUnkillable.Resume])
	if c.OnUnkillable.Resume {
		fmt.Fprintf(out, ", at most %d a day", c.OnUnkillable.ResumesPerDay)
	}
	fmt.Fprintln(out)
}

func showWatch(out io.Writer, w config.Watch) {
	idle := "after " + w.IdleGrace.String()
	if w.IdleGrace == config.Never {
		idle = "never"
	}
	fmt.Fprintf(out, "watch       mode %s, ends idle jobs %s, those that all ignore SIGTERM after %s, asks the controller for at most %s",
		w.Mode, idle, w.IgnoredGrace, w.ConfirmTimeout)
	if len(w.Partitions) > 0 {
		fmt.Fprintf(out, ", leaves partitions %s alone", strings.Join(w.Partitions, ", "))
	}
	if w.MinUID > 0 {
		fmt.Fprintf(out, ", leaves users below %d alone", w.MinUID)
	}
	fmt.Fprintln(out)
	switch f := w.Finished; {
	case f.After == config.Never:
		fmt.Fprintln(out, "finished    jobs that have finished and still run are not looked for")
	case f.Action == config.Terminate:
		fmt.Fprintf(out, "finished    looks closely at jobs quiet for %s, sends SIGTERM %s after the report\n", f.After, f.TerminateAfter)
	default:
		fmt.Fprintf(out, "finished    looks closely at jobs quiet for %s, reports\n", f.After)
	}
}

func cgroupMode() string {
	switch cgroups.Mode() {
	case cgroups.Unified:
		return "version 2"
	case cgroups.Hybrid:
		return "version 1, with a version 2 hierarchy beside it"
	case cgroups.Legacy:
		return "version 1"
	}
	return "none"
}
