package activity

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"lastcall/internal/linux/sockdiag"
)

// family is what kind of socket it is.
type family uint8

const (
	familyUnknown family = iota
	familyUnix
	familyTCP
	familyUDP
	familyMPTCP
	familyNetlink
)

// socket is what the kernel says about one socket of the job.
type socket struct {
	family   family
	inet     sockdiag.Inet // TCP, UDP, MPTCP
	unix     sockdiag.Unix
	unread   uint64 // netlink
	peer     uint32 // inode of the other end on this node, 0 if not known
	peerName string // of a unix socket's other end
	bytes    uint64 // TCP: acknowledged and received
	trouble  error  // why the bytes are not known
}

// judgeSocket tells why a socket speaks against idleness; "" if it does not.
// waits says that a thread may be waiting for it, inside whether a process of
// the job has the socket with this inode.
func judgeSocket(s *socket, waits bool, inside func(inode uint32) bool) (Reason, string) {
	switch s.family {
	case familyUnix:
		return judgeUnix(s, waits, inside)
	case familyTCP:
		return judgeTCP(s, inside)
	case familyUDP:
		return judgeUDP(s, waits, inside)
	case familyNetlink:
		if s.unread > 0 {
			return Unread, "a message of the kernel waits for it"
		}
		return "", ""
	case familyMPTCP:
		if s.inet.State == sockdiag.Listening && s.inet.Unread == 0 {
			return "", ""
		}
	}
	return OddSocket, "it has a socket of which nobody can tell the other end"
}

func judgeTCP(s *socket, inside func(inode uint32) bool) (Reason, string) {
	remote := s.inet.Remote
	switch {
	case s.inet.State == sockdiag.Listening:
		if s.inet.Unread > 0 {
			return Unread, "a connection waits to be accepted by it"
		}
		return "", ""
	case s.inet.State == sockdiag.Closed:
		return "", ""
	case !onNode(s.inet):
		return OffNode, "it has a connection to " + remote.String() + ", which is not on this node"
	case s.inet.Unsent > 0:
		return Unsent, fmt.Sprintf("%d bytes it sent to %s were not taken yet", s.inet.Unsent, remote)
	case s.inet.State == sockdiag.CloseWait && s.inet.Unread <= 1 && s.peer == 0:
		// The other end is gone; its FIN counts as one byte that was not read.
		return "", ""
	case s.inet.Unread > 0:
		return Unread, fmt.Sprintf("%d bytes from %s wait for it", s.inet.Unread, remote)
	case s.peer == 0 || !inside(s.peer):
		return Outside, "it has a connection to " + remote.String() + ", on this node but outside the job"
	}
	return "", ""
}

func judgeUDP(s *socket, waits bool, inside func(inode uint32) bool) (Reason, string) {
	connected := s.inet.State == sockdiag.Established
	switch {
	case s.inet.Unread > 0:
		return Unread, "a datagram waits for it"
	case s.inet.Unsent > 0:
		return Unsent, "a datagram of it was not taken yet"
	case connected && !onNode(s.inet):
		return OffNode, "it has a UDP socket to " + s.inet.Remote.String() + ", which is not on this node"
	case connected && (s.peer == 0 || !inside(s.peer)):
		return Outside, "it has a UDP socket to " + s.inet.Remote.String() + ", on this node but outside the job"
	case !connected && waits:
		return OddSocket, "it may be waiting for datagrams on " + s.inet.Local.String() + ", which anybody can send"
	}
	return "", ""
}

// onNode says whether both ends are on this node: the other address is a
// loopback one, or this very socket's own.
func onNode(s sockdiag.Inet) bool {
	return s.Remote.Addr().IsLoopback() || s.Remote.Addr() == s.Local.Addr()
}

func judgeUnix(s *socket, waits bool, inside func(inode uint32) bool) (Reason, string) {
	const stream, datagram = 1, 2
	u := s.unix
	named := ""
	if s.peerName != "" {
		named = " to " + strconv.Quote(s.peerName)
	}
	switch {
	case u.State == sockdiag.Listening:
		if u.Unread > 0 {
			return Unread, "a connection waits to be accepted by it on " + strconv.Quote(u.Name)
		}
	case isContainerService(s.peerName):
		return Container, "it is connected" + named + ": the work may be in a container"
	case u.Unread > 0:
		return Unread, fmt.Sprintf("%d bytes wait for it in a unix socket%s", u.Unread, named)
	case u.Unsent > 0:
		return Unsent, "what it sent through a unix socket" + named + " was not taken yet"
	case u.Peer != 0 && inside(u.Peer), u.Peer != 0 && !waits && isQuietService(s.peerName):
	case u.Peer != 0:
		return Outside, "it has a unix socket" + named + " whose other end is not in the job"
	case u.Paired && u.Kind != datagram && !u.Shutdown:
		return Outside, "it has a unix socket whose other end was not accepted yet"
	case u.Kind == datagram && waits && u.Name != "":
		return OddSocket, "it may be waiting for datagrams on " + strconv.Quote(u.Name) + ", which anybody can send"
	}
	return "", ""
}

// isContainerService knows the sockets on which services run containers for
// their clients.
func isContainerService(name string) bool {
	switch path.Base(strings.TrimPrefix(name, "@")) {
	case "docker.sock", "containerd.sock", "containerd.sock.ttrpc", "podman.sock", "crio.sock", "buildkitd.sock", "cri-dockerd.sock":
		return true
	}
	return false
}

// isQuietService knows the services of a node to which the C library keeps
// connections for later: names of users, and the log. Nobody's work is there
// as long as nobody waits for their answer.
func isQuietService(name string) bool {
	for _, folder := range []string{"/run/systemd/journal/", "/var/lib/sss/pipes/", "/run/nscd/", "/run/nslcd/", "/run/systemd/userdb/"} {
		if strings.HasPrefix(strings.TrimPrefix(name, "/var"), folder) || strings.HasPrefix(name, folder) {
			return true
		}
	}
	return name == "/dev/log"
}
