package finished

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lastcall/internal/activity"
	"lastcall/internal/proc"
	"lastcall/internal/python"
)

const library = "/usr/lib/python3.11/"

func frame(function, file string) python.Frame {
	return python.Frame{Function: function, File: file, Line: 7}
}

// still is a snapshot of a process 10 whose main thread sleeps in frames.
func still(finalizing python.Flag, tearing bool, frames ...python.Frame) *python.Snapshot {
	main := python.Thread{TID: 10, Main: true, Whole: true, Still: true, Frames: frames}
	return &python.Snapshot{Version: "3.11.2", Interpreters: 1, Finalizing: finalizing, TearingDown: tearing, Threads: []python.Thread{main}}
}

func TestJudge(t *testing.T) {
	shutdown := frame("_shutdown", library+"threading.py")
	handler := frame("handler", "/home/a/b.py")
	module := frame("<module>", "/home/a/b.py")
	busy := still(python.Unknown, false, shutdown)
	busy.Threads[0].Whole = false
	based := still(python.Unknown, false, shutdown)
	based.Threads[0].Whole, based.Threads[0].Base = false, &module
	none := still(python.Unknown, false)
	none.Interpreters = 0
	greenlet, greenletEnded := still(python.Unknown, false, frame("Hub.run", "/home/a/gevent/hub.py")), still(python.Unknown, false, shutdown)
	greenlet.Greenlets, greenletEnded.Greenlets = true, true
	markedGreenlet := still(python.No, false, frame("Hub.run", "/home/a/gevent/hub.py"))
	markedGreenlet.Greenlets = true
	gone := still(python.Unknown, true)
	gone.Interpreters = 0
	astray := still(python.Unknown, false, frame("_exit_function", library+"multiprocessing/util.py"), frame("_bootstrap", library+"multiprocessing/process.py"), module)
	astray.Threads[0].Whole, astray.Threads[0].Base = false, &module
	second := still(python.Unknown, false, shutdown)
	second.Threads[0].Main = false
	for name, one := range map[string]struct {
		program  string
		snapshot *python.Snapshot
		state    State
		kind     Kind
	}{
		"python waits":                      {"/usr/bin/python3.11", still(python.Unknown, false, shutdown), Ended, Threads},
		"a deleted python":                  {"/usr/bin/python3.11 (deleted)", still(python.Unknown, false, shutdown), Ended, Threads},
		"an embedding program":              {"/usr/bin/vim", still(python.Unknown, false, shutdown), Unsure, ""},
		"an embedding program, marked":      {"/usr/bin/vim", still(python.Yes, false, shutdown), Ended, Threads},
		"not marked":                        {"/usr/bin/python3.12", still(python.No, false, shutdown), Unsure, ""},
		"a bare function, not marked":       {"/usr/bin/python3.12", still(python.No, false, handler), Unsure, ""},
		"a handler":                         {"/usr/bin/python3.9", still(python.Unknown, false, handler), Ended, ExitHandler},
		"a handler of an embedding program": {"/usr/bin/uwsgi", still(python.Unknown, false, handler), Unsure, ""},
		"while it is taken apart":           {"/usr/bin/python3.9", still(python.Unknown, true, handler), Ended, Teardown},
		"starting":                          {"/usr/bin/python3.9", still(python.Unknown, false, frame("_find_and_load", "<frozen importlib._bootstrap>")), Unsure, ""},
		"starting, importing a codec":       {"/usr/bin/python3.9", still(python.Unknown, false, frame("search_function", library+"encodings/__init__.py")), Unsure, ""},
		"starting, making a decoder":        {"/usr/bin/python3.9", still(python.Unknown, false, frame("__init__", library+"codecs.py")), Unsure, ""},
		"starting, asking for the script":   {"/usr/bin/python3.11", still(python.Unknown, false, frame("zipimporter.__init__", "<frozen zipimport>")), Unsure, ""},
		"forked by a thread":                {"/usr/bin/python3.9", still(python.Unknown, false, handler, frame("_bootstrap", library+"threading.py")), Unsure, ""},
		"forked by a thread, 3.11":          {"/usr/bin/python3.11", still(python.Unknown, false, handler, frame("Thread._bootstrap", library+"threading.py")), Unsure, ""},
		"in a greenlet":                     {"/usr/bin/python3.9", greenlet, Unsure, ""},
		"in a greenlet, 3.12":               {"/usr/bin/python3.12", markedGreenlet, Unsure, ""},
		"ended, and greenlets are there":    {"/usr/bin/python3.9", greenletEnded, Ended, Threads},
		"a program named after Python":      {"/opt/a/bin/python_worker", still(python.Unknown, false, handler), Unsure, ""},
		"another one":                       {"/opt/a/bin/python3-embedded", still(python.Unknown, false, shutdown), Unsure, ""},
		"a python of another kind":          {"/usr/bin/python3.9-dbg", still(python.Unknown, false, shutdown), Ended, Threads},
		"a python of the system":            {"/usr/libexec/platform-python3.9", still(python.Unknown, false, shutdown), Ended, Threads},
		"running":                           {"/usr/bin/python3.9", still(python.Unknown, false, shutdown, module), Running, ""},
		"torn":                              {"/usr/bin/python3.9", busy, Unsure, ""},
		"torn, and its frames lead astray":  {"/usr/bin/python3.11", astray, Running, ""},
		"gone, its libraries go on":         {"/usr/bin/python3.11", gone, Ended, NativeExit},
		"gone in an embedding program":      {"/usr/bin/vim", gone, Unsure, ""},
		"no frames while it is taken apart": {"/usr/bin/python3.9", still(python.Unknown, true), Ended, Teardown},
		"the same of an embedding program":  {"/usr/bin/vim", still(python.Unknown, true), Unsure, ""},
		"torn, but its end is known":        {"/usr/bin/python3.11", based, Running, ""},
		"no frames":                         {"/usr/bin/python3.9", still(python.Unknown, false), Unsure, ""},
		"not initialized":                   {"/usr/bin/gdb", none, Unsure, ""},
		"not initialized python":            {"/usr/bin/python3", none, Unsure, ""},
		"in another interpreter only":       {"/usr/bin/python3.11", second, Unsure, ""},
	} {
		got := Judge(Facts{PID: 10, Program: one.program, Snapshot: one.snapshot})
		if got.State != one.state || got.Kind != one.kind || (got.State == Unsure) != (got.Why != "") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	tracker := still(python.No, false, frame("main", library+"multiprocessing/resource_tracker.py"), module)
	if got := Judge(Facts{PID: 10, Program: "/usr/bin/python3", Snapshot: tracker}); got.State != Running || !got.Helper {
		t.Errorf("%+v", got)
	}
	if got := Judge(Facts{Wrong: errors.New("late")}); got.State != Unsure || got.Why != "late" {
		t.Errorf("%+v", got)
	}
}

// Names are the user's: nothing of them reaches a terminal as it is.
func TestWordsAreSafe(t *testing.T) {
	s := still(python.Unknown, false, frame("_shutdown", library+"threading.py"))
	s.Threads = append(s.Threads, python.Thread{
		TID: 11, Main: true, Managed: true, Daemon: python.No, Whole: true,
		Name: "\x1b[2Jname\n", Frames: []python.Frame{frame("f\x07", "/home/\xff/a\x1b.py")},
	})
	words := Judge(Facts{PID: 10, Program: "/usr/bin/python3", Snapshot: s}).Words("job 14")
	if strings.ContainsAny(words, "\x1b\n\x07") || !utf8.ValidString(words) || !strings.Contains(words, `\x1b[2Jname\x0a`) {
		t.Errorf("%q", words)
	}
	const bad = "\x1b[2J\n\u009b\u202e\xff"
	for _, words := range []string{
		Finding{State: Unsure, Why: bad}.Words("job 14"),
		Finding{State: Running, Main: &Place{Function: bad, File: bad}}.Words("job 14"),
		Finding{State: Ended, Kind: ExitHandler, Outer: &Place{Function: bad}}.Words("job 14"),
		Finding{State: Ended, Kind: Child, Waits: []Wait{{Process: bad, PID: 7, Command: bad}}}.Words("job 14"),
		Finding{State: Ended, Kind: Threads, Waits: []Wait{{Thread: bad, At: &Place{File: bad}, Inside: &Place{Function: bad}}}}.Words("job 14"),
		Shell{Children: []ShellChild{{PID: 7, Command: bad}}}.Words("process 6"),
		Step{Living: []Rank{{Command: bad}}}.Words(nil),
	} {
		if strings.ContainsAny(words, "\x1b\n\u009b\u202e") || !utf8.ValidString(words) || !strings.Contains(words, `\x1b[2J\x0a`) {
			t.Errorf("%q", words)
		}
	}
}

func looked(at time.Duration, cpu time.Duration, bytes, tcp uint64, finding Finding) *Observation {
	s := activity.Sample{Key: proc.Key{PID: 10, Start: 1}, At: time.Unix(0, 0).Add(at), CPU: cpu, Looked: true, TCP: tcp}
	s.IO.WrittenCalls = bytes
	return &Observation{Key: s.Key, At: s.At, Finding: finding, Sample: s}
}

func TestCompare(t *testing.T) {
	ended := Finding{State: Ended, Kind: Threads, Waits: []Wait{{Thread: "a", TID: 11, At: &Place{Line: 1}}}}
	moved := ended
	moved.Waits = []Wait{{Thread: "a", TID: 11, At: &Place{Line: 2}}}
	other := ended
	other.Waits = []Wait{{Thread: "b", TID: 12}}
	running := Finding{State: Running}
	first := looked(0, 0, 0, 0, ended)
	gone := looked(time.Minute, 0, 0, 0, ended)
	gone.Key.Start++
	blind := looked(time.Minute, 0, 0, 0, ended)
	blind.Sample.Unreadable = errors.New("no")
	dead := looked(time.Minute, 0, 0, 0, ended)
	dead.Sample.Gone = true
	reads, device, pages := looked(time.Minute, 0, 0, 0, ended), looked(time.Minute, 0, 0, 0, ended), looked(time.Minute, 0, 0, 0, ended)
	reads.Sample.IO.ReadCalls, device.Sample.IO.ReadDevice, pages.Sample.IO.WrittenPages = 1<<20, 1<<20, 1<<20
	for name, one := range map[string]struct {
		second *Observation
		hung   bool
		pace   Pace
	}{
		"asleep":             {looked(time.Minute, 0, 0, 0, ended), true, Asleep},
		"another line":       {looked(time.Minute, 0, 0, 0, moved), true, Asleep},
		"a line in a log":    {looked(time.Minute, 50*time.Millisecond, 900, 0, ended), true, Heartbeat},
		"too soon":           {looked(29*time.Second, 0, 0, 0, ended), false, Asleep},
		"computes":           {looked(time.Minute, 2*time.Second, 0, 0, ended), false, Finishing},
		"writes":             {looked(time.Minute, 0, 1<<20, 0, ended), false, Finishing},
		"sends":              {looked(time.Minute, 0, 0, 1, ended), false, Finishing},
		"another thread":     {looked(time.Minute, 0, 0, 0, other), false, Asleep},
		"not ended any more": {looked(time.Minute, 0, 0, 0, running), false, Finishing},
		"another process":    {gone, false, Finishing},
		"not readable":       {blind, false, Finishing},
		"dead":               {dead, false, Finishing},
		"reads":              {reads, false, Finishing},
		"reads from a disk":  {device, false, Finishing},
		"writes into pages":  {pages, false, Finishing},
	} {
		got := Compare(first, one.second)
		if got.Hung != one.hung || got.Pace != one.pace || got.Hung != (got.Why == "") {
			t.Errorf("%s: %+v", name, got)
		}
		if words := got.Words(); strings.Contains(words, "will not end") != one.hung {
			t.Errorf("%s: %s", name, words)
		}
	}
	later := looked(time.Minute, 0, 0, 0, ended)
	for name, first := range map[string]*Observation{"not readable": blind, "not ended": looked(0, 0, 0, 0, running)} {
		first.At = time.Unix(0, 0)
		if got := Compare(first, later); got.Hung || got.Pace != Finishing || got.Why == "" {
			t.Errorf("%s at first: %+v", name, got)
		}
	}
}

func TestQuiet(t *testing.T) {
	at := func(seconds int, cpu time.Duration, bytes uint64, pid int) activity.Sample {
		return looked(time.Duration(seconds)*time.Second, cpu, bytes, 0, Finding{}).withPID(pid).Sample
	}
	before := []activity.Sample{at(0, 0, 0, 10), at(0, 0, 0, 11)}
	gone, unread, reads, device, pages := at(60, 0, 0, 11), at(60, 0, 0, 11), at(60, 0, 0, 11), at(60, 0, 0, 11), at(60, 0, 0, 11)
	gone.Gone, unread.Unreadable = true, errors.New("no")
	reads.IO.ReadCalls, device.IO.ReadDevice, pages.IO.WrittenPages = 1<<20, 1<<20, 1<<20
	for name, one := range map[string]struct {
		after []activity.Sample
		want  bool
	}{
		"nothing moves":     {[]activity.Sample{at(60, 0, 0, 10), at(60, 0, 0, 11)}, true},
		"a little":          {[]activity.Sample{at(60, 100*time.Millisecond, 500, 10), at(60, 0, 500, 11)}, true},
		"together a lot":    {[]activity.Sample{at(60, 400*time.Millisecond, 0, 10), at(60, 400*time.Millisecond, 0, 11)}, false},
		"one writes":        {[]activity.Sample{at(60, 0, 1<<20, 10), at(60, 0, 0, 11)}, false},
		"one is gone":       {[]activity.Sample{at(60, 0, 0, 10)}, false},
		"another one":       {[]activity.Sample{at(60, 0, 0, 10), at(60, 0, 0, 12)}, false},
		"nobody any more":   {nil, false},
		"a beat just now":   {[]activity.Sample{at(1, 50*time.Millisecond, 2000, 10), at(1, 0, 0, 11)}, true},
		"one has died":      {[]activity.Sample{at(60, 0, 0, 10), gone}, false},
		"one is unreadable": {[]activity.Sample{at(60, 0, 0, 10), unread}, false},
		"one reads":         {[]activity.Sample{at(60, 0, 0, 10), reads}, false},
		"one reads a disk":  {[]activity.Sample{at(60, 0, 0, 10), device}, false},
		"one fills pages":   {[]activity.Sample{at(60, 0, 0, 10), pages}, false},
		"at the same time":  {[]activity.Sample{at(0, 0, 0, 10), at(0, 0, 0, 11)}, false},
	} {
		if got := Quiet(before, one.after); got != one.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if unread := []activity.Sample{before[0], unread}; Quiet(unread, []activity.Sample{at(60, 0, 0, 10), at(60, 0, 0, 11)}) {
		t.Error("one was not readable at first")
	}
}

func (o *Observation) withPID(pid int) *Observation {
	o.Key.PID, o.Sample.Key.PID = pid, pid
	return o
}
