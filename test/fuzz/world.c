/* world.c - see world.h */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../../poll.h"
#include "fuzz.h"

struct world world;

/* -- the target's side ------------------------------------------------------------------ */

void world_begin(void)
{
	MUST(!world.on);
	memset(&world, 0, sizeof world);
	world.on = true;
	world.now = 1000000000;
	world.random = 1;
}

void world_end(void)
{
	int i;

	MUST(world_open() == 0);
	for (i = 0; i < WORLD_SOCKETS; i++)
		world_forget(i);
	world.on = false;
}

unsigned world_open(void)
{
	unsigned count = 0, i;

	for (i = 0; i < WORLD_SOCKETS; i++)
		count += world.sockets[i].open;
	return count;
}

static int socket_take(enum world_kind kind)
{
	int i;

	for (i = 0; i < WORLD_SOCKETS; i++) {
		if (world.sockets[i].kind != WORLD_FREE)
			continue;
		world.sockets[i] = (struct world_socket){ .kind = kind,
			.open = kind != WORLD_PEER, .chunk = WORLD_ANY, .window = WORLD_ANY };
		return i;
	}
	return -1;
}

int world_connect(const struct sockaddr *address, size_t length)
{
	int peer = socket_take(WORLD_PEER);

	if (peer < 0)
		return -1;
	memcpy(&world.sockets[peer].address, address, length);
	world.sockets[peer].waiting = true;
	return peer;
}

void world_forget(int peer)
{
	struct world_socket *socket = &world.sockets[peer];

	MUST(!socket->open);
	world_bytes_free(&socket->in);
	world_bytes_free(&socket->out);
	memset(socket, 0, sizeof *socket);
}

void world_bytes_add(struct world_bytes *bytes, const void *data, size_t length)
{
	uint8_t *memory;

	if (length == 0)
		return;
	if ((size_t)(bytes->at - bytes->memory) + bytes->length + length > bytes->max) {
		bytes->max = 2 * (bytes->length + length);
		memory = malloc(bytes->max);
		if (memory == NULL)
			abort();
		if (bytes->length > 0)
			memcpy(memory, bytes->at, bytes->length);
		free(bytes->memory);
		bytes->memory = bytes->at = memory;
	}
	memcpy(bytes->at + bytes->length, data, length);
	bytes->length += length;
}

void world_bytes_drop(struct world_bytes *bytes, size_t length)
{
	bytes->length -= length;
	bytes->at = bytes->length > 0 ? bytes->at + length : bytes->memory;
}

void world_bytes_free(struct world_bytes *bytes)
{
	free(bytes->memory);
	*bytes = (struct world_bytes){ 0 };
}

struct world_socket *world_socket(int fd)
{
	MUST(fd >= WORLD_FD && fd < WORLD_FD + WORLD_SOCKETS);
	MUST(world.sockets[fd - WORLD_FD].open);
	return &world.sockets[fd - WORLD_FD];
}

static bool is_ours(int fd)
{
	return world.on && fd >= WORLD_FD;
}

static struct world_socket *next_waiting(void)
{
	int i;

	for (i = 0; i < WORLD_SOCKETS; i++) {
		if (world.sockets[i].waiting)
			return &world.sockets[i];
	}
	return NULL;
}

unsigned world_ready(const struct world_socket *socket)
{
	if (socket->broken != 0)
		return POLL_READ | POLL_WRITE;
	if (socket->kind == WORLD_LISTENER)
		return next_waiting() != NULL || world.accept_fault != 0 ? POLL_READ : 0;
	return (socket->in.length > 0 || socket->in_ended ? POLL_READ : 0) |
	    (socket->window > 0 || socket->gone ? POLL_WRITE : 0);
}

/* SplitMix64 */
static void random_fill(uint8_t *bytes, size_t size)
{
	while (size-- > 0) {
		uint64_t x = world.random += 0x9e3779b97f4a7c15;

		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
		*bytes++ = (uint8_t)(x >> 56);
	}
}

/* -- what the linker puts in place of the system's ---------------------------------------- */

/* The first declaration is what the linker calls the real one. */
#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

static ssize_t fail(int fault)
{
	errno = fault;
	return -1;
}

static ssize_t peer_read(struct world_socket *socket, void *bytes, size_t size)
{
	size_t part = socket->in.length;
	int fault = socket->broken != 0 ? socket->broken : socket->read_fault;

	world.calls++;
	socket->read_fault = 0;
	socket->misled = fault != 0 && part > 0 && !world.waited;
	if (fault != 0)
		return fail(fault);
	if (part == 0)
		return socket->in_ended ? 0 : fail(EAGAIN);
	part = part < size ? part : size;
	part = part < socket->chunk ? part : socket->chunk;
	memcpy(bytes, socket->in.at, part);
	world_bytes_drop(&socket->in, part);
	return (ssize_t)part;
}

WRAP(ssize_t, recv, int fd, void *bytes, size_t size, int flags)
{
	struct world_socket *socket;

	if (!is_ours(fd))
		return __real_recv(fd, bytes, size, flags);
	socket = world_socket(fd);
	MUST(socket->kind == WORLD_PEER && size > 0);
	return peer_read(socket, bytes, size);
}

WRAP(ssize_t, read, int fd, void *bytes, size_t size)
{
	struct world_socket *socket;

	if (!is_ours(fd))
		return __real_read(fd, bytes, size);
	socket = world_socket(fd);
	MUST(socket->kind == WORLD_PIPE);
	return peer_read(socket, bytes, size);
}

