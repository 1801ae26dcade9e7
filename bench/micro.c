/*
 * micro.c - what parts of an announce cost without sockets, and how that grows with the tables.
 *
 *   micro time      ns of each part
 *   micro sizes     ns of an announce with 1,000 to 1,000,000 memberships
 *   micro count     each part once, to be run under valgrind by bench/count
 *
 * A part is a function part_NAME that does its work for each of TIMES messages, which come from as
 * many peers. What is emitted goes nowhere.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../msg.h"
#include "../pages.h"
#include "../swarm.h"
#include "../tracker.h"
#include "../ws.h"

#define TIMES 128               /* a part's calls */
#define PEERS 1000
#define SWARMS 20
#define MESSAGE_MAX 8192
#define SDP 600                 /* bytes */
#define PART_TIME 50000000      /* ns that a part is measured for */

struct message {
	size_t length;
	char text[MESSAGE_MAX];
};

struct world {
	struct tracker *tracker;
	struct swarm *swarm, *ranked;   /* the same; the second keeps torrents in order */
	size_t tracker_size;
	uint64_t now;                   /* ms */
	uint64_t emitted;               /* bytes, so that nothing can be left out */
	struct msg msg;
	void *scratch;                  /* of msg_parse */
	struct message announce[TIMES], offers[TIMES], answer[TIMES], stop[TIMES];
	uint8_t frame[WS_HEAD_MAX + MESSAGE_MAX];
	uint32_t result;
	struct counters counters;
};

static const struct hash_secret secret = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

static double time_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *reserve(size_t size)
{
	void *memory = pages_reserve(size);

	if (memory == NULL) {
		perror("micro: memory");
		exit(1);
	}
	return memory;
}

/* -- a tracker whose messages go nowhere -------------------------------------------------- */

static void sink_send(void *context, uint32_t link, const struct msg_slice *pieces, size_t count)
{
	struct world *world = context;
	size_t i;

	for (i = 0; i < count; i++)
		world->emitted += pieces[i].len;
	world->emitted += link;
}

static void sink_ping(void *context, uint32_t link)
{
	(void)context;
	(void)link;
}

static uint32_t sink_unanswered(void *context, uint32_t link)
{
	(void)context;
	(void)link;
	return TRACKER_NEVER;
}

static void sink_event(void *context, enum tracker_event event, uint32_t link,
    const uint8_t *peer_id, const uint8_t *info_hash)
{
	(void)context;
	(void)event;
	(void)link;
	(void)peer_id;
	(void)info_hash;
}

static void sink_warning(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "micro: %s\n", text);
	exit(1);
}

static void sink_refused(void *context, enum counter why)
{
	struct world *world = context;

	world->counters.of[why]++;
}

static void world_open(struct world *world, uint32_t members)
{
	struct tracker_options options = {
		.limits = { .links = members, .torrents = members, .members = members,
			.per_link = 4096 },
		.interval = 600000, .max_message = 262144, .secret = secret,
		.sink = { world, sink_send, sink_ping, sink_unanswered, sink_event, sink_warning,
		    NULL, sink_refused },
		.counters = &world->counters
	};

	world->tracker_size = tracker_size(&options);
	world->tracker = tracker_init(reserve(world->tracker_size), &options);
	world->now = 5000;
}

static void take(struct world *world, uint32_t link, const char *text, size_t length)
{
	tracker_message(world->tracker, link, SWARM_IPV4, text, length, world->now);
}

/* -- messages ----------------------------------------------------------------------------- */

static size_t announce_make(char *text, unsigned peer, unsigned swarm, const char *rest)
{
	return (size_t)snprintf(text, MESSAGE_MAX, "{\"action\":\"announce\",\"info_hash\":"
	    "\"swarm%015u\",\"peer_id\":\"-WW0102-%012u\",\"uploaded\":0,\"downloaded\":0,"
	    "\"left\":1000%s", swarm, peer, rest);
}

/* SDP as browsers make it: short lines with an escaped end. */
static const char *sdp_text(void)
{
	static const char line[] = "a=candidate:1 1 udp 2113937151 f0c9b2d4-5a1e-4c77-9d3b-"
	    "1e2f3a4b5c6d.local 51234 typ host\\r\\n";
	static char sdp[SDP + 1];
	size_t length = 0;

	for (; length + sizeof line - 1 <= SDP; length += sizeof line - 1)
		memcpy(sdp + length, line, sizeof line - 1);
	memset(sdp + length, 'x', SDP - length);
	return sdp;
}

