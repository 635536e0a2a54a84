package proc

import (
	"bytes"
	"fmt"

	"lastcall/internal/linux"
)

// IO is what a process has read and written since it began, in bytes, from
// /proc/PID/io (proc_pid_io(5)): all its threads, also ended ones, and the
// children it has waited for (kernel/exit.c, wait_task_zombie).
type IO struct {
	ReadCalls    uint64 // rchar: through read(2) and its kin, also from pipes and the page cache
	WrittenCalls uint64 // wchar: the same for write(2)
	ReadDevice   uint64 // read_bytes: fetched from storage, also by page faults
	WrittenPages uint64 // write_bytes: pages made dirty, also through mmap(2)
}

// IO reads /proc/PID/io. EACCES tells a caller without the right to trace the
// process, ENOENT a kernel without CONFIG_TASK_IO_ACCOUNTING.
func (fs FS) IO(pid int, buffer []byte) (IO, error) {
	text, err := linux.Read(fs.Path(pid, "io"), buffer)
	if err != nil {
		return IO{}, err
	}
	return ParseIO(text)
}

// ParseIO reads the text of /proc/PID/io. All four counters must be there:
// without one of them nobody can say that a process writes nothing.
func ParseIO(text []byte) (IO, error) {
	var io IO
	found := 0
	for line := range bytes.Lines(text) {
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			continue
		}
		var into *uint64
		switch string(name) {
		case "rchar":
			into = &io.ReadCalls
		case "wchar":
			into = &io.WrittenCalls
		case "read_bytes":
			into = &io.ReadDevice
		case "write_bytes":
			into = &io.WrittenPages
		default:
			continue
		}
		count, ok := counter(bytes.TrimSuffix(value, []byte("\n")))
		if !ok {
			return IO{}, fmt.Errorf("io: line %q: %w", name, ErrFormat)
		}
		*into = count
		found++
	}
	if found != 4 {
		return IO{}, fmt.Errorf("io: %d of 4 counters: %w", found, ErrFormat)
	}
	return io, nil
}

// counter reads a decimal number of up to 64 bits: the kernel's counters wrap
// there.
func counter(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	var value uint64
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		next := value*10 + uint64(c-'0')
		if value > (1<<64-1)/10 || next < value {
			return 0, false
		}
		value = next
	}
	return value, true
}
