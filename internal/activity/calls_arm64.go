package activity

// idleCalls are the calls in which a thread that does nothing waits
// (include/uapi/asm-generic/unistd.h). See the table for amd64.
var idleCalls = map[int]known{
	22:  {"epoll_pwait", waitAny},
	63:  {"read", waitOne},
	65:  {"readv", waitOne},
	72:  {"pselect6", waitAny},
	73:  {"ppoll", waitAny},
	95:  {"waitid", waitChild},
	98:  {"futex", waitTime},
	101: {"nanosleep", waitTime},
	115: {"clock_nanosleep", waitTime},
	128: {"restart_syscall", waitAny},
	133: {"rt_sigsuspend", waitTime},
	202: {"accept", waitOne},
	207: {"recvfrom", waitOne},
	212: {"recvmsg", waitOne},
	242: {"accept4", waitOne},
	243: {"recvmmsg", waitOne},
	260: {"wait4", waitChild},
	441: {"epoll_pwait2", waitAny},
	449: {"futex_waitv", waitTime},
	455: {"futex_wait", waitTime},
}

// sigtimedwait is the call of sigwait(3).
const sigtimedwait = 137