static void offers_make(struct message *message, unsigned peer, unsigned swarm)
{
	char *text = message->text;
	unsigned i;

	message->length = announce_make(text, peer, swarm, ",\"offers\":[");
	for (i = 0; i < 5; i++) {
		message->length += (size_t)snprintf(text + message->length,
		    MESSAGE_MAX - message->length, "%s{\"offer\":{\"type\":\"offer\","
		    "\"sdp\":\"%s\"},\"offer_id\":\"%020u\"}", i == 0 ? "" : ",", sdp_text(), i);
	}
	message->length += (size_t)snprintf(text + message->length, MESSAGE_MAX - message->length,
	    "],\"numwant\":5}");
}

static void answer_make(struct message *message, unsigned peer, unsigned swarm, unsigned to)
{
	char rest[SDP + 256];

	snprintf(rest, sizeof rest, ",\"to_peer_id\":\"-WW0102-%012u\",\"offer_id\":\"%020u\","
	    "\"answer\":{\"type\":\"answer\",\"sdp\":\"%s\"}}", to, 1u, sdp_text());
	message->length = announce_make(message->text, peer, swarm, rest);
}

static void messages_make(struct world *world)
{
	unsigned i;

	for (i = 0; i < TIMES; i++) {
		unsigned swarm = i % SWARMS;

		world->announce[i].length = announce_make(world->announce[i].text, i, swarm, "}");
		offers_make(&world->offers[i], i, swarm);
		answer_make(&world->answer[i], i, swarm, i + SWARMS);
		/* Nobody's, so that nothing but the reply comes of it. */
		world->stop[i].length = announce_make(world->stop[i].text, i + PEERS, swarm,
		    ",\"event\":\"stopped\"}");
	}
}

/* A masked frame with the first message with offers. */
static void frame_make(struct world *world)
{
	const struct message *message = &world->offers[0];
	const uint8_t head[8] = { 0x81, 0xfe, (uint8_t)(message->length >> 8),
		(uint8_t)message->length, 1, 2, 3, 4 };

	memcpy(world->frame, head, sizeof head);
	memcpy(world->frame + sizeof head, message->text, message->length);
	ws_unmask(world->frame + sizeof head, message->length, head + 4);
}

static void swarm_fill(struct world *world)
{
	const struct swarm_limits limits = { PEERS, PEERS, PEERS, 16, false };
	const struct swarm_limits ranked = { PEERS, PEERS, PEERS, 16, true };
	struct msg *msg = &world->msg;
	char text[MESSAGE_MAX];
	uint32_t member;
	unsigned i;

	world->swarm = swarm_init(reserve(swarm_size(&limits)), &limits, &secret);
	world->ranked = swarm_init(reserve(swarm_size(&ranked)), &ranked, &secret);
	for (i = 0; i < PEERS; i++) {
		size_t length = announce_make(text, i, i % SWARMS, "}");

		msg_parse(msg, text, length, world->scratch);
		swarm_join(world->swarm, msg->info_hash, msg->peer_id, i + 1, SWARM_IPV4, 0, 1,
		    &member);
		swarm_join(world->ranked, msg->info_hash, msg->peer_id, i + 1, SWARM_IPV4, 0, 1,
		    &member);
		take(world, i + 1, text, length);
	}
}

/* -- parts -------------------------------------------------------------------------------- */

/* Takes upon itself what valgrind counts with the first. */
static void part_nothing(struct world *world)
{
	world->result++;
}

static void part_frame_head(struct world *world)
{
	struct ws_frame frame;
	unsigned i;

	for (i = 0; i < TIMES; i++) {
		world->frame[4] = (uint8_t)i;
		world->result += (uint32_t)ws_frame_read(world->frame, sizeof world->frame, &frame);
	}
}

static void part_unmask(struct world *world)
{
	static const uint8_t mask[4] = { 1, 2, 3, 4 };
	unsigned i;

	for (i = 0; i < TIMES; i++)
		ws_unmask(world->frame + 8, world->offers[0].length, mask);
}

static void part_utf8(struct world *world)
{
	unsigned i;

	for (i = 0; i < TIMES; i++)
		world->result += ws_utf8_valid((const uint8_t *)world->offers[i].text,
		    world->offers[i].length);
}

static void parse_all(struct world *world, const struct message *messages)
{
	unsigned i;

	for (i = 0; i < TIMES; i++)
		world->result += msg_parse(&world->msg, messages[i].text, messages[i].length,
		    world->scratch) == MSG_OK;
}

