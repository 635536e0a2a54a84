package cause

import (
	"strconv"
	"strings"
)

// Mount is one line of a mountinfo file (proc_pid_mountinfo(5)).
type Mount struct {
	ID      int    // as mnt_id of /proc/PID/fdinfo/FD shows it
	Major   uint32 // device of the file system
	Minor   uint32
	Point   string // where it is mounted
	Type    string // like "nfs4", "fuse.sshfs", "ext4"
	Source  string // like "nas3:/scratch", "/dev/sda1"
	Options string // of the file system, like "rw,user_id=1000"
}

// Same says whether both are the same file system, wherever it is mounted.
func (m Mount) Same(other Mount) bool {
	return m.Major == other.Major && m.Minor == other.Minor && m.Type == other.Type && m.Source == other.Source
}

// Known says whether the mount names anything.
func (m Mount) Known() bool { return m.Type != "" }

// User returns the user that mounted a FUSE file system, from its options
// (fs/fuse/inode.c, fuse_show_options).
func (m Mount) User() (uint32, bool) {
	for option := range strings.SplitSeq(m.Options, ",") {
		if value, ok := strings.CutPrefix(option, "user_id="); ok {
			uid, err := strconv.ParseUint(value, 10, 32)
			return uint32(uid), err == nil
		}
	}
	return 0, false
}

// Connection returns the number of a FUSE file system's connection below
// /sys/fs/fuse/connections: its device as the kernel counts (fs/fuse/control.c,
// fuse_ctl_add_conn; the minor has 20 bits).
func (m Mount) Connection() uint32 { return m.Major<<20 | m.Minor }

// IsFUSE says whether a process serves the file system.
func (m Mount) IsFUSE() bool { return typeOf(FUSE, m.Type) && m.Type != "virtiofs" }

// ParseMounts reads the text of a mountinfo file. Lines of another form are
// passed over.
func ParseMounts(text string) []Mount {
	var mounts []Mount
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		fields, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 6 || len(tail) < 2 {
			continue
		}
		id, err := strconv.Atoi(fields[0])
		major, minor, _ := strings.Cut(fields[2], ":")
		a, errA := strconv.ParseUint(major, 10, 32)
		b, errB := strconv.ParseUint(minor, 10, 32)
		if err != nil || errA != nil || errB != nil || !strings.HasPrefix(fields[4], "/") {
			continue
		}
		mount := Mount{ID: id, Major: uint32(a), Minor: uint32(b), Point: unescape(fields[4]), Type: tail[0], Source: unescape(tail[1])}
		if len(tail) > 2 {
			mount.Options = tail[2]
		}
		mounts = append(mounts, mount)
	}
	return mounts
}

// unescape undoes what the kernel does to blanks in paths (fs/seq_file.c,
// mangle_path).
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(text)
}

// ByID returns the mount with that number, the zero Mount if there is none.
func ByID(mounts []Mount, id int) Mount {
	for _, mount := range mounts {
		if mount.ID == id {
			return mount
		}
	}
	return Mount{}
}

// ByPath returns the mount an absolute path lies on by its name alone: the one
// with the longest mount point above it, of several the last. Links in the
// path are not followed: nothing is asked of any file system.
func ByPath(mounts []Mount, path string) Mount {
	var best Mount
	for _, mount := range mounts {
		if Below(path, mount.Point) && len(mount.Point) >= len(best.Point) {
			best = mount
		}
	}
	return best
}

// Below says whether path is folder or lies below it, by name.
func Below(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, folder)
	return ok && strings.HasPrefix(path, "/") && (rest == "" || rest[0] == '/' || strings.HasSuffix(folder, "/"))
}
