package activity

// idleCalls are the calls in which a thread that does nothing waits
// (arch/x86/entry/syscalls/syscall_64.tbl). rt_sigtimedwait is not among them:
// a thread in sigwait(3) is waiting to be told, and a program that has one
// means to act. restart_syscall goes on with a nanosleep, futex or poll that a
// stop or a freezer has interrupted (restart_syscall(2)).
var idleCalls = map[int]known{
	0:   {"read", waitOne},
	7:   {"poll", waitAny},
	19:  {"readv", waitOne},
	23:  {"select", waitAny},
	34:  {"pause", waitTime},
	35:  {"nanosleep", waitTime},
	43:  {"accept", waitOne},
	45:  {"recvfrom", waitOne},
	47:  {"recvmsg", waitOne},
	61:  {"wait4", waitChild},
	130: {"rt_sigsuspend", waitTime},
	202: {"futex", waitTime},
	219: {"restart_syscall", waitAny},
	230: {"clock_nanosleep", waitTime},
	232: {"epoll_wait", waitAny},
	247: {"waitid", waitChild},
	270: {"pselect6", waitAny},
	271: {"ppoll", waitAny},
	281: {"epoll_pwait", waitAny},
	288: {"accept4", waitOne},
	299: {"recvmmsg", waitOne},
	441: {"epoll_pwait2", waitAny},
	449: {"futex_waitv", waitTime},
	455: {"futex_wait", waitTime},
}

// sigtimedwait is the call of sigwait(3).
const sigtimedwait = 128
