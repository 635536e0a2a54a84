package sockdiag

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func openIn(t testing.TB, path string) *Conn {
	t.Helper()
	conn, err := Open(path, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// tcpPair makes a connection over loopback.
func tcpPair(t testing.TB, network, address string) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.Dial(network, listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func find(t *testing.T, conn *Conn, family, protocol int, local net.Addr) Inet {
	t.Helper()
	want, found := netip.MustParseAddrPort(local.String()), Inet{}
	if err := conn.EachInet(family, protocol, func(s Inet) {
		if s.Local == want && s.Inode != 0 {
			found = s
		}
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTCP(t *testing.T) {
	for _, test := range []struct {
		address string
		family  int
	}{{"127.0.0.1:0", FamilyIPv4}, {"[::1]:0", FamilyIPv6}} {
		client, server := tcpPair(t, "tcp", test.address)
		conn := openIn(t, "")
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		one, other := find(t, conn, test.family, ProtocolTCP, client.LocalAddr()), find(t, conn, test.family, ProtocolTCP, server.LocalAddr())
		if one.State != Established || one.Remote != other.Local || other.Remote != one.Local || one.Unsent != 0 || other.Unread != 5 {
			t.Errorf("%+v and %+v", one, other)
		}
		sent, got, err := conn.TCPBytes(one)
		if err != nil || sent < 5 || sent > 6 || got != 0 {
			t.Errorf("sent %d, received %d, %v", sent, got, err)
		}
		if sent, got, err := conn.TCPBytes(other); err != nil || got != 5 {
			t.Errorf("the other end sent %d, received %d, %v", sent, got, err)
		}
		client.Close()
		server.Close()
		if _, _, err := conn.TCPBytes(one); err != nil && err != syscall.ENOENT {
			t.Errorf("of a closed one: %v", err)
		}
	}
}

// A socket of IPv6 that speaks IPv4 has the address its other end knows.
func TestIPv4OverIPv6(t *testing.T) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	client, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if one := find(t, openIn(t, ""), FamilyIPv6, ProtocolTCP, server.LocalAddr()); one.State != Established || one.Inode != inode(t, server) {
		t.Errorf("%+v", one)
	}
}

// A thread that was in another network namespace is back, or gone.
func TestNamespace(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root enters another namespace")
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	stranger := exec.Command("sleep", "60")
	stranger.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	there := openIn(t, "/proc/"+strconv.Itoa(stranger.Process.Pid)+"/ns/net")
	if one := find(t, there, FamilyIPv4, ProtocolTCP, listener.Addr()); one.Inode != 0 {
		t.Errorf("a socket of this namespace is in the other: %+v", one)
	}
	if one := find(t, openIn(t, ""), FamilyIPv4, ProtocolTCP, listener.Addr()); one.State != Listening {
		t.Errorf("at home: %+v", one)
	}
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(threads) == 0 {
		t.Fatal(err)
	}
	for _, thread := range threads {
		if where, err := os.Readlink(thread); err == nil && where != home {
			t.Errorf("%s leads to %s, not to %s", thread, where, home)
		}
	}
}

func TestUDP(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	conn := openIn(t, "")
	one, other := find(t, conn, FamilyIPv4, ProtocolUDP, client.LocalAddr()), find(t, conn, FamilyIPv4, ProtocolUDP, server.LocalAddr())
	if one.State != Established || one.Remote != other.Local || other.State != Closed || other.Unread == 0 {
		t.Errorf("%+v and %+v", one, other)
	}
}

func TestUnix(t *testing.T) {
	conn := openIn(t, "")
	path := t.TempDir() + "/s"
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	one, err := conn.OneUnix(inode(t, client))
	if err != nil || !one.Paired || one.Peer != 0 || one.Shutdown {
		t.Errorf("not yet accepted: %+v, %v", one, err)
	}
	heard, err := conn.OneUnix(inode(t, listener))
	if err != nil || heard.State != Listening || heard.Unread != 1 || heard.Name != path {
		t.Errorf("listening: %+v, %v", heard, err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	one, err = conn.OneUnix(inode(t, client))
	other, err2 := conn.OneUnix(one.Peer)
	if err != nil || err2 != nil || other.Inode != inode(t, server) || other.Peer != one.Inode || other.Name != path || other.Unread != 5 || one.Unsent == 0 {
		t.Errorf("%+v and %+v, %v, %v", one, other, err, err2)
	}
	server.Close()
	if one, err = conn.OneUnix(one.Inode); err != nil || one.Peer != 0 || !one.Shutdown {
		t.Errorf("the other end is gone: %+v, %v", one, err)
	}
	if _, err := conn.OneUnix(1); err != syscall.ENOENT {
		t.Errorf("of none: %v", err)
	}
}

func inode(t *testing.T, of any) uint32 {
	t.Helper()
	raw, err := of.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var status syscall.Stat_t
	if err2 := raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &status) }); err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	return uint32(status.Ino)
}

// A program may be linked against a listener of MPTCP without knowing it: Go's
// are.
func TestMPTCP(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, ProtocolMPTCP)
	if err != nil {
		t.Skip("this kernel has no MPTCP:", err)
	}
	file := os.NewFile(uintptr(fd), "mptcp")
	defer file.Close()
	if err := syscall.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	plain, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, ProtocolTCP)
	if err != nil {
		t.Fatal(err)
	}
	other := os.NewFile(uintptr(plain), "tcp")
	defer other.Close()
	if err := syscall.Listen(plain, 1); err != nil {
		t.Fatal(err)
	}
	found, mixed := false, false
	if err := openIn(t, "").EachInet(FamilyIPv4, ProtocolMPTCP, func(s Inet) {
		found = found || s.Inode == inode(t, file) && s.State == Listening
		mixed = mixed || s.Inode == inode(t, other)
	}); err != nil || !found || mixed {
		t.Errorf("found %v, and one of TCP %v, %v", found, mixed, err)
	}
}

// seed is an answer to a question about a unix socket with one attribute more.
func seed(sequence uint32, kind uint16, body []byte) []byte {
	message := make([]byte, 16, 16+len(body))
	binary.NativeEndian.PutUint32(message, uint32(16+len(body)))
	binary.NativeEndian.PutUint16(message[4:], kind)
	binary.NativeEndian.PutUint32(message[8:], sequence)
	return append(message, body...)
}

func FuzzEachAnswer(f *testing.F) {
	inet := make([]byte, 72)
	inet[0], inet[1] = FamilyIPv4, Established
	unix := append([]byte{FamilyUnix, 1, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 12, 0, 4, 0, 1, 0, 0, 0, 2, 0, 0, 0)
	f.Add(append(seed(7, sockDiagByFamily, inet), seed(7, 3, nil)...))
	f.Add(seed(7, sockDiagByFamily, unix))
	f.Add(seed(7, 2, []byte{0xfe, 0xff, 0xff, 0xff}))
	f.Add(seed(8, sockDiagByFamily, inet))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		_, err := eachAnswer(data, 7, func(body []byte) error {
			total += len(body)
			if s, err := parseInet(body); err == nil && s.Local.Addr().Is4In6() {
				t.Errorf("an address has two forms: %+v", s)
			}
			_, _, _ = parseTCPInfo(body)
			if s, err := parseUnix(body); err == nil && len(s.Name) > len(body) {
				t.Errorf("%+v of %d bytes", s, len(body))
			}
			return nil
		})
		if err == nil && total > len(data) {
			t.Errorf("%d bytes of %d", total, len(data))
		}
	})
}

func TestAnswersThatAreNone(t *testing.T) {
	ok := func([]byte) error { return nil }
	if done, err := eachAnswer(seed(7, 2, []byte{0xfe, 0xff, 0xff, 0xff}), 7, ok); !done || err != syscall.ENOENT {
		t.Errorf("an error: %v, %v", done, err)
	}
	if done, err := eachAnswer(seed(6, 2, []byte{0xfe, 0xff, 0xff, 0xff}), 7, ok); done || err != nil {
		t.Errorf("an answer to another question: %v, %v", done, err)
	}
	for name, bad := range map[string][]byte{"short": {1, 2, 3}, "cut off": seed(7, sockDiagByFamily, make([]byte, 72))[:40], "no length": make([]byte, 16)} {
		if _, err := eachAnswer(bad, 7, ok); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := parseInet(make([]byte, 71)); err == nil {
		t.Error("a short inet_diag_msg")
	}
	if _, _, err := parseTCPInfo(make([]byte, 72)); err == nil {
		t.Error("no tcp_info")
	}
	if _, err := parseUnix([]byte{FamilyUnix, 1, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}); err == nil {
		t.Error("no queues")
	}
}
