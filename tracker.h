/*
 * tracker.h - what an announce, an answer and a scrape do.
 *
 * A tracker takes whole messages (JSON text) from links and emits messages to links; a link is the
 * number, from 1, of a connection that speaks the WebTorrent protocol. It knows no sockets, frames
 * or clock. What it emits goes through the sink, which must not call back into the tracker: a sink
 * that wants to end a link does so after tracker_message has returned, by tracker_end.
 *
 * The tracker uses the memory it is given (tracker_size bytes of zeros, touched as needed) and
 * allocates nothing. Times are in milliseconds of a clock that never goes back.
 */
#ifndef TRACKER_H
#define TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters.h"
#include "hash.h"
#include "msg.h"
#include "stats.h"
#include "swarm.h"

#define TRACKER_PING_GRACE 2000     /* ms; a link silent for so long may be replaced */

/* What a membership did, named after the announce's own event; the end of one is always a stop. */
enum tracker_event { TRACKER_START, TRACKER_COMPLETE, TRACKER_UPDATE, TRACKER_STOP };

#define TRACKER_NEVER UINT32_MAX

/* What a filter says. */
enum tracker_verdict { TRACKER_ALLOW, TRACKER_REFUSE, TRACKER_LATER };

struct tracker_terms {
	const char *reason;         /* of a refusal: the inside of a JSON string */
	uint32_t seconds;           /* for which it is allowed; 0: for good */
};

struct tracker_sink {
	void *context;
	/* Send one message, the pieces one after the other. They are copied before this returns. */
	void (*send)(void *context, uint32_t link, const struct msg_slice *pieces, size_t count);
	/* Ping a link that may be dead. Nothing happens if it has an unanswered ping already. */
	void (*ping)(void *context, uint32_t link);
	/* For how many ms has a link left a ping unanswered? TRACKER_NEVER if it has not. */
	uint32_t (*unanswered)(void *context, uint32_t link);
	/* An accepted announce, or the end of a membership. */
	void (*event)(void *context, enum tracker_event event, uint32_t link,
	    const uint8_t *peer_id, const uint8_t *info_hash);
	/* A peer did wrong; text may hold any bytes but NUL. */
	void (*warning)(void *context, const char *text);
	/*
	 * May the sender of a message be in its torrent? Asked when a membership is about to be
	 * made, or (again) has been allowed for a time that has passed. NULL: always. After
	 * TRACKER_LATER nothing has happened; the same message, taken again, leads to the same
	 * question.
	 */
	enum tracker_verdict (*admit)(void *context, uint32_t link, const struct msg *msg,
	    bool again, struct tracker_terms *terms);
	/* Something was refused: COUNT_REFUSED_..., which is not counted yet. */
	void (*refused)(void *context, enum counter why);
};

struct tracker_options {
	struct swarm_limits limits;
	uint32_t interval;          /* ms; peers here are told a fifth, rounded up to seconds */
	size_t max_message;         /* bytes of the longest message emitted for a scrape of all */
	bool full_scrape;
	struct hash_secret secret;
	struct tracker_sink sink;
	struct counters *counters;  /* where messages are counted */
};

struct tracker;

size_t tracker_size(const struct tracker_options *options);

/* Set up a tracker in tracker_size bytes of zeros; they and what the sink points to stay the
 * caller's. */
struct tracker *tracker_init(void *memory, const struct tracker_options *options);

/* A link's message will be taken after some others: see swarm_expect. */
void tracker_expect(const struct tracker *tracker, uint32_t link, unsigned ahead);

/* Take one message of valid UTF-8 from a link, whose peer is reached as family says. Everything it
 * leads to has been emitted on return: first the reply, then what is relayed. Returns false if it
 * has to be taken again when there is a verdict. */
bool tracker_message(struct tracker *tracker, uint32_t link, enum swarm_family family,
    const char *text, size_t length, uint64_t now);

/* A link sent a ping of its own: that keeps alive a membership that is its only one. */
void tracker_pinged(struct tracker *tracker, uint32_t link, uint64_t now);

/* A link has ended: so do all of its memberships. */
void tracker_end(struct tracker *tracker, uint32_t link);

/* How many memberships a link has. */
uint32_t tracker_link_count(const struct tracker *tracker, uint32_t link);

/* In how many ms is the next membership's time up? -1 if there is none. */
int64_t tracker_due(const struct tracker *tracker, uint64_t now);

/* End the memberships whose time is up. Returns tracker_due then. */
int64_t tracker_expire(struct tracker *tracker, uint64_t now);

/* End all memberships of a torrent. */
void tracker_drop(struct tracker *tracker, uint32_t torrent);

/* The tables, to be looked at. */
const struct swarm *tracker_swarm(const struct tracker *tracker);

const struct swarm_totals *tracker_totals(const struct tracker *tracker);
const struct stats_clients *tracker_clients(const struct tracker *tracker);

#endif
