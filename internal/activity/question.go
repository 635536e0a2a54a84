package activity

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"lastcall/internal/linux"
	"lastcall/internal/linux/sockdiag"
)

// question is what one network namespace is asked.
type question struct {
	path   string // of the namespace's link; empty for the caller's own
	net    string // folder of the texts about the network: /proc/PID/net
	wanted map[uint64]*socket
	bytes  bool          // ask for the bytes of connections
	limit  time.Duration // for each answer
}

// ask finds out about all wanted sockets of one namespace.
func (q *question) ask() error {
	conn, err := sockdiag.Open(q.path, q.limit)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := q.askUnix(conn); err != nil {
		return err
	}
	for _, one := range []struct {
		family   family
		protocol int
	}{{familyTCP, sockdiag.ProtocolTCP}, {familyUDP, sockdiag.ProtocolUDP}} {
		if q.unknown() == 0 {
			return nil
		}
		if err := q.askInet(conn, one.family, one.protocol); err != nil {
			return err
		}
	}
	if q.unknown() == 0 {
		return nil
	}
	q.askNetlink()
	if q.unknown() > 0 {
		// An error is fine: older kernels do not have it.
		_ = q.askInet(conn, familyMPTCP, sockdiag.ProtocolMPTCP)
	}
	return nil
}

func (q *question) unknown() int {
	n := 0
	for _, one := range q.wanted {
		if one.family == familyUnknown {
			n++
		}
	}
	return n
}

// askUnix asks for each socket whether it is a unix one, and for the name of
// its other end.
func (q *question) askUnix(conn *sockdiag.Conn) error {
	for inode, one := range q.wanted {
		found, err := conn.OneUnix(uint32(inode))
		if linux.Gone(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("unix socket %d: %w", inode, err)
		}
		one.family, one.unix = familyUnix, found
		if found.Peer != 0 {
			other, err := conn.OneUnix(found.Peer)
			if err != nil && !linux.Gone(err) {
				return fmt.Errorf("unix socket %d: %w", found.Peer, err)
			}
			one.peerName = other.Name
		}
	}
	return nil
}

// pair is a connection as one of its ends sees it.
type pair struct{ local, remote netip.AddrPort }

// connections are the sockets of one protocol.
type connections struct {
	ends map[pair]uint32 // inodes of what stays on this node
	ours []*socket
}

// complete says whether nothing is left to ask for: a list costs the kernel a
// walk through its whole table of connections, half a millisecond and more.
func (c *connections) complete() bool {
	return !slices.ContainsFunc(c.ours, func(s *socket) bool { return onNode(s.inet) && c.peer(s) == 0 })
}

func (c *connections) peer(s *socket) uint32 { return c.ends[pair{s.inet.Remote, s.inet.Local}] }

// askInet lists the sockets of a protocol, and finds the other ends of those
// connections that stay on this node. Either end may be a socket of IPv6 that
// speaks IPv4.
func (q *question) askInet(conn *sockdiag.Conn, family family, protocol int) error {
	c := &connections{ends: map[pair]uint32{}}
	note := func(s sockdiag.Inet) {
		if s.Inode == 0 {
			return
		}
		if s.Remote.Port() != 0 && onNode(s) {
			c.ends[pair{s.Local, s.Remote}] = s.Inode
		}
		if one := q.wanted[uint64(s.Inode)]; one != nil {
			one.family, one.inet = family, s
			c.ours = append(c.ours, one)
		}
	}
	for _, internet := range []int{sockdiag.FamilyIPv4, sockdiag.FamilyIPv6} {
		if internet == sockdiag.FamilyIPv6 && q.unknown() == 0 && c.complete() {
			break
		}
		// ENOENT: this kernel has no such protocol, so nobody has a socket of it.
		if err := conn.EachInet(internet, protocol, note); err != nil && !linux.Gone(err) {
			return fmt.Errorf("protocol %d: %w", protocol, err)
		}
	}
	for _, one := range c.ours {
		one.peer = c.peer(one)
		if family == familyTCP && q.bytes && one.inet.State != sockdiag.Listening && onNode(one.inet) {
			acknowledged, received, err := conn.TCPBytes(one.inet)
			one.bytes = acknowledged + received
			if !linux.Gone(err) {
				one.trouble = err
			}
		}
	}
	return nil
}

// askNetlink reads the list of netlink sockets. They lead into the kernel.
func (q *question) askNetlink() {
	const most = 4 << 20
	text, err := linux.ReadAll(q.net+"/netlink", nil, most)
	if err != nil {
		return
	}
	eachNetlink(text, func(inode, unread uint64) {
		if one := q.wanted[inode]; one != nil && one.family == familyUnknown {
			one.family, one.unread = familyNetlink, unread
		}
	})
}

// eachNetlink reads the text of /proc/net/netlink: "sk Eth Pid Groups Rmem Wmem
// Dump Locks Drops Inode" (net/netlink/af_netlink.c, netlink_native_seq_show).
func eachNetlink(text []byte, use func(inode, unread uint64)) {
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 10 {
			continue
		}
		unread, err := strconv.ParseUint(string(fields[4]), 10, 64)
		inode, err2 := strconv.ParseUint(string(fields[9]), 10, 64)
		if err == nil && err2 == nil && inode != 0 {
			use(inode, unread)
		}
	}
}
