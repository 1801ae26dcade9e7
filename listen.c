/* listen.c - see listen.h */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096        /* the kernel lowers it to its own limit */
#define PORT_TRIES 64       /* free ports to try until one is free at every address */

union socket_address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
	struct sockaddr_un local;
};

/* An attempt to listen: where, and what to say when it fails. */
struct attempt {
	struct listen_set *set;
	uint16_t port;          /* 0 until the first socket has got a free one */
	bool network;           /* some socket has a port */
	int fault;              /* errno of what failed */
	char *error;
	size_t error_max;
};

static socklen_t address_length(const union socket_address *address)
{
	switch (address->any.sa_family) {
	case AF_INET: return sizeof address->ipv4;
	case AF_INET6: return sizeof address->ipv6;
	default: return sizeof address->local;
	}
}

static bool refuse(const struct attempt *attempt, const char *name, const char *why)
{
	snprintf(attempt->error, attempt->error_max, "cannot listen on %s: %s", name, why);
	return false;
}

/* Reading of an address */

static bool read_ipv6(const char *text, struct sockaddr_in6 *ipv6)
{
	char copy[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
	size_t length = strlen(text);
	char *scope;

	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		text++;
		length -= 2;
	}
	if (length >= sizeof copy)
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	scope = strchr(copy, '%');
	if (scope != NULL) {
		*scope++ = '\0';
		ipv6->sin6_scope_id = if_nametoindex(scope);
		if (ipv6->sin6_scope_id == 0)
			return false;
	}
	ipv6->sin6_family = AF_INET6;
	return inet_pton(AF_INET6, copy, &ipv6->sin6_addr) == 1;
}

/* False with errno 0 if the text is no address, or else with what is wrong. */
static bool read_address(const char *text, union socket_address *address)
{
	memset(address, 0, sizeof *address);
	errno = 0;
	if (strncmp(text, "unix:", 5) == 0) {
		if (strlen(text + 5) >= sizeof address->local.sun_path)
			errno = ENAMETOOLONG;
		if (errno != 0 || text[5] == '\0')
			return false;
		address->local.sun_family = AF_UNIX;
		memcpy(address->local.sun_path, text + 5, strlen(text + 5));
		return true;
	}
	if (inet_pton(AF_INET, text, &address->ipv4.sin_addr) == 1) {
		address->ipv4.sin_family = AF_INET;
		return true;
	}
	if (read_ipv6(text, &address->ipv6))
		return true;
	errno = 0;
	return false;
}

bool listen_address_valid(const char *text)
{
	union socket_address address;

	return strcmp(text, "localhost") == 0 || read_address(text, &address);
}

/* Opening */

