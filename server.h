/*
 * server.h, installed as uwt.h - the tracker as an object: a WebTorrent tracker over WebSocket,
 * with HTTP beside it.
 *
 * This is all that a program sees. A server listens, takes connections and answers them; nothing
 * happens outside uwt_server_turn. Several servers can live in one process; a server is used from
 * one thread. SIGPIPE is not raised by what a server sends.
 *
 * Memory: what the limits come to is reserved as address space by uwt_server_new and touched only
 * as it is used; there is no allocation after that on the path of a peer. Strings in the options
 * are copied, or must outlive the server where it says so. Errors are one line of text, without a
 * newline, for which there are UWT_ERROR_MAX bytes.
 *
 * Callbacks are called within uwt_server_turn; and for what those end within uwt_torrent_drop,
 * uwt_server_close and uwt_server_free. They may call everything that takes a const server, and
 * uwt_server_answer, uwt_server_answer_all, uwt_server_end, uwt_server_close and uwt_server_wake;
 * what they end is ended at the end of the turn, or of the next one, which then does not wait. What
 * a callback is given is good until it returns.
 */
#ifndef UWT_SERVER_H
#define UWT_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define UWT_VERSION "4.0.0"
#define UWT_ID_SIZE 20              /* bytes of a peer_id and an info_hash */
#define UWT_PAIRS_MAX 16            /* certificates with their keys */
#define UWT_ERROR_MAX 256           /* bytes of an error text, terminated */
#define UWT_TABLE_MAX 1048576       /* the most that a derived limit comes to */
#define UWT_LIMIT_MAX 16777216      /* the most that one can be set to */

/* -- what a program is told, and asked ------------------------------------------------------- */

/* Bytes of text, not terminated. text is NULL where there is none. */
struct uwt_slice {
	const char *text;
	size_t length;
};

/* A request by HTTP, of which a WebSocket may have come. */
struct uwt_request {
	uint64_t connection;            /* its number, which none after it will have */
	const char *address;            /* of the client, as text; "" by a Unix-domain socket */
	bool secure;                    /* it came by TLS */
	struct uwt_slice method;
	struct uwt_slice target;        /* path and query, as sent */
	struct uwt_slice path;          /* without the query, not decoded */
	struct uwt_slice query;         /* what follows the `?` */
	struct uwt_slice headers;       /* their lines: see uwt_request_header */
};

/* A page to answer a request with. The body is needed only until the next turn. */
struct uwt_page {
	int status;                     /* 200 to 599 */
	const char *type;               /* Content-Type, at most 200 bytes; NULL: none */
	const char *body;
	size_t length;
};

/* What an announce, or the end of a membership, is told as. */
enum uwt_event { UWT_START, UWT_COMPLETE, UWT_UPDATE, UWT_STOP };
#define UWT_EVENTS 4

struct uwt_change {
	enum uwt_event event;
	const uint8_t *peer_id;
	const uint8_t *info_hash;
	uint64_t connection;            /* see uwt_server_address */
};

/* May this peer be in this torrent? */
struct uwt_question {
	uint64_t number;                /* for uwt_server_answer; less than 2^53 */
	enum uwt_event event;           /* what the message says: UWT_UPDATE if nothing */
	bool answer;                    /* it is an answer to an offer, not an announce */
	bool again;                     /* the peer is there: an allowance has run out */
	const uint8_t *peer_id;
	const uint8_t *info_hash;
	struct uwt_slice left;          /* JSON text of that member */
	struct uwt_slice message;       /* all of it */
	const struct uwt_request *request;      /* by which its WebSocket was opened */
};

enum uwt_answer {
	UWT_ALLOW,
	UWT_REFUSE,
	UWT_REFUSE_NEW,                 /* who is there already may stay, for the seconds */
	UWT_LATER                       /* uwt_server_answer will say, in UWT_ANSWER_TIME */
};

#define UWT_ANSWER_TIME 10000       /* ms; then it is a refusal */
#define UWT_REASON_MAX 128          /* bytes of a reason, terminated */

struct uwt_verdict {
	enum uwt_answer answer;
	/* why not, in printable ASCII, what is longer than UWT_REASON_MAX is cut;
	 * NULL: "disallowed info_hash" */
	const char *reason;
	uint32_t seconds;               /* for which it is allowed, then it is asked again; 0: for good */
};

