package linux

import (
	"golang.org/x/sys/unix"
)

// Descriptor is one entry of /proc/PID/fd.
type Descriptor struct {
	Number int
	Target []byte // what the link says, at most 1023 bytes; valid during the call
	Read   bool   // it was opened for reading
	Write  bool   // it was opened for writing
}

// EachDescriptor calls use for each entry of the folder at path, /proc/PID/fd
// or /proc/PID/task/TID/fd, until use returns false. The links are read and
// their own modes asked, which tell how the file was opened (fs/proc/fd.c,
// tid_fd_update_inode); nothing is done to the files behind them, which may be
// on a dead file system. What is closed meanwhile is passed over.
func EachDescriptor(path string, piece []byte, use func(Descriptor) bool) error {
	fd, err := open(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	target := make([]byte, 1024)
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, piece) })
		if err != nil {
			return fail("getdents", path, err)
		}
		if n == 0 {
			return nil
		}
		var trouble error
		on := eachEntry(piece[:n], func(name []byte, _ byte) bool {
			one, err := readDescriptor(fd, string(name), target)
			if Gone(err) {
				return true
			}
			if err != nil {
				trouble = fail("readlink", path+"/"+string(name), err)
				return false
			}
			return use(one)
		})
		if !on {
			return trouble
		}
	}
}

func readDescriptor(folder int, name string, target []byte) (Descriptor, error) {
	var one Descriptor
	for _, c := range []byte(name) {
		if c < '0' || c > '9' || one.Number > 1<<30 {
			return one, unix.EINVAL
		}
		one.Number = one.Number*10 + int(c-'0')
	}
	n, err := unix.Readlinkat(folder, name, target)
	if err != nil {
		return one, err
	}
	var status unix.Stat_t
	if err := unix.Fstatat(folder, name, &status, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return one, err
	}
	one.Target = target[:n]
	one.Read, one.Write = status.Mode&unix.S_IRUSR != 0, status.Mode&unix.S_IWUSR != 0
	return one, nil
}

// SameDescriptors says whether two threads share one table of descriptors,
// kcmp(2). A kernel without that call, and a thread that is gone, count as
// sharing: a table of its own is very rare.
func SameDescriptors(a, b int) bool {
	const kcmpFiles = 2
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpFiles, 0, 0, 0)
	return errno != 0 || order == 0
}
