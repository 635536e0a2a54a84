package activity

import (
	"bytes"
	"errors"
	"net/netip"
	"runtime"
	"testing"

	"lastcall/internal/linux/sockdiag"
	"lastcall/internal/proc"
)

const words = " 0x3 0x7fb13d3e0000 0x20000 0x7fb13d473b60 0xffffffff 0x0 0x7fffea325dd8 0x7fb13d55c2ad\n"

func TestParseCall(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are those of amd64")
	}
	for text, want := range map[string]call{
		"running\n":               {running: true},
		"-1 0x7ffd5a4 0x7f21b6\n": {outside: true},
		"0" + words:               {number: 0, descriptor: 3, known: known{"read", waitOne}},
		"35" + words:              {number: 35, descriptor: 3, known: known{"nanosleep", waitTime}},
		"128" + words:             {number: 128, descriptor: 3},
		"1073741824" + words:      {number: 1 << 30, descriptor: 3},
		"7 0x1 0x2 0x3 0x4 0x5 0x6 0xffe0 0x80490\n": {number: 7}, // waitpid of a 32-bit program, or worse
	} {
		if got, err := parseCall([]byte(text)); got != want || err != nil {
			t.Errorf("%q was read as %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "-1", "-1 0x1", "35", "-2" + words, "x" + words, "35 1 0x2 0x3 0x4 0x5 0x6 0x7 0x8", "35" + words + "0x1", "4294967296" + words} {
		if got, err := parseCall([]byte(bad)); !errors.Is(err, proc.ErrFormat) {
			t.Errorf("%q was read as %+v, %v", bad, got, err)
		}
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add([]byte("35" + words))
	f.Add([]byte("running\n"))
	f.Add([]byte("-1 0x7ffd5a4 0x7f21b6\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseCall(text)
		if err != nil && c != (call{}) {
			t.Errorf("an error and %+v", c)
		}
		if c.known.wait != waitNothing && !bytes.Contains(text, []byte("0x")) {
			t.Errorf("%q may be idle", text)
		}
	})
}

func TestJudgeThread(t *testing.T) {
	idleCall, busyCall := call{known: known{"futex", waitTime}}, call{number: 1}
	for name, test := range map[string]struct {
		stat proc.Stat
		call call
		want Reason
	}{
		"idle":            {proc.Stat{State: 'S'}, idleCall, ""},
		"writing":         {proc.Stat{State: 'S'}, busyCall, BusyCall},
		"a page fault":    {proc.Stat{State: 'S'}, call{outside: true}, BusyCall},
		"woken meanwhile": {proc.Stat{State: 'R'}, idleCall, Running},
		"running":         {proc.Stat{State: 'S'}, call{running: true}, Running},
		"stuck":           {proc.Stat{State: 'D'}, idleCall, Uninterruptible},
		"stopped":         {proc.Stat{State: 'T'}, idleCall, Stopped},
		"traced":          {proc.Stat{State: 't'}, idleCall, Traced},
		"exiting":         {proc.Stat{State: 'S', Flags: 4}, idleCall, Exiting},
		"a new state":     {proc.Stat{State: 'Q'}, idleCall, Running},
	} {
		if got, text := judgeThread(test.stat, test.call); got != test.want || (text == "") != (got == "") {
			t.Errorf("%s: %q, %q", name, got, text)
		}
	}
}

func TestParseDescriptor(t *testing.T) {
	for target, want := range map[string]kind{
		"pipe:[123]": kindPipe, "socket:[18446744073709551615]": kindSocket,
		"pipe:[x]": kindOdd, "pipe:123": kindOdd, "socket:[18446744073709551616]": kindOdd, "socket:[]": kindOdd,
		"anon_inode:[eventfd]": kindEvent, "anon_inode:[timerfd]": kindEvent, "anon_inode:[signalfd]": kindEvent,
		"anon_inode:[eventpoll]": kindEvent, "anon_inode:inotify": kindEvent, "anon_inode:[pidfd]": kindEvent, "pidfd:[7]": kindEvent,
		"anon_inode:[io_uring]": kindRing, "anon_inode:[perf_event]": kindOdd, "anon_inode:bpf-prog": kindOdd, "anon_inode:[userfaultfd]": kindOdd,
		"anon_inode:kvm-vm": kindOdd, "net:[4026531840]": kindHarmless, "": kindOdd, "new:thing": kindOdd,
		"/dev/null": kindHarmless, "/dev/zero": kindHarmless, "/dev/urandom": kindHarmless,
		"/dev/nvidia0": kindDevice, "/dev/nvidiactl": kindDevice, "/dev/kfd": kindDevice, "/dev/dri/renderD128": kindDevice,
		"/dev/infiniband/uverbs0": kindDevice, "/dev/hfi1_0": kindDevice, "/dev/cxi0": kindDevice, "/dev/fuse": kindDevice,
		"/dev/fuse (deleted)": kindDevice, "/dev/rtc0": kindDevice, "/dev/sda": kindDevice, "/dev/net/tun": kindDevice,
		"/dev/tty": kindTerminal, "/dev/ttyS0": kindTerminal, "/dev/pts/3": kindTerminal, "/dev/console": kindTerminal, "/dev/ptmx": kindTerminal, "/dev/pts/ptmx": kindTerminal,
		"/dev/shm/psm_1": kindFile, "/dev/shm": kindFile, "/dev/mqueue/q": kindFile, "/dev/hugepages/x (deleted)": kindFile, "/dev/mqueue": kindDevice,
		"/memfd:x (deleted)": kindFile, "/home/ada/out": kindFile, "/home/ada/dev/out": kindFile, "/home/ada/dev/rtc0": kindFile,
		"/image/root/dev/nvidia0": kindDevice, "/image/root/dev/pts/1": kindTerminal, "/image/root/dev/null": kindFile, "/SYSV00000000 (deleted)": kindFile,
	} {
		if got := parseDescriptor([]byte(target)); got.kind != want {
			t.Errorf("%q was read as %+v, want kind %d", target, got, want)
		}
	}
}

func FuzzParseDescriptor(f *testing.F) {
	f.Add([]byte("pipe:[123]"))
	f.Add([]byte("anon_inode:[eventfd]"))
	f.Add([]byte("/x/dev/pts/1 (deleted)"))
	f.Fuzz(func(t *testing.T, target []byte) {
		d := parseDescriptor(target)
		if reason, text := judgeOther(d); reason == "" != (text == "") || reason != "" && bytes.ContainsAny([]byte(text), "\x00\n\x1b") {
			t.Errorf("%q: %q, %q", target, reason, text)
		}
		if d.kind == kindFile && (len(target) == 0 || target[0] != '/') {
			t.Errorf("%q counts as a file", target)
		}
	})
}

func TestJudgeSocket(t *testing.T) {
	at := netip.MustParseAddrPort
	tcp := func(state uint8, local, remote string, unread, unsent, peer uint32) *socket {
		return &socket{family: familyTCP, peer: peer, inet: sockdiag.Inet{State: state, Local: at(local), Remote: at(remote), Unread: unread, Unsent: unsent}}
	}
	udp := func(state uint8, local, remote string, peer uint32) *socket {
		s := tcp(state, local, remote, 0, 0, peer)
		s.family = familyUDP
		return s
	}
	unix := func(u sockdiag.Unix, peerName string) *socket {
		return &socket{family: familyUnix, unix: u, peerName: peerName}
	}
	const in, out = 7, 8
	for name, test := range map[string]struct {
		socket *socket
		waits  bool
		want   Reason
	}{
		"unknown":              {&socket{}, false, OddSocket},
		"listening":            {tcp(10, "0.0.0.0:22", "0.0.0.0:0", 0, 128, 0), true, ""},
		"listening, a caller":  {tcp(10, "0.0.0.0:22", "0.0.0.0:0", 1, 128, 0), false, Unread},
		"closed":               {tcp(7, "0.0.0.0:0", "0.0.0.0:0", 0, 0, 0), false, ""},
		"loopback":             {tcp(1, "127.0.0.1:1", "127.0.0.1:2", 0, 0, in), true, ""},
		"own address":          {tcp(1, "10.0.0.1:1", "10.0.0.1:2", 0, 0, in), true, ""},
		"loopback 6":           {tcp(1, "[::1]:1", "[::1]:2", 0, 0, in), true, ""},
		"outside":              {tcp(1, "127.0.0.1:1", "127.0.0.1:2", 0, 0, out), false, Outside},
		"nobody known":         {tcp(1, "127.0.0.1:1", "127.0.0.1:2", 0, 0, 0), false, Outside},
		"another node":         {tcp(1, "10.0.0.1:1", "10.0.0.2:2", 0, 0, in), false, OffNode},
		"another node, closed": {tcp(8, "10.0.0.1:1", "10.0.0.2:2", 0, 0, 0), false, OffNode},
		"unsent":               {tcp(1, "127.0.0.1:1", "127.0.0.1:2", 0, 1, in), false, Unsent},
		"unread":               {tcp(1, "127.0.0.1:1", "127.0.0.1:2", 1, 0, in), false, Unread},
		"dead end":             {tcp(8, "127.0.0.1:1", "127.0.0.1:2", 1, 0, 0), false, ""},
		"dead end, unread":     {tcp(8, "127.0.0.1:1", "127.0.0.1:2", 9, 0, 0), false, Unread},
		"half closed, outside": {tcp(8, "127.0.0.1:1", "127.0.0.1:2", 0, 0, out), false, Outside},
		"UDP inside":           {udp(1, "127.0.0.1:1", "127.0.0.1:2", in), true, ""},
		"UDP outside":          {udp(1, "127.0.0.1:1", "127.0.0.1:2", 0), false, Outside},
		"UDP away":             {udp(1, "10.0.0.1:1", "10.0.0.2:2", 0), false, OffNode},
		"UDP open":             {udp(7, "0.0.0.0:1", "0.0.0.0:0", 0), false, ""},
		"UDP open, waiting":    {udp(7, "0.0.0.0:1", "0.0.0.0:0", 0), true, OddSocket},
		"netlink":              {&socket{family: familyNetlink}, true, ""},
		"netlink, a message":   {&socket{family: familyNetlink, unread: 1}, false, Unread},
		"MPTCP listening":      {&socket{family: familyMPTCP, inet: sockdiag.Inet{State: 10}}, false, ""},
		"MPTCP connected":      {&socket{family: familyMPTCP, inet: sockdiag.Inet{State: 1}}, false, OddSocket},
		"unix inside":          {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: in}, ""), true, ""},
		"unix outside":         {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: out}, "/x"), false, Outside},
		"unix, unread":         {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: in, Unread: 1}, ""), false, Unread},
		"unix, unsent":         {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: in, Unsent: 1}, ""), false, Unsent},
		"unix, not accepted":   {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true}, ""), false, Outside},
		"unix, dead end":       {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Shutdown: true}, ""), false, ""},
		"unix listening":       {unix(sockdiag.Unix{Kind: 1, State: 10}, ""), true, ""},
		"unix, a caller":       {unix(sockdiag.Unix{Kind: 1, State: 10, Unread: 1}, ""), false, Unread},
		"unix, new":            {unix(sockdiag.Unix{Kind: 1, State: 7}, ""), true, ""},
		"docker":               {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: in}, "/run/docker.sock"), false, Container},
		"containerd, abstract": {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: out}, "@/run/containerd/containerd.sock.ttrpc"), false, Container},
		"podman of a user":     {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: out}, "/run/user/1000/podman/podman.sock"), false, Container},
		"names":                {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: out}, "/var/lib/sss/pipes/nss"), false, ""},
		"names, asked now":     {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: out}, "/var/lib/sss/pipes/nss"), true, Outside},
		"the log":              {unix(sockdiag.Unix{Kind: 2, State: 1, Paired: true, Peer: out}, "/run/systemd/journal/dev-log"), false, ""},
		"a folder like it":     {unix(sockdiag.Unix{Kind: 1, State: 1, Paired: true, Peer: out}, "/tmp/run/nscd/socket"), false, Outside},
		"datagrams":            {unix(sockdiag.Unix{Kind: 2, State: 7}, ""), true, ""},
		"datagrams, bound":     {unix(sockdiag.Unix{Kind: 2, State: 7, Name: "/x"}, ""), true, OddSocket},
		"datagrams, not read":  {unix(sockdiag.Unix{Kind: 2, State: 7, Name: "/x"}, ""), false, ""},
	} {
		got, text := judgeSocket(test.socket, test.waits, func(inode uint32) bool { return inode == in })
		if got != test.want || (text == "") != (got == "") {
			t.Errorf("%s: %q, %q, want %q", name, got, text, test.want)
		}
	}
}

const netlinkText = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n" +
	"0000000096e4bc32 0   0          00000000 0        0        0     2        0        4       \n" +
	"00000000121d7aad 4   0          00000000 17       0        0     2        0        1591    \n"

func TestEachNetlink(t *testing.T) {
	got := map[uint64]uint64{}
	eachNetlink([]byte(netlinkText), func(inode, unread uint64) { got[inode] = unread })
	if len(got) != 2 || got[4] != 0 || got[1591] != 17 {
		t.Errorf("%v", got)
	}
}

func FuzzEachNetlink(f *testing.F) {
	f.Add([]byte(netlinkText))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		eachNetlink(text, func(inode, _ uint64) {
			n++
			if inode == 0 {
				t.Error("a socket without an inode")
			}
		})
		if n > bytes.Count(text, []byte("\n"))+1 {
			t.Errorf("%d sockets in %q", n, text)
		}
	})
}
