/*
 * crowd.h - the peers of a load: who is in which swarm, what they say, and what came back.
 *
 * A reply is told from what is relayed by its length: offers are never so short. An offer carries
 * the number of the peer that made it, so that its receiver can answer without parsing JSON.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "wire.h"

#define CROWD_REPLY_MAX 255             /* bytes; messages that are longer are relays */
#define CROWD_BYTES_MIN 256             /* of SDP in an offer */
#define CROWD_MESSAGE_MAX 262144
#define CROWD_IN_FLIGHT 64              /* announces of one peer without a reply */

struct crowd_options {
	unsigned peers;
	unsigned swarms;
	double zipf;            /* the n-th swarm is as large as 1 / n^zipf; 0: all alike */
	unsigned offers;        /* in an announce */
	unsigned bytes;         /* of SDP in each, as JSON text */
	unsigned answers;       /* percent of the offers received that are answered */
	/* numbers of the first peer and swarm, from which ids are made */
	unsigned first, first_swarm;
};

struct peer {
	struct wire wire;
	uint32_t swarm;
	/* intended times of announces without a reply */
	uint64_t times[CROWD_IN_FLIGHT];
	unsigned oldest, in_flight;
	bool known;                     /* has had a reply since it connected */
};

struct crowd {
	struct crowd_options options;
	struct wires wires;
	struct peer *peers;
	uint8_t *message;               /* the one being made, after WIRE_HEAD_ROOM */
	char *sdp;
	unsigned known;                 /* peers that are */
	unsigned next;                  /* the peer whose turn it is */
	uint64_t announces, replies, relays, answered;  /* since the start */
	uint64_t skipped;               /* announces not sent: too many were in flight */
	uint64_t ended;                 /* connections that the server ended */
	uint64_t resumed;               /* connections that resumed a TLS session */
	struct histogram latency;       /* of replies */
	void *context;                  /* for the functions, each of which may be NULL: */
	void (*replied)(struct crowd *crowd, struct peer *peer);
	void (*lost)(struct crowd *crowd, struct peer *peer);
};

/* Set up a crowd whose wires are set up already, all but the callbacks. */
void crowd_init(struct crowd *crowd, const struct crowd_options *options);

/* Connect all peers, `window` at a time, and have each announce itself once. */
void crowd_come(struct crowd *crowd, unsigned window);

/* Let a peer announce; time is when it should have done so. */
void crowd_announce(struct crowd *crowd, struct peer *peer, uint64_t time);

/* Let the peer whose turn it is announce. */
void crowd_announce_next(struct crowd *crowd, uint64_t time);

/* Wait until nothing has come for 100 ms. */
void crowd_drain(struct crowd *crowd);

/* Close a peer's connection, if it has one, and make a new one; it announces itself when it is
 * open. */
void crowd_reconnect(struct crowd *crowd, struct peer *peer);

#endif
