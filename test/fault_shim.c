/*
 * fault_shim.c - stands between uwt and the system, and lets calls fail as a plan says (fault.h).
 *
 * It is linked into the program, by -Wl,--wrap for each call. LD_PRELOAD would do with the program
 * as it is installed, but not together with AddressSanitizer, which has to come first; and memory
 * that is used, given back twice or never given back after a fault only the sanitizers see. The
 * program's sources are the same, and only calls of its own are met, not those inside libc.
 *
 * Without a plan in the environment nothing changes. With one, no call is made but those that the
 * program makes itself.
 */
#define _GNU_SOURCE
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS_MAX 4096
#define PIECES_MAX 64

static struct fault_plan *plan;
static uint16_t port_of[FDS_MAX];   /* the peer's port, of descriptors that are connections */
static int last_read = -1;          /* the connection that was read last */

int __real_close(int fd);
int __wrap_close(int fd);

/* --- the plan --- */

/* Note whose connection it was. */
static void strike(int fd)
{
	if (plan->struck++ < FAULT_PORTS && fd >= 0 && fd < FDS_MAX)
		plan->ports[plan->struck - 1] = port_of[fd];
}

static bool rule_holds(const struct fault_rule *rule, enum fault_call call, uint32_t count)
{
	return rule->nth != 0 && rule->call == call && count >= rule->nth &&
	    count - rule->nth < rule->times;
}

/* Count a call, and find the rule that it falls under; NULL if none. */
static const struct fault_rule *rule_due(enum fault_call call)
{
	const struct fault_rule *due = NULL;

	if (plan == NULL || !plan->armed)
		return NULL;
	if (rule_holds(&plan->rule, call, ++plan->seen[call]))
		due = &plan->rule;
	else if (plan->struck != 0 && rule_holds(&plan->second, call, ++plan->later[call]))
		due = &plan->second;
	return due;
}

/* Is this call to fail, with errno set? */
static bool fails(enum fault_call call, int fd)
{
	const struct fault_rule *rule = rule_due(call);

	if (rule == NULL)
		return false;
	strike(fd);
	errno = rule->error;
	return true;
}

/* Every second one of these calls, under a plan that says so. */
static bool stutters(enum fault_call call)
{
	return plan != NULL && plan->armed && plan->stutter && plan->seen[call] % 2 != 0;
}

static size_t most(size_t size)
{
	return plan != NULL && plan->armed && plan->most != 0 && size > plan->most ? plan->most :
	    size;
}

static size_t half(size_t size)
{
	return (size + 1) / 2;
}

/* --- calls that fail or do not --- */

#define WRAP(type, name, parameters, arguments, fd, failed) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		if (fails(FAULT_##name, fd)) \
			return failed; \
		return __real_##name arguments; \
	}

WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t length),
    (fd, address, length), fd, -1)
WRAP(void *, calloc, (size_t count, size_t size), (count, size), -1, NULL)
WRAP(int, clock_gettime, (clockid_t clock, struct timespec *now), (clock, now), -1, -1)
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t length),
    (fd, address, length), fd, -1)
WRAP(int, epoll_create1, (int flags), (flags), -1, -1)
WRAP(int, epoll_ctl, (int set, int operation, int fd, struct epoll_event *event),
    (set, operation, fd, event), fd, -1)
WRAP(int, getentropy, (void *bytes, size_t size), (bytes, size), last_read, -1)
WRAP(int, getrlimit, (int which, struct rlimit *limit), (which, limit), -1, -1)
WRAP(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length),
    (fd, address, length), fd, -1)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), fd, -1)
WRAP(off_t, lseek, (int fd, off_t to, int from), (fd, to, from), -1, -1)
WRAP(int, madvise, (void *pages, size_t size, int advice), (pages, size, advice), -1, -1)
WRAP(void *, malloc, (size_t size), (size), -1, NULL)
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t from),
    (at, size, protection, flags, fd, from), -1, MAP_FAILED)
WRAP(int, munmap, (void *pages, size_t size), (pages, size), -1, -1)
WRAP(int, pipe, (int ends[2]), (ends), -1, -1)
WRAP(void *, realloc, (void *memory, size_t size), (memory, size), -1, NULL)
WRAP(int, setrlimit, (int which, const struct rlimit *limit), (which, limit), -1,
    -1)
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),
    (fd, level, name, value, length), fd, -1)
