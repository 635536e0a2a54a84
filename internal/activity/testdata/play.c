/*
 * play ROLE [ARGUMENTS]: waits or works the way processes of jobs do. Once it
 * is there it prints the pids of its processes in one line and lets go of all
 * three standard descriptors. It ends after two minutes in any case.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char **args;
static pid_t child;
static int lock = 1;

static void must(int ok, const char *what) {
	if (!ok) { perror(what); _exit(1); }
}

static void ready(void) {
	char line[64];
	int n = child ? snprintf(line, sizeof line, "%d %d\n", getpid(), child) : snprintf(line, sizeof line, "%d\n", getpid());
	must(write(1, line, n) == n, "ready");
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++) dup2(null, fd);
	if (null > 2) close(null);
}

static void nap(long milliseconds) {
	struct timespec t = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

static void rest(void) { for (;;) syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &(struct timespec){ 1000, 0 }, NULL); }

/* become makes the second process of the role; true in it. */
static int become(void) {
	pid_t parent = getpid();
	child = fork();
	must(child >= 0, "fork");
	if (child) return 0;
	alarm(120);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) _exit(0);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++) dup2(null, fd);
	close(null);
	return 1;
}

static int tcp(const char *address, int port, int listening) {
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	inet_pton(AF_INET, address, &at.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (listening) {
		must(bind(fd, (void *)&at, sizeof at) == 0 && listen(fd, 8) == 0, "listen");
	} else {
		must(connect(fd, (void *)&at, sizeof at) == 0, "connect");
	}
	return fd;
}

static int port_of(int fd) {
	struct sockaddr_in at;
	socklen_t size = sizeof at;
	getsockname(fd, (void *)&at, &size);
	return ntohs(at.sin_port);
}

/* Connected over loopback: ends[0] is the server's. */
static void tcp_pair(int ends[2]) {
	int listening = tcp("127.0.0.1", 0, 1);
	ends[1] = tcp("127.0.0.1", port_of(listening), 0);
	ends[0] = accept(listening, NULL, NULL);
	close(listening);
}

static void *sleeper(void *unused) { (void)unused; rest(); return NULL; }
static void *burner(void *unused) { (void)unused; for (;;) { volatile int i; for (i = 0; i < 1000000; i++) { } } return NULL; }
static void *own_table(void *unused) {
	(void)unused;
	must(unshare(CLONE_FILES) == 0, "unshare");
	must(open("/dev/fuse", O_RDWR) >= 0, "/dev/fuse");
	lock = 0;
	rest();
	return NULL;
}
static void *opener(void *unused) { (void)unused; (void)!write(open(args[0], O_WRONLY | O_CREAT, 0600), "x", 1); rest(); return NULL; }
static void spawn(void *(*what)(void *)) { pthread_t t; must(pthread_create(&t, NULL, what, NULL) == 0, "thread"); }

/* The calls a process that does nothing waits in. */
static void quiet(const char *role) {
	int ends[2];
	char byte;
	if (!strcmp(role, "nanosleep")) { ready(); for (;;) syscall(SYS_nanosleep, &(struct timespec){ 100, 0 }, NULL); }
	if (!strcmp(role, "pause")) { ready(); for (;;) pause(); }
	if (!strcmp(role, "futex")) { ready(); for (;;) syscall(SYS_futex, &lock, 0, 1, NULL, NULL, 0); }
	if (!strcmp(role, "select")) { ready(); for (;;) select(0, NULL, NULL, NULL, NULL); }
	if (!strcmp(role, "sigsuspend")) { sigset_t none; sigemptyset(&none); ready(); for (;;) sigsuspend(&none); }
	if (!strcmp(role, "wait4")) { if (become()) rest(); ready(); wait(NULL); }
	if (!strcmp(role, "waitid")) { siginfo_t i; if (become()) rest(); ready(); waitid(P_PID, child, &i, WEXITED); }
	if (!strcmp(role, "pipe")) { must(pipe(ends) == 0, "pipe"); if (become()) { close(ends[0]); rest(); } close(ends[1]); ready(); (void)!read(ends[0], &byte, 1); }
	if (!strcmp(role, "poll")) { must(pipe(ends) == 0, "pipe"); if (become()) { close(ends[0]); rest(); } close(ends[1]); ready(); poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, -1); }
	if (!strcmp(role, "recvfrom")) { must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair"); if (become()) { close(ends[0]); rest(); } close(ends[1]); ready(); recv(ends[0], &byte, 1, 0); }
	if (!strcmp(role, "loopback")) { tcp_pair(ends); if (become()) { close(ends[0]); rest(); } close(ends[1]); ready(); (void)!read(ends[0], &byte, 1); }
	if (!strcmp(role, "accept")) { int fd = tcp("127.0.0.1", 0, 1); ready(); accept(fd, NULL, NULL); }
	if (!strcmp(role, "eventfd")) { int fd = eventfd(0, 0); long v; ready(); (void)!read(fd, &v, 8); }
	if (!strcmp(role, "timerfd")) { int fd = timerfd_create(CLOCK_MONOTONIC, 0); long v; ready(); (void)!read(fd, &v, 8); }
	if (!strcmp(role, "signalfd")) { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); struct signalfd_siginfo i; int fd = signalfd(-1, &s, 0); ready(); (void)!read(fd, &i, sizeof i); }
	if (!strcmp(role, "epoll")) { int fd = epoll_create1(0), e = eventfd(0, 0); struct epoll_event ev = { .events = EPOLLIN }; epoll_ctl(fd, EPOLL_CTL_ADD, e, &ev); ready(); epoll_wait(fd, &ev, 1, -1); }
	if (!strcmp(role, "netlink")) { struct sockaddr_nl at = { .nl_family = AF_NETLINK }; int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE); must(bind(fd, (void *)&at, sizeof at) == 0, "bind"); ready(); rest(); }
	if (!strcmp(role, "threads")) { for (int i = 0; i < 5; i++) spawn(sleeper); ready(); rest(); }
	if (!strcmp(role, "zombie-leader")) { spawn(sleeper); nap(50); ready(); syscall(SYS_exit, 0); }
	if (!strcmp(role, "flag")) { ready(); for (;;) nap(100); }
	if (!strcmp(role, "serve")) { int fd = tcp(args[0], atoi(args[1]), 1); ready(); for (;;) accept(fd, NULL, NULL); }
	if (!strcmp(role, "bring-along")) { tcp_pair(ends); must(unshare(CLONE_NEWNET) == 0, "unshare"); ready(); rest(); }
	if (!strcmp(role, "launcher")) { sigset_t some; int n; tcp_pair(ends); if (become()) { close(ends[0]); rest(); } close(ends[1]); sigemptyset(&some); sigaddset(&some, SIGTERM); sigprocmask(SIG_BLOCK, &some, NULL); ready(); sigwait(&some, &n); }
	if (!strcmp(role, "shepherd")) { must(pipe(ends) == 0, "pipe"); if (become()) { close(ends[1]); for (;;) (void)!read(ends[0], &byte, 1); } close(ends[0]); ready(); rest(); }
	if (!strcmp(role, "deaf-end")) { must(pipe(ends) == 0, "pipe"); close(ends[0]); ready(); rest(); }
	if (!strcmp(role, "dead-peer")) { tcp_pair(ends); close(ends[0]); ready(); rest(); }
}

