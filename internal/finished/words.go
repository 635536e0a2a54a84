package finished

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"lastcall/internal/forensics"
)

// mostName is the most that is shown of a name somebody chose, in bytes.
const mostName = 120

func quoted(text string) string { return `"` + forensics.Quote(text, mostName) + `"` }

// MarshalJSON writes the result.
func (r Result) MarshalJSON() ([]byte, error) {
	type plain Result
	return escaped(plain(r))
}

// MarshalJSON writes the step.
func (s Step) MarshalJSON() ([]byte, error) {
	type plain Step
	return escaped(plain(s))
}

// escaped is JSON in which what a terminal obeys, or nobody sees, is escaped:
// encoding/json leaves it as it is.
func escaped(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var safe []byte
	for _, c := range string(text) {
		if unicode.IsPrint(c) {
			safe = append(safe, string(c)...)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			safe = fmt.Appendf(safe, `\u%04x`, unit)
		}
	}
	return safe, nil
}

// String is the place as people look for it.
func (p *Place) String() string {
	return fmt.Sprintf("%s:%d in %s", forensics.Quote(path.Base(p.File), mostName), p.Line, forensics.Quote(p.Function, mostName))
}

// String says what is waited for.
func (w Wait) String() string {
	switch {
	case w.PID != 0 || w.Process != "":
		text := "child process " + quoted(w.Process)
		if w.PID != 0 {
			text += fmt.Sprintf(" (pid %d", w.PID)
			if w.Command != "" {
				text += ", " + forensics.Quote(w.Command, mostName)
			}
			text += ")"
		}
		return text
	case w.Thread == "":
		return fmt.Sprintf("thread %d", w.TID) + w.where()
	}
	kind := " (not a daemon)"
	if w.Daemon {
		kind = " (a daemon)"
	}
	return "thread " + quoted(w.Thread) + kind + w.where()
}

func (w Wait) where() string {
	switch {
	case w.At == nil:
		return ""
	case w.Inside != nil:
		return ", which is at " + w.At.String() + ", inside " + w.Inside.String()
	}
	return ", which is at " + w.At.String()
}

// Words says what was found, of whom ("job 14", "process 4711"), in one or two
// sentences without line ends.
func (f Finding) Words(who string) string {
	switch {
	case f.Helper:
		return who + " is a helper of multiprocessing: it ends with its parent"
	case f.State == Running && f.Worker:
		return who + " is at work: the target of this multiprocessing child has not returned" + f.at()
	case f.State == Running:
		return who + " is at work: its main program has not ended" + f.at()
	case f.State != Ended:
		return who + ": nothing can be said: " + forensics.Quote(f.Why, 300)
	case f.Worker:
		who += " (a multiprocessing child)"
	}
	return who + " has finished its work: " + f.reason() + ". " + f.fix()
}

func (f Finding) at() string {
	if f.Main == nil {
		return ""
	}
	return "; MainThread is at " + f.Main.String()
}

// mostWaits is how many are listed.
const mostWaits = 4

func (f Finding) reason() string {
	var list []string
	for _, w := range f.Waits[:min(len(f.Waits), mostWaits)] {
		list = append(list, w.String())
	}
	if more := len(f.Waits) - mostWaits; more > 0 {
		list = append(list, fmt.Sprintf("%d more", more))
	}
	what := strings.Join(list, "; ")
	switch f.Kind {
	case LeaderGone:
		return "its main thread has exited and these go on: " + what
	case NativeExit:
		return "Python is gone, and an exit handler of a library does not return"
	case Teardown:
		return "the interpreter is being taken apart" + f.at()
	case ExitHandler:
		handler := "exit handler " + forensics.Quote(f.Outer.Function, mostName)
		if what != "" {
			return handler + " waits for " + what
		}
		return handler + " does not return" + f.at()
	}
	in := map[Kind]string{Threads: "threading._shutdown", Executor: "concurrent.futures", Child: "multiprocessing"}[f.Kind]
	if what == "" {
		return "MainThread waits in " + in + f.at()
	}
	return "MainThread waits in " + in + " for " + what
}

// fix is what the user can do about it.
func (f Finding) fix() string {
	switch f.Kind {
	case Threads, LeaderGone:
		return "Fix: daemon=True, or stop it before main returns."
	case Executor:
		return "Fix: let the submitted work end, or shutdown(wait=False, cancel_futures=True)."
	case Child:
		return "Fix: end the process (or empty the queue) before main returns, or daemon=True."
	}
	return "Fix: let the handler give up after some time."
}

// Words says what two looks say together.
func (c Compared) Words() string {
	over := c.Over.Round(time.Second).String()
	switch {
	case c.Hung && c.Pace == Asleep:
		return "Nothing of it has moved for " + over + ": it will not end by itself unless what it waits for does."
	case c.Hung:
		return fmt.Sprintf("In %s it used %s of a processor and moved %d bytes, no more than a heartbeat: it will not end by itself unless what it waits for does.",
			over, c.CPU.Round(time.Millisecond), c.Bytes)
	}
	return "It may be finishing: " + c.Why + "."
}
