package linux

import "golang.org/x/sys/unix"

// HasProcesses says whether any thread there is, a zombie too, has this real
// user, as far as this pid namespace shows. It is one call however many
// processes there are (getpriority(2), PRIO_USER: ESRCH for none), and exact:
// a chain of forks cannot slip past it, since the kernel goes along a list to
// whose end each child is added before its parent can leave it
// (kernel/fork.c, copy_process). Root, and any doubt, counts as yes.
func HasProcesses(uid uint32) bool {
	if uid == 0 {
		return true // to the call, 0 is the caller's user
	}
	_, err := unix.Getpriority(unix.PRIO_USER, int(uid))
	return err != unix.ESRCH
}
