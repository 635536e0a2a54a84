package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/forensics/report"
)

// showLog prints records for reading: one line a run, one a process, one a
// lock. Every text in a record comes from users and is escaped once more.
func showLog(arguments []string, out io.Writer) error {
	flags := flag.NewFlagSet("lastcall log", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	job := flags.Uint("job", 0, "")
	if err := flags.Parse(arguments); err != nil {
		return fmt.Errorf("%w; use lastcall log [-job N] [FILE]", err)
	}
	path := flags.Arg(0)
	if path == "" {
		path = config.Default().LogPath
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = report.Read(file, func(record report.Record) {
		if *job == 0 || uint(record.Job) == *job {
			showRecord(out, record)
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func safe(text string) string { return forensics.Quote(text, 200) }

func showRecord(out io.Writer, r report.Record) {
	c := r.Counts
	fmt.Fprintf(out, "%s  %s  job %d %s  %s  user %d %s  %d ended (%d SIGTERM, %d SIGKILL)  %d spared  locks %d/%d freed  %.0f ms\n",
		r.Time.Format("2006-01-02 15:04:05"), safe(r.Hook), r.Job, safe(r.Step), safe(r.Verdict), r.UID, safe(r.User),
		c.Terminated+c.Killed, c.Terminated, c.Killed, c.Spared, c.LocksFreed, c.Locks, r.Phases.Total)
	for _, p := range r.Processes {
		why := p.Evidence + " " + p.Proof
		if p.Spared != "" {
			why = "spared: " + p.Spared
		}
		fmt.Fprintf(out, "    %7d  %-15s  %-10s  SIGTERM %-8s  %s  %s\n", p.PID, safe(p.Comm), safe(p.Outcome), safe(p.Sigterm), safe(why), safe(p.Command))
		if p.Cause != "" {
			fmt.Fprintf(out, "             stuck: %s %s\n", safe(p.Cause), safe(p.File))
		}
		if len(p.Stack) > 0 {
			fmt.Fprintf(out, "             waits in %s\n", safe(strings.Join(p.Stack, " <- ")))
		}
	}
	for _, l := range r.Locks {
		fmt.Fprintf(out, "    %s %s on %s: %s %s\n", safe(l.Kind), safe(l.Mode), safe(l.Path), safe(l.Fate), safe(l.Release))
	}
	for _, cause := range r.Causes {
		fmt.Fprintf(out, "    %s %s\n", safe(cause.Text), safe(cause.Abort))
	}
	if r.Hang != nil {
		fmt.Fprintf(out, "    %s: %s\n", safe(r.Hang.Action), forensics.Quote(r.Hang.Text, 2048))
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(out, "    warning: %s\n", safe(warning))
	}
}
