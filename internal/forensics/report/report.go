// Package report reads the records the hooks wrote. It is for programs that
// may be large: the hooks themselves only write.
package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Record is one line of the log; docs/record.md describes each key.
type Record struct {
	Version   int       `json:"version"`
	Time      time.Time `json:"time"`
	Program   string    `json:"program"`
	Release   string    `json:"release"`
	Hook      string    `json:"hook"`
	Mode      string    `json:"mode"`
	Config    string    `json:"config"`
	Cluster   string    `json:"cluster"`
	Node      string    `json:"node"`
	Job       uint32    `json:"job"`
	HetLeader uint32    `json:"het_leader"`
	SLUID     string    `json:"sluid"`
	Step      string    `json:"step"`
	User      string    `json:"user"`
	UID       int64     `json:"uid"`
	RunInJob  bool      `json:"run_in_job"`
	Verdict   string    `json:"verdict"`
	ExitCode  int       `json:"exit_code"`
	Counts    Counts    `json:"counts"`
	Phases    Phases    `json:"phases"`
	Looks     int       `json:"looks"`
	Method    string    `json:"method"`
	Escalated string    `json:"escalated"`
	Watch     *Watch    `json:"watch"`
	Causes    []Cause   `json:"causes"`
	Processes []Process `json:"processes"`
	Locks     []Lock    `json:"locks"`
	Groups    []Group   `json:"groups"`
	Omitted   int       `json:"omitted"`
	Warnings  []string  `json:"warnings"`
}

// Counts sums a run up.
type Counts struct {
	Survivors  int `json:"survivors"`
	Exited     int `json:"exited"`
	Terminated int `json:"terminated"`
	Killed     int `json:"killed"`
	Unkillable int `json:"unkillable"`
	Left       int `json:"left"`
	Spared     int `json:"spared"`
	Locks      int `json:"locks"`
	LocksFreed int `json:"locks_freed"`
}

// Watch is what the node service says about a job; the durations are
// milliseconds.
type Watch struct {
	Rule     string    `json:"rule"`
	Reason   string    `json:"reason"`
	Order    time.Time `json:"order"`
	ToEnd    float64   `json:"to_end_ms"`
	ToEmpty  float64   `json:"to_empty_ms"`
	Still    float64   `json:"still_ms"`
	KillWait float64   `json:"kill_wait_ms"`
	Asked    int       `json:"asked"`
}

// Cause is what processes that do not die wait for.
type Cause struct {
	Code     string  `json:"code"`
	Text     string  `json:"text"`
	Count    int     `json:"count"`
	Function string  `json:"function"`
	Call     string  `json:"call"`
	While    string  `json:"while"`
	Type     string  `json:"type"`
	Source   string  `json:"source"`
	Mount    string  `json:"mount"`
	File     string  `json:"file"`
	Since    float64 `json:"since_ms"`
	Daemons  []Party `json:"daemons"`
	Abort    string  `json:"abort"`
}

// Phases holds the durations in milliseconds.
type Phases struct {
	Identity float64 `json:"identity_ms"`
	Claim    float64 `json:"claim_ms"`
	Ladder   float64 `json:"ladder_ms"`
	Locks    float64 `json:"locks_ms"`
	Total    float64 `json:"total_ms"`
}

// Process is one process of a record.
type Process struct {
	PID      int      `json:"pid"`
	Start    uint64   `json:"start"`
	Parent   int      `json:"ppid"`
	Session  int      `json:"session"`
	UID      uint32   `json:"uid"`
	Comm     string   `json:"comm"`
	Command  string   `json:"command"`
	State    string   `json:"state"`
	Sigterm  string   `json:"sigterm"`
	Evidence string   `json:"evidence"`
	Proof    string   `json:"proof"`
	Spared   string   `json:"spared"`
	Threads  int      `json:"threads"`
	Age      float64  `json:"age_ms"`
	CPU      float64  `json:"cpu_ms"`
	Resident uint64   `json:"resident"`
	Wchan    string   `json:"wchan"`
	Syscall  string   `json:"syscall"`
	Stack    []string `json:"stack"`
	Thread   int      `json:"thread"`
	Cause    string   `json:"cause"`
	File     string   `json:"file"`
	Locks    int      `json:"locks"`
	Doing    string   `json:"doing"`
	Told     string   `json:"told"`
	Would    []string `json:"would"`
	Outcome  string   `json:"outcome"`
	Took     float64  `json:"took_ms"`
}

// Lock is one lock of a record.
type Lock struct {
	Kind    string  `json:"kind"`
	Mode    string  `json:"mode"`
	Device  string  `json:"device"`
	Inode   uint64  `json:"inode"`
	Start   uint64  `json:"start"`
	End     string  `json:"end"`
	Path    string  `json:"path"`
	Taker   int     `json:"taker"`
	Holders []Party `json:"holders"`
	Fate    string  `json:"fate"`
	Release string  `json:"release"`
	HeldBy  []Party `json:"held_by"`
	Waiters []Party `json:"waiters"`
}

// Group is a cgroup of which folders were removed.
type Group struct {
	Path    string `json:"path"`
	Removed int    `json:"removed"`
	Gone    bool   `json:"gone"`
}

// Party is a process beside a lock.
type Party struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
	UID  uint32 `json:"uid"`
}

// maxLine is the most one line may be long, in bytes: twice what is written.
const maxLine = 2 << 20

// Read reads records, one a line, and calls use for each. A line that is no
// record is passed over; the error names the first one.
func Read(from io.Reader, use func(Record)) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	var wrong error
	for number := 1; lines.Scan(); number++ {
		if len(lines.Bytes()) == 0 {
			continue
		}
		record, err := parse(lines.Bytes())
		if err != nil && wrong == nil {
			wrong = fmt.Errorf("line %d is no record: %w", number, err)
		}
		if err == nil || record.Version != 0 {
			use(record)
		}
	}
	return errors.Join(wrong, lines.Err())
}

// parse reads one record. On a disk that was full the first part of a record
// may stand before a whole one in the same line: then it returns the whole
// one, and the error for the other.
func parse(line []byte) (Record, error) {
	var record Record
	err := json.Unmarshal(line, &record)
	if err == nil {
		return record, nil
	}
	record = Record{}
	if start := bytes.LastIndex(line, []byte(`{"version":`)); start > 0 {
		if json.Unmarshal(line[start:], &record) != nil {
			record = Record{}
		}
	}
	return record, err
}
