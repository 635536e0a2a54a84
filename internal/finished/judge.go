package finished

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"lastcall/internal/python"
)

// Judge draws the conclusion from what is known of one process. It is a pure
// function.
func Judge(f Facts) Finding {
	s := f.Snapshot
	switch {
	case errors.Is(f.Wrong, python.ErrNone):
		return Finding{State: Unsure, Why: "it is no Python"}
	case s == nil:
		return Finding{State: Unsure, Why: fmt.Sprint(f.Wrong)}
	}
	found := Finding{Python: s.Version}
	switch main := s.Main(f.PID); {
	case s.LeaderGone:
		found.leaderGone(s)
	case s.Interpreters == 0:
		found.gone(f)
	case main == nil:
		found.unsure("its main thread has no Python state")
	default:
		found.judgeMain(f, main)
	}
	return found
}

func (f *Finding) unsure(why string) { f.State, f.Why = Unsure, why }

func (f *Finding) ended(kind Kind, grounds ...string) {
	f.State, f.Kind = Ended, kind
	f.Grounds = append(f.Grounds, grounds...)
}

// leaderGone: the kernel itself shows the first thread dead and others alive.
func (f *Finding) leaderGone(s *python.Snapshot) {
	f.ended(LeaderGone, "the kernel shows its first thread as a zombie, and others alive")
	for i := range s.Threads {
		if t := &s.Threads[i]; t.TID != 0 && len(t.Frames) > 0 {
			f.Waits = append(f.Waits, threadWait(t))
		}
	}
}

// gone: there is no interpreter any more, or none yet.
func (f *Finding) gone(facts Facts) {
	if !facts.Snapshot.TearingDown || !launcher(facts.Program) {
		f.unsure("it has no interpreter")
		return
	}
	f.ended(NativeExit, "_PyRuntime has no interpreter any more, and was told to end")
}

// launcher says whether a program is Python itself, python3.11 or, of another
// build, python3.11-dbg: nobody else calls what its main thread runs. A
// python_worker may well embed it.
func launcher(program string) bool {
	name := strings.TrimPrefix(strings.TrimSuffix(path.Base(program), " (deleted)"), "platform-")
	version, is := strings.CutPrefix(name, "python")
	switch strings.TrimLeft(version, "0123456789.") {
	case "", "d", "m", "dm", "-dbg":
		return is
	}
	return false
}

// judgeMain judges by the main thread.
func (f *Finding) judgeMain(facts Facts, main *python.Thread) {
	s := facts.Snapshot
	outer := main.Outermost()
	frames := main.Frames
	if !main.Whole {
		frames = nil
	}
	if at := main.User(); at != nil && main.Whole {
		f.Main = placeOf(at)
	}
	switch {
	case outer == nil && main.Whole && s.TearingDown && launcher(facts.Program):
		f.ended(Teardown, "_PyRuntime was told to end, and the main thread runs no Python code any more")
		return
	case outer == nil && main.Whole:
		f.unsure("its main thread runs no Python code")
		return
	case outer == nil:
		f.unsure("its main thread is running; its stack could not be read whole")
		return
	}
	if after, is := afterTarget(frames); is {
		f.Outer, f.Worker = placeOf(&after[len(after)-1]), true
		f.judgeWorker(s, facts.PID, after)
		return
	}
	f.Outer = placeOf(outer)
	if outer.Begins() {
		f.State, f.Helper = Running, helper(frames)
		return
	}
	f.judgeEnd(facts, outer, frames)
}

// helper says whether a program is one that multiprocessing starts for itself.
func helper(frames []python.Frame) bool {
	for n := range frames {
		f := &frames[n]
		if f.Function == "main" && (f.In("multiprocessing/resource_tracker.py") || f.In("multiprocessing/semaphore_tracker.py") || f.In("multiprocessing/forkserver.py")) {
			return true
		}
	}
	return false
}

// afterTarget finds the frames that a child of multiprocessing made by fork
// has above its own start: below are those of its parent. Its last frame is
// what BaseProcess._bootstrap, or from 3.13 on Popen._launch, has called.
func afterTarget(frames []python.Frame) ([]python.Frame, bool) {
	for n := range frames {
		own := frames[n].Is("_bootstrap", "multiprocessing/process.py") || frames[n].Is("_launch", "multiprocessing/popen_fork.py")
		if own && n > 0 {
			return frames[:n], true
		}
	}
	return nil, false
}