static void part_parse_announce(struct world *world)
{
	parse_all(world, world->announce);
}

static void part_parse_offers(struct world *world)
{
	parse_all(world, world->offers);
}

static void part_parse_answer(struct world *world)
{
	parse_all(world, world->answer);
}

/* Torrent, peer and membership of an announce. */
static void part_lookup(struct world *world)
{
	struct swarm *swarm = world->swarm;
	uint32_t i, torrent, peer;

	for (i = 1; i <= TIMES; i++) {
		torrent = swarm_torrent(swarm, swarm_member_hash(swarm, i));
		peer = swarm_peer(swarm, swarm_member_id(swarm, i));
		world->result += swarm_member(swarm, torrent, peer, i);
	}
}

static void part_sample(struct world *world)
{
	uint32_t members[SWARM_SAMPLE_MAX];
	uint32_t i;

	for (i = 1; i <= TIMES; i++)
		world->result += swarm_sample(world->swarm, i % SWARMS + 1, i, 5, members);
}

static uint32_t join_leave(struct swarm *swarm)
{
	uint8_t id[SWARM_ID_SIZE], hash[SWARM_ID_SIZE];
	uint32_t i, member, sum = 0;
	uint16_t client;

	for (i = 1; i <= TIMES; i++) {
		memcpy(id, swarm_member_id(swarm, i), sizeof id);
		memcpy(hash, swarm_member_hash(swarm, i), sizeof hash);
		swarm_leave(swarm, i, &client);
		swarm_join(swarm, hash, id, i, SWARM_IPV4, 0, 1, &member);
		sum += member;
	}
	return sum;
}

static void part_join_leave(struct world *world)
{
	world->result += join_leave(world->swarm);
}

static void part_join_leave_ranked(struct world *world)
{
	world->result += join_leave(world->ranked);
}

/* The 20 largest of the torrents. */
static void part_ranked(struct world *world)
{
	uint32_t i, at, torrent;

	for (i = 0; i < TIMES; i++) {
		for (at = torrent = 0; at < 20; at++) {
			torrent = swarm_ranked(world->ranked, SWARM_BY_PEERS, torrent);
			world->result += torrent;
		}
	}
}

static void part_id_text(struct world *world)
{
	char text[MSG_ID_TEXT_MAX];
	uint32_t i;

	for (i = 1; i <= TIMES; i++)
		world->result += (uint32_t)msg_id_text(swarm_member_id(world->swarm, i), text);
}

static void take_all(struct world *world, const struct message *messages)
{
	unsigned i;

	for (i = 0; i < TIMES; i++)
		take(world, i + 1, messages[i].text, messages[i].length);
}

static void part_reply(struct world *world)
{
	take_all(world, world->stop);
}

static void part_announce(struct world *world)
{
	take_all(world, world->announce);
}

static void part_offers(struct world *world)
{
	take_all(world, world->offers);
}

static void part_answer(struct world *world)
{
	take_all(world, world->answer);
}

static const struct part {
	const char *title;
	void (*run)(struct world *world);
} parts[] = {
	{ "nothing", part_nothing },
	{ "a frame's head", part_frame_head },
	{ "unmasking 3.6 KB", part_unmask },
	{ "UTF-8 check of 3.6 KB", part_utf8 },
	{ "JSON of an announce", part_parse_announce },
	{ "JSON of one with 5 offers of 600 B", part_parse_offers },
	{ "JSON of an answer", part_parse_answer },
	{ "torrent, peer and membership", part_lookup },
	{ "5 of 50 members", part_sample },
	{ "a membership ends and begins", part_join_leave },
	{ "the same, torrents kept in order", part_join_leave_ranked },
	{ "the 20 largest torrents of those", part_ranked },
	{ "an id as JSON", part_id_text },
	{ "JSON, lookups and the reply", part_reply },
	{ "announce, whole", part_announce },
	{ "announce with 5 offers, whole", part_offers },
	{ "answer, whole", part_answer }
};

#define PARTS (sizeof parts / sizeof parts[0])

static struct world *world_new(void)
{
	struct world *world = reserve(sizeof *world);

	world->scratch = reserve(msg_scratch_size());
	world_open(world, 2 * PEERS);
	messages_make(world);
	frame_make(world);
	swarm_fill(world);
	return world;
}

