package linux

import (
	"time"

	"golang.org/x/sys/unix"
)

// Append adds data to the end of the file at path with one write(2), so that
// lines of programs writing at the same time never mix (open(2), O_APPEND).
// The file is made with mode if it is missing. A link at the end of the path,
// and anything that is not a plain file, is refused: a pipe would hang.
func Append(path string, data []byte, mode uint32) error {
	const flags = unix.O_WRONLY | unix.O_APPEND | unix.O_CREAT | unix.O_NOFOLLOW |
		unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC
	fd, err := again(func() (int, error) { return unix.Open(path, flags, mode) })
	if err != nil {
		return fail("open", path, err)
	}
	defer unix.Close(fd)
	var status unix.Stat_t
	if err := unix.Fstat(fd, &status); err != nil {
		return fail("fstat", path, err)
	}
	if status.Mode&unix.S_IFMT != unix.S_IFREG {
		return fail("append to", path, unix.EINVAL)
	}
	n, err := again(func() (int, error) { return unix.Write(fd, data) })
	if err != nil {
		return fail("write", path, err)
	}
	if n < len(data) {
		return fail("write", path, unix.ENOSPC)
	}
	return nil
}

// SendDatagram sends data to the unix datagram socket at path without ever
// waiting: a journal or syslog that is not listening must not hold a hook.
func SendDatagram(path string, data []byte) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fail("socket", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, data, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: path}); err != nil {
		return fail("sendto", path, err)
	}
	return nil
}

// SayUntil is Say for a descriptor whose reader may have stopped reading: it
// writes in pieces a pipe takes whole or not at all (PIPE_BUF, pipe(7)), each
// only when there is room, and says whether all was taken in time. The
// descriptor is not made non-blocking, since others may share it.
func SayUntil(fd int, data []byte, until time.Time) bool {
	const piece = 4096
	for len(data) > 0 {
		if !writable(fd, time.Until(until)) {
			return false
		}
		n, err := again(func() (int, error) { return unix.Write(fd, data[:min(len(data), piece)]) })
		if err != nil || n <= 0 {
			return false
		}
		data = data[n:]
	}
	return true
}

// Say writes data to the descriptor as far as it is taken without a mistake;
// there is nobody to tell when it is not.
func Say(fd int, data []byte) {
	for len(data) > 0 {
		n, err := again(func() (int, error) { return unix.Write(fd, data) })
		if err != nil || n <= 0 {
			return
		}
		data = data[n:]
	}
}