/* What must not be called idle although it sleeps. */
static void vetoed(const char *role) {
	int ends[2];
	char byte;
	if (!strcmp(role, "open")) { must(open(args[0], O_RDWR | O_NOCTTY) >= 0, args[0]); ready(); rest(); }
	if (!strcmp(role, "pty")) { must(posix_openpt(O_RDWR | O_NOCTTY) >= 0, "pty"); ready(); rest(); }
	if (!strcmp(role, "ring")) { char parameters[120] = { 0 }; must(syscall(425, 4, parameters) >= 0, "io_uring_setup"); ready(); rest(); }
	if (!strcmp(role, "sigwait")) { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, SIGTERM); sigprocmask(SIG_BLOCK, &s, NULL); ready(); sigwait(&s, &n); }
	if (!strcmp(role, "unread")) { must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair"); (void)!write(ends[0], "hello", 5); ready(); rest(); }
	if (!strcmp(role, "unsent")) { char much[1 << 20] = { 0 }; tcp_pair(ends); send(ends[1], much, sizeof much, MSG_DONTWAIT); send(ends[1], much, sizeof much, MSG_DONTWAIT); if (become()) { close(ends[1]); rest(); } close(ends[0]); ready(); rest(); }
	if (!strcmp(role, "half-accepted")) { int fd = tcp("127.0.0.1", 0, 1); tcp("127.0.0.1", port_of(fd), 0); ready(); rest(); }
	if (!strcmp(role, "connect")) { int fd = tcp(args[0], atoi(args[1]), 0); ready(); (void)!read(fd, &byte, 1); }
	if (!strcmp(role, "connect-unix")) { struct sockaddr_un at = { .sun_family = AF_UNIX }; strncpy(at.sun_path, args[0], sizeof at.sun_path - 1); int fd = socket(AF_UNIX, SOCK_STREAM, 0); must(connect(fd, (void *)&at, sizeof at) == 0, args[0]); ready(); rest(); }
	if (!strcmp(role, "udp")) { struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(args[1])) }; inet_pton(AF_INET, args[0], &at.sin_addr); int fd = socket(AF_INET, SOCK_DGRAM, 0); must(connect(fd, (void *)&at, sizeof at) == 0, "connect"); ready(); rest(); }
	if (!strcmp(role, "datagrams")) { struct sockaddr_in at = { .sin_family = AF_INET }; int fd = socket(AF_INET, SOCK_DGRAM, 0); bind(fd, (void *)&at, sizeof at); ready(); recv(fd, &byte, 1, 0); }
	if (!strcmp(role, "packet")) { must(socket(AF_PACKET, SOCK_RAW, 0) >= 0, "packet"); ready(); rest(); }
	if (!strcmp(role, "inherited")) { int fd = atoi(args[0]); ready(); (void)!read(fd, &byte, 1); }
	if (!strcmp(role, "polls-inherited")) { int fd = atoi(args[0]); ready(); poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1); }
	if (!strcmp(role, "own-table")) { spawn(own_table); while (__atomic_load_n(&lock, __ATOMIC_SEQ_CST)) nap(1); ready(); rest(); }
	if (!strcmp(role, "worker-thread")) { spawn(burner); ready(); rest(); }
	if (!strcmp(role, "zombie-worker")) { spawn(burner); nap(50); ready(); syscall(SYS_exit, 0); }
	if (!strcmp(role, "zombie-holder")) { must(open("/dev/fuse", O_RDWR) >= 0, "/dev/fuse"); spawn(sleeper); nap(50); ready(); syscall(SYS_exit, 0); }
	if (!strcmp(role, "stopped")) { ready(); raise(SIGSTOP); rest(); }
	if (!strcmp(role, "terminal")) { int m = posix_openpt(O_RDWR | O_NOCTTY); grantpt(m); unlockpt(m); int s = open(ptsname(m), O_RDWR); must(setsid() >= 0 || 1, "setsid"); must(ioctl(s, TIOCSCTTY, 0) == 0, "TIOCSCTTY"); close(s); ready(); rest(); }
	if (!strcmp(role, "file-reader")) { ready(); for (;;) { int fd = open(args[0], O_RDONLY); (void)!read(fd, &byte, 1); close(fd); } }
	if (!strcmp(role, "named-pipe")) { int fd = open(args[0], O_RDWR); ready(); (void)!read(fd, &byte, 1); }
	if (!strcmp(role, "stuck")) { ready(); int fd = open(args[0], O_WRONLY | O_CREAT, 0600); (void)!write(fd, "x", 1); rest(); }
	if (!strcmp(role, "stuck-thread")) { spawn(opener); ready(); rest(); }
	if (!strcmp(role, "core")) { struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY }; must(setrlimit(RLIMIT_CORE, &most) == 0, "core"); must(chdir(args[0]) == 0, args[0]); prctl(PR_SET_DUMPABLE, 1); ready(); abort(); }
}

/* Work. */
static void busy(const char *role) {
	int ends[2];
	char byte;
	if (!strcmp(role, "cpu")) { ready(); burner(NULL); }
	if (!strcmp(role, "writer")) { int fd = open(args[0], O_WRONLY | O_CREAT, 0600); ready(); for (;;) { (void)!write(fd, "x", 1); nap(50); } }
	if (!strcmp(role, "drip")) { tcp_pair(ends); if (become()) { close(ends[0]); for (;;) { send(ends[1], "x", 1, 0); nap(20); } } close(ends[1]); ready(); for (;;) recv(ends[0], &byte, 1, 0); }
	if (!strcmp(role, "drip-to")) { int fd = tcp(args[0], atoi(args[1]), 0); ready(); for (;;) { send(fd, "x", 1, 0); nap(20); } }
}

int main(int count, char **all) {
	alarm(120);
	args = all + 2;
	if (count < 2) return 2;
	quiet(all[1]);
	vetoed(all[1]);
	busy(all[1]);
	fprintf(stderr, "play: no such role: %s\n", all[1]);
	return 2;
}
