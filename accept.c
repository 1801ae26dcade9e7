/* accept.c - where the server listens, and who is let in; see inside.h */
#include "inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_MAX 8           /* of one listener in one turn */

/* -- listening ------------------------------------------------------------------------- */

static bool listen_interest(struct uwt_server *server, unsigned interest)
{
	bool all = true;
	size_t i;

	for (i = 0; i < server->listeners.count; i++)
		all &= poll_change(server->poll, server->listeners.sockets[i].fd, TAG_LISTENER(i),
		    interest);
	for (i = 0; i < server->monitor_listeners.count; i++)
		all &= poll_change(server->poll, server->monitor_listeners.sockets[i].fd,
		    TAG_MONITOR(i), interest);
	return all;
}

/* Wait for connections at the sockets of a set, of which the first has this tag. */
static bool watch_listeners(struct uwt_server *server, struct listen_set *set, uint64_t tag,
    char error[UWT_ERROR_MAX])
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		if (!poll_add(server->poll, set->sockets[i].fd, tag + TAG_LISTENER(i) -
		    TAG_LISTENER(0), POLL_READ)) {
			snprintf(error, UWT_ERROR_MAX, "cannot watch a socket: %s",
			    strerror(errno));
			while (i > 0)
				poll_remove(server->poll, set->sockets[--i].fd);
			listen_close(set);
			return false;
		}
	}
	return true;
}

bool uwt_server_listen(struct uwt_server *server, const char *const *addresses, size_t count,
    uint16_t port, uint16_t *bound, const char **single, char error[UWT_ERROR_MAX])
{
	struct listen_set *set = &server->listeners;
	const char *only = NULL;
	uint16_t got;

	if (set->count > 0) {
		snprintf(error, UWT_ERROR_MAX, "this server listens already");
		return false;
	}
	return listen_open(set, addresses, count, port, bound != NULL ? bound : &got,
	    single != NULL ? single : &only, error, UWT_ERROR_MAX) &&
	    watch_listeners(server, set, TAG_LISTENER(0), error);
}

bool uwt_server_listen_metrics(struct uwt_server *server, const char *address, uint16_t port,
    uint16_t *bound, char error[UWT_ERROR_MAX])
{
	struct listen_set *set = &server->monitor_listeners;
	const char *only = NULL;
	uint16_t got;

	if (address == NULL)
		address = "localhost";
	if (set->count > 0 || strncmp(address, "unix:", 5) == 0) {
		snprintf(error, UWT_ERROR_MAX, set->count > 0 ?
		    "this server has a port for metrics already" :
		    "the port for metrics cannot be a Unix-domain socket");
		return false;
	}
	return listen_open(set, &address, 1, port, bound != NULL ? bound : &got, &only, error,
	    UWT_ERROR_MAX) && watch_listeners(server, set, TAG_MONITOR(0), error);
}

void stop_listening(struct uwt_server *server)
{
	size_t i;

	for (i = 0; i < server->listeners.count; i++)
		poll_remove(server->poll, server->listeners.sockets[i].fd);
	for (i = 0; i < server->monitor_listeners.count; i++)
		poll_remove(server->poll, server->monitor_listeners.sockets[i].fd);
	listen_close(&server->listeners);
	listen_close(&server->monitor_listeners);
}

/* -- room for who comes ---------------------------------------------------------------- */

/* End the connection that came first of those in a young list. Numbers are free again only when
 * nothing is queued any more, so that comes first. */
static void evict(struct uwt_server *server, enum young young)
{
	conns_flush(server);
	conn_doom(server, server->youngs[young].first, young == YOUNG_REFUSED ?
	    COUNT_ENDED_REFUSED : COUNT_ENDED_PLACE);
	conns_reap(server);
}

bool is_full(const struct uwt_server *server)
{
	return server->conns.live - server->refused - server->monitors >=
	    server->options.max_connections;
}

/* Make room for a newcomer: at the limit, the oldest that never announced goes. Returns whether the
 * newcomer is only to be told that all is full. */
static bool admit(struct uwt_server *server)
{
	if (is_full(server)) {
		/* Some of those may have ended in this very turn. */
		conns_flush(server);
		conns_reap(server);
	}
	if (!is_full(server))
		return false;
	if (server->youngs[YOUNG_WAITING].first != 0) {
		evict(server, YOUNG_WAITING);
		return false;
	}
	return true;
}

