// Package aside reads what may hang. The environment and the arguments of a
// process are read through its memory, and while any of its threads is stuck
// in the kernel with the lock of that memory, such a read waits as long as
// the thread does (fs/proc/base.c, environ_read; mm/memory.c,
// access_remote_vm; before Linux 5.3 not even SIGKILL ends that wait). The
// state of the process tells nothing: its first thread may sleep in peace
// while another is stuck. So a disposable child reads, and is left behind
// when it does not answer in time.
package aside

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"syscall"

	"lastcall/internal/cause"
	"lastcall/internal/linux"
	"lastcall/internal/proc"
	"lastcall/internal/slurm"
)

// Argument is the first argument that turns a hook into the disposable child.
const Argument = "-read-aside"

// File is what can be read of a process.
type File byte

// The files. Stack and Syscall wait for a process that is within execve(2)
// (lock_trace); the others are read through the memory of the process.
const (
	Environ   File = 'e' // only the variables that lastcall reads
	Arguments File = 'a' // at most MaxArguments bytes, parted by NUL
	Path      File = 'p' // the path its system call is about, "" if it is about none
	Stack     File = 's'
	Syscall   File = 'c'
	// Python is no file: it stands for the stacks of an interpreter, which
	// package python reads.
	Python File = 'y'
)

// MaxArguments is the most that is read of the arguments, in bytes.
const MaxArguments = 256

// maxAnswer is the most one answer may be long, in bytes.
const maxAnswer = 512 << 10

// maxEnviron is the most that is kept of an environment, in bytes.
const maxEnviron = 64 << 10

// Extra says who answers requests this package does not know itself.
type Extra map[File]func(fs proc.FS, pid int, buffer []byte) ([]byte, error)

// A request is the number of the process and the file. An answer is an error
// number, 0 for none, and the length of the text that follows.
const (
	requestSize = 5
	headerSize  = 8
)

// Serve is the disposable child: it answers requests from descriptor 0 on
// descriptor 1 until there are no more, and returns the exit code.
func Serve(arguments []string, more ...Extra) int {
	if len(arguments) > 1 {
		return serveTask(arguments[0], arguments[1:])
	}
	if len(arguments) != 1 {
		return 2
	}
	fs := proc.FS(arguments[0])
	request, buffer := make([]byte, requestSize), make([]byte, 64<<10)
	for fill(0, request) == nil {
		pid := int(int32(binary.NativeEndian.Uint32(request)))
		text, err := read(fs, pid, File(request[4]), buffer, more...)
		if len(text) > maxAnswer {
			text = text[:maxAnswer]
		}
		answer := binary.NativeEndian.AppendUint32(nil, uint32(errnoOf(err)))
		answer = binary.NativeEndian.AppendUint32(answer, uint32(len(text)))
		linux.Say(1, append(answer, text...))
	}
	return 0
}

// read reads one file of a process and takes the time it takes.
func read(fs proc.FS, pid int, file File, buffer []byte, more ...Extra) ([]byte, error) {
	for _, answers := range more {
		if answer := answers[file]; answer != nil && pid > 0 {
			return answer(fs, pid, buffer)
		}
	}
	switch {
	case pid <= 0:
	case file == Environ:
		text, err := fs.Environ(pid, buffer)
		return onlySlurm(text), err
	case file == Arguments:
		return fs.CommandLine(pid, buffer[:MaxArguments])
	case file == Path:
		return callPath(fs, pid, buffer)
	case file == Stack:
		text, err := fs.Text(pid, "stack", buffer)
		return []byte(text), err
	case file == Syscall:
		text, err := fs.Text(pid, "syscall", buffer)
		return []byte(text), err
	}
	return nil, syscall.EINVAL
}

// callPath reads the path that the system call of a thread is about.
func callPath(fs proc.FS, pid int, buffer []byte) ([]byte, error) {
	text, err := fs.Text(pid, "syscall", buffer)
	call := cause.ParseCall(text)
	if err != nil || call.Path == 0 {
		return nil, err
	}
	// A path may end right before memory that is not there: page by page.
	var path []byte
	for at := call.Path; len(path) < mostPath; {
		piece, err := linux.ReadMemory(fs.Path(pid, "mem"), at, buffer[:pageSize-at%pageSize])
		end := bytes.IndexByte(piece, 0)
		if end >= 0 {
			return append(path, piece[:end]...), nil
		}
		if err != nil || len(piece) == 0 {
			return nil, err
		}
		path, at = append(path, piece...), at+uint64(len(piece))
	}
	return nil, syscall.ENAMETOOLONG
}

// pageSize is a size no page is smaller than; mostPath is PATH_MAX of
// limits.h.
const (
	pageSize = 4096
	mostPath = 4096
)

// fill reads until the whole of the buffer is there.
func fill(fd int, buffer []byte) error {
	for len(buffer) > 0 {
		n, err := syscall.Read(fd, buffer)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return syscall.EPIPE
		}
		buffer = buffer[n:]
	}
	return nil
}

// errnoOf returns the number in an error of package linux, EIO for others.
func errnoOf(err error) syscall.Errno {
	for err != nil {
		if errno, ok := err.(syscall.Errno); ok {
			return errno
		}
		wrapper, ok := err.(interface{ Unwrap() error })
		if !ok {
			return syscall.EIO
		}
		err = wrapper.Unwrap()
	}
	return 0
}

// onlySlurm keeps the variables lastcall reads, so that nothing else of a
// user's environment travels.
func onlySlurm(environ []byte) []byte {
	var kept []byte
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, _, ok := bytes.Cut(entry, []byte("="))
		if ok && slurm.IsHookVariable(string(name)) && len(kept)+len(entry) < maxEnviron {
			kept = append(append(kept, entry...), 0)
		}
	}
	return kept
}

// request writes one request.
func request(to []byte, pid int, file File) []byte {
	return append(binary.NativeEndian.AppendUint32(to, uint32(pid)), byte(file))
}

// path says in an error what was asked for.
func path(pid int, file File) string {
	name := map[File]string{
		Environ: "environ", Arguments: "cmdline", Path: "mem", Stack: "stack", Syscall: "syscall", Python: "stacks",
	}[file]
	return "/proc/" + strconv.Itoa(pid) + "/" + name
}
