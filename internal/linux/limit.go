package linux

import "golang.org/x/sys/unix"

// RaiseFileLimit raises the number of descriptors this process may open to
// most, or as near as the caller's rights allow: a pidfd is one descriptor,
// and a job may leave thousands of processes. It returns what holds now.
func RaiseFileLimit(most uint64) uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	if limit.Cur >= most {
		return limit.Cur
	}
	wanted := unix.Rlimit{Cur: most, Max: max(limit.Max, most)}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &wanted) == nil {
		return most
	}
	wanted = unix.Rlimit{Cur: min(most, limit.Max), Max: limit.Max}
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &wanted) == nil {
		return wanted.Cur
	}
	return limit.Cur
}