/* What stands in the way of a newcomer, as flags; CONN_COUNTED if it was counted. */
static unsigned admission(struct uwt_server *server, const struct address *address)
{
	/* A proxy is nobody's peer: whom it brings is counted by the address that it names. */
	bool peer = server->quota != NULL && address_kind(address) != ADDRESS_UNIX &&
	    !(server->options.trust_proxy && address_in(address, &server->trusted));
	unsigned flags = 0;

	if (peer && !quota_enter(server->quota, address))
		flags = CONN_FULL | CONN_CROWDED;
	else if (admit(server))
		flags = CONN_FULL | (peer ? CONN_COUNTED : 0);
	else if (peer)
		flags = CONN_COUNTED;
	if (flags & CONN_FULL) {
		refused(server, flags & CONN_CROWDED ? COUNT_REFUSED_ADDRESS :
		    COUNT_REFUSED_CONNECTIONS);
		if (server->refused == REFUSED_MAX)
			evict(server, YOUNG_REFUSED);
	}
	return flags;
}

/* -- accepting ------------------------------------------------------------------------- */

static void conn_open(struct uwt_server *server, int fd, const struct sockaddr *socket_address,
    bool monitor)
{
	struct address address = address_of_socket(socket_address);
	unsigned flags = monitor ? CONN_MONITOR : admission(server, &address);
	uint32_t number = conns_take(&server->conns);
	struct conn *conn = &server->conns.at[number];

	if (number == 0 || !poll_add(server->poll, fd, (uint64_t)conn->generation << 32 | number,
	    POLL_READ)) {
		close(fd);
		if (number != 0)
			conns_give(&server->conns, number);
		if (flags & CONN_COUNTED)
			quota_leave(server->quota, &address);
		return;
	}
	conn->fd = fd;
	conn->state = CONN_HEAD;
	conn->address = address;
	conn->flags = (uint16_t)flags;
	server->counters.of[COUNT_ACCEPTED]++;
	server->refused += (flags & CONN_FULL) != 0;
	server->monitors += monitor;
	conn->timer = TIMER_HEAD;
	conn->since = (uint32_t)server->now;
	conns_append(&server->conns, &server->timers[TIMER_HEAD], CHAIN_TIME, number);
	young_join(server, number);
}

/* The system has no descriptor or memory for a further connection: the oldest young one may give
 * its own, and those that wait to be accepted wait a little longer. */
static void accept_pause(struct uwt_server *server)
{
	const struct uwt_callbacks *callbacks = &server->options.callbacks;
	char text[UWT_ERROR_MAX];

	if (!server->starved && callbacks->error != NULL) {
		snprintf(text, sizeof text, "connections wait to be accepted: %s",
		    strerror(errno));
		callbacks->error(callbacks->context, text);
	}
	refused(server, COUNT_REFUSED_DESCRIPTORS);
	server->starved = true;
	if (server->youngs[YOUNG_WAITING].first != 0)
		evict(server, YOUNG_WAITING);
	server->accept_again = server->now + ACCEPT_PAUSE;
	listen_interest(server, 0);
}

void accept_resume(struct uwt_server *server)
{
	if (server->accept_again == 0 || server->now < server->accept_again)
		return;
	server->accept_again = 0;
	if (!listen_interest(server, POLL_READ)) {
		server->accept_again = server->now + ACCEPT_PAUSE;
		listen_interest(server, 0);
	}
}

static void accept_some(struct uwt_server *server, int listener, bool monitor)
{
	struct sockaddr_storage address;
	socklen_t length;
	int count, fd;

	for (count = 0; count < ACCEPTS_MAX; count++) {
		length = sizeof address;
		memset(&address, 0, sizeof address);
		fd = poll_accept(listener, (struct sockaddr *)&address, &length);
		if (fd >= 0) {
			server->starved = false;
			/* Who holds all and asks for nothing must not keep others from asking. */
			if (monitor && server->monitors == MONITORS_MAX)
				evict(server, YOUNG_MONITORS);
			conn_open(server, fd, (const struct sockaddr *)&address, monitor);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			accept_pause(server);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

void listener_event(struct uwt_server *server, uint32_t place)
{
	const struct listen_set *set = &server->listeners;
	bool monitor = place >= LISTEN_MAX;

	if (monitor) {
		set = &server->monitor_listeners;
		place -= LISTEN_MAX;
	}
	if (place < set->count)
		accept_some(server, set->sockets[place].fd, monitor);
}
