/*
 * counters.h - what has happened since the start, counted as it happens.
 *
 * Whoever sees a thing happen counts it; nobody counts twice. Counters never go back. metrics.c has
 * the names under which each is shown.
 */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdint.h>

enum counter {
	COUNT_ACCEPTED,             /* connections */
	COUNT_UPGRADED,             /* WebSockets opened */
	COUNT_BYTES_IN,             /* as sockets gave and took them: of TLS the ciphertext */
	COUNT_BYTES_OUT,

	/* Connections that ended: by whose doing */
	COUNT_ENDED_PEER,           /* the peer's: it closed, or said that it would */
	COUNT_ENDED_ANSWERED,       /* HTTP: an answer was the last */
	COUNT_ENDED_NETWORK,        /* its socket is broken */
	COUNT_ENDED_SILENT,         /* it did not send in time */
	COUNT_ENDED_PROTOCOL,       /* it broke HTTP, WebSocket or TLS */
	COUNT_ENDED_SLOW,           /* it did not read what it was sent */
	COUNT_ENDED_BUFFERS,        /* it held most of them, or there was none for it */
	COUNT_ENDED_PLACE,          /* it gave its place to a newcomer */
	COUNT_ENDED_REFUSED,        /* it was one too many when it came */
	COUNT_ENDED_RATE,           /* it sent more messages than it may */
	COUNT_ENDED_PROGRAM,        /* the program wanted it ended */
	COUNT_ENDED_CLOSE,          /* the server closes */

	/* Messages that came */
	COUNT_ANNOUNCES,
	COUNT_ANSWERS,
	COUNT_SCRAPES,
	COUNT_KEEP_ALIVES,          /* that are empty, or {} */
	COUNT_INVALID,
	COUNT_PINGS,

	/* Announces and answers that were accepted, by their event */
	COUNT_UPDATE,
	COUNT_STARTED,
	COUNT_COMPLETED,
	COUNT_STOPPED,

	/* Messages that were emitted */
	COUNT_OUT_REPLIES,          /* to announces */
	COUNT_OUT_OFFERS,
	COUNT_OUT_ANSWERS,
	COUNT_OUT_SCRAPES,
	COUNT_OUT_FAILURES,
	COUNT_OUT_PINGS,

	/* What was refused, and why; connections first */
	COUNT_REFUSED_CONNECTIONS,  /* as many as there may be */
	COUNT_REFUSED_ADDRESS,      /* as many as one address may have */
	COUNT_REFUSED_DESCRIPTORS,  /* the system has no more: it waits, or another goes */
	COUNT_REFUSED_PLAIN,        /* it must be TLS */
	COUNT_REFUSED_BUFFERS,      /* none for what came or goes, or it held most of them */
	COUNT_REFUSED_RATE,
	COUNT_REFUSED_TORRENTS,     /* announces from here on: no room for a further torrent */
	COUNT_REFUSED_PEERS,
	COUNT_REFUSED_SWARMS,       /* as many as one connection may have */
	COUNT_REFUSED_SAME,         /* as many connections as one peer_id may have */
	COUNT_REFUSED_FILTER,
	COUNT_REFUSED_SCRAPE,       /* of all torrents */

	/* Answers by HTTP, by status */
	COUNT_HTTP_101, COUNT_HTTP_200, COUNT_HTTP_308, COUNT_HTTP_400, COUNT_HTTP_403,
	COUNT_HTTP_404, COUNT_HTTP_405, COUNT_HTTP_408, COUNT_HTTP_413, COUNT_HTTP_426,
	COUNT_HTTP_429, COUNT_HTTP_431, COUNT_HTTP_503, COUNT_HTTP_505, COUNT_HTTP_OTHER,
	COUNTERS
};

#define COUNT_ENDED_FIRST COUNT_ENDED_PEER
#define COUNT_ENDED_LAST COUNT_ENDED_CLOSE
#define COUNT_REFUSED_FIRST COUNT_REFUSED_CONNECTIONS
#define COUNT_REFUSED_LAST COUNT_REFUSED_SCRAPE

/* How long turns took, not counting the wait: a turn is counted in the first bucket whose bound it
 * is not over, and in the last if it is over all. */
#define COUNT_TURN_BUCKETS 11
#define COUNT_TURN_BOUNDS { 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000, 1000000 }   /* us */

struct counters {
	uint64_t of[COUNTERS];
	uint64_t turns[COUNT_TURN_BUCKETS];
	uint64_t turn_time;         /* us, of all */
};

#endif