/* Through a pointer that the compiler cannot know, so that each stays a function. */
static void run_count(struct world *world)
{
	void (*volatile run)(struct world *);
	size_t i;

	for (i = 0; i < PARTS; i++) {
		run = parts[i].run;
		run(world);
	}
}

static void run_time(struct world *world)
{
	size_t i;

	for (i = 1; i < PARTS; i++) {
		double start, best = 1e12, end = time_now() + PART_TIME, spent;

		while ((start = time_now()) < end) {
			parts[i].run(world);
			spent = time_now() - start;
			best = spent < best ? spent : best;
		}
		printf("%-36s %9.1f ns\n", parts[i].title, best / TIMES);
	}
}

/* -- sizes -------------------------------------------------------------------------------- */

#define BATCH 64                /* announces of one reading of the clock */
#define BATCHES 1000
#define NUMBER_AT 20            /* where an id ends, after its start */

static uint32_t random_below(uint32_t bound)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * bound >> 32);
}

static void digits_set(char *end, unsigned number)
{
	for (; number > 0; number /= 10)
		*--end = (char)('0' + number % 10);
}

/* An announce of one of the members, with the two numbers put into the text of member 0. */
static size_t member_message(struct message *message, const struct message *model, unsigned peer,
    unsigned swarm)
{
	char *hash, *id;

	memcpy(message->text, model->text, model->length);
	hash = message->text + (strstr(model->text, "swarm") - model->text);
	id = message->text + (strstr(model->text, "-WW") - model->text);
	digits_set(hash + NUMBER_AT, swarm);
	digits_set(id + NUMBER_AT, peer);
	message->length = model->length;
	return message->length;
}

static int compare_times(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

/* The middle time of a batch of announces from random members, in ns for each announce. They come
 * one by one, or together, when the server has the next ones' memory fetched. */
static double announce_time(struct world *world, const struct message *model, uint32_t members,
    uint32_t swarms, bool together)
{
	static struct message batch[BATCH];
	static double times[BATCHES];
	static uint32_t links[BATCH];
	unsigned round, i, ahead;
	double start;

	for (round = 0; round < BATCHES; round++) {
		for (i = 0; i < BATCH; i++) {
			links[i] = random_below(members) + 1;
			member_message(&batch[i], model, links[i] - 1, (links[i] - 1) % swarms);
		}
		start = time_now();
		for (i = 0; i < BATCH; i++) {
			for (ahead = SWARM_AHEAD; ahead > 0 && together; ahead--) {
				if (i + ahead < BATCH)
					tracker_expect(world->tracker, links[i + ahead], ahead);
			}
			take(world, links[i], batch[i].text, batch[i].length);
		}
		times[round] = (time_now() - start) / BATCH;
	}
	qsort(times, BATCHES, sizeof times[0], compare_times);
	return times[BATCHES / 2];
}

static void measure_size(uint32_t members, uint32_t swarms)
{
	static struct message announce, offers, message;
	struct world *world = reserve(sizeof *world);
	uint32_t i;

	world_open(world, members);
	announce.length = announce_make(announce.text, 0, 0, "}");
	offers_make(&offers, 0, 0);
	for (i = 0; i < members; i++) {
		member_message(&message, &announce, i, i % swarms);
		take(world, i + 1, message.text, message.length);
	}
	printf("%11lu %11lu %14.0f %14.0f %18.0f\n", (unsigned long)members, (unsigned long)swarms,
	    announce_time(world, &announce, members, swarms, false),
	    announce_time(world, &announce, members, swarms, true),
	    announce_time(world, &offers, members, swarms, true));
	fflush(stdout);
	pages_release(world->tracker, world->tracker_size);
	pages_release(world, sizeof *world);
}

static void run_sizes(void)
{
	static const uint32_t sizes[] = { 1000, 10000, 100000, 1000000 };
	size_t i;

	printf("%11s %11s %14s %14s %18s\n", "memberships", "torrents", "announce, ns",
	    "together, ns", "with 5 offers, ns");
	for (i = 0; i < 4; i++)
		measure_size(sizes[i], 1);
	for (i = 0; i < 4; i++)
		measure_size(sizes[i], sizes[i] / 10);
	for (i = 0; i < 4; i++)
		measure_size(sizes[i], sizes[i]);
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "time") == 0) {
		run_time(world_new());
	} else if (strcmp(what, "count") == 0) {
		run_count(world_new());
	} else if (strcmp(what, "sizes") == 0) {
		run_sizes();
	} else {
		fprintf(stderr, "usage: micro time|sizes|count\n");
		return 2;
	}
	return 0;
}
