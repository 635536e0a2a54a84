package stuck

import (
	"lastcall/internal/cause"
	"lastcall/internal/proc"
	"lastcall/pkg/locks"
)

// Policy is what the site allows to be done about processes that do not die.
type Policy struct {
	Observe      bool     // only say what would be done
	Release      bool     // free locks below ReleasePaths
	ReleasePaths []string // absolute
	AbortFUSE    bool
}

// Why a lock is left alone.
const (
	reasonPolicy    = "reported only: [locks] unkillable is not \"release\""
	reasonPath      = "not below one of release_paths"
	reasonKind      = "belongs to the process and not to the open file: no copy of the descriptor can free it"
	reasonExiting   = "its holder is exiting: its descriptors cannot be copied any more"
	reasonOutside   = "a process outside the job, or one that is not stuck, holds it too"
	reasonType      = "not on a local file system (ext4, xfs, btrfs, tmpfs)"
	reasonSame      = "on the file system its holder waits for: it may guard the very write that is stuck"
	reasonUnknown   = "which file system its holder waits for is not known"
	reasonElsewhere = "its path is not the one this node sees: another mount namespace"
	reasonUnseen    = "there was no time to look who else holds it"
	released        = "released"
	wouldRelease    = "would be released"
)

// local are the file systems on which a copy can be made, unlocked and closed
// without asking anybody: their locks are kept by the kernel alone.
var local = map[string]bool{"ext4": true, "xfs": true, "btrfs": true, "tmpfs": true}

// refuses says why a lock may not be freed, "" if it may. stuck are the job's
// processes that do not die, mounts what this program sees. It is a pure
// function: nothing of what it judges is asked any more.
func (p Policy) refuses(held locks.Held, stuck map[proc.Key]*Process, all []Process, mounts []cause.Mount) string {
	path, device := held.Path(), held.Lock.Device
	switch {
	case !locks.CanFree(held.Lock.Kind):
		return reasonKind
	case !p.Release:
		return reasonPolicy
	case !p.below(path):
		return reasonPath
	}
	for _, holder := range held.Holders {
		process := stuck[holder.Key]
		if process == nil {
			return reasonOutside
		}
		if process.Exiting {
			return reasonExiting
		}
	}
	mount := cause.ByPath(mounts, path)
	if locks.Device(deviceOf(mount)) != device {
		return reasonElsewhere
	}
	if !local[mount.Type] {
		return reasonType
	}
	return p.waitsThere(device, all)
}

// waitsThere says why a file system may be the one that is stuck.
func (p Policy) waitsThere(device locks.Device, all []Process) string {
	for i := range all {
		m := all[i].Cause.Mount
		switch {
		case m.Known() && locks.Device(deviceOf(m)) == device:
			return reasonSame
		case !m.Known() && !withoutFiles[all[i].Cause.Code]:
			return reasonUnknown
		}
	}
	return ""
}

// withoutFiles are the causes that are about no file system of the lock's
// kind: network file systems have none of the local types, drivers no files.
var withoutFiles = map[cause.Code]bool{
	cause.NFS: true, cause.Lustre: true, cause.GPFS: true, cause.BeeGFS: true, cause.CephFS: true, cause.FUSE: true,
	cause.NVIDIA: true, cause.AMD: true, cause.FrozenCgroup: true,
}

func deviceOf(m cause.Mount) locks.Device { return locks.Device{Major: m.Major, Minor: m.Minor} }

// below says whether a path is the site's to free locks below. The link of a
// file that was removed, "... (deleted)", names nothing any more.
func (p Policy) below(path string) bool {
	const gone = " (deleted)"
	if len(path) >= len(gone) && path[len(path)-len(gone):] == gone {
		return false
	}
	for _, folder := range p.ReleasePaths {
		if cause.Below(path, folder) {
			return true
		}
	}
	return false
}
