/* test_sandbox.c - what can be done in the sandbox and what cannot, each tried in a process of its
 * own. */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#endif

#include "../sandbox.h"

#define NOT_ENTERED 255

#ifdef __linux__
#define DENIED EPERM
#else
#define DENIED ENOSYS
#endif

/* What the processes find there. */
static struct {
	int listener;       /* a connection waits at it */
	int ends[2];        /* of a socket pair */
	int file;           /* with four bytes */
	int epoll;
	void *page;
} given;

/* The errno with which an attempt fails in the sandbox, 0 if it does not. */
static int inside(int (*attempt)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		errno = 0;
		_exit(!sandbox_enter() ? NOT_ENTERED : attempt() == -1 ? errno : 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A check in the sandbox; its line is told. */
#define NEED(what) if (!(what)) return need_failed(#what)

static int need_failed(const char *what)
{
	char line[200];
	int length = snprintf(line, sizeof line, "in the sandbox: %s: %s\n", what, strerror(errno));

	if (write(1, line, (size_t)length) < 0 || errno == 0)
		errno = EINVAL;
	return -1;
}

/* -- what serving takes ------------------------------------------------------------------- */

static int do_time(void)
{
	struct timespec now;

	NEED(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec > 0);
	NEED(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0 && now.tv_nsec > 0);
	NEED(time(NULL) > 0);
#ifdef __linux__
	/* As where the kernel has no page that tells it. */
#ifdef __NR_clock_gettime64
	NEED(syscall(__NR_clock_gettime64, CLOCK_MONOTONIC, &(int64_t [2]){ 0 }) == 0);
#endif
#ifdef __NR_clock_gettime
	NEED(syscall(__NR_clock_gettime, CLOCK_MONOTONIC, &(long [2]){ 0 }) == 0);
#endif
#endif
	return 0;
}

static int do_memory(void)
{
	size_t size = 1000;
	char *memory = malloc(size), *pages;

	for (; size < 64000000; size *= 4) {
		memory = realloc(memory, size);
		NEED(memory != NULL);
		memset(memory, 1, size);
	}
	free(memory);
	pages = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	NEED(pages != MAP_FAILED);
	NEED(mprotect(pages, 4096, PROT_READ) == 0 && mprotect(pages, 4096, PROT_NONE) == 0);
	NEED(munmap(pages, 65536) == 0);
	return 0;
}

static int do_random(void)
{
	uint64_t number = 0;

	NEED(getentropy(&number, sizeof number) == 0 && number != 0);
	return 0;
}

static int do_bytes(void)
{
	char text[8] = "";
	struct iovec piece = { text, sizeof text };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	NEED(send(given.ends[0], "one", 3, MSG_NOSIGNAL) == 3);
	NEED(recv(given.ends[1], text, 3, 0) == 3 && memcmp(text, "one", 3) == 0);
	NEED(sendmsg(given.ends[1], &message, MSG_NOSIGNAL) == 8);
	NEED(recvmsg(given.ends[0], &message, 0) == 8);
	NEED(write(given.ends[0], "two", 3) == 3 && read(given.ends[1], text, 8) == 3);
	NEED(fcntl(given.ends[0], F_SETFL, O_NONBLOCK) == 0);
	NEED((fcntl(given.ends[0], F_GETFL) & O_NONBLOCK) != 0);
	NEED(fcntl(given.ends[0], F_SETFD, FD_CLOEXEC) == 0);
	NEED(shutdown(given.ends[0], SHUT_WR) == 0);
	NEED(read(given.ends[1], text, 8) == 0);
	NEED(close(given.ends[0]) == 0);
	return 0;
}

/* The listener has a connection that waits. */
static int do_accept(void)
{
	struct pollfd ready = { .fd = given.listener, .events = POLLIN };
	struct sockaddr_storage address;
	socklen_t length = sizeof address;

	NEED(poll(&ready, 1, 1000) == 1);
	NEED(accept(given.listener, (struct sockaddr *)&address, &length) >= 0);
	NEED(poll(&ready, 1, 1) == 0);
	return 0;
}

/* A descriptor comes. */
static int do_receive(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };
	int fd;

	NEED(recvmsg(given.ends[1], &message, 0) == 1);
	NEED(CMSG_FIRSTHDR(&message) != NULL);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	NEED(read(fd, &byte, 1) == 1);
	return 0;
}

/* How long a file is, and what it has. */
static int do_file(void)
{
	char text[8];

	NEED(lseek(given.file, 0, SEEK_END) == 4 && lseek(given.file, 0, SEEK_SET) == 0);
	NEED(read(given.file, text, sizeof text) == 4 && memcmp(text, "file", 4) == 0);
	return 0;
}

#ifdef __linux__
static int do_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN };

	NEED(epoll_ctl(given.epoll, EPOLL_CTL_ADD, given.listener, &event) == 0);
	NEED(epoll_wait(given.epoll, &event, 1, 1000) == 1);
	NEED(accept4(given.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) >= 0);
	NEED(epoll_wait(given.epoll, &event, 1, 1) == 0);
	NEED(epoll_ctl(given.epoll, EPOLL_CTL_DEL, given.listener, &event) == 0);
	return 0;
}
#endif

