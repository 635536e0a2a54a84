package proc

import (
	"bytes"
	"fmt"
	"strconv"
)

// Mask is a set of signals as /proc/PID/status shows it: bit N-1 is signal N.
type Mask uint64

// Has says whether the signal is in the set.
func (m Mask) Has(signal int) bool { return signal > 0 && m&(1<<(signal-1)) != 0 }

// Status is what lastcall needs of /proc/PID/status (proc(5)).
type Status struct {
	UID           uint32 // real user
	EffectiveUID  uint32
	Threads       int
	Resident      uint64 // bytes
	CoreDumping   bool   // Linux 4.15 and later
	ThreadPending Mask   // SigPnd, of the leader alone
	Pending       Mask   // ShdPnd, of the whole process
	Blocked       Mask
	Ignored       Mask
	Caught        Mask
	Tracer        int // pid of a debugger, 0 for none
	NamespacePIDs int // in how many pid namespaces it has a number, 0 unknown
	// NamespacePID is the number it has in its own namespace, 0 unknown (Linux
	// before 4.1).
	NamespacePID int
	State        byte // R S D T t Z X I
	// Switches counts how often it gave up or lost a processor: while the
	// number stays the same a sleeping thread has not run.
	Switches uint64
}

// Known says that this is the status of a process, not only of its user:
// each has a thread.
func (s Status) Known() bool { return s.Threads > 0 }

// KillPending says that SIGKILL was sent and the kernel has not let go yet.
func (s Status) KillPending() bool { return s.ThreadPending.Has(9) || s.Pending.Has(9) }

// Disposition says what a signal does to a process.
type Disposition string

// The dispositions. Blocked wins over the rest: a program that waits in
// sigwait(3) blocks the signal and is about to act on it.
const (
	DispositionDefault Disposition = "default"
	DispositionIgnored Disposition = "ignored"
	DispositionBlocked Disposition = "blocked"
	DispositionCaught  Disposition = "caught"
)

// Disposition tells what the signal will do to the process.
func (s Status) Disposition(signal int) Disposition {
	switch {
	case s.Ignored.Has(signal):
		return DispositionIgnored
	case s.Blocked.Has(signal):
		return DispositionBlocked
	case s.Caught.Has(signal):
		return DispositionCaught
	}
	return DispositionDefault
}

// ParseStatus reads the text of /proc/PID/status. Lines it does not know are
// passed over, lines an older kernel lacks stay zero; without a Uid line the
// text is no status at all.
func ParseStatus(text []byte) (Status, error) {
	var s Status
	found := false
	for line := range bytes.Lines(text) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		value = bytes.TrimSpace(value)
		var bad bool
		switch string(name) {
		case "Uid":
			s.UID, s.EffectiveUID, bad = users(value)
			found = !bad
		case "Threads":
			s.Threads, bad = small(value)
		case "VmRSS":
			kib, isBad := small(bytes.TrimSuffix(value, []byte(" kB")))
			s.Resident, bad = uint64(kib)<<10, isBad
		case "CoreDumping":
			s.CoreDumping = string(value) == "1"
		case "TracerPid":
			s.Tracer, bad = small(value)
		case "NSpid":
			s.NamespacePIDs, s.NamespacePID, bad = namespacePIDs(value)
		case "State":
			s.State, bad = letter(value)
		case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
			n, ok := number(value)
			s.Switches, bad = s.Switches+n, !ok
		case "SigPnd":
			s.ThreadPending, bad = mask(value)
		case "ShdPnd":
			s.Pending, bad = mask(value)
		case "SigBlk":
			s.Blocked, bad = mask(value)
		case "SigIgn":
			s.Ignored, bad = mask(value)
		case "SigCgt":
			s.Caught, bad = mask(value)
		}
		if bad {
			return Status{}, fmt.Errorf("status: line %q: %w", name, ErrFormat)
		}
	}
	if !found {
		return Status{}, fmt.Errorf("status: no Uid line: %w", ErrFormat)
	}
	return s, nil
}

// users reads "real effective saved filesystem", tabs between.
func users(value []byte) (uid, effective uint32, bad bool) {
	fields := bytes.Fields(value)
	if len(fields) < 2 {
		return 0, 0, true
	}
	first, ok := number(fields[0])
	second, ok2 := number(fields[1])
	return uint32(first), uint32(second), !ok || !ok2 || first > 1<<32-1 || second > 1<<32-1
}

// namespacePIDs reads the numbers a process has, from the outermost namespace
// to its own.
func namespacePIDs(value []byte) (count, own int, bad bool) {
	fields := bytes.Fields(value)
	if len(fields) == 0 {
		return 0, 0, false
	}
	own, bad = small(fields[len(fields)-1])
	return len(fields), own, bad
}

// letter reads a state like "S (sleeping)".
func letter(value []byte) (byte, bool) {
	if len(value) == 0 {
		return 0, true
	}
	return value[0], false
}

func small(value []byte) (int, bool) {
	n, ok := number(value)
	return int(n), !ok
}

func mask(value []byte) (Mask, bool) {
	n, err := strconv.ParseUint(string(value), 16, 64)
	return Mask(n), err != nil
}
