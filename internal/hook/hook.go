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
	Unkillable = "unkillable"
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
		linux.SayUntil(2, []byte("lastcall "+name+": no arguments are needed; Slurm runs this program (see docs/design.md)\n"), time.Now().Add(listenTime))
	}
	// A run is over before its rubbish is worth collecting, unless a job has
	// left many thousands of processes.
	debug.SetGCPercent(rubbish)
	return newRun(name, environment).main()
}

// rubbish is the share of the memory in use, in percent, that may pile up
// before it is collected; the first collection is at 4 MiB times a hundredth of
// it (runtime/debug.SetGCPercent).
const rubbish = 400

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
	logStuck    bool // the log is on a file system that is stuck
}

func newRun(name string, environment []string) *run {
	r := &run{
		name: name, environment: environment, fs: proc.Default, start: time.Now(),
		record: forensics.Record{Time: time.Now(), Hook: name, Release: version.Version, UID: -1},
	}
	r.use(config.Default())
	return r
}

// use takes over a configuration.
func (r *run) use(settings config.Config) {
	r.config, r.settings = settings, settings.Epilog
	switch r.name {
	case TaskEpilog:
		r.settings = settings.TaskEpilog
	case Unkillable:
		r.settings = settings.Unkillable
	}
	r.record.Mode = string(settings.Mode)
}

func (r *run) main() (exit int) {
	defer func() {
		if mistake := recover(); mistake != nil {
			exit = r.bug(mistake)
		}
	}()
	standFirm()
	linux.KeepDescriptors()
	// Also the file system the configuration is on may be dead.
	watchdog := time.AfterFunc(r.settings.Deadline+patience, r.giveUp)
	defer watchdog.Stop()
	r.configure()
	watchdog.Reset(time.Until(r.until()) + patience)
	if r.name == Unkillable {
		r.record.Verdict = r.workUnkillable()
	} else {
		r.record.Verdict = r.work()
	}
	r.record.ExitCode = exitCode(r.record.Verdict, r.settings.Drain)
	r.record.Phases.Total = time.Since(r.start)
	r.publish()
	return r.record.ExitCode
}

// until is the deadline of the hook as a whole.
func (r *run) until() time.Time { return r.start.Add(r.settings.Deadline) }

// patience is how long after its deadline a hook that is still running is
// ended by its own watchdog.
const patience = 500 * time.Millisecond

// listenTime is the most that a hook waits for somebody to read a line of it,
// and lastWord what is left for that when its time is over.
const (
	listenTime = time.Second
	lastWord   = 100 * time.Millisecond
)

// giveUp ends a hook that something holds against all care: slurmd would wait
// for it without limit.
func (r *run) giveUp() {
	time.AfterFunc(lastWord, func() { os.Exit(0) })
	r.say("lastcall " + r.name + ": still running after its deadline; giving up")
	os.Exit(0)
}

// say writes a line to standard error: slurmd's log, or the job's own output.
// Nobody may be reading there: a pipe that stays full does not hold a hook.
func (r *run) say(line string) {
	if r.name == Unkillable {
		// Its standard error is that of slurmstepd: the job's own output, which
		// may be on the very file system that is stuck.
		return
	}
	most := max(min(listenTime, time.Until(r.until())), lastWord)
	linux.SayUntil(2, []byte(line+"\n"), time.Now().Add(most))
}

// bug writes down a mistake of lastcall's own. The stack goes into the
// record, the exit code says nothing to Slurm.
func (r *run) bug(mistake any) int {
	// One mistake may lead to the next, in the very writing down of it.
	defer func() { _ = recover() }()
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
	r.record.Config = source
	r.use(settings)
}

// publish writes the record where it belongs, and then tells who reads along.
// What goes wrong with that changes nothing else.
func (r *run) publish() {
	asUser := r.name == TaskEpilog && os.Getuid() != 0
	switch {
	case r.silent && r.name == TaskEpilog:
	case asUser || r.logStuck:
		_ = r.record.Send()
	default:
		if err := r.record.Append(r.config.LogPath); err != nil {
			r.warn("no record was written: " + err.Error())
		}
	}
	if r.name == TaskEpilog {
		r.tellUser()
	} else {
		r.say(r.record.Summary())
	}
}

// tellUser writes to the job's own output: standard error of a TaskEpilog is
// that of the step's first task, its standard output is lost (mgr.c,
// _slurmd_job_log_init).
func (r *run) tellUser() {
	r.passOnNote()
	for _, line := range r.record.UserLines() {
		r.say(line)
	}
	if r.record.Verdict == forensics.Bug {
		r.say("lastcall: the clean-up after this step failed; the job is not affected")
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
		r.say(strings.TrimSuffix(text, "\n"))
	}
}
