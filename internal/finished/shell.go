package finished

import (
	"fmt"
	"path"
	"strconv"
	"syscall"
)

// Shell is a shell that waits for children it has put into the background.
type Shell struct {
	Children []ShellChild `json:"children"`
}

// ShellChild is one of them.
type ShellChild struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// Words says what the shell waits for.
func (s Shell) Words(who string) string {
	text := who + " is a shell at its `wait`, for "
	for i, child := range s.Children[:min(len(s.Children), mostWaits)] {
		if i > 0 {
			text += ", "
		}
		text += quoted(child.Command) + " (" + strconv.Itoa(child.PID) + ")"
	}
	if more := len(s.Children) - mostWaits; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " in the background"
}

var shells = map[string]bool{"bash": true, "sh": true, "dash": true, "ksh": true, "ksh93": true, "mksh": true, "zsh": true}

// Shell tells whether a process is a shell all of whose children run in the
// background: then it is at its `wait`, or will be. Without job control a
// shell starts those with SIGINT and SIGQUIT ignored (POSIX, Shell Command
// Language, 2.12 Signals and Error Handling), and the shell itself ignores
// neither, so the kernel's masks tell them apart.
func (l *Looker) Shell(pid int) (Shell, bool) {
	program, err := l.fs.Executable(pid)
	if err != nil || !shells[path.Base(program)] || ignoresKeys(l, pid) {
		return Shell{}, false
	}
	if stat, err := l.fs.Stat(pid, l.buffer); err != nil || stat.State != 'S' {
		return Shell{}, false
	}
	var s Shell
	for _, child := range l.children(pid) {
		stat, err := l.fs.Stat(child, l.buffer)
		if err != nil || stat.Dead() {
			continue
		}
		if !ignoresKeys(l, child) {
			return Shell{}, false
		}
		s.Children = append(s.Children, ShellChild{child, stat.Comm})
	}
	return s, len(s.Children) > 0
}

func ignoresKeys(l *Looker, pid int) bool {
	status, err := l.fs.Status(pid, l.buffer)
	return err == nil && status.Ignored.Has(int(syscall.SIGINT)) && status.Ignored.Has(int(syscall.SIGQUIT))
}
