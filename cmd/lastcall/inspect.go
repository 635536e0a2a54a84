package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/inspect"
	"lastcall/internal/proc"
)

const inspectUse = "use lastcall inspect [--json] [-now] [-node NAME] [-config FILE] [JOB], or lastcall inspect [--json] [-now] -pid PID"

// inspectJob explains a job on this node: whose its processes are, what would
// be done about them, and whether it has finished its work and still runs.
func inspectJob(arguments []string, out, wrong io.Writer) error {
	flags := flag.NewFlagSet("lastcall inspect", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	asJSON := flags.Bool("json", false, "")
	isPID := flags.Int("pid", 0, "")
	now := flags.Bool("now", false, "")
	explicit := flags.String("config", "", "")
	node := flags.String("node", os.Getenv("SLURMD_NODENAME"), "")
	// The number may come first, as people write it.
	if len(arguments) > 1 && len(arguments[0]) > 0 && arguments[0][0] != '-' {
		arguments = append(append([]string{}, arguments[1:]...), arguments[0])
	}
	if err := flags.Parse(arguments); err != nil || flags.NArg() > 1 {
		return errors.Join(err, errors.New(inspectUse))
	}
	look := finishedLook{json: *asJSON, now: *now, out: out, wrong: wrong}
	if *isPID > 0 {
		return look.process(*isPID)
	}
	text := flags.Arg(0)
	if text == "" {
		text = os.Getenv("SLURM_JOB_ID")
	}
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 0 {
		return fmt.Errorf("%.40q is no number of a job; %s", text, inspectUse)
	}
	folder := ""
	if program, err := os.Executable(); err == nil {
		folder = filepath.Dir(program)
	}
	settings, source, trouble := config.Load(*explicit, folder)
	record, err := inspect.Job(proc.Default, uint32(id), *node, settings, source)
	if err != nil {
		return err
	}
	if trouble != nil {
		record.Warn(trouble.Error() + "; going on with the defaults")
	}
	if *asJSON {
		const most = 64 << 20
		line, err := record.Encode(most)
		if err != nil {
			return err
		}
		look.record = line
		return look.job(uint32(id), record.Node)
	}
	if err := showInspection(out, record); err != nil {
		return err
	}
	return look.job(uint32(id), record.Node)
}

// showInspection prints a table. Every text comes from users and is escaped.
func showInspection(out io.Writer, r forensics.Record) error {
	fmt.Fprintf(out, "job %d on node %s, user %d, mode %s\n\n", r.Job, safe(r.Node), r.UID, r.Mode)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PID\tNAME\tSTATE\tSIGTERM\tLOCKS\tEVIDENCE\tDOING")
	for _, p := range r.Processes {
		evidence := strings.TrimSpace(p.Evidence + " " + p.Proof)
		if p.Spared != "" {
			evidence = "spared: " + p.Spared
		}
		doing := p.Doing
		if p.Cause != "" {
			doing = "stuck: " + p.Cause + " " + p.File
		} else if doing == "" {
			doing = p.Wchan
		}
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%d\t%s\t%s\n", p.PID, safe(p.Comm), safe(p.State), p.Sigterm, p.Locks, safe(evidence), safe(doing))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nwhat would be done")
	for _, p := range r.Processes {
		for _, would := range p.Would {
			fmt.Fprintf(out, "  %7d  %s\n", p.PID, safe(would))
		}
	}
	for _, cause := range r.Causes {
		fmt.Fprintf(out, "\nstuck: %s\n", safe(cause.Text))
		if cause.Abort != "" {
			fmt.Fprintf(out, "       the FUSE connection: %s\n", safe(cause.Abort))
		}
	}
	showLocks(out, r.Locks)
	for _, warning := range r.Warnings {
		fmt.Fprintf(out, "warning: %s\n", safe(warning))
	}
	return nil
}

func showLocks(out io.Writer, locks []forensics.Lock) {
	if len(locks) > 0 {
		fmt.Fprintln(out, "\nlocks held and waited for")
	}
	for _, l := range locks {
		path := l.Path
		if path == "" {
			path = "inode " + strconv.FormatUint(l.Inode, 10) + " of device " + l.Device
		}
		fmt.Fprintf(out, "  %s %s on %s: held by %s", l.Kind, l.Mode, safe(path), party(l.HeldBy))
		if len(l.Waiters) > 0 {
			fmt.Fprintf(out, ", waited for by %s", party(l.Waiters))
		}
		if l.Release != "" {
			fmt.Fprintf(out, "; %s", safe(l.Release))
		}
		fmt.Fprintln(out)
	}
}

func party(list []forensics.Party) string {
	var words []string
	for _, one := range list {
		words = append(words, fmt.Sprintf("%s (%d)", safe(one.Comm), one.PID))
	}
	if len(words) == 0 {
		return "nobody that can be seen"
	}
	return strings.Join(words, ", ")
}
