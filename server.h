/*
 * server.h - the tracker as an object: a WebTorrent tracker over WebSocket, with HTTP beside it.
 *
 * This is all that a program sees. A server listens, takes connections and answers them; nothing
 * happens outside uwt_server_turn. Several servers can live in one process; a server is used from
 * one thread.
 *
 * Memory: what the limits come to is reserved as address space by uwt_server_new and touched only
 * as it is used; there is no allocation after that on the path of a peer. Strings in the options
 * are copied, or must outlive the server where it says so. Errors are one line of text, without a
 * newline.
 */
#ifndef UWT_SERVER_H
#define UWT_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UWT_VERSION "4.0.0"
#define UWT_ID_SIZE 20              /* bytes of a peer_id and an info_hash */
#define UWT_PAIRS_MAX 16            /* certificates with their keys */
#define UWT_ERROR_MAX 256           /* bytes of an error text, terminated */
#define UWT_TABLE_MAX 1048576       /* the most that a derived limit comes to */
#define UWT_LIMIT_MAX 16777216      /* the most that one can be set to */

/* What happens, as a program is told. */
enum uwt_event { UWT_START, UWT_COMPLETE, UWT_UPDATE, UWT_STOP };

struct uwt_callbacks {
	void *context;
	/* An announce was accepted, or a membership ended. */
	void (*event)(void *context, enum uwt_event event, const uint8_t *peer_id,
	    const uint8_t *info_hash);
	/* A peer did wrong. The text is printable ASCII. */
	void (*warning)(void *context, const char *text);
	/* Something is about to be sent, and all that led to it has been told; often in a turn. */
	void (*turn)(void *context);
};

struct uwt_options {
	uint32_t interval;              /* ms between announces; WebSocket peers are told a fifth */
	uint32_t max_connections;       /* 0 in these four: derived by uwt_options_fit */
	/* memberships: peers, counted in each torrent and connection */
	uint32_t max_peers;
	uint32_t max_torrents;
	uint64_t buffer_memory;         /* bytes for partial input and unsent output */
	uint32_t max_swarms;            /* memberships of one connection */
	uint32_t max_rate;              /* messages of one connection in a second; 0: any number */
	/* connections of one address, of IPv6 of one /64; 0: any number */
	uint32_t max_per_address;
	uint32_t max_message;           /* bytes of one WebSocket message */
	bool full_scrape;               /* answer a scrape that names no torrent */
	bool stats;                     /* serve /stats and /stats.json */
	bool landing;                   /* serve a page at / */
	/* that page, HTML; NULL: the built-in one. Must outlive the server */
	const char *page;
	size_t page_size;
	bool trust_proxy;               /* take peers' addresses from proxies' headers */
	/* from whom: "CIDR,..."; NULL: loopback, private and link-local */
	const char *trusted;
	bool tls;                       /* speak TLS as well, once uwt_server_keys was called */
	bool tls_only;                  /* and turn plain connections away, but for loopback */
	/* remembered for resumption; 0: derived by uwt_options_fit */
	uint32_t tls_sessions;
	uint32_t max_handshakes;        /* of TLS, at a time */
	/* a peer with TLS costs 4 KB more, because BearSSL is not as it was known: uwt_options_fit
	 * finds out */
	bool tls_whole;
	struct uwt_callbacks callbacks; /* any of the functions may be NULL */
};

struct uwt_server;

/* Set the defaults; the limits that depend on the machine stay 0. */
void uwt_options_init(struct uwt_options *options);

/*
 * Give the limits that are 0 a value: together they take at most `memory` bytes, the connections at
 * most `descriptors`, each at most UWT_TABLE_MAX. Returns false with a text when max_connections is
 * more than the descriptors allow.
 */
bool uwt_options_fit(struct uwt_options *options, uint64_t memory, uint32_t descriptors,
    char error[static UWT_ERROR_MAX]);

/* The most memory, in bytes, that a server with these options, all limits set, can come to. */
uint64_t uwt_options_memory(const struct uwt_options *options);

/* Would uwt_server_listen know this address? Is this a list for `trusted`? */
bool uwt_host_valid(const char *host);
bool uwt_ranges_valid(const char *ranges);

/* Make a server. All limits must be set. NULL with a text if something is wrong with them, or there
 * is no memory. */
struct uwt_server *uwt_server_new(const struct uwt_options *options,
    char error[static UWT_ERROR_MAX]);

/* Close all connections and listeners at once and free everything. NULL is allowed. */
void uwt_server_free(struct uwt_server *server);

/* A certificate chain and its private key, as PEM text. */
struct uwt_pair {
	const char *certificates;
	size_t certificates_size;
	const char *key;
	size_t key_size;
};

/* Is there TLS in this build? */
bool uwt_has_tls(void);

/*
 * Serve these certificates to connections that come from now on; which of them, the client's server
 * name chooses, the first is the default. Returns false with a text, and in *pair which is at
 * fault; those before then stay in force.
 */
bool uwt_server_keys(struct uwt_server *server, const struct uwt_pair *pairs, size_t count,
    size_t *pair, char error[static UWT_ERROR_MAX]);

/* What clients may mind in a pair that is served. */
struct uwt_doubts {
	int64_t from, to;       /* when its certificate is valid, s since 1970 */
	bool alone;             /* it was signed by another, which is not in the chain */
};

/* Of the pair of that place, from 0. False if there is none. */
bool uwt_server_doubts(const struct uwt_server *server, size_t pair, struct uwt_doubts *doubts);

/*
 * Listen. An address is an IPv4 or IPv6 address (brackets allowed), `localhost` (127.0.0.1 and
 * ::1), or `unix:PATH`. With no address at all (count 0) it is :: and 0.0.0.0, of which one may be
 * missing on the machine; then *single is set to the name of the one that serves. Port 0 takes a
 * free port, the same for all. *bound gets the port, 0 if there are only unix sockets. Returns
 * false with a text, and listens to nothing, if any cannot be had.
 */
bool uwt_server_listen(struct uwt_server *server, const char *const *addresses, size_t count,
    uint16_t port, uint16_t *bound, const char **single, char error[static UWT_ERROR_MAX]);

/* Wait until there is something to do, at most `timeout` ms (-1: no limit), and do it. Returns
 * false when the server has been closed and every connection has ended. */
bool uwt_server_turn(struct uwt_server *server, int timeout);

/* Stop listening and close every WebSocket with 1001. Turns go on until connections have ended, at
 * most `grace` ms. */
void uwt_server_close(struct uwt_server *server, uint32_t grace);

/* Make the turn that is waiting, or the next one, return at once. May be called from a signal
 * handler. */
void uwt_server_wake(struct uwt_server *server);

/* "epoll" or "poll". */
const char *uwt_backend(void);

#endif