static void serving_works(void)
{
	CHECK(inside(do_time) == 0);
	CHECK(inside(do_memory) == 0);
	CHECK(inside(do_random) == 0);
}

static int listen_open(struct sockaddr_in *address)
{
	socklen_t length = sizeof *address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)address, sizeof *address) == 0 && listen(fd, 4) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)address, &length) == 0);
	return fd;
}

static void connections_work(void)
{
	struct sockaddr_in address;
	int i, client;

	given.listener = listen_open(&address);
#ifdef __linux__
	given.epoll = epoll_create1(0);
#endif
	for (i = 0; i < 2; i++) {
		client = socket(AF_INET, SOCK_STREAM, 0);
		CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
		if (i == 0)
			CHECK(inside(do_accept) == 0);
#ifdef __linux__
		else
			CHECK(inside(do_epoll) == 0);
#endif
		close(client);
	}
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, given.ends) == 0);
	CHECK(inside(do_bytes) == 0);
	close(given.ends[0]);
	close(given.ends[1]);
	close(given.listener);
}

static void descriptors_come(void)
{
	int fd = open("/dev/zero", O_RDONLY);
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	struct iovec piece = { &(char){ 'x' }, 1 };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof fd);
	memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, given.ends) == 0);
	CHECK(sendmsg(given.ends[0], &message, 0) == 1);
	close(fd);
	CHECK(inside(do_receive) == 0);
	close(given.ends[0]);
	close(given.ends[1]);
}

static void files_can_be_read(void)
{
	char path[] = "/tmp/test_sandbox-XXXXXX";

	given.file = mkstemp(path);
	CHECK(given.file >= 0 && unlink(path) == 0 && write(given.file, "file", 4) == 4);
	CHECK(inside(do_file) == 0);
	close(given.file);
}

/* -- signals ------------------------------------------------------------------------------ */

static volatile sig_atomic_t signalled;

static void on_signal(int number)
{
	signalled = number;
}

/* It waits: a stop and its end do not show, a signal does. */
static int do_wait(void)
{
	signal(SIGUSR1, on_signal);
	NEED(sandbox_enter());
	NEED(write(given.ends[1], "", 1) == 1);
	NEED(poll(NULL, 0, 300) == 0);
	NEED(write(given.ends[1], "", 1) == 1);
	NEED(poll(NULL, 0, 5000) == -1 && errno == EINTR && signalled == SIGUSR1);
	NEED(write(given.ends[1], "", 1) == 1);
	return 0;
}

static void wait_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void signals_work(void)
{
	int status = -1;
	char byte;
	pid_t pid;

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, given.ends) == 0);
	pid = fork();
	if (pid == 0)
		_exit(do_wait() == 0 ? 0 : 1);
	close(given.ends[1]);
	CHECK(read(given.ends[0], &byte, 1) == 1);
	wait_ms(50);
	CHECK(kill(pid, SIGSTOP) == 0);
	wait_ms(50);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(read(given.ends[0], &byte, 1) == 1);
	wait_ms(50);
	CHECK(kill(pid, SIGUSR1) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(given.ends[0]);
}

/* -- what it does not take ------------------------------------------------------------------ */

