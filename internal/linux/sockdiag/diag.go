// Package sockdiag asks the kernel about sockets, sock_diag(7). It is a part
// of internal/linux that the hooks do not link.
package sockdiag

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Conn asks the questions. It sees the sockets of one network namespace: the
// one it was opened in.
type Conn struct {
	fd       int
	sequence uint32
	buffer   []byte
}

// Open opens a Conn in the network namespace that the link at path names
// (/proc/PID/ns/net, setns(2)), or in the caller's own if path is empty. No
// answer of the kernel is waited for longer than patience. But a question may
// hang while it is put: before Linux 6.9 the kernel takes one at a time, on the
// whole node, and somebody's may be waiting for the lock of a socket
// (net/core/sock_diag.c, sock_diag_mutex). So ask in a goroutine that can be
// left behind.
func Open(path string, patience time.Duration) (*Conn, error) {
	fd := -1
	err := inNamespace(path, func() (err error) {
		fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
		return err
	})
	if err == nil {
		limit := unix.NsecToTimeval(int64(max(patience, time.Millisecond)))
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("sock_diag socket in %q: %w", path, err)
	}
	// A dump is cut into messages of at most 32 KiB (af_netlink.c,
	// netlink_recvmsg): a smaller buffer would lose what does not fit.
	return &Conn{fd: fd, buffer: make([]byte, 32<<10)}, nil
}

// Close ends the questions.
func (c *Conn) Close() { _ = unix.Close(c.fd) }

// Families and protocols of sock_diag(7).
const (
	FamilyUnix    = unix.AF_UNIX
	FamilyIPv4    = unix.AF_INET
	FamilyIPv6    = unix.AF_INET6
	ProtocolTCP   = unix.IPPROTO_TCP
	ProtocolUDP   = unix.IPPROTO_UDP
	ProtocolMPTCP = unix.IPPROTO_MPTCP
)

// EachInet calls use for each socket of the family and protocol, except those that
// only wait for their time to be over (TIME_WAIT). No lock of a socket is
// taken, so that one whose owner is stuck in the kernel is listed too.
func (c *Conn) EachInet(family, protocol int, use func(Inet)) error {
	const allButTimeWait = 0xfff &^ (1 << timeWait)
	request := make([]byte, 56, 64)
	request[0], request[1] = byte(family), byte(protocol)
	binary.NativeEndian.PutUint32(request[4:], allButTimeWait)
	if protocol > 255 {
		// The field has eight bits; a bigger number needs an attribute
		// (linux/inet_diag.h, INET_DIAG_REQ_PROTOCOL, Linux 5.9).
		const attribute = 3
		request = binary.NativeEndian.AppendUint16(request, 8)
		request = binary.NativeEndian.AppendUint16(request, attribute)
		request = binary.NativeEndian.AppendUint32(request, uint32(protocol))
	}
	return c.ask(request, unix.NLM_F_DUMP, func(body []byte) error {
		socket, err := parseInet(body)
		if err == nil {
			use(socket)
		}
		return err
	})
}

// TCPBytes returns how many bytes of a TCP socket that EachInet has listed were
// acknowledged by the other side and received from it (tcp(7), TCP_INFO). The
// kernel locks the socket for that (tcp_get_info), so this call can hang in
// the kernel for as long as an owner that is stuck while it holds the lock.
// ENOENT tells that the connection is gone.
func (c *Conn) TCPBytes(socket Inet) (acknowledged, received uint64, err error) {
	request := make([]byte, 8, 56)
	request[0], request[1] = socket.family, unix.IPPROTO_TCP
	request[2] = 1 << (inetDiagInfo - 1)
	binary.NativeEndian.PutUint32(request[4:], 0xffffffff)
	request = append(request, socket.id[:]...)
	err = c.ask(request, 0, func(body []byte) (err error) {
		acknowledged, received, err = parseTCPInfo(body)
		return err
	})
	return acknowledged, received, err
}

// OneUnix returns the unix socket with the inode; ENOENT tells that there is none
// in this namespace.
func (c *Conn) OneUnix(inode uint32) (Unix, error) {
	const name, peer, queues = 1 << 0, 1 << 2, 1 << 4
	request := make([]byte, 24)
	request[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(request[4:], 0xffffffff)
	binary.NativeEndian.PutUint32(request[8:], inode)
	binary.NativeEndian.PutUint32(request[12:], name|peer|queues)
	binary.NativeEndian.PutUint64(request[16:], 1<<64-1) // any cookie
	var socket Unix
	err := c.ask(request, 0, func(body []byte) (err error) {
		socket, err = parseUnix(body)
		return err
	})
	return socket, err
}

// ask sends one request and hands out the body of each answer: until the
// kernel says done for a dump, one otherwise.
func (c *Conn) ask(request []byte, flags uint16, use func(body []byte) error) error {
	c.sequence++
	message := make([]byte, 16, 16+len(request))
	binary.NativeEndian.PutUint32(message, uint32(16+len(request)))
	binary.NativeEndian.PutUint16(message[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(message[6:], flags|unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(message[8:], c.sequence)
	message = append(message, request...)
	if err := unix.Sendto(c.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("asking about sockets: %w", err)
	}
	for {
		n, err := unix.Read(c.fd, c.buffer)
		switch err {
		case nil:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return fmt.Errorf("asking about sockets: %w", os.ErrDeadlineExceeded)
		default:
			return fmt.Errorf("asking about sockets: %w", err)
		}
		done, err := eachAnswer(c.buffer[:n], c.sequence, use)
		if done || err != nil {
			return err
		}
	}
}