WRAP(int, shutdown, (int fd, int how), (fd, how), fd, -1)
WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), -1, -1)
WRAP(int, stat, (const char *path, struct stat *status), (path, status), -1, -1)
WRAP(char *, strdup, (const char *text), (text), -1, NULL)
WRAP(long, sysconf, (int name), (name), -1, -1)
WRAP(int, unlink, (const char *path), (path), -1, -1)

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_fcntl(int fd, int command, ...)
{
	va_list list;
	int value;

	va_start(list, command);
	value = va_arg(list, int);
	va_end(list);
	return fails(FAULT_fcntl, fd) ? -1 : __real_fcntl(fd, command, value);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

/* The program creates no file, so there is no mode. */
int __wrap_open(const char *path, int flags, ...)
{
	return fails(FAULT_open, -1) ? -1 : __real_open(path, flags);
}

/* --- connections come and go --- */

static int accepted(int fd, const struct sockaddr *address, const struct fault_rule *rule)
{
	if (fd < 0)
		return fd;
	if (fd < FDS_MAX)
		port_of[fd] = address->sa_family == AF_INET6 ?
		    ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port) :
		    address->sa_family == AF_INET ?
		    ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port) : 0;
	if (rule == NULL)
		return fd;
	strike(fd);
	__real_close(fd);
	errno = rule->error;
	return -1;
}

/* Does it only fail, with errno set? *lost gets the rule under which it is lost. */
static bool refuses(const struct fault_rule **lost)
{
	const struct fault_rule *rule = rule_due(FAULT_accept);

	*lost = rule != NULL && rule->kind == FAULT_LOSE ? rule : NULL;
	if (rule == NULL || *lost != NULL)
		return false;
	strike(-1);
	errno = rule->error;
	return true;
}

int __real_accept(int listener, struct sockaddr *address, socklen_t *length);
int __wrap_accept(int listener, struct sockaddr *address, socklen_t *length);

int __wrap_accept(int listener, struct sockaddr *address, socklen_t *length)
{
	const struct fault_rule *lost;

	if (refuses(&lost))
		return -1;
	return accepted(__real_accept(listener, address, length), address, lost);
}

int __real_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);
int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags);

int __wrap_accept4(int listener, struct sockaddr *address, socklen_t *length, int flags)
{
	const struct fault_rule *lost;

	if (refuses(&lost))
		return -1;
	return accepted(__real_accept4(listener, address, length, flags), address, lost);
}

/* It fails and closes all the same, as on Linux. */
int __wrap_close(int fd)
{
	bool failed = fails(FAULT_close, -1);
	int error = errno, result;

	if (fd >= 0 && fd < FDS_MAX)
		port_of[fd] = 0;
	result = __real_close(fd);
	if (!failed)
		return result;
	errno = error;
	return -1;
}

/* --- waiting --- */

static void waited(void)
{
	if (plan != NULL)
		__atomic_fetch_add(&plan->waits, 1, __ATOMIC_SEQ_CST);
}

int __real_epoll_wait(int set, struct epoll_event *events, int max, int timeout);
int __wrap_epoll_wait(int set, struct epoll_event *events, int max, int timeout);

int __wrap_epoll_wait(int set, struct epoll_event *events, int max, int timeout)
{
	const struct fault_rule *rule = rule_due(FAULT_epoll_wait);
	int count;

	if (rule != NULL)
		strike(-1);
	if (stutters(FAULT_epoll_wait) || (rule != NULL && rule->kind == FAULT_FAIL)) {
		errno = rule != NULL ? rule->error : EINTR;
		return -1;
	}
	count = __real_epoll_wait(set, events, max, timeout);
	waited();
	/* What is not reported now is when it is asked for again. */
	return rule == NULL || count < 2 ? count : (int)half((size_t)count);
}

int __real_poll(struct pollfd *watched, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout);

int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout)
{
	const struct fault_rule *rule = rule_due(FAULT_poll);
	int ready, left;
	nfds_t i;

	if (rule != NULL)
		strike(-1);
	if (stutters(FAULT_poll) || (rule != NULL && rule->kind == FAULT_FAIL)) {
		errno = rule != NULL ? rule->error : EINTR;
		return -1;
	}
	ready = __real_poll(watched, count, timeout);
	if (count > 1)  /* one is stdout's */
		waited();
	if (rule == NULL || ready < 2)
		return ready;
	for (i = 0, left = (int)half((size_t)ready); i < count; i++) {
		if (watched[i].revents != 0 && left-- <= 0)
			watched[i].revents = 0;
	}
	return (int)half((size_t)ready);
}