/* A socket file that nobody listens on any more is in the way; one that is alive must stay. */
static void remove_stale(const union socket_address *address)
{
	struct stat status;
	int fd;

	if (stat(address->local.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return;
	if (connect(fd, &address->any, address_length(address)) != 0 && errno == ECONNREFUSED)
		unlink(address->local.sun_path);
	close(fd);
}

static bool prepare(int fd, int family)
{
	int on = 1;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return false;
	if (family == AF_UNIX)
		return true;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		return false;
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
		return false;
	/* Inherited by the connections. A turn's output is one send: there is nothing to wait
	 * for. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return true;
}

static int open_socket(const union socket_address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM, 0);
	int fault;

	if (fd < 0)
		return -1;
	if (address->any.sa_family == AF_UNIX)
		remove_stale(address);
	if (prepare(fd, address->any.sa_family) &&
	    bind(fd, &address->any, address_length(address)) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	fault = errno;
	close(fd);
	errno = fault;
	return -1;
}

static uint16_t port_of(int fd)
{
	union socket_address address;
	socklen_t length = sizeof address;

	if (getsockname(fd, &address.any, &length) != 0)
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port :
	    address.ipv4.sin_port);
}

/* Listen on one address, named as the user did. False with errno set, 0 when error says it all. */
static bool add_address(struct attempt *attempt, const char *name)
{
	struct listen_socket *made = &attempt->set->sockets[attempt->set->count];
	union socket_address address;

	if (attempt->set->count == LISTEN_MAX) {
		errno = 0;
		return refuse(attempt, name, "too many addresses");
	}
	if (!read_address(name, &address)) {
		refuse(attempt, name, errno != 0 ? strerror(errno) :
		    "neither an IPv4 or IPv6 address, localhost nor unix:PATH");
		errno = 0;
		return false;
	}
	if (address.any.sa_family == AF_INET)
		address.ipv4.sin_port = htons(attempt->port);
	else if (address.any.sa_family == AF_INET6)
		address.ipv6.sin6_port = htons(attempt->port);
	*made = (struct listen_socket){ .fd = open_socket(&address) };
	if (made->fd < 0)
		return false;
	attempt->set->count++;
	if (address.any.sa_family == AF_UNIX) {
		made->path = strdup(name + 5);
		return true;
	}
	attempt->network = true;
	if (attempt->port == 0)
		attempt->port = port_of(made->fd);
	return attempt->port != 0;
}

static bool fail_address(struct attempt *attempt, const char *name, int fault)
{
	char place[160];

	attempt->fault = fault;
	if (fault == 0)
		return false;
	if (strncmp(name, "unix:", 5) == 0)
		return refuse(attempt, name, strerror(fault));
	snprintf(place, sizeof place, "%s port %u", name, (unsigned)attempt->port);
	return refuse(attempt, place, strerror(fault));
}

/* Two addresses of which the machine may lack one. */
static bool add_either(struct attempt *attempt, const char *ipv6, const char *ipv4,
    const char **single)
{
	bool has_ipv6 = add_address(attempt, ipv6);
	int fault = errno;

	if (!has_ipv6 && fault != EAFNOSUPPORT && fault != EADDRNOTAVAIL &&
	    fault != EPROTONOSUPPORT)
		return fail_address(attempt, ipv6, fault);
	if (!has_ipv6)
		*single = "IPv4";
	if (add_address(attempt, ipv4))
		return true;
	fault = errno;
	if (!has_ipv6 || (fault != EAFNOSUPPORT && fault != EADDRNOTAVAIL))
		return fail_address(attempt, ipv4, fault);
	*single = "IPv6";
	return true;
}

static bool open_all(struct attempt *attempt, const char *const *addresses, size_t count,
    const char **single)
{
	const char *ignored;
	size_t i;

	if (count == 0)
		return add_either(attempt, "::", "0.0.0.0", single);
	for (i = 0; i < count; i++) {
		if (strcmp(addresses[i], "localhost") == 0) {
			if (!add_either(attempt, "::1", "127.0.0.1", &ignored))
				return false;
		} else if (!add_address(attempt, addresses[i])) {
			return fail_address(attempt, addresses[i], errno);
		}
	}
	return true;
}

bool listen_open(struct listen_set *set, const char *const *addresses, size_t count, uint16_t port,
    uint16_t *bound, const char **single, char *error, size_t error_max)
{
	struct attempt attempt;
	int tries = PORT_TRIES;

	/* A free port at the first address may be taken at the next one: then try another. */
	do {
		*single = NULL;
		set->count = 0;
		attempt = (struct attempt){ .set = set, .port = port, .error = error,
			.error_max = error_max };
		if (open_all(&attempt, addresses, count, single)) {
			*bound = attempt.network ? attempt.port : 0;
			return true;
		}
		listen_close(set);
	} while (port == 0 && attempt.fault == EADDRINUSE && --tries > 0);
	return false;
}

void listen_close(struct listen_set *set)
{
	while (set->count > 0) {
		struct listen_socket *last = &set->sockets[--set->count];

		close(last->fd);
		if (last->path != NULL)
			unlink(last->path);
		free(last->path);
	}
}
