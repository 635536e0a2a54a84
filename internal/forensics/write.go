package forensics

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"lastcall/internal/linux"
)

// Append adds the record to the file at path with one write, so that hooks
// writing at the same time never mix their lines. A missing folder is made,
// one level deep. The caller goes on whatever comes back: a full disk must
// not change what happens to a node.
func (r *Record) Append(path string) error {
	line, err := r.Encode(maxLine)
	if err != nil {
		return err
	}
	const mode = 0o640
	err = linux.Append(path, line, mode)
	if slash := strings.LastIndexByte(path, '/'); linux.Gone(err) && slash > 0 {
		if err := syscall.Mkdir(path[:slash], 0o750); err != nil && err != syscall.EEXIST {
			return fmt.Errorf("mkdir %s: %w", path[:slash], err)
		}
		err = linux.Append(path, line, mode)
	}
	return err
}

// The sockets a program without a log file of its own can write to.
const (
	journalSocket = "/run/systemd/journal/socket"
	syslogSocket  = "/dev/log"
)

// maxDatagram is the most a datagram may be long, in bytes: journald and
// syslog daemons take this without special means.
const maxDatagram = 32 << 10

// Send hands the record to the journal, or to syslog where there is no
// journal. It never waits. It is for the hook that runs as the job's user,
// who may not write the log file.
func (r *Record) Send() error { return r.send(journalSocket, syslogSocket) }

func (r *Record) send(journal, syslog string) error {
	line, err := r.Encode(maxDatagram)
	if err != nil {
		return err
	}
	record := strings.TrimSuffix(string(line), "\n")
	if linux.Exists(journal) {
		// The journal's own protocol: one NAME=value a line, see systemd's
		// JOURNAL_NATIVE_PROTOCOL.
		message := "MESSAGE=" + r.Summary() + "\nPRIORITY=6\nSYSLOG_IDENTIFIER=lastcall\nLASTCALL_RECORD=" + record + "\n"
		return linux.SendDatagram(journal, []byte(message))
	}
	if !linux.Exists(syslog) {
		return nil
	}
	// RFC 3164 as syslog(3) sends it: facility daemon, severity info.
	stamp := r.Time.UTC().Format(time.Stamp)
	return linux.SendDatagram(syslog, []byte("<30>"+stamp+" lastcall: "+record))
}