/* What is written to a pipe can be read at its other end, which was made just before. */
WRAP(ssize_t, write, int fd, const void *bytes, size_t size)
{
	struct world_socket *socket;

	if (!is_ours(fd))
		return __real_write(fd, bytes, size);
	socket = world_socket(fd);
	MUST(socket->kind == WORLD_PIPE);
	if (socket[-1].in.length >= 65536)
		return fail(EAGAIN);
	world_bytes_add(&socket[-1].in, bytes, size);
	return (ssize_t)size;
}

static ssize_t peer_write(int fd, const struct iovec *pieces, size_t count, int flags)
{
	struct world_socket *socket = world_socket(fd);
	size_t taken = 0, part, i;
	int fault;

	MUST(socket->kind == WORLD_PEER && count > 0 && count <= 1024 && !socket->shut);
	MUST(flags == MSG_NOSIGNAL);
	world.calls++;
	if (world.writes != NULL)
		world.writes(fd - WORLD_FD);
	fault = socket->broken != 0 ? socket->broken : socket->gone ? EPIPE : socket->write_fault;
	socket->write_fault = 0;
	if (fault != 0)
		return fail(fault);
	for (i = 0; i < count && socket->window > 0; i++) {
		part = pieces[i].iov_len < socket->window ? pieces[i].iov_len : socket->window;
		world_bytes_add(&socket->out, pieces[i].iov_base, part);
		taken += part;
		socket->window -= socket->window != WORLD_ANY ? part : 0;
	}
	return taken > 0 ? (ssize_t)taken : fail(EAGAIN);
}

WRAP(ssize_t, send, int fd, const void *bytes, size_t size, int flags)
{
	struct iovec piece = { (void *)(uintptr_t)bytes, size };

	return is_ours(fd) ? peer_write(fd, &piece, 1, flags) : __real_send(fd, bytes, size, flags);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *message, int flags)
{
	return is_ours(fd) ? peer_write(fd, message->msg_iov, message->msg_iovlen, flags) :
	    __real_sendmsg(fd, message, flags);
}

WRAP(int, shutdown, int fd, int how)
{
	struct world_socket *socket;

	if (!is_ours(fd))
		return __real_shutdown(fd, how);
	socket = world_socket(fd);
	MUST(socket->kind == WORLD_PEER && how == SHUT_WR && !socket->shut);
	if (socket->broken != 0)
		return (int)fail(ENOTCONN);
	socket->shut = true;
	return 0;
}

WRAP(int, close, int fd)
{
	struct world_socket *socket;

	if (!is_ours(fd))
		return __real_close(fd);
	socket = world_socket(fd);
	world.calls++;
	MUST(!socket->watched || socket->kind == WORLD_PIPE);
	socket->open = false;
	if (socket->kind != WORLD_PEER)
		world_forget(fd - WORLD_FD);
	return 0;
}

WRAP(int, pipe, int *fds)
{
	int first, second;

	/* Others are the sanitizer's, which reports something. */
	if (!world.pipe_due)
		return __real_pipe(fds);
	world.pipe_due = false;
	first = socket_take(WORLD_PIPE);
	second = socket_take(WORLD_PIPE);
	MUST(first >= 0 && second == first + 1);
	fds[0] = WORLD_FD + first;
	fds[1] = WORLD_FD + second;
	return 0;
}

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...)
{
	va_list more;
	long argument;

	if (is_ours(fd))
		return 0;
	va_start(more, command);
	argument = va_arg(more, long);
	va_end(more);
	return __real_fcntl(fd, command, argument);
}

WRAP(int, socket, int domain, int type, int protocol)
{
	int made;

	if (!world.on)
		return __real_socket(domain, type, protocol);
	made = socket_take(WORLD_LISTENER);
	MUST(made >= 0);
	world.sockets[made].address.ss_family = (sa_family_t)domain;
	return WORLD_FD + made;
}

WRAP(int, setsockopt, int fd, int level, int name, const void *value, socklen_t size)
{
	return is_ours(fd) ? 0 : __real_setsockopt(fd, level, name, value, size);
}

WRAP(int, bind, int fd, const struct sockaddr *address, socklen_t length)
{
	return is_ours(fd) ? 0 : __real_bind(fd, address, length);
}

WRAP(int, listen, int fd, int backlog)
{
	return is_ours(fd) ? 0 : __real_listen(fd, backlog);
}

WRAP(int, getsockname, int fd, struct sockaddr *address, socklen_t *length)
{
	struct sockaddr_in6 name = { .sin6_port = htons(8000) };

	if (!is_ours(fd))
		return __real_getsockname(fd, address, length);
	name.sin6_family = world_socket(fd)->address.ss_family;
	memcpy(address, &name, sizeof name);
	return 0;
}

WRAP(int, clock_gettime, clockid_t clock, struct timespec *time)
{
	if (!world.on)
		return __real_clock_gettime(clock, time);
	if (world.clock_fault) {
		world.clock_fault = false;
		return (int)fail(EPERM);
	}
	world.now += world.tick;
	*time = (struct timespec){ .tv_sec = (time_t)(world.now / 1000000) +
		(clock == CLOCK_REALTIME ? 1800000000 : 0),
		.tv_nsec = (long)(world.now % 1000000) * 1000 };
	return 0;
}

WRAP(time_t, time, time_t *out)
{
	time_t now = 1800000000 + (time_t)(world.now / 1000000);

	if (!world.on)
		return __real_time(out);
	if (out != NULL)
		*out = now;
	return now;
}

WRAP(int, getentropy, void *bytes, size_t size)
{
	if (!world.on)
		return __real_getentropy(bytes, size);
	if (world.random_fault) {
		world.random_fault = false;
		return (int)fail(ENOSYS);
	}
	random_fill(bytes, size);
	return 0;
}
