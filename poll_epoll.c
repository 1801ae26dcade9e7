/* poll_epoll.c - readiness by Linux' epoll; see poll.h */
#define _GNU_SOURCE
#include "poll.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256       /* events of one system call */

struct poll_set {
	int fd;
	struct epoll_event events[BATCH];
};

struct poll_set *poll_open(int max_fd)
{
	struct poll_set *set = malloc(sizeof *set);

	(void)max_fd;
	if (set == NULL)
		return NULL;
	set->fd = epoll_create1(EPOLL_CLOEXEC);
	if (set->fd < 0) {
		free(set);
		return NULL;
	}
	return set;
}

void poll_close(struct poll_set *set)
{
	close(set->fd);
	free(set);
}

static bool control(struct poll_set *set, int operation, int fd, uint64_t tag, unsigned interest)
{
	struct epoll_event event = { .data.u64 = tag };

	event.events = (interest & POLL_READ ? EPOLLIN : 0u) | (interest & POLL_WRITE ? EPOLLOUT :
	    0u);
	return epoll_ctl(set->fd, operation, fd, &event) == 0;
}

bool poll_add(struct poll_set *set, int fd, uint64_t tag, unsigned interest)
{
	return control(set, EPOLL_CTL_ADD, fd, tag, interest);
}

bool poll_change(struct poll_set *set, int fd, uint64_t tag, unsigned interest)
{
	return control(set, EPOLL_CTL_MOD, fd, tag, interest);
}

/* Closing the descriptor would do as well, unless another process has it too. */
void poll_remove(struct poll_set *set, int fd)
{
	control(set, EPOLL_CTL_DEL, fd, 0, 0);
}

int poll_wait(struct poll_set *set, struct poll_event *events, int max, int timeout)
{
	int count = epoll_wait(set->fd, set->events, max < BATCH ? max : BATCH, timeout);
	int i;

	if (count < 0)
		return errno == EINTR ? 0 : -1;
	for (i = 0; i < count; i++) {
		uint32_t ready = set->events[i].events;
		bool fault = ready & (EPOLLERR | EPOLLHUP);

		events[i].tag = set->events[i].data.u64;
		events[i].ready = (fault || ready & EPOLLIN ? POLL_READ : 0) |
		    (fault || ready & EPOLLOUT ? POLL_WRITE : 0);
	}
	return count;
}

int poll_descriptor(const struct poll_set *set)
{
	return set->fd;
}

size_t poll_watched(const struct poll_set *set, struct pollfd *fds, size_t max)
{
	if (max > 0)
		fds[0] = (struct pollfd){ .fd = set->fd, .events = POLLIN };
	return 1;
}

size_t poll_memory(int max_fd)
{
	(void)max_fd;
	return sizeof(struct poll_set);
}

const char *poll_name(void)
{
	return "epoll";
}

int poll_accept(int listener, struct sockaddr *address, socklen_t *length)
{
	return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
