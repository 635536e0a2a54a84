// Package capture notes what must be known about a process before it is
// ended: a killed process tells nothing.
package capture

import (
	"bytes"
	"strings"
	"time"

	"lastcall/internal/claim"
	"lastcall/internal/forensics"
	"lastcall/internal/proc"
)

// Detailed is how many processes are described in full. A job that left a
// crowd is described by its first processes; of the others only what is known
// anyway is noted, since each more costs the node idle time.
const Detailed = 256

// Camera describes processes.
type Camera struct {
	FS     proc.FS
	uptime uint64
	buffer []byte
	taken  int
}

// NewCamera returns a Camera with the clock read once.
func NewCamera(fs proc.FS) *Camera {
	uptime, _ := fs.Uptime()
	return &Camera{FS: fs, uptime: uptime, buffer: make([]byte, 4096)}
}

const sigterm = 15

// Survivor describes a claimed process.
func (c *Camera) Survivor(claimed claim.Claimed) forensics.Process {
	stat, status := claimed.Stat, claimed.Status
	process := c.basic(stat)
	process.UID = status.UID
	process.Evidence = string(claimed.Evidence)
	process.Proof = claimed.Proof
	process.Sigterm = string(status.Disposition(sigterm))
	process.Resident = status.Resident
	c.taken++
	if c.taken > Detailed {
		return process
	}
	process.Wchan, _ = c.FS.Text(stat.PID, "wchan", c.buffer)
	// The arguments are read through the process's memory, whose lock a
	// process stuck in the kernel may hold.
	if stat.State != 'D' {
		process.Command = c.command(stat.PID)
	}
	return process
}

// Spared describes a process that is left alone.
func (c *Camera) Spared(spared claim.Spared) forensics.Process {
	process := c.basic(spared.Stat)
	process.UID = spared.UID
	process.Spared = string(spared.Reason)
	process.Outcome = "spared"
	return process
}

func (c *Camera) basic(stat proc.Stat) forensics.Process {
	process := forensics.Process{
		PID: stat.PID, Start: stat.Start, Parent: stat.Parent, Session: stat.Session,
		Comm: stat.Comm, State: string(stat.State), Threads: stat.Threads,
		CPU: time.Duration(stat.UserTicks+stat.SystemTicks) * proc.Tick,
	}
	if c.uptime > stat.Start {
		process.Age = time.Duration(c.uptime-stat.Start) * proc.Tick
	}
	return process
}

// maxCommand is the most that is kept of the arguments, in bytes.
const maxCommand = 256

func (c *Camera) command(pid int) string {
	text, err := c.FS.CommandLine(pid, c.buffer[:maxCommand])
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '}))
}

// Stuck adds what tells why a process does not die: its state now, and the
// place in the kernel it waits in. All of it is safe to read on a process in
// state D (fs/proc/base.c: none of these takes the memory's lock).
func (c *Camera) Stuck(process *forensics.Process) {
	stat, err := c.FS.Stat(process.PID, c.buffer)
	if err != nil || stat.Start != process.Start {
		return
	}
	process.State = string(stat.State)
	process.Wchan, _ = c.FS.Text(process.PID, "wchan", c.buffer)
	process.Syscall, _ = c.FS.Text(process.PID, "syscall", c.buffer)
	stack, _ := c.FS.Text(process.PID, "stack", c.buffer)
	process.Stack = nil
	for line := range strings.Lines(stack) {
		// "[<0>] function+0x12/0x34"
		_, frame, _ := strings.Cut(strings.TrimSpace(line), "] ")
		if frame != "" && len(process.Stack) < 32 {
			process.Stack = append(process.Stack, frame)
		}
	}
}
