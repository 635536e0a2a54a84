// Command misbehave plays what jobs leave behind: processes that ignore,
// block or catch SIGTERM, fork without end, hide, hold locks, or call
// themselves names. It is a test helper; every mode ends by itself after
// -max, so that no test leaves anything for ever.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// options are the ways to misbehave.
type options struct {
	term       string
	finish     time.Duration
	finishBy   string
	finishFile string
	finishTo   string
	childTerm  string
	tell       bool
	told       []*exec.Cmd // children to tell
	children   int
	threads    int
	daemon     bool
	setsid     bool
	setpgid    bool
	cleanEnv   bool
	exit       bool
	zombie     bool
	stopped    bool
	forkRate   int
	forkChain  bool
	link       time.Duration
	childLife  time.Duration
	locks      list
	shared     bool
	passLock   bool
	name       string
	uid        int
	env        list
	cgroup     string
	memory     string
	writeTo    string
	writeAside bool
	ready      string
	max        time.Duration
	held       []*os.File // with their locks, for life
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func define(o *options, flags *flag.FlagSet) {
	flags.StringVar(&o.term, "term", "default", "what SIGTERM does: default, ignore, block, catch, sigwait; stay: caught, and it goes on; usr1: ignored, and it heeds SIGUSR1")
	flags.DurationVar(&o.finish, "finish", 0, "with catch and sigwait: work this long before the end")
	flags.StringVar(&o.finishBy, "finish-by", "sleep", "how: cpu, write, trickle (a little every 0.7 s), tcp (to -finish-to), sleep")
	flags.StringVar(&o.finishFile, "finish-file", "", "write \"saved\" to this file at the end of that work")
	flags.StringVar(&o.finishTo, "finish-to", "", "host:port that takes what -finish-by tcp sends")
	flags.StringVar(&o.childTerm, "child-term", "", "-term of the children, if not the same")
	flags.BoolVar(&o.tell, "tell", false, "when asked to end: tell the children by SIGUSR1, wait for them, and do nothing else")
	flags.IntVar(&o.children, "children", 0, "so many children that do the same")
	flags.IntVar(&o.threads, "threads", 0, "so many more threads")
	flags.BoolVar(&o.daemon, "daemon", false, "fork twice, with a session of its own")
	flags.BoolVar(&o.setsid, "setsid", false, "a session of its own")
	flags.BoolVar(&o.setpgid, "setpgid", false, "a process group of its own")
	flags.BoolVar(&o.cleanEnv, "clean-env", false, "an empty environment")
	flags.BoolVar(&o.exit, "exit", false, "leave it in the background and exit once it is ready")
	flags.BoolVar(&o.zombie, "zombie-leader", false, "the first thread exits, another lives on")
	flags.BoolVar(&o.stopped, "stopped", false, "stop itself with SIGSTOP")
	flags.IntVar(&o.forkRate, "fork-rate", 0, "start so many children a second")
	flags.BoolVar(&o.forkChain, "fork-chain", false, "each process starts the next and exits")
	flags.DurationVar(&o.link, "link", 5*time.Millisecond, "how long a link of the chain lives")
	flags.DurationVar(&o.childLife, "child-life", time.Second, "how long the children of -fork-rate live")
	flags.Var(&o.locks, "lock", "kind:path, kind one of flock, posix, ofd, lease; may be repeated")
	flags.BoolVar(&o.shared, "lock-shared", false, "take read locks")
	flags.BoolVar(&o.passLock, "pass-lock", false, "a child keeps the locked descriptor, the taker exits")
	flags.StringVar(&o.name, "name", "", "call itself this; \\n, \\x1b and the like are understood")
	flags.IntVar(&o.uid, "uid", 0, "become this user and group")
	flags.Var(&o.env, "env", "NAME=value to plant; may be repeated")
	flags.StringVar(&o.cgroup, "cgroup", "", "move to the cgroup at this folder first")
	flags.StringVar(&o.memory, "hold-memory", "", "write to a page of this file; once that hangs, hang with the lock of the memory")
	flags.StringVar(&o.writeTo, "write-to", "", "once ready, write to this file again and again")
	flags.BoolVar(&o.writeAside, "write-aside", false, "another thread writes, and the first one exits when it is killed")
	flags.StringVar(&o.ready, "ready", "", "append \"PID START\" of each living process to this file")
	flags.DurationVar(&o.max, "max", 10*time.Minute, "end after this long in any case")
}

func main() {
	var o options
	flags := flag.NewFlagSet("misbehave", flag.ExitOnError)
	define(&o, flags)
	_ = flags.Parse(os.Args[1:])
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "misbehave:", err)
		os.Exit(1)
	}
}

// run goes through the stages: become what is asked (each step that needs a
// new process starts this program again without the flag that is done), then
// live.
func (o *options) run() error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.endAfterMax(); err != nil {
		return err
	}
	if o.cgroup != "" {
		if err := os.WriteFile(o.cgroup+"/cgroup.procs", []byte("0"), 0); err != nil {
			return err
		}
	}
	if again, err := o.become(); again || err != nil {
		return err
	}
	return o.live()
}

// check finds what would be misunderstood in silence.
func (o *options) check() error {
	switch {
	case !slices.Contains([]string{"default", "ignore", "block", "catch", "sigwait", "stay", "usr1"}, o.term):
		return fmt.Errorf("-term %q: use default, ignore, block, catch, sigwait, stay or usr1", o.term)
	case !slices.Contains([]string{"cpu", "write", "trickle", "tcp", "sleep"}, o.finishBy):
		return fmt.Errorf("-finish-by %q: use cpu, write, trickle, tcp or sleep", o.finishBy)
	case (o.finishBy == "write" || o.finishBy == "trickle") && o.finishFile == "":
		return fmt.Errorf("-finish-by %s: needs -finish-file", o.finishBy)
	case o.finishBy == "tcp" && o.finishTo == "":
		return errors.New("-finish-by tcp: needs -finish-to")
	case o.forkRate > 0 && o.childLife <= 0:
		return fmt.Errorf("-child-life %v: must be more than 0", o.childLife)
	case o.forkChain && o.link <= 0:
		return fmt.Errorf("-link %v: must be more than 0", o.link)
	case o.children < 0 || o.threads < 0 || o.forkRate < 0:
		return errors.New("-children, -threads and -fork-rate: must not be negative")
	case o.uid < 0:
		return fmt.Errorf("-uid %d: must not be negative", o.uid)
	}
	return nil
}