/* --- bytes that come, and files --- */

ssize_t __real_recv(int fd, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags);

ssize_t __wrap_recv(int fd, void *bytes, size_t size, int flags)
{
	const struct fault_rule *rule = rule_due(FAULT_recv);
	ssize_t there;

	last_read = fd;
	if (rule != NULL)
		strike(fd);
	if (stutters(FAULT_recv) || (rule != NULL && rule->kind == FAULT_FAIL)) {
		errno = rule != NULL ? rule->error : EAGAIN;
		return -1;
	}
	if (rule != NULL) {
		there = __real_recv(fd, bytes, size, flags | MSG_PEEK);
		if (there > 0)
			size = half((size_t)there);
	}
	return __real_recv(fd, bytes, most(size), flags);
}

ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);

/* How much a file has cannot be known before, so half is a byte. */
ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
	const struct fault_rule *rule = rule_due(FAULT_read);

	if (rule != NULL)
		strike(-1);
	if (rule != NULL && rule->kind == FAULT_FAIL) {
		errno = rule->error;
		return -1;
	}
	return __real_read(fd, bytes, rule != NULL ? 1 : most(size));
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	const struct fault_rule *rule = rule_due(FAULT_write);

	if (rule != NULL)
		strike(-1);
	if (rule != NULL && rule->kind == FAULT_FAIL) {
		errno = rule->error;
		return -1;
	}
	return __real_write(fd, bytes, rule != NULL ? half(size) : most(size));
}

/* --- bytes that go --- */

/* How many of these bytes may go now; -1: the call fails, with errno set. */
static ssize_t sendable(int fd, size_t size)
{
	const struct fault_rule *rule = rule_due(FAULT_send);

	if (rule != NULL)
		strike(fd);
	if (stutters(FAULT_send) || (rule != NULL && rule->kind == FAULT_FAIL)) {
		errno = rule != NULL ? rule->error : EAGAIN;
		return -1;
	}
	return (ssize_t)(rule != NULL ? half(size) : most(size));
}

static size_t pieces_size(const struct iovec *pieces, size_t count)
{
	size_t size = 0;

	while (count > 0)
		size += pieces[--count].iov_len;
	return size;
}

/* The first bytes of the pieces. Returns how many pieces they are. */
static int pieces_cut(const struct iovec *pieces, size_t count, size_t size,
    struct iovec cut[PIECES_MAX])
{
	int used = 0;

	while ((size_t)used < count && used < PIECES_MAX && size != 0) {
		cut[used] = pieces[used];
		if (cut[used].iov_len > size)
			cut[used].iov_len = size;
		size -= cut[used++].iov_len;
	}
	return used;
}

ssize_t __real_send(int fd, const void *bytes, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *bytes, size_t size, int flags)
{
	ssize_t part = sendable(fd, size);

	return part < 0 ? -1 : __real_send(fd, bytes, (size_t)part, flags);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t part = sendable(fd, pieces_size(message->msg_iov, message->msg_iovlen));
	struct msghdr some = *message;
	struct iovec cut[PIECES_MAX];

	if (part < 0)
		return -1;
	some.msg_iovlen = (size_t)pieces_cut(message->msg_iov, message->msg_iovlen, (size_t)part,
	    cut);
	some.msg_iov = cut;
	return __real_sendmsg(fd, &some, flags);
}

ssize_t __real_writev(int fd, const struct iovec *pieces, int count);
ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count);

ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
	ssize_t part = sendable(fd, pieces_size(pieces, (size_t)count));
	struct iovec cut[PIECES_MAX];

	if (part < 0)
		return -1;
	return __real_writev(fd, cut, pieces_cut(pieces, (size_t)count, (size_t)part, cut));
}

/* --- at the start --- */

__attribute__((constructor)) static void plan_find(void)
{
	const char *path = getenv(FAULT_VARIABLE);
	int fd = path != NULL ? __real_open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory;

	if (fd < 0)
		return;
	memory = __real_mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	__real_close(fd);
	if (memory != MAP_FAILED)
		plan = memory;
}
