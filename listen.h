/*
 * listen.h - the sockets that a server listens on.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTEN_MAX 32       /* sockets of one server; `localhost` is two */

struct listen_socket {
	int fd;
	char *path;             /* of a unix socket, to be unlinked; NULL otherwise */
};

struct listen_set {
	struct listen_socket sockets[LISTEN_MAX];
	size_t count;
};

/*
 * Open sockets that do not block, closed on exec. The addresses, port, bound and single are as in
 * uwt_server_listen. Returns false, with nothing open and one line in error (of error_max bytes),
 * if one cannot be had.
 */
bool listen_open(struct listen_set *set, const char *const *addresses, size_t count, uint16_t port,
    uint16_t *bound, const char **single, char *error, size_t error_max);

/* Is this `localhost`, or an address that read as text says where to listen? The path of a unix
 * socket may have about 100 bytes, less than sun_path has. */
bool listen_address_valid(const char *address);

/* Close all, and remove the files of unix sockets. */
void listen_close(struct listen_set *set);

#endif
