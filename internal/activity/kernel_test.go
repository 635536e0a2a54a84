package activity

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lastcall/internal/proc"
)

func do(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// twoNodes makes two network namespaces with a cable between them. In the
// second, which has the address 198.51.100.2, somebody listens on port 4000.
func twoNodes(t *testing.T) (here, there string) {
	t.Helper()
	id := fmt.Sprintf("lc%d", os.Getpid()%100000)
	here, there = id+"a", id+"b"
	for _, name := range []string{here, there} {
		do(t, "ip", "netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		do(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	do(t, "ip", "link", "add", here, "netns", here, "type", "veth", "peer", "name", there, "netns", there)
	for name, address := range map[string]string{here: "198.51.100.1/24", there: "198.51.100.2/24"} {
		do(t, "ip", "-n", name, "address", "add", address, "dev", name)
		do(t, "ip", "-n", name, "link", "set", name, "up")
	}
	return here, there
}

// Somebody in the second namespace, which is as far away as another node.
func TestOffNode(t *testing.T) {
	here, there := twoNodes(t)
	far := stageBy(t, exec.Command("ip", "netns", "exec", there, play, "serve", "198.51.100.2", "4000"))
	r := New(proc.Default)
	for role, test := range map[string]struct {
		args []string
		text string
	}{
		"connect": {[]string{"198.51.100.2", "4000"}, "a connection to 198.51.100.2:4000, which is not on this node"},
		"udp":     {[]string{"198.51.100.2", "53"}, "UDP socket to 198.51.100.2:53, which is not"},
		"drip-to": {[]string{"198.51.100.2", "4000"}, "not on this node"},
	} {
		keys := stageBy(t, exec.Command("ip", append([]string{"netns", "exec", here, play, role}, test.args...)...))
		vetoedFor(t, r, keys, OffNode, test.text, far[0].PID)
	}
	// A connection to this node's own address stays on it.
	self := stageBy(t, exec.Command("ip", "netns", "exec", here, play, "serve", "198.51.100.1", "4000"))
	client := stageBy(t, exec.Command("ip", "netns", "exec", here, play, "connect", "198.51.100.1", "4000"))
	vetoedFor(t, r, client, Outside, "on this node but outside the job")
	idle(t, r, append(client, self...))
}

// A job in a network namespace of its own, whose sockets are seen there; and a
// socket it has brought along from outside.
func TestOwnNetwork(t *testing.T) {
	for _, role := range []string{"loopback", "recvfrom", "poll"} {
		keys := stageBy(t, exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up; exec "+play+" "+role))
		if link, own := linkOf(t, keys[0].PID), linkOf(t, os.Getpid()); link == own {
			t.Fatalf("still in %s", link)
		}
		idle(t, New(proc.Default), keys)
	}
	keys := stageBy(t, exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up; exec "+play+" drip"))
	r := New(proc.Default)
	before := look(r, keys)
	time.Sleep(200 * time.Millisecond)
	bytes := false
	for _, moved := range Progress(before, look(r, keys)) {
		bytes = bytes || moved.Change == Network
	}
	if !bytes {
		t.Errorf("no bytes moved: %s", tell(look(r, keys)))
	}
	inherits := stage(t, "bring-along")
	idle(t, r, inherits)
}

func linkOf(t *testing.T, pid int) string {
	t.Helper()
	link, err := os.Readlink(proc.Default.Path(pid, "ns/net"))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// A process that waits for a frozen file system, and one whose core file goes
// there. Looking at them must not hang.
func TestStuck(t *testing.T) {
	folder := t.TempDir()
	image, mounted := folder+"/disk", folder+"/mounted"
	do(t, "truncate", "-s", "16M", image)
	do(t, "/sbin/mkfs.ext4", "-q", image)
	do(t, "mkdir", mounted)
	do(t, "mount", "-o", "loop", image, mounted)
	t.Cleanup(func() {
		_ = exec.Command("/sbin/fsfreeze", "-u", mounted).Run()
		for range 100 {
			if exec.Command("umount", mounted).Run() == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Error("cannot unmount " + mounted)
	})
	do(t, "/sbin/fsfreeze", "-f", mounted)
	r := New(proc.Default)
	begin := time.Now()
	writer := stage(t, "stuck", mounted+"/file")
	vetoedFor(t, r, writer, Uninterruptible, "waits in the kernel in")
	thread := stage(t, "stuck-thread", mounted+"/other")
	vetoedFor(t, r, thread, Uninterruptible, "waits in the kernel in")
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err == nil && !strings.HasPrefix(string(pattern), "|") && !strings.HasPrefix(string(pattern), "/") {
		dumper := stage(t, "core", mounted)
		vetoedFor(t, r, dumper, DumpingCore, "core file")
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	do(t, "/sbin/fsfreeze", "-u", mounted)
	idle(t, r, append(writer, thread...))
}
