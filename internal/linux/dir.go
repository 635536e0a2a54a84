package linux

import (
	"bytes"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// EachName calls use with the name of each entry of the folder at path, in
// the kernel's order, until use returns false. The name is only valid during
// the call. piece is the buffer for one getdents64(2): for /proc a small one
// keeps the listing fresh, because the kernel looks for the next pid only when
// it is asked (fs/proc/base.c, proc_pid_readdir).
func EachName(path string, piece []byte, use func(name []byte) bool) error {
	return eachName(path, piece, func(name []byte, _ byte) bool { return use(name) })
}

// Folders returns the names of the folders in the folder at path, links not
// counted. The kind of each entry comes with its name (getdents64(2)), as it
// does on cgroupfs and procfs; where a file system does not tell it, the entry
// is left out.
func Folders(path string) ([]string, error) {
	var names []string
	err := eachName(path, make([]byte, 4096), func(name []byte, kind byte) bool {
		if kind == unix.DT_DIR {
			names = append(names, string(name))
		}
		return true
	})
	return names, err
}

// RemoveFolder removes the empty folder at path, rmdir(2). A cgroup that has
// processes or groups in it says EBUSY.
func RemoveFolder(path string) error {
	if err := unix.Rmdir(path); err != nil {
		return fail("rmdir", path, err)
	}
	return nil
}

// Busy says whether err means that a folder is in use: EBUSY, or ENOTEMPTY on
// other file systems.
func Busy(err error) bool {
	return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY)
}

// NotThis says whether err means that this kind of file does not do what was
// asked: EOPNOTSUPP.
func NotThis(err error) bool { return errors.Is(err, unix.EOPNOTSUPP) }

// EachText calls use with the name and the text of each file in the folder at
// path, until use returns false. It is for folders of small files whose whole
// text the kernel makes at once, like /proc/PID/fdinfo: each is opened from the
// folder on, and a read that leaves room in the buffer was the last. The buffer
// grows up to limit bytes. A file that cannot be read is handed over as empty.
func EachText(path string, piece []byte, buffer *[]byte, limit int, use func(name, text []byte) bool) error {
	folder, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(folder)
	return eachNameOf(folder, path, piece, func(name []byte, _ byte) bool {
		return use(name, textAt(folder, string(name), buffer, limit))
	})
}

func textAt(folder int, name string, buffer *[]byte, limit int) []byte {
	fd, err := again(func() (int, error) { return unix.Openat(folder, name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	for filled := 0; ; {
		room := (*buffer)[filled:]
		n, err := again(func() (int, error) { return unix.Read(fd, room) })
		if err != nil {
			return nil
		}
		filled += n
		if n < len(room) || filled >= limit {
			return (*buffer)[:min(filled, limit)]
		}
		*buffer = append(*buffer, make([]byte, len(*buffer))...)
	}
}

func eachName(path string, piece []byte, use func(name []byte, kind byte) bool) error {
	fd, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return eachNameOf(fd, path, piece, use)
}

func eachNameOf(fd int, path string, piece []byte, use func(name []byte, kind byte) bool) error {
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, piece) })
		if err != nil {
			return fail("getdents", path, err)
		}
		if n == 0 {
			return nil
		}
		if !eachEntry(piece[:n], use) {
			return nil
		}
	}
}

// eachEntry walks the linux_dirent64 records of getdents64(2): inode and
// offset of 8 bytes each, length of 2, kind of 1, then the name with a NUL.
func eachEntry(entries []byte, use func(name []byte, kind byte) bool) bool {
	const header = 19
	for len(entries) > header {
		length := int(binary.NativeEndian.Uint16(entries[16:]))
		if length <= header || length > len(entries) {
			return true
		}
		kind, name := entries[18], entries[header:length]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		entries = entries[length:]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		if !use(name, kind) {
			return false
		}
	}
	return true
}

// Names returns the names in the folder at path.
func Names(path string) ([]string, error) {
	var names []string
	piece := make([]byte, 4096)
	err := EachName(path, piece, func(name []byte) bool {
		names = append(names, string(name))
		return true
	})
	return names, err
}