/* For want of what somebody was refused, or by which limit. */
enum uwt_refusal {
	/* a connection, or its upgrade */
	UWT_REFUSED_CONNECTIONS,        /* max_connections */
	UWT_REFUSED_ADDRESS,            /* max_per_address */
	UWT_REFUSED_DESCRIPTORS,        /* the system has no more: it waits, or another goes */
	UWT_REFUSED_PLAIN,              /* tls_only */
	UWT_REFUSED_BUFFERS,            /* buffer_memory */
	UWT_REFUSED_RATE,               /* max_rate */
	/* an announce */
	UWT_REFUSED_TORRENTS,           /* max_torrents */
	UWT_REFUSED_PEERS,              /* max_peers */
	UWT_REFUSED_SWARMS,             /* max_swarms */
	UWT_REFUSED_SAME,               /* one peer_id has too many connections */
	UWT_REFUSED_FILTER,             /* the filter */
	/* a scrape of all torrents */
	UWT_REFUSED_SCRAPE,             /* full_scrape is not set */
	UWT_REFUSALS
};

/* Any of the functions may be NULL. */
struct uwt_callbacks {
	void *context;
	/* An announce was accepted, or a membership ended: a function for each enum uwt_event. */
	void (*event[UWT_EVENTS])(void *context, const struct uwt_change *change);
	/* A peer did wrong. The text is printable ASCII. */
	void (*warning)(void *context, const char *text);
	/* The machine lacks something for which others have to wait. */
	void (*error)(void *context, const char *text);
	/* Something is about to be sent, and all that led to it has been told; often in a turn. */
	void (*turn)(void *context);
	/*
	 * A membership is about to be made, or one that was allowed for a time is announced after
	 * that. With UWT_LATER the connection's later messages wait, and nobody else's. Who is
	 * refused is told the reason, also as a warning, and leaves no trace. NULL: all may.
	 */
	struct uwt_verdict (*filter)(void *context, const struct uwt_question *question);
	/* A request that opens no WebSocket. Returns false if the server shall answer it. */
	bool (*http)(void *context, const struct uwt_request *request, struct uwt_page *page);
	/* A WebSocket has been opened, and has ended. */
	void (*opened)(void *context, const struct uwt_request *request);
	void (*closed)(void *context, uint64_t connection);
	/* /metrics is made: add what the program has of its own, at most `room` bytes of
	 * Prometheus' text format. Returns how many. */
	size_t (*metrics)(void *context, char *text, size_t room);
	/* Somebody was refused for want of room or by a limit: often, while one is met. */
	void (*refused)(void *context, enum uwt_refusal why);
};

/* The value of a request's header, of several of that name the first; no text if there is none. */
struct uwt_slice uwt_request_header(const struct uwt_request *request, const char *name);

/* The headers one by one: *rest is request->headers at first and gets shorter. False at the end. */
bool uwt_header_next(struct uwt_slice *rest, struct uwt_slice *name,
    struct uwt_slice *value);

/* -- options --------------------------------------------------------------------------------- */

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
	/* keep what WebSockets were opened by for the filter, in the buffer memory, a KB for most;
	 * when they take half of it, further ones are refused with 503. Without it a question's
	 * request has only connection, address and secure */
	bool keep_requests;
	struct uwt_callbacks callbacks;
	bool metrics;                   /* serve /metrics to everybody */
	bool torrent_stats;             /* serve /stats/torrents.json, which names torrents */
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
    char error[UWT_ERROR_MAX]);

/* The most memory, in bytes, that a server with these options, all limits set, can come to. */
uint64_t uwt_options_memory(const struct uwt_options *options);

/* Would uwt_server_listen know this address? Is this a list for `trusted`? */
bool uwt_host_valid(const char *host);
bool uwt_ranges_valid(const char *ranges);

/* -- its life --------------------------------------------------------------------------------- */

/* Make a server. All limits must be set. NULL with a text if something is wrong with them, or there
 * is no memory. */
struct uwt_server *uwt_server_new(const struct uwt_options *options,
    char error[UWT_ERROR_MAX]);

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
    size_t *pair, char error[UWT_ERROR_MAX]);

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
 * false with a text, and listens to nothing, if any cannot be had. bound and single may be NULL; a
 * server listens once.
 */
bool uwt_server_listen(struct uwt_server *server, const char *const *addresses, size_t count,
    uint16_t port, uint16_t *bound, const char **single, char error[UWT_ERROR_MAX]);

/*
 * Listen at a port of its own for those who watch the server: there /metrics is served besides all
 * else, and no WebSocket opened; up to 8 connections, which do not count for max_connections. An
 * address as above, but no Unix-domain socket; NULL is localhost. The rest is as above.
 */
