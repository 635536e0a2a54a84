// Package note carries one sentence from the node service, which is root, to
// the job's own output: the controller refuses `scontrol notify` for a job
// that is COMPLETING (slurmctld, job_mgr.c, job_notify), but a TaskEpilog's
// standard error is the job's.
package note

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"lastcall/internal/linux"
)

// Folder is where notes lie: on a file system in memory, in a folder that is
// root's alone.
const Folder = "/run/lastcall/notes"

// most is how long a note may be, in bytes.
const most = 1024

// path names the note of a job. The name of the node is one that package
// slurm has checked: it has no slash.
func path(folder, node string, job uint32) string {
	return folder + "/" + node + "." + strconv.FormatUint(uint64(job), 10)
}

// Leave leaves a sentence for the user of a job; nobody else may read it. The
// text must be escaped already.
func Leave(folder, node string, job, uid uint32, text string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("a note for job %d: %w", job, err)
	}
	// Users read it, whatever the service's umask says.
	if err := os.Chmod(folder, 0o755); err != nil {
		return fmt.Errorf("a note for job %d: %w", job, err)
	}
	name := path(folder, node, job)
	if err := Remove(folder, node, job); err != nil {
		return err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o400)
	if err != nil {
		return fmt.Errorf("a note for job %d: %w", job, err)
	}
	_, err = file.WriteString(text[:min(len(text), most)])
	if err == nil {
		err = file.Chown(int(uid), -1)
	}
	return errors.Join(err, file.Close())
}

// Remove takes a note away; one that is not there is no error.
func Remove(folder, node string, job uint32) error {
	if err := os.Remove(path(folder, node, job)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a note: %w", err)
	}
	return nil
}

// Sweep removes the notes of a node's jobs that keep does not know: a service
// that was ended may have left them.
func Sweep(folder, node string, keep func(job uint32) bool) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		number, ours := strings.CutPrefix(entry.Name(), node+".")
		job, wrong := strconv.ParseUint(number, 10, 32)
		if ours && wrong == nil && !keep(uint32(job)) {
			err = errors.Join(err, Remove(folder, node, uint32(job)))
		}
	}
	return err
}

// Read returns the note for a job, "" if there is none. It is for the hooks:
// they read it with the least calls there are.
func Read(folder, node string, job uint32) string {
	text, err := linux.Read(path(folder, node, job), make([]byte, most))
	if err != nil {
		return ""
	}
	return string(text)
}
