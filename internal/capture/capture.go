// Package capture notes what must be known about a process before it is
// ended: a killed process tells nothing.
package capture

import (
	"bytes"
	"time"

	"lastcall/internal/aside"
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
	aside  *aside.Reader
	uptime uint64
	buffer []byte
	taken  int
}

// NewCamera returns a Camera with the clock read once. What may hang it reads
// with the reader.
func NewCamera(fs proc.FS, reader *aside.Reader) *Camera {
	uptime, _ := fs.Uptime()
	return &Camera{FS: fs, aside: reader, uptime: uptime, buffer: make([]byte, 4096)}
}

const sigterm = 15

// Survivors describes claimed processes, by until.
func (c *Camera) Survivors(claimed []claim.Claimed, until time.Time) []forensics.Process {
	list := make([]forensics.Process, 0, len(claimed))
	var subjects []aside.Subject
	var detailed []int
	for _, one := range claimed {
		taken := c.taken
		list = append(list, c.survivor(one))
		if c.taken > taken {
			subjects = append(subjects, aside.Subject{PID: one.Stat.PID, Stuck: one.Stat.State == 'D'})
			detailed = append(detailed, len(list)-1)
		}
	}
	c.aside.Each(subjects, aside.Arguments, until, func(i int, text []byte, _ error) {
		list[detailed[i]].Command = string(bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '}))
	})
	return list
}

func (c *Camera) survivor(claimed claim.Claimed) forensics.Process {
	stat, status := claimed.Stat, claimed.Status
	process := c.basic(stat)
	process.UID = status.UID
	process.Evidence = string(claimed.Evidence)
	process.Proof = claimed.Proof
	if status.Known() {
		process.Sigterm = string(status.Disposition(sigterm))
		process.Resident = status.Resident
	}
	if claimed.Brief || c.taken >= Detailed {
		return process
	}
	c.taken++
	process.Wchan, _ = c.FS.Text(stat.PID, "wchan", c.buffer)
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