bool uwt_server_listen_metrics(struct uwt_server *server, const char *address, uint16_t port,
    uint16_t *bound, char error[UWT_ERROR_MAX]);

/* Wait until there is something to do, at most `timeout` ms (-1: no limit), and do it. Returns
 * false when the server has been closed and every connection has ended. */
bool uwt_server_turn(struct uwt_server *server, int timeout);

/* Turns until then. */
void uwt_server_run(struct uwt_server *server);

/*
 * For a loop of the caller's own: call uwt_server_turn(server, 0) when any of these descriptors is
 * ready, or when uwt_server_wait's ms (-1: no limit) have passed. Both change with every turn. fds
 * gets at most `max` of them; returns how many there are. With epoll it is one.
 */
size_t uwt_server_watched(const struct uwt_server *server, struct pollfd *fds, size_t max);
int uwt_server_wait(const struct uwt_server *server);

/* Say what a question that was put off comes to. The next turn acts on it. One whose time is over,
 * or whose connection has ended, is passed over. */
void uwt_server_answer(struct uwt_server *server, uint64_t question,
    const struct uwt_verdict *verdict);

/* The same to all that have no answer yet. */
void uwt_server_answer_all(struct uwt_server *server, const struct uwt_verdict *verdict);

/* End a connection, a WebSocket with the status 1008. False if there is none of that number. */
bool uwt_server_end(struct uwt_server *server, uint64_t connection);

/* Stop listening and close every WebSocket with 1001. Turns go on until connections have ended, at
 * most `grace` ms. */
void uwt_server_close(struct uwt_server *server, uint32_t grace);

/* Make the turn that is waiting, or the next one, return at once. May be called from a signal
 * handler. */
void uwt_server_wake(struct uwt_server *server);

/* "epoll" or "poll". */
const char *uwt_backend(void);

/* No peers can be taken for a reason of the program's own: /health says so, with 503 and this line
 * of text, which must outlive that. NULL: they can. */
void uwt_server_ail(struct uwt_server *server, const char *reason);

/* -- what there is ---------------------------------------------------------------------------- */

struct uwt_counts {
	uint32_t connections;           /* of all kinds, those for metrics too */
	uint32_t torrents;
	uint32_t members;               /* peers, counted in each torrent and connection */
	uint32_t peers;                 /* different peer_ids */
};

struct uwt_counts uwt_server_counts(const struct uwt_server *server);

#define UWT_ADDRESS_MAX 48          /* bytes of an address as text, terminated */

/* The address of a connection; "" if there is none of that number, or it has none. */
void uwt_server_address(const struct uwt_server *server, uint64_t connection,
    char text[UWT_ADDRESS_MAX]);

struct uwt_torrent {
	uint32_t number;                /* 0: none yet */
	const uint8_t *info_hash;
	uint32_t complete, incomplete;  /* its members */
	uint32_t downloads;             /* completed since the torrent came */
};

/* Find a torrent; or go through all, in the order they came: *torrent is all zeros at first, then
 * what the last call made of it. Good until a turn. False if there is none, or no more. */
bool uwt_torrent_find(const struct uwt_server *server, const uint8_t *info_hash,
    struct uwt_torrent *torrent);
bool uwt_torrent_next(const struct uwt_server *server, struct uwt_torrent *torrent);

struct uwt_member {
	const uint8_t *peer_id;
	bool complete;
	uint64_t connection;
};

/* A torrent's member by its place, from 0; false if it has not as many. */
bool uwt_torrent_member(const struct uwt_server *server, const struct uwt_torrent *torrent,
    uint32_t place, struct uwt_member *member);

/* End all memberships of a torrent, which is gone then. Not from a callback. */
void uwt_torrent_drop(struct uwt_server *server, const uint8_t *info_hash);

/*
 * What was counted over the last hour, day and 30 days, to be kept while the program does not run.
 * out gets at most UWT_HISTORY_MAX bytes; returns how many. The last UWT_HISTORY_MARK of them, of
 * which there always are as many, are others when anything has changed.
 */
#define UWT_HISTORY_MAX (96 * 1024)
#define UWT_HISTORY_MARK 20
size_t uwt_server_history(const struct uwt_server *server, uint8_t *out);

/* Go on from what uwt_server_history gave. NULL, or, with nothing changed, what is wrong. */
const char *uwt_server_restore(struct uwt_server *server, const uint8_t *data, size_t length);

#ifdef __cplusplus
}
#endif

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#endif
