/* poll_posix.c - readiness by poll(2), which every system has; see poll.h */
#include "poll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "pages.h"

struct poll_set {
	size_t size;            /* bytes reserved for this */
	int max_fd;
	nfds_t count;           /* descriptors watched */
	nfds_t next;            /* where the last poll_wait stopped reporting */
	struct pollfd *watched; /* the first count entries */
	uint64_t *tags;         /* of each watched entry */
	uint32_t *where;        /* by descriptor: its entry plus 1, 0 when not watched */
};

/* Up to where the tags are aligned. */
#define SET_SIZE ((sizeof(struct poll_set) + 7) / 8 * 8)

size_t poll_memory(int max_fd)
{
	size_t each = sizeof(struct pollfd) + sizeof(uint64_t) + sizeof(uint32_t);

	return SET_SIZE + (size_t)max_fd * each;
}

struct poll_set *poll_open(int max_fd)
{
	size_t size = poll_memory(max_fd);
	struct poll_set *set = pages_reserve(size);

	if (set == NULL)
		return NULL;
	set->size = size;
	set->max_fd = max_fd;
	set->tags = (uint64_t *)(void *)((uint8_t *)set + SET_SIZE);
	set->watched = (struct pollfd *)(void *)(set->tags + max_fd);
	set->where = (uint32_t *)(void *)(set->watched + max_fd);
	return set;
}

void poll_close(struct poll_set *set)
{
	pages_release(set, set->size);
}

static short poll_bits(unsigned interest)
{
	return (short)((interest & POLL_READ ? POLLIN : 0) | (interest & POLL_WRITE ? POLLOUT : 0));
}

bool poll_add(struct poll_set *set, int fd, uint64_t tag, unsigned interest)
{
	if (fd >= set->max_fd) {
		errno = EMFILE;
		return false;
	}
	set->watched[set->count] = (struct pollfd){ .fd = fd, .events = poll_bits(interest) };
	set->tags[set->count] = tag;
	set->where[fd] = (uint32_t)++set->count;
	return true;
}

bool poll_change(struct poll_set *set, int fd, uint64_t tag, unsigned interest)
{
	nfds_t at = set->where[fd] - 1;

	set->watched[at].events = poll_bits(interest);
	set->tags[at] = tag;
	return true;
}

void poll_remove(struct poll_set *set, int fd)
{
	nfds_t at = set->where[fd] - 1, last = --set->count;

	set->watched[at] = set->watched[last];
	set->tags[at] = set->tags[last];
	set->where[set->watched[at].fd] = (uint32_t)at + 1;
	set->where[fd] = 0;
}

int poll_wait(struct poll_set *set, struct poll_event *events, int max, int timeout)
{
	int ready = poll(set->watched, set->count, timeout);
	int count = 0;
	nfds_t seen, at;

	if (ready < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	/* Begin where the last turn ended, so that many busy descriptors are served in turn. */
	for (seen = 0; seen < set->count && count < ready && count < max; seen++) {
		short bits;

		at = (set->next + seen) % set->count;
		bits = set->watched[at].revents;
		if (bits == 0)
			continue;
		events[count].tag = set->tags[at];
		events[count].ready = (bits & ~POLLOUT ? POLL_READ : 0) |
		    (bits & ~POLLIN ? POLL_WRITE : 0);
		count++;
	}
	set->next = set->count > 0 ? (set->next + seen) % set->count : 0;
	return count;
}

int poll_descriptor(const struct poll_set *set)
{
	(void)set;
	return -1;
}

size_t poll_watched(const struct poll_set *set, struct pollfd *fds, size_t max)
{
	size_t i;

	for (i = 0; i < max && i < set->count; i++)
		fds[i] = set->watched[i];
	return set->count;
}

const char *poll_name(void)
{
	return "poll";
}

int poll_accept(int listener, struct sockaddr *address, socklen_t *length)
{
	int fd = accept(listener, address, length);

	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
		int fault = errno;

		close(fd);
		errno = fault;
		return -1;
	}
	return fd;
}
