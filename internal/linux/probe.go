package linux

import (
	"bytes"
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// Answers asks a file system for something that changes nothing: to remove a
// file that is not there. The kernel first makes sure that the file system may
// be written to, which waits while it is frozen, and then looks the name up,
// for which a network file system asks its server (fs/namei.c, do_unlinkat).
// It returns nil if there was an answer, also a refusal. It waits as long as
// the file system does: only a disposable child does this.
func Answers(path string) error {
	err := unix.Unlink(path)
	switch err {
	case nil, unix.ENOENT, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOTDIR:
		return nil
	}
	return fail("unlink", path, err)
}

// fuseControl is where the kernel shows FUSE connections once fusectl is
// mounted there (filesystems/fuse.rst, "Control filesystem").
const fuseControl = "/sys/fs/fuse/connections"

// ErrNobodyWaits says that no request of a FUSE connection is without an answer.
var ErrNobodyWaits = errors.New("nobody waits for an answer of it")

// AbortFUSE ends a FUSE connection: all its requests fail and its users go on
// with errors. One without an open request is left alone, with ErrNobodyWaits:
// whoever is stuck waits for another one (fs/fuse/control.c,
// fuse_conn_waiting_read). Where fusectl is not mounted it is mounted for this
// thread alone, so only a disposable child does this.
func AbortFUSE(connection string) error {
	folder := fuseControl + "/" + connection
	if !Exists(folder) {
		// The new namespace is this thread's alone (unshare(2)): on any other the
		// mounts that follow would be made in the host's. It is never unlocked.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fail("unshare", fuseControl, err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fail("mount private", "/", err)
		}
		if err := unix.Mount("none", fuseControl, "fusectl", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fail("mount fusectl", fuseControl, err)
		}
	}
	waiting, err := Read(folder+"/waiting", make([]byte, 64))
	if err != nil {
		return err
	}
	if string(bytes.TrimSpace(waiting)) == "0" {
		return fail("abort", folder, ErrNobodyWaits)
	}
	return Write(folder+"/abort", "1")
}
