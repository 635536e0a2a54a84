package proc

import (
	"bytes"
	"errors"
	"fmt"
)

// ErrFormat says that a text of the kernel does not look as documented.
var ErrFormat = errors.New("not in the format proc(5) describes")

// PF_* flags of include/linux/sched.h that a Stat can show. Their values have
// been the same since Linux 2.6.
const (
	flagExiting      = 0x4
	flagDumpCore     = 0x200
	flagKernelThread = 0x200000
)

// Stat is what lastcall needs of /proc/PID/stat (proc(5)).
type Stat struct {
	PID         int
	Comm        string // at most 15 bytes, any bytes: the process chooses them
	State       byte   // R S D T t Z X I
	Parent      int
	Group       int
	Session     int
	Terminal    int    // device number, 0 for none
	Flags       uint32 // PF_* of the kernel
	UserTicks   uint64
	SystemTicks uint64
	Threads     int
	Start       uint64 // clock ticks since boot
}

// Key returns the name of the process for ever.
func (s Stat) Key() Key { return Key{PID: s.PID, Start: s.Start} }

// Zombie says that the leader has ended. Threads of it may still run: their
// number stays above one (proc_pid_stat counts those not yet released).
func (s Stat) Zombie() bool { return s.State == 'Z' || s.State == 'X' }

// Dead says that nothing of the process runs any more.
func (s Stat) Dead() bool { return s.Zombie() && s.Threads <= 1 }

// KernelThread says that the kernel made this process for itself.
func (s Stat) KernelThread() bool { return s.Flags&flagKernelThread != 0 }

// Exiting says that the process is inside exit(2): it may still wait for a
// file system to take its last writes.
func (s Stat) Exiting() bool { return s.Flags&flagExiting != 0 }

// DumpingCore says that the process is writing a core file; SIGKILL would cut
// it off, and Slurm waits for it too (proctrack_g_signal).
func (s Stat) DumpingCore() bool { return s.Flags&flagDumpCore != 0 }

// ParseStat reads the text of /proc/PID/stat. The name is between the first
// and the last parenthesis, whatever it holds: a process may call itself
// "x) R 1 (".
func ParseStat(text []byte) (Stat, error) {
	first, last := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if first < 2 || last < first {
		return Stat{}, fmt.Errorf("stat: no name in parentheses: %w", ErrFormat)
	}
	pid, ok := number(text[:first-1])
	if !ok || pid == 0 {
		return Stat{}, fmt.Errorf("stat: no process number: %w", ErrFormat)
	}
	s := Stat{PID: int(pid), Comm: string(text[first+1 : last])}
	fields := fieldReader{rest: text[last+1:]}
	s.State = fields.letter()
	s.Parent = int(fields.number())
	s.Group = int(fields.number())
	s.Session = int(fields.number())
	s.Terminal = int(fields.number())
	fields.skip(1) // tpgid
	s.Flags = uint32(fields.number())
	fields.skip(4) // minflt cminflt majflt cmajflt
	s.UserTicks = uint64(fields.number())
	s.SystemTicks = uint64(fields.number())
	fields.skip(4) // cutime cstime priority nice
	s.Threads = int(fields.number())
	fields.skip(1) // itrealvalue
	s.Start = uint64(fields.number())
	if fields.bad {
		return Stat{}, fmt.Errorf("stat of %d: a field is missing or no number: %w", pid, ErrFormat)
	}
	return s, nil
}

// fieldReader takes blank-parted fields off a text, and remembers trouble
// until the end instead of asking for a check after each.
type fieldReader struct {
	rest []byte
	bad  bool
}

func (f *fieldReader) next() []byte {
	rest := bytes.TrimLeft(f.rest, " ")
	end := bytes.IndexAny(rest, " \n")
	if end < 0 {
		end = len(rest)
	}
	field := rest[:end]
	f.rest = rest[end:]
	f.bad = f.bad || len(field) == 0
	return field
}

func (f *fieldReader) skip(n int) {
	for range n {
		f.next()
	}
}

func (f *fieldReader) letter() byte {
	field := f.next()
	if len(field) != 1 || field[0]|0x20 < 'a' || field[0]|0x20 > 'z' {
		f.bad = true
		return 0
	}
	return field[0]
}

func (f *fieldReader) number() int64 {
	field := f.next()
	negative := len(field) > 0 && field[0] == '-'
	if negative {
		field = field[1:]
	}
	value, ok := number(field)
	if !ok {
		f.bad = true
		return 0
	}
	if negative {
		return -int64(value)
	}
	return int64(value)
}

// number reads a plain decimal number: no sign, no blank, and nothing that an
// int64 cannot hold, so that none turns negative as an int.
func number(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 19 {
		return 0, false
	}
	var value uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		value = value*10 + uint64(c-'0')
	}
	return value, value <= 1<<63-1
}
