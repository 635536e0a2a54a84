package cause

// calls are the calls about a file in which a process may be stuck
// (arch/x86/entry/syscalls/syscall_64.tbl).
var calls = map[int]knownCall{
	0: {"read", aboutFD}, 1: {"write", aboutFD}, 2: {"open", aboutPath}, 3: {"close", aboutFD},
	4: {"stat", aboutPath}, 5: {"fstat", aboutFD}, 6: {"lstat", aboutPath}, 8: {"lseek", aboutFD},
	16: {"ioctl", aboutFD}, 17: {"pread64", aboutFD}, 18: {"pwrite64", aboutFD}, 19: {"readv", aboutFD},
	20: {"writev", aboutFD}, 21: {"access", aboutPath}, 59: {"execve", aboutPath}, 72: {"fcntl", aboutFD},
	73: {"flock", aboutFD}, 74: {"fsync", aboutFD}, 75: {"fdatasync", aboutFD}, 76: {"truncate", aboutPath},
	77: {"ftruncate", aboutFD}, 78: {"getdents", aboutFD}, 80: {"chdir", aboutPath}, 81: {"fchdir", aboutFD},
	82: {"rename", aboutPath}, 83: {"mkdir", aboutPath}, 84: {"rmdir", aboutPath}, 85: {"creat", aboutPath},
	86: {"link", aboutPath}, 87: {"unlink", aboutPath}, 88: {"symlink", aboutPath}, 89: {"readlink", aboutPath},
	90: {"chmod", aboutPath}, 91: {"fchmod", aboutFD}, 92: {"chown", aboutPath}, 93: {"fchown", aboutFD},
	132: {"utime", aboutPath}, 137: {"statfs", aboutPath}, 138: {"fstatfs", aboutFD}, 188: {"setxattr", aboutPath},
	191: {"getxattr", aboutPath}, 192: {"lgetxattr", aboutPath}, 193: {"fgetxattr", aboutFD}, 217: {"getdents64", aboutFD},
	257: {"openat", aboutPathAt}, 258: {"mkdirat", aboutPathAt}, 260: {"fchownat", aboutPathAt},
	262: {"newfstatat", aboutPathAt}, 263: {"unlinkat", aboutPathAt}, 264: {"renameat", aboutPathAt},
	265: {"linkat", aboutPathAt}, 267: {"readlinkat", aboutPathAt}, 268: {"fchmodat", aboutPathAt},
	269: {"faccessat", aboutPathAt}, 277: {"sync_file_range", aboutFD}, 280: {"utimensat", aboutPathAt},
	285: {"fallocate", aboutFD}, 295: {"preadv", aboutFD}, 296: {"pwritev", aboutFD}, 306: {"syncfs", aboutFD},
	316: {"renameat2", aboutPathAt}, 322: {"execveat", aboutPathAt}, 327: {"preadv2", aboutFD}, 328: {"pwritev2", aboutFD},
	332: {"statx", aboutPathAt}, 437: {"openat2", aboutPathAt}, 439: {"faccessat2", aboutPathAt},
}
