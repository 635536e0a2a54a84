package cause

import (
	"strconv"
	"strings"
)

// mostFrames is how many frames of a stack are kept: the kernel itself shows
// at most 64 (fs/proc/base.c, MAX_STACK_TRACE_DEPTH).
const mostFrames = 64

// ParseStack reads the text of /proc/PID/stack (proc_pid_stack(5)), the top
// first: "[<0>] function+0x12/0x34 [module]", before Linux 4.15 with an address
// for the 0. Lines of any other form are passed over.
func ParseStack(text string) []string {
	var frames []string
	for line := range strings.Lines(text) {
		address, frame, ok := strings.Cut(strings.TrimSpace(line), "] ")
		frame = strings.TrimSpace(frame)
		if !ok || !strings.HasPrefix(address, "[<") || frame == "" || strings.HasPrefix(frame, "0x") || len(frames) == mostFrames {
			continue
		}
		frames = append(frames, frame)
	}
	return frames
}

// split takes a frame apart: the name without offset and without the suffix
// of a compiler's copy (".isra.0", ".constprop.3"), and the module.
func split(frame string) (function, module string) {
	function, rest, _ := strings.Cut(frame, " ")
	function, _, _ = strings.Cut(function, "+")
	function, _, _ = strings.Cut(function, ".")
	module, ok := strings.CutPrefix(strings.TrimSpace(rest), "[")
	if !ok {
		return function, ""
	}
	// A module with a build id: "[name 1a2b3c]".
	module, _, _ = strings.Cut(strings.TrimSuffix(module, "]"), " ")
	return function, module
}

// Call is the system call a thread is in.
type Call struct {
	Name string // "" if it is in none, or one without a file
	FD   int    // the descriptor it is about, -1 for none
	Path uint64 // address of the path it is about in the process's memory, 0 for none
	Base int    // the descriptor a relative path starts at, AtCWD for the working directory
}

// AtCWD stands for the working directory (AT_FDCWD of openat(2)).
const AtCWD = -100

// ParseCall reads the text of /proc/PID/syscall (proc_pid_syscall(5)): "running",
// "-1" and two words for a thread in no call, or a number, six arguments,
// stack and program counter. Only calls about a file are named.
func ParseCall(text string) Call {
	none := Call{FD: -1, Base: AtCWD}
	words := strings.Fields(text)
	if len(words) != 9 {
		return none
	}
	number, err := strconv.Atoi(words[0])
	known, ok := calls[number]
	if err != nil || !ok {
		return none
	}
	var values [8]uint64
	for i, word := range words[1:] {
		if values[i], err = strconv.ParseUint(strings.TrimPrefix(word, "0x"), 16, 64); err != nil {
			return none
		}
	}
	// A program of 32 bits has numbers of its own; it shows by where it is.
	if values[6]>>32 == 0 && values[7]>>32 == 0 {
		return none
	}
	call := Call{Name: known.name, FD: -1, Base: AtCWD}
	switch known.about {
	case aboutFD:
		call.FD = int(int32(uint32(values[0])))
	case aboutPath:
		call.Path = values[0]
	case aboutPathAt:
		call.Base, call.Path = int(int32(uint32(values[0]))), values[1]
	}
	return call
}

// about says which arguments of a call name a file.
type about uint8

const (
	aboutFD     about = iota // the first is a descriptor
	aboutPath                // the first is a path
	aboutPathAt              // the first is the descriptor of a folder, the second a path
)

// knownCall is a call about a file.
type knownCall struct {
	name  string
	about about
}