// judgeWorker judges a child of multiprocessing.
func (f *Finding) judgeWorker(s *python.Snapshot, pid int, frames []python.Frame) {
	outer := &frames[len(frames)-1]
	kind := kindOf(outer, frames)
	if kind == "" || kind == ExitHandler {
		f.State = Running
		return
	}
	f.ended(kind, "multiprocessing has called "+outer.Function+" after the target of the process")
	f.Waits = waits(s, pid, kind, frames)
}

// judgeEnd judges a main thread in whose outermost frame no program begins.
func (f *Finding) judgeEnd(facts Facts, outer *python.Frame, frames []python.Frame) {
	s := facts.Snapshot
	kind := kindOf(outer, frames)
	switch {
	case starting(outer):
		f.unsure("it is starting, or calls what it calls when it starts")
		return
	case outer.Is("_bootstrap", "threading.py"):
		f.unsure("a thread has forked it, in whose frames it goes on")
		return
	case s.Greenlets && kind == "" && s.Finalizing != python.Yes && !s.TearingDown:
		f.unsure("its main thread may be in a greenlet, which has frames of its own")
		return
	case s.TearingDown && (kind == "" || kind == ExitHandler):
		kind = Teardown
		f.Grounds = append(f.Grounds, "_PyRuntime was told to end")
	case s.Finalizing == python.Yes:
		f.Grounds = append(f.Grounds, "its interpreter is marked as ending")
	case s.TearingDown:
		f.Grounds = append(f.Grounds, "_PyRuntime was told to end")
	case s.Finalizing == python.No:
		f.unsure("its main thread was called by another program than Python")
		return
	case !launcher(facts.Program):
		f.unsure("another program than Python holds the interpreter")
		return
	}
	if kind == "" {
		kind = ExitHandler
	}
	f.ended(kind, "the outermost frame of the main thread is "+outer.Function)
	f.Waits = waits(s, facts.PID, kind, frames)
}

// starting says whether a frame is of what Python itself calls before it comes
// to a program: imports, the codecs of its standard streams, and whether the
// script is a ZIP file (Python/pylifecycle.c, init_interp_main; Modules/main.c,
// pymain_run_python). On a file system that does not answer it stays there.
func starting(f *python.Frame) bool {
	for _, tail := range []string{
		"importlib/_bootstrap.py", "importlib/_bootstrap_external.py", "site.py", "encodings/__init__.py", "codecs.py", "zipimport.py",
	} {
		if f.In(tail) {
			return true
		}
	}
	return false
}

// kindOf names what runs at the end of a program by its frames, "" if it is
// none of the well known.
func kindOf(outer *python.Frame, frames []python.Frame) Kind {
	for n := range frames {
		if frames[n].Is("_python_exit", "concurrent/futures/thread.py") || frames[n].Is("_python_exit", "concurrent/futures/process.py") {
			return Executor
		}
	}
	switch {
	case outer.Is("_shutdown", "threading.py"):
		return Threads
	case outer.Is("_exit_function", "multiprocessing/util.py"):
		return Child
	case outer.Is("_exitfunc", "weakref.py"), outer.Is("shutdown", "logging/__init__.py"):
		return ExitHandler
	}
	return ""
}

// waits says what the main thread waits for: what it joins, or in
// threading._shutdown all that are no daemons.
func waits(s *python.Snapshot, pid int, kind Kind, frames []python.Frame) []Wait {
	for n := range frames {
		f := &frames[n]
		switch {
		case f.Self == nil:
		case f.Is("join", "multiprocessing/process.py"):
			return []Wait{{Process: f.Self.Name, PID: f.Self.PID, Daemon: f.Self.Daemon == python.Yes}}
		case f.Is("join", "threading.py"):
			return []Wait{joined(s, f.Self)}
		}
	}
	var list []Wait
	for i := range s.Threads {
		t := &s.Threads[i]
		if kind == Threads && t.TID != pid && t.TID != 0 && t.Managed && t.Main && t.Daemon == python.No {
			list = append(list, threadWait(t))
		}
	}
	return list
}

func joined(s *python.Snapshot, object *python.Object) Wait {
	for i := range s.Threads {
		if t := &s.Threads[i]; object.TID != 0 && t.TID == object.TID {
			return threadWait(t)
		}
	}
	return Wait{Thread: object.Name, TID: object.TID, Daemon: object.Daemon == python.Yes}
}

func threadWait(t *python.Thread) Wait {
	w := Wait{Thread: t.Name, TID: t.TID, Daemon: t.Daemon == python.Yes}
	if len(t.Frames) > 0 {
		w.At = placeOf(t.User())
		if inner := placeOf(&t.Frames[0]); *inner != *w.At {
			w.Inside = inner
		}
	}
	return w
}

func placeOf(f *python.Frame) *Place {
	return &Place{Function: f.Function, File: f.File, Line: f.Line}
}
