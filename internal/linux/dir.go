package linux

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// EachName calls use with the name of each entry of the folder at path, in
// the kernel's order, until use returns false. The name is only valid during
// the call. piece is the buffer for one getdents64(2): for /proc a small one
// keeps the listing fresh, because the kernel looks for the next pid only when
// it is asked (fs/proc/base.c, proc_pid_readdir).
func EachName(path string, piece []byte, use func(name []byte) bool) error {
	fd, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
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
func eachEntry(entries []byte, use func(name []byte) bool) bool {
	const header = 19
	for len(entries) > header {
		length := int(binary.NativeEndian.Uint16(entries[16:]))
		if length <= header || length > len(entries) {
			return true
		}
		name := entries[header:length]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		entries = entries[length:]
		if string(name) == "." || string(name) == ".." {
			continue
		}
		if !use(name) {
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
