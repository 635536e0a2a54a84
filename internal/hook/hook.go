// Package hook is the way through: environment -> identity -> claim -> capture
// -> ladder -> locks -> record -> exit code. It holds the order of the steps
// and the one table from outcome to exit code.
package hook

import (
	"os"
	"runtime/debug"
	"strings"
	"time"

	"lastcall/internal/aside"
	"lastcall/internal/config"
	"lastcall/internal/forensics"
	"lastcall/internal/linux"
	"lastcall/internal/note"
	"lastcall/internal/proc"
	"lastcall/internal/version"
)

// OffSwitch is the file that switches lastcall off on a node while it exists.
const OffSwitch = "/run/lastcall/off"

// The names of the hooks.
const (
	Epilog     = "epilog"
	TaskEpilog = "taskepilog"
)

// Main runs the hook of that name and returns the exit code of the process.
// Nothing in it may make a node drain by mistake: whatever goes wrong is
// written down and ends in 0.
func Main(name string, environment, arguments []string) int {
	if len(arguments) > 0 {
		switch arguments[0] {
		case aside.Argument:
			return aside.Serve(arguments[1:])
		case "-version", "--version", "version":
			linux.Say(1, []byte(version.Line(name)+"\n"))
			return 0
		}
		linux.Say(2, []byte("lastcall "+name+": no arguments are needed; Slurm runs this program (see docs/design.md)\n"))
	}
	return newRun(name, environment).main()
}

// run is one run of a hook.
type run struct {
	name        string
	environment []string
	fs          proc.FS
	start       time.Time
	config      config.Config
	settings    config.Hook
	record      forensics.Record
	silent      bool // taskepilog: nothing worth a word happened
}

func newRun(name string, environment []string) *run {
	return &run{
		name: name, environment: environment, fs: proc.Default, start: time.Now(),
		record: forensics.Record{Time: time.Now(), Hook: name, Release: version.Version, UID: -1},
	}
}

func (r *run) main() (exit int) {
	defer func() {
		if mistake := recover(); mistake != nil {
			exit = r.bug(mistake)
		}
	}()
	ignoreBrokenOutput()
	r.configure()
	watchdog := time.AfterFunc(r.settings.Deadline+patience, r.giveUp)
	defer watchdog.Stop()
	r.record.Verdict = r.work()
	r.record.ExitCode = exitCode(r.record.Verdict, r.settings.Drain)
	r.record.Phases.Total = time.Since(r.start)
	r.publish()
	return r.record.ExitCode
}

// patience is how long after its deadline a hook that is still running is
// ended by its own watchdog.
const patience = 3 * time.Second

// giveUp ends a hook that something holds against all care: slurmd would wait
// for it without limit.
func (r *run) giveUp() {
	linux.Say(2, []byte("lastcall "+r.name+": still running "+patience.String()+" after its deadline; giving up\n"))
	os.Exit(0)
}

// bug writes down a mistake of lastcall's own. The stack goes into the
// record, the exit code says nothing to Slurm.
func (r *run) bug(mistake any) int {
	message := "a mistake of lastcall's own"
	switch m := mistake.(type) {
	case error:
		message += ": " + m.Error()
	case string:
		message += ": " + m
	}
	r.warn(message)
	r.warn(string(debug.Stack()))
	r.record.Verdict = forensics.Bug
	r.record.Phases.Total = time.Since(r.start)
	r.silent = false
	r.publish()
	return 0
}

func (r *run) warn(text string) { r.record.Warn(text) }

// configure reads the configuration beside the program. Any trouble with it
// is a warning in the record and on stderr.
func (r *run) configure() {
	folder := ""
	if path, err := linux.Link("/proc/self/exe"); err == nil && strings.HasPrefix(path, "/") {
		folder = path[:strings.LastIndexByte(path, '/')]
	}
	settings, source, err := config.Load("", folder)
	if err != nil {
		r.warn(err.Error() + "; going on with the defaults")
	}
	r.config, r.record.Config = settings, source
	r.record.Mode = string(settings.Mode)
	r.settings = settings.Epilog
	if r.name == TaskEpilog {
		r.settings = settings.TaskEpilog
	}
}

// publish writes the record where it belongs. What goes wrong with that
// changes nothing else.
func (r *run) publish() {
	root := os.Getuid() == 0
	if r.name == TaskEpilog {
		r.tellUser()
		if r.silent {
			return
		}
		if !root {
			_ = r.record.Send()
			return
		}
	}
	if err := r.record.Append(r.logPath()); err != nil {
		r.warn("no record was written: " + err.Error())
	}
	if r.name == Epilog {
		linux.Say(2, []byte(r.record.Summary()+"\n"))
	}
}

// logPath returns where the records go, also when a mistake came before the
// configuration was read.
func (r *run) logPath() string {
	if r.config.LogPath == "" {
		return config.Default().LogPath
	}
	return r.config.LogPath
}

// tellUser writes to the job's own output: standard error of a TaskEpilog is
// that of the step's first task, its standard output is lost (mgr.c,
// _slurmd_job_log_init).
func (r *run) tellUser() {
	r.passOnNote()
	for _, line := range r.record.UserLines() {
		linux.Say(2, []byte(line+"\n"))
	}
	if r.record.Verdict == forensics.Bug {
		linux.Say(2, []byte("lastcall: the clean-up after this step failed; the job is not affected\n"))
	}
}

// passOnNote prints what lastcall watch left for the user of this job. It is
// done once a step, by the run after which no task is left.
func (r *run) passOnNote() {
	switch r.record.Verdict {
	case forensics.LiveStep, forensics.NoIdentity, forensics.Off, forensics.Bug:
		return
	}
	if text := note.Read(note.Folder, r.record.Node, r.record.Job); text != "" {
		linux.Say(2, []byte(text))
	}
}
