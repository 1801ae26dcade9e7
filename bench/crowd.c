/* crowd.c - see crowd.h */
#include "crowd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 100000000u        /* ns without a message: all have come */
#define PATIENCE 10000000000u   /* ns without progress while peers come */
#define NUMBER_AT 11            /* where in its SDP an offer has its own and its peer's number */
#define NUMBER_SIZE 12
#define OFFER_NUMBERS UINT64_C(10000000000)     /* the peer's takes ten digits of it */

static void fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

/* -- swarms ------------------------------------------------------------------------------ */

/* How many peers there are when the n-th swarm has scale / n^zipf, at least one. */
static double zipf_peers(const struct crowd_options *options, double scale)
{
	double sum = 0;
	unsigned n;

	for (n = 1; n <= options->swarms; n++)
		sum += fmax(1, floor(scale / pow(n, options->zipf)));
	return sum;
}

static double zipf_scale(const struct crowd_options *options)
{
	double low = 0, high = options->peers;
	unsigned i;

	for (i = 0; i < 60; i++) {
		double middle = (low + high) / 2;

		if (zipf_peers(options, middle) > options->peers)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* Swarms by Zipf, in an order that does not follow their size; the first takes what is left. */
static void join_zipf(struct crowd *crowd)
{
	const struct crowd_options *options = &crowd->options;
	double scale = zipf_scale(options);
	uint32_t seed = 1, swap;
	unsigned n, i = 0, size, other;

	for (n = 1; n <= options->swarms; n++) {
		size = (unsigned)fmax(1, floor(scale / pow(n, options->zipf)));
		while (size-- > 0 && i < options->peers)
			crowd->peers[i++].swarm = n - 1;
	}
	for (i = options->peers; i > 1; i--) {
		seed = seed * 1664525u + 1013904223u;
		other = (seed >> 8) % i;
		swap = crowd->peers[i - 1].swarm;
		crowd->peers[i - 1].swarm = crowd->peers[other].swarm;
		crowd->peers[other].swarm = swap;
	}
}

/* -- messages ---------------------------------------------------------------------------- */

/* An SDP of so many bytes as JSON text, like those of browsers: short lines, each with its escaped
 * end. */
static char *sdp_make(unsigned bytes)
{
	static const char start[] = "v=0\\r\\no=- ", line[] = "a=candidate:1 1 udp 2113937151 "
	    "f0c9b2d4-5a1e-4c77-9d3b-1e2f3a4b5c6d.local 51234 typ host generation 0\\r\\n";
	char *sdp = malloc(bytes + sizeof start + NUMBER_SIZE + sizeof line);
	size_t length = sizeof start - 1 + NUMBER_SIZE;

	if (sdp == NULL)
		fail("no memory");
	snprintf(sdp, sizeof start + NUMBER_SIZE, "%s000000000000", start);
	while (length + sizeof line - 1 <= bytes) {
		memcpy(sdp + length, line, sizeof line - 1);
		length += sizeof line - 1;
	}
	memset(sdp + length, 'x', bytes - length);
	return sdp;
}

/* Append to the message. */
static size_t message_add(struct crowd *crowd, size_t length, const char *bytes, size_t count)
{
	if (length + count > CROWD_MESSAGE_MAX)
		fail("a message is too long");
	memcpy(crowd->message + WIRE_HEAD_ROOM + length, bytes, count);
	return length + count;
}

static size_t message_add_text(struct crowd *crowd, size_t length, const char *text)
{
	return message_add(crowd, length, text, strlen(text));
}

/* How every message begins. */
static size_t message_begin(struct crowd *crowd, const struct peer *peer)
{
	char text[128];

	snprintf(text, sizeof text, "{\"action\":\"announce\",\"info_hash\":\"swarm%015u\","
	    "\"peer_id\":\"-WW0102-%012u\"", crowd->options.first_swarm + peer->swarm,
	    peer->wire.number);
	return message_add_text(crowd, 0, text);
}

static size_t message_add_offers(struct crowd *crowd, size_t length, const struct peer *peer)
{
	char number[NUMBER_SIZE + 1], text[64];
	unsigned i;

	for (i = 0; i < crowd->options.offers; i++) {
		length = message_add_text(crowd, length, i == 0 ? ",\"offers\":[" : ",");
		snprintf(number, sizeof number, "%02u%010u", i % 100, peer->wire.number);
		memcpy(crowd->sdp + NUMBER_AT, number, NUMBER_SIZE);
		snprintf(text, sizeof text, "\"},\"offer_id\":\"%020u\"}", i);
		length = message_add_text(crowd, length,
		    "{\"offer\":{\"type\":\"offer\",\"sdp\":\"");
		length = message_add(crowd, length, crowd->sdp, crowd->options.bytes);
		length = message_add_text(crowd, length, text);
	}
	return i > 0 ? message_add_text(crowd, length, "]") : length;
}

void crowd_announce(struct crowd *crowd, struct peer *peer, uint64_t time)
{
	size_t length = message_begin(crowd, peer);
	char text[96];

	if (peer->in_flight == CROWD_IN_FLIGHT || peer->wire.state != WIRE_OPEN) {
		crowd->skipped++;
		return;
	}
	peer->times[(peer->oldest + peer->in_flight++) % CROWD_IN_FLIGHT] = time;
	crowd->announces++;
	snprintf(text, sizeof text,
	    ",\"uploaded\":0,\"downloaded\":0,\"left\":1000,\"numwant\":%u", crowd->options.offers);
	length = message_add_text(crowd, length, text);
	if (!peer->known)
		length = message_add_text(crowd, length, ",\"event\":\"started\"");
	else
		length = message_add_offers(crowd, length, peer);
	length = message_add_text(crowd, length, "}");
	wire_send(&peer->wire, crowd->message + WIRE_HEAD_ROOM, length);
}

void crowd_announce_next(struct crowd *crowd, uint64_t time)
{
	crowd_announce(crowd, &crowd->peers[crowd->next], time);
	crowd->next = (crowd->next + 1) % crowd->options.peers;
}

/* Answer the offer that a message starts with. */
static void peer_answer(struct crowd *crowd, struct peer *peer)
{
	static const char before[] = "\"sdp\":\"";
	char start[WIRE_START + 1], text[160];
	const char *sdp;
	uint64_t number;
	size_t length;

	memcpy(start, peer->wire.start, WIRE_START);
	start[WIRE_START] = '\0';
	sdp = strstr(start, before);
	if (sdp == NULL || strlen(sdp) < sizeof before + NUMBER_AT + NUMBER_SIZE)
		return;
	sdp += sizeof before - 1 + NUMBER_AT;
	number = strtoull(sdp, NULL, 10);
	length = message_begin(crowd, peer);
	snprintf(text, sizeof text, ",\"to_peer_id\":\"-WW0102-%012u\",\"offer_id\":\"%020u\","
	    "\"answer\":{\"type\":\"answer\",\"sdp\":\"", (unsigned)(number % OFFER_NUMBERS),
	    (unsigned)(number / OFFER_NUMBERS));
	length = message_add_text(crowd, length, text);
	length = message_add(crowd, length, crowd->sdp, crowd->options.bytes);
	length = message_add_text(crowd, length, "\"}}");
	wire_send(&peer->wire, crowd->message + WIRE_HEAD_ROOM, length);
	crowd->answered++;
}

/* -- what wires tell --------------------------------------------------------------------- */

static struct peer *peer_of(const struct crowd *crowd, const struct wire *wire)
{
	return &crowd->peers[wire->number - crowd->options.first];
}

static void crowd_opened(void *context, struct wire *wire)
{
	struct crowd *crowd = context;

	crowd->resumed += wire->channel != NULL && wire->resumed;
	crowd_announce(crowd, peer_of(crowd, wire), time_now());
}

/* Some trackers reply to answers too: that is a message like others. */
static void peer_replied(struct crowd *crowd, struct peer *peer)
{
	if (peer->in_flight == 0) {
		crowd->relays++;
		return;
	}
	histogram_add(&crowd->latency, time_now() - peer->times[peer->oldest]);
	peer->oldest = (peer->oldest + 1) % CROWD_IN_FLIGHT;
	peer->in_flight--;
	crowd->replies++;
	crowd->known += !peer->known;
	peer->known = true;
	if (crowd->replied != NULL)
		crowd->replied(crowd, peer);
}

/* Answers are relays too; of two hundred bytes that messages start with, they tell by that word. */
static bool is_offer(const struct wire *wire)
{
	static const char word[] = "\"answer\"";
	size_t i;

	for (i = 0; i + sizeof word - 1 <= WIRE_START; i++) {
		if (memcmp(wire->start + i, word, sizeof word - 1) == 0)
			return false;
	}
	return true;
}

static void crowd_message(void *context, struct wire *wire, uint64_t length)
{
	struct crowd *crowd = context;
	struct peer *peer = peer_of(crowd, wire);

	if (length <= CROWD_REPLY_MAX) {
		peer_replied(crowd, peer);
		return;
	}
	crowd->relays++;
	if (crowd->options.answers > crowd->relays * 37 % 100 && is_offer(wire))
		peer_answer(crowd, peer);
}

static void peer_forget(struct crowd *crowd, struct peer *peer)
{
	crowd->known -= peer->known;
	peer->known = false;
	peer->in_flight = 0;
}

static void crowd_ended(void *context, struct wire *wire)
{
	struct crowd *crowd = context;
	struct peer *peer = peer_of(crowd, wire);

	crowd->ended++;
	peer_forget(crowd, peer);
	if (crowd->lost == NULL)
		fail("the server ended a connection");
	crowd->lost(crowd, peer);
}

/* -- the crowd --------------------------------------------------------------------------- */

void crowd_init(struct crowd *crowd, const struct crowd_options *options)
{
	unsigned i;

	crowd->options = *options;
	crowd->peers = calloc(options->peers, sizeof *crowd->peers);
	crowd->message = malloc(WIRE_HEAD_ROOM + CROWD_MESSAGE_MAX);
	if (crowd->peers == NULL || crowd->message == NULL)
		fail("no memory");
	crowd->sdp = sdp_make(options->bytes);
	for (i = 0; i < options->peers; i++) {
		crowd->peers[i].wire.number = options->first + i;
		crowd->peers[i].swarm = options->zipf > 0 ? 0 : i % options->swarms;
	}
	if (options->zipf > 0)
		join_zipf(crowd);
	crowd->wires.context = crowd;
	crowd->wires.opened = crowd_opened;
	crowd->wires.message = crowd_message;
	crowd->wires.ended = crowd_ended;
}

void crowd_reconnect(struct crowd *crowd, struct peer *peer)
{
	wire_close(&peer->wire);
	peer_forget(crowd, peer);
	wire_open(&crowd->wires, &peer->wire);
}

void crowd_come(struct crowd *crowd, unsigned window)
{
	uint64_t progress = time_now();
	unsigned opened = 0, before;

	while (crowd->known < crowd->options.peers) {
		while (opened < crowd->options.peers && opened < crowd->known + window)
			crowd_reconnect(crowd, &crowd->peers[opened++]);
		before = crowd->known;
		wires_poll(&crowd->wires, 1000);
		if (crowd->known > before)
			progress = time_now();
		else if (time_now() - progress > PATIENCE)
			fail("peers cannot connect or get no reply");
	}
	crowd_drain(crowd);
}

void crowd_drain(struct crowd *crowd)
{
	uint64_t before = crowd->replies + crowd->relays, quiet = time_now();

	while (time_now() - quiet < QUIET) {
		wires_poll(&crowd->wires, 20);
		if (crowd->replies + crowd->relays != before) {
			before = crowd->replies + crowd->relays;
			quiet = time_now();
		}
	}
}