static int do_open(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static int do_create(void)
{
	return open("/tmp/sandbox-made-this", O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static int do_stat(void)
{
	struct stat status;

	return stat("/etc/passwd", &status);
}

static int do_unlink(void)
{
	return unlink("/tmp/there-is-no-such-file");
}

static int do_exec(void)
{
	return execv("/bin/true", (char *[]){ "true", NULL });
}

static int do_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return (int)pid;
}

static int do_kill(void)
{
	return kill(getppid(), 0);
}

static int do_local_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int do_executable(void)
{
	return mprotect(given.page, 4096, PROT_READ | PROT_EXEC);
}

static int do_executable_map(void)
{
	return mmap(given.page, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ? -1 : 0;
}

#ifdef __linux__
static int do_inet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int do_connect(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };

	return connect(given.ends[0], (struct sockaddr *)&address, sizeof address);
}

#ifndef __NR_socketcall
/* A listener that was shut down is a socket like any other, and this a connect. */
static int do_fast_open(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return (int)sendto(given.ends[0], "", 1, MSG_FASTOPEN, (struct sockaddr *)&address,
	    sizeof address);
}

static int do_fast_open_message(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct msghdr message = { .msg_name = &address, .msg_namelen = sizeof address };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return (int)sendmsg(given.ends[0], &message, MSG_FASTOPEN);
}
#endif

static int do_bind(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };

	return bind(given.ends[0], (struct sockaddr *)&address, sizeof address);
}

static int do_listen(void)
{
	return listen(given.ends[0], 1);
}

static int do_trace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int do_signal_owner(void)
{
	return fcntl(given.ends[0], F_SETOWN, getppid());
}

static int do_undo(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int do_other_numbers(void)
{
#ifdef __x86_64__
	return (int)syscall(0x40000000 | __NR_write, 1, "", 0);     /* x32 */
#else
	return (int)syscall(0x0fffffff);
#endif
}

#ifdef __NR_socketcall
/* The calls for sockets by one number: 1 to 20, of which those are known to serving that are set in
 * this. */
#define SOCKETCALLS (1u << 5 | 1u << 9 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 13 | 1u << 16 | \
	1u << 17 | 1u << 18)

static long socketcall_number;

static int do_socketcall(void)
{
	long nothing[6] = { -1, 0, 0, 0, 0, 0 };

	return (int)syscall(__NR_socketcall, socketcall_number, nothing);
}

static void socketcalls_differ(void)
{
	for (socketcall_number = 0; socketcall_number < 24; socketcall_number++)
		CHECK((inside(do_socketcall) != EPERM) == (SOCKETCALLS >> socketcall_number & 1));
}
#endif
#endif

/* Each can be done outside, or fails there otherwise. */
static void rest_is_denied(void)
{
	static int (*const attempts[])(void) = {
		do_open, do_create, do_stat, do_unlink, do_exec, do_fork, do_kill, do_local_socket,
		do_executable, do_executable_map,
#ifdef __linux__
		do_inet_socket, do_connect, do_bind, do_listen, do_trace, do_signal_owner, do_undo,
		do_other_numbers,
#ifndef __NR_socketcall
		do_fast_open, do_fast_open_message,
#endif
#endif
	};
	size_t i;
	int fault;

	given.page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	given.ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(given.page != MAP_FAILED);
	for (i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
		fault = inside(attempts[i]);
		if (fault != DENIED)
			printf("attempt %zu: %s\n", i, strerror(fault));
		CHECK(fault == DENIED);
	}
	close(given.ends[0]);
}

/* Only so are they attempts. */
static void rest_is_possible(void)
{
	CHECK(do_open() >= 0 && do_stat() == 0 && do_kill() == 0);
	CHECK(do_fork() > 0 && wait(NULL) > 0);
	CHECK(do_local_socket() >= 0 && do_executable() == 0 && do_executable_map() == 0);
	errno = 0;
	CHECK(do_unlink() == -1 && errno == ENOENT);
}

static void none_is_none(void)
{
	CHECK(!sandbox_enter() && errno != 0);
}

int main(void)
{
	if (sandbox_name() == NULL) {
		RUN(none_is_none);
		return test_end();
	}
	RUN(serving_works);
	RUN(connections_work);
	RUN(descriptors_come);
	RUN(files_can_be_read);
	RUN(signals_work);
	RUN(rest_is_denied);
	RUN(rest_is_possible);
#ifdef __NR_socketcall
	RUN(socketcalls_differ);
#endif
	return test_end();
}
