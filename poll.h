/*
 * poll.h - which descriptors are ready: by epoll (poll_epoll.c) or by poll(2) (poll_posix.c).
 *
 * The Makefile chooses one of the two. Readiness is level-triggered. A tag comes back with each
 * event; after poll_remove no event of that descriptor is reported any more, except those that an
 * earlier poll_wait has already returned: the caller's tags must tell old from new.
 *
 * Also here: accepting a connection, whose cheapest way differs between systems.
 */
#ifndef POLL_SET_H
#define POLL_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* What to wait for, and what is ready. An error or hang-up is reported as both. */
#define POLL_READ 1u
#define POLL_WRITE 2u

struct poll_event {
	uint64_t tag;
	unsigned ready;         /* POLL_READ, POLL_WRITE or both */
};

struct poll_set;
struct pollfd;

/* A set for descriptors below max_fd. NULL with errno set if it cannot be made. */
struct poll_set *poll_open(int max_fd);
void poll_close(struct poll_set *set);

/* Watch a descriptor; change what is waited for (0: nothing but errors); stop watching, before
 * the descriptor is closed. poll_add and poll_change return false with errno set. */
bool poll_add(struct poll_set *set, int fd, uint64_t tag, unsigned interest);
bool poll_change(struct poll_set *set, int fd, uint64_t tag, unsigned interest);
void poll_remove(struct poll_set *set, int fd);

/* Wait until something is ready or `timeout` ms have passed (-1: no limit). Returns how many events
 * there are in events[], 0 when time is up or a signal came, -1 with errno set for any other
 * fault. */
int poll_wait(struct poll_set *set, struct poll_event *events, int max, int timeout);

/* The descriptor that becomes readable when poll_wait would return, or -1 if the backend has
 * none. */
int poll_descriptor(const struct poll_set *set);

/* The descriptors to wait for instead of poll_wait, at most max of them: returns how many there
 * are. */
size_t poll_watched(const struct poll_set *set, struct pollfd *fds, size_t max);

/* Memory that a set for max_fd descriptors can come to. */
size_t poll_memory(int max_fd);

/* The name of the backend: "epoll" or "poll". */
const char *poll_name(void);

/* accept(2) a connection that does not block and is closed on exec. -1 with errno set. */
int poll_accept(int listener, struct sockaddr *address, socklen_t *length);

#endif
