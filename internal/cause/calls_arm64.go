package cause

// calls are the calls about a file in which a process may be stuck
// (include/uapi/asm-generic/unistd.h).
var calls = map[int]knownCall{
	25: {"fcntl", aboutFD}, 29: {"ioctl", aboutFD}, 32: {"flock", aboutFD}, 34: {"mkdirat", aboutPathAt},
	35: {"unlinkat", aboutPathAt}, 37: {"linkat", aboutPathAt}, 38: {"renameat", aboutPathAt}, 43: {"statfs", aboutPath},
	44: {"fstatfs", aboutFD}, 45: {"truncate", aboutPath}, 46: {"ftruncate", aboutFD}, 47: {"fallocate", aboutFD},
	48: {"faccessat", aboutPathAt}, 49: {"chdir", aboutPath}, 50: {"fchdir", aboutFD}, 53: {"fchmodat", aboutPathAt},
	54: {"fchownat", aboutPathAt}, 56: {"openat", aboutPathAt}, 57: {"close", aboutFD}, 61: {"getdents64", aboutFD},
	62: {"lseek", aboutFD}, 63: {"read", aboutFD}, 64: {"write", aboutFD}, 65: {"readv", aboutFD},
	66: {"writev", aboutFD}, 67: {"pread64", aboutFD}, 68: {"pwrite64", aboutFD}, 69: {"preadv", aboutFD},
	70: {"pwritev", aboutFD}, 78: {"readlinkat", aboutPathAt}, 79: {"newfstatat", aboutPathAt}, 80: {"fstat", aboutFD},
	82: {"fsync", aboutFD}, 83: {"fdatasync", aboutFD}, 84: {"sync_file_range", aboutFD}, 88: {"utimensat", aboutPathAt},
	221: {"execve", aboutPath}, 267: {"syncfs", aboutFD}, 276: {"renameat2", aboutPathAt}, 281: {"execveat", aboutPathAt},
	286: {"preadv2", aboutFD}, 287: {"pwritev2", aboutFD}, 291: {"statx", aboutPathAt}, 437: {"openat2", aboutPathAt},
	439: {"faccessat2", aboutPathAt},
}
