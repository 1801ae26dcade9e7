/* poll_fuzz.c - readiness of the sockets of world.h; see poll.h */
#include "../../poll.h"

#include <errno.h>

#include "fuzz.h"
#include "world.h"

struct poll_set {
	int max_fd;
};

struct poll_set *poll_open(int max_fd)
{
	static struct poll_set set;

	MUST(world.on);
	set.max_fd = max_fd;
	return &set;
}

void poll_close(struct poll_set *set)
{
	int i;

	(void)set;
	/* The pipe is closed, not removed, before. */
	for (i = 0; i < WORLD_SOCKETS; i++)
		MUST(!world.sockets[i].watched);
}

bool poll_add(struct poll_set *set, int fd, uint64_t tag, unsigned interest)
{
	struct world_socket *socket = world_socket(fd);

	MUST(!socket->watched);
	if (world.add_fault || fd - WORLD_FD >= set->max_fd) {
		world.add_fault = false;
		errno = ENOSPC;
		return false;
	}
	socket->watched = true;
	socket->tag = tag;
	socket->interest = interest;
	return true;
}

bool poll_change(struct poll_set *set, int fd, uint64_t tag, unsigned interest)
{
	struct world_socket *socket = world_socket(fd);

	(void)set;
	MUST(socket->watched && socket->tag == tag);
	if (world.change_fault) {
		world.change_fault = false;
		errno = ENOMEM;
		return false;
	}
	socket->interest = interest;
	return true;
}

void poll_remove(struct poll_set *set, int fd)
{
	struct world_socket *socket = world_socket(fd);

	(void)set;
	MUST(socket->watched);
	socket->watched = false;
}

static int collect(struct poll_event *events, int max)
{
	unsigned seen;
	int count = 0;

	for (seen = 0; seen < WORLD_SOCKETS && count < max; seen++) {
		const struct world_socket *socket =
		    &world.sockets[(world.order + seen) % WORLD_SOCKETS];
		unsigned ready;

		if (!socket->watched)
			continue;
		ready = world_ready(socket);
		if (socket->broken == 0)
			ready &= socket->interest;
		if (ready != 0)
			events[count++] = (struct poll_event){ socket->tag, ready };
	}
	return count;
}

int poll_wait(struct poll_set *set, struct poll_event *events, int max, int timeout)
{
	int count = collect(events, max);

	(void)set;
	/* Who waits hears from those who answer what was sent before. */
	if (count == 0 && world.sleeps && world.waits != NULL) {
		world.waits();
		count = collect(events, max);
	}
	world.calls = 0;
	world.waited = true;
	world.spins = count > 0 || timeout == 0;
	if (world.sleeps && count == 0 && timeout > 0)
		world.now += (uint64_t)timeout * 1000;
	return count;
}

size_t poll_watched(const struct poll_set *set, struct pollfd *fds, size_t max)
{
	(void)set;
	(void)fds;
	(void)max;
	return 0;
}

int poll_descriptor(const struct poll_set *set)
{
	(void)set;
	return -1;
}

size_t poll_memory(int max_fd)
{
	(void)max_fd;
	return sizeof(struct poll_set);
}

const char *poll_name(void)
{
	return "fuzz";
}

int poll_accept(int listener, struct sockaddr *address, socklen_t *length)
{
	int fault = world.accept_fault, i;

	world.calls++;
	MUST(world_socket(listener)->kind == WORLD_LISTENER);
	world.accept_fault = 0;
	if (fault != 0) {
		errno = fault;
		return -1;
	}
	for (i = 0; i < WORLD_SOCKETS; i++) {
		struct world_socket *socket = &world.sockets[i];

		if (!socket->waiting)
			continue;
		socket->waiting = false;
		socket->open = true;
		*length = *length < sizeof socket->address ? *length : sizeof socket->address;
		memcpy(address, &socket->address, *length);
		return WORLD_FD + i;
	}
	errno = EAGAIN;
	return -1;
}
