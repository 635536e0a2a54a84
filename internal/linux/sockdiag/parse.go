package sockdiag

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers of linux/sock_diag.h, linux/inet_diag.h and linux/unix_diag.h.
const (
	sockDiagByFamily = 20
	inetDiagInfo     = 2
	unixDiagName     = 0
	unixDiagPeer     = 2
	unixDiagQueues   = 4
	unixDiagShutdown = 6
)

// The states of a TCP socket, also used for the others (net/tcp_states.h).
const (
	Established = 1
	timeWait    = 6
	Closed      = 7
	CloseWait   = 8
	Listening   = 10
)

// errAnswer says that an answer of the kernel is not in the format of
// netlink(7) and sock_diag(7).
var errAnswer = errors.New("not in the format sock_diag(7) describes")

// Inet is one socket of TCP or UDP.
type Inet struct {
	State         uint8 // Established, Listening, ...
	Local, Remote netip.AddrPort
	Unread        uint32 // bytes received and not read; connections not accepted where it listens
	Unsent        uint32 // bytes not yet acknowledged; the most it queues where it listens
	Inode         uint32 // 0 for one that no process holds
	family        uint8
	id            [48]byte // inet_diag_sockid, for TCPBytes
}

// Unix is one unix(7) socket.
type Unix struct {
	Kind     uint8  // SOCK_STREAM 1, SOCK_DGRAM 2, SOCK_SEQPACKET 5
	State    uint8  // Established, Listening or Closed
	Inode    uint32 // its own
	Peer     uint32 // inode of the other end; 0 if that has none (any more, or not yet accepted)
	Paired   bool   // there is, or was, another end
	Shutdown bool   // neither side can send any more: the other end is gone
	Name     string // path, or "@" and the abstract name; "" for none
	Unread   uint32 // bytes received and not read; connections not accepted where it listens
	Unsent   uint32 // bytes the other end has not read, with the kernel's own part
}

// eachAnswer walks the messages of one netlink datagram. done says that the
// answer is complete; what belongs to another question is passed over.
func eachAnswer(data []byte, sequence uint32, use func(body []byte) error) (done bool, err error) {
	for len(data) > 0 {
		if len(data) < 16 {
			return false, fmt.Errorf("netlink message of %d bytes: %w", len(data), errAnswer)
		}
		length := int(binary.NativeEndian.Uint32(data))
		kind, flags := binary.NativeEndian.Uint16(data[4:]), binary.NativeEndian.Uint16(data[6:])
		if length < 16 || length > len(data) {
			return false, fmt.Errorf("netlink message of %d bytes says %d: %w", len(data), length, errAnswer)
		}
		body, ours := data[16:length], binary.NativeEndian.Uint32(data[8:]) == sequence
		data = data[min((length+3)&^3, len(data)):]
		if !ours {
			continue
		}
		switch kind {
		case unix.NLMSG_ERROR, unix.NLMSG_DONE:
			return true, failure(body)
		case sockDiagByFamily:
			if err := use(body); err != nil {
				return false, err
			}
			done = flags&unix.NLM_F_MULTI == 0
		}
	}
	return done, nil
}

// failure reads the error number that ends an answer; 0 is none.
func failure(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	if errno := int32(binary.NativeEndian.Uint32(body)); errno < 0 && errno > -4096 {
		return unix.Errno(-errno)
	}
	return nil
}

// parseInet reads an inet_diag_msg.
func parseInet(body []byte) (Inet, error) {
	if len(body) < 72 {
		return Inet{}, fmt.Errorf("inet_diag_msg of %d bytes: %w", len(body), errAnswer)
	}
	s := Inet{
		State: body[1], family: body[0],
		Unread: binary.NativeEndian.Uint32(body[56:]), Unsent: binary.NativeEndian.Uint32(body[60:]),
		Inode: binary.NativeEndian.Uint32(body[68:]),
	}
	copy(s.id[:], body[4:52])
	address := func(at int) netip.Addr {
		if s.family == unix.AF_INET {
			return netip.AddrFrom4([4]byte(body[at:]))
		}
		return netip.AddrFrom16([16]byte(body[at:])).Unmap()
	}
	s.Local = netip.AddrPortFrom(address(8), binary.BigEndian.Uint16(body[4:]))
	s.Remote = netip.AddrPortFrom(address(24), binary.BigEndian.Uint16(body[6:]))
	return s, nil
}

// parseTCPInfo finds tcp_info behind an inet_diag_msg. Linux before 4.1 has no
// such counters; that is an error, since nothing can be said then.
func parseTCPInfo(body []byte) (acknowledged, received uint64, err error) {
	const acked, got = unsafe.Offsetof(unix.TCPInfo{}.Bytes_acked), unsafe.Offsetof(unix.TCPInfo{}.Bytes_received)
	err = fmt.Errorf("no count of bytes: %w", errAnswer)
	if len(body) < 72 {
		return 0, 0, err
	}
	eachAttribute(body[72:], func(kind uint16, value []byte) {
		if kind == inetDiagInfo && len(value) >= int(got)+8 {
			acknowledged = binary.NativeEndian.Uint64(value[acked:])
			received = binary.NativeEndian.Uint64(value[got:])
			err = nil
		}
	})
	return acknowledged, received, err
}

// parseUnix reads a unix_diag_msg and its attributes.
func parseUnix(body []byte) (Unix, error) {
	if len(body) < 16 || body[0] != unix.AF_UNIX {
		return Unix{}, fmt.Errorf("unix_diag_msg of %d bytes: %w", len(body), errAnswer)
	}
	s := Unix{Kind: body[1], State: body[2], Inode: binary.NativeEndian.Uint32(body[4:])}
	queues := false
	eachAttribute(body[16:], func(kind uint16, value []byte) {
		switch {
		case kind == unixDiagName && len(value) > 0:
			s.Name = socketName(value)
		case kind == unixDiagPeer && len(value) >= 4:
			s.Peer, s.Paired = binary.NativeEndian.Uint32(value), true
		case kind == unixDiagQueues && len(value) >= 8:
			s.Unread, s.Unsent = binary.NativeEndian.Uint32(value), binary.NativeEndian.Uint32(value[4:])
			queues = true
		case kind == unixDiagShutdown && len(value) >= 1:
			s.Shutdown = value[0] == 3
		}
	})
	if !queues {
		return Unix{}, fmt.Errorf("unix_diag_msg without queues: %w", errAnswer)
	}
	return s, nil
}

// socketName reads a name of unix(7): a path up to its NUL, or after a NUL any
// bytes.
func socketName(value []byte) string {
	if value[0] == 0 {
		return "@" + string(value[1:])
	}
	path, _, _ := bytes.Cut(value, []byte{0})
	return string(path)
}

// eachAttribute walks the attributes of a message: length and kind of two
// bytes each, then the value, padded to four (netlink(7)).
func eachAttribute(data []byte, use func(kind uint16, value []byte)) {
	for len(data) >= 4 {
		length, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
		if length < 4 || length > len(data) {
			return
		}
		use(kind&0x3fff, data[4:length])
		data = data[min((length+3)&^3, len(data)):]
	}
}
