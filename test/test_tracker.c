/*
 * test_tracker.c - what the tracker emits, to the byte, by a clock that the tests move.
 *
 * Messages are written as templates: ' stands for ", and # with a letter for 20 of that letter.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "../tracker.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define LINKS 40
#define LOG_MAX (1024 * 1024)

/* -- the world of a tracker --------------------------------------------------------------- */

struct log {
	size_t length;
	char text[LOG_MAX];
};

struct world {
	struct tracker *tracker;
	size_t size;
	uint64_t now;                   /* ms */
	struct log sent;                /* LINK<MESSAGE and LINK? for a ping, each a line */
	struct log told;                /* events with the first byte of both ids, and warnings */
	uint32_t silent[LINKS + 1];     /* what `unanswered` says of a link */
	struct counters counters;
};

static void log_bytes(struct log *log, const char *bytes, size_t length)
{
	if (length >= LOG_MAX - log->length) {
		printf("the log is full\n");
		exit(2);
	}
	memcpy(log->text + log->length, bytes, length);
	log->length += length;
	log->text[log->length] = '\0';
}

static void log_text(struct log *log, const char *text)
{
	log_bytes(log, text, strlen(text));
}

static void sink_send(void *context, uint32_t link, const struct msg_slice *pieces, size_t count)
{
	struct world *world = context;
	char start[16];

	snprintf(start, sizeof start, "%lu<", (unsigned long)link);
	log_text(&world->sent, start);
	for (size_t i = 0; i < count; i++)
		log_bytes(&world->sent, pieces[i].text, pieces[i].len);
	log_text(&world->sent, "\n");
}

static void sink_ping(void *context, uint32_t link)
{
	struct world *world = context;
	char line[16];

	snprintf(line, sizeof line, "%lu?\n", (unsigned long)link);
	log_text(&world->sent, line);
}

static uint32_t sink_unanswered(void *context, uint32_t link)
{
	const struct world *world = context;

	return world->silent[link];
}

static void sink_event(void *context, enum tracker_event event, uint32_t link,
    const uint8_t *peer_id, const uint8_t *info_hash)
{
	static const char *const names[] = {
		[TRACKER_START] = "start", [TRACKER_COMPLETE] = "complete",
		[TRACKER_UPDATE] = "update", [TRACKER_STOP] = "stop"
	};
	struct world *world = context;
	char line[32];

	(void)link;
	snprintf(line, sizeof line, "%s %c %c\n", names[event], peer_id[0], info_hash[0]);
	log_text(&world->told, line);
}

static void sink_warning(void *context, const char *text)
{
	struct world *world = context;

	log_text(&world->told, "! ");
	log_text(&world->told, text);
	log_text(&world->told, "\n");
}

static void sink_refused(void *context, enum counter why)
{
	struct world *world = context;

	world->counters.of[why]++;
}

static struct tracker_options usual_options(void)
{
	return (struct tracker_options){
		.limits = { .links = LINKS, .torrents = 400, .members = 1000, .per_link = 600 },
		.interval = 600000, .max_message = 262144,
		.secret = { { 0x0123456789abcdef, 0xfedcba9876543210 } }
	};
}

static struct world *world_new(struct tracker_options options)
{
	struct world *world = calloc(1, sizeof *world);

	options.sink = (struct tracker_sink){ world, sink_send, sink_ping, sink_unanswered,
		sink_event, sink_warning, options.sink.admit, sink_refused };
	options.counters = &world->counters;
	world->size = tracker_size(&options);
	world->tracker = tracker_init(guard_alloc(world->size), &options);
	world->now = 5000;
	for (int i = 0; i <= LINKS; i++)
		world->silent[i] = TRACKER_NEVER;
	return world;
}

/* At the end nothing may be left of anybody. */
static void world_free(struct world *world)
{
	const struct swarm_totals *totals = tracker_totals(world->tracker), none = { 0 };
	struct stats_numbers numbers = { .server = "", .version = "",
		.clients = tracker_clients(world->tracker) };
	char *json = malloc(STATS_TEXT_MAX + 1);

	for (uint32_t link = 1; link <= LINKS; link++) {
		tracker_end(world->tracker, link);
		CHECK(tracker_link_count(world->tracker, link) == 0);
	}
	CHECK(memcmp(totals, &none, sizeof none) == 0);
	CHECK(tracker_expire(world->tracker, world->now) == -1);
	json[stats_json(&numbers, json)] = '\0';
	CHECK(strstr(json, "\"clients\":{},") != NULL);
	free(json);
	guard_free(world->tracker, world->size);
	free(world);
}

/* -- saying and hearing ---------------------------------------------------------------------- */

/* Write out a template; the caller frees it. */
static char *expand(const char *template)
{
	char *text = malloc(strlen(template) * 20 + 1), *at = text;

	for (; *template != '\0'; template++) {
		if (*template == '#') {
			memset(at, *++template, 20);
			at += 20;
		} else {
			*at++ = *template == '\'' ? '"' : *template;
		}
	}
	*at = '\0';
	return text;
}

static void say_bytes(struct world *world, uint32_t link, const char *text, size_t length)
{
	char *copy = guard_copy(text, length);

	tracker_message(world->tracker, link, SWARM_IPV4, copy, length, world->now);
	guard_free(copy, length);
}

static void say(struct world *world, uint32_t link, const char *template)
{
	char *text = expand(template);

	say_bytes(world, link, text, strlen(text));
	free(text);
}

/* Is this what was logged since the last time? */
static bool log_is(struct log *log, const char *template)
{
	char *expected = expand(template);
	bool same = strcmp(log->text, expected) == 0;

	if (!same)
		printf("%s\ninstead of\n%s\n", log->text, expected);
	log->length = 0;
	log->text[0] = '\0';
	free(expected);
	return same;
}

#define SENT(template) CHECK(log_is(&world->sent, template))
#define TOLD(template) CHECK(log_is(&world->told, template))

static void forget(struct world *world)
{
	world->sent.length = world->told.length = 0;
	world->sent.text[0] = world->told.text[0] = '\0';
}

#define ANNOUNCE(hash, peer, more) \
	"{'action':'announce','info_hash':'#" hash "','peer_id':'#" peer "'" more "}"
#define REPLY(link, complete, incomplete, hash) \
	link "<{'complete':" complete ",'incomplete':" incomplete \
	",'action':'announce','interval':120,'info_hash':'#" hash "'}\n"
#define FAILURE(link, reason, hash) \
	link "<{'action':'announce','failure reason':'" reason "','info_hash':'#" hash "'}\n"
#define OFFERS(offers) ",'offers':[" offers "]"
#define OFFER(id) "{'offer':{'type':'offer','sdp':'s" id "'},'offer_id':'" id "'}"
#define RELAY(link, id, peer, hash) \
	link "<{'action':'announce','offer':{'type':'offer','sdp':'s" id "'},'offer_id':'" id \
	"','peer_id':'#" peer "','info_hash':'#" hash "'}\n"
#define ANSWER(to, id) \
	",'answer':{'type':'answer','sdp':'a" id "'},'offer_id':'" id "','to_peer_id':'#" to "'"
#define ANSWERED(link, id, peer, hash) \
	link "<{'action':'announce','answer':{'type':'answer','sdp':'a" id "'},'offer_id':'" id \
	"','peer_id':'#" peer "','info_hash':'#" hash "'}\n"

/* Join a swarm and forget what that led to. */
#define JOIN(link, hash, peer) (say(world, link, ANNOUNCE(hash, peer, "")), forget(world))

/* -- announces ------------------------------------------------------------------------------ */

static void replies(void)
{
	struct world *world = world_new(usual_options());

	say(world, 1, ANNOUNCE("A", "a", ",'event':'started'"));
	SENT(REPLY("1", "0", "1", "A"));
	TOLD("start a A\n");
	say(world, 2, ANNOUNCE("A", "b", ",'event':'started','left':0"));
	SENT(REPLY("2", "1", "1", "A"));
	TOLD("start b A\n");
	say(world, 2, ANNOUNCE("A", "b", ",'left':5"));         /* a seeder stays one */
	SENT(REPLY("2", "1", "1", "A"));
	TOLD("update b A\n");
	say(world, 1, ANNOUNCE("A", "a", ",'event':'paused','left':'0'"));
	SENT(REPLY("1", "2", "0", "A"));
	TOLD("update a A\n");
	say(world, 2, ANNOUNCE("A", "b", ",'event':'stopped','left':0"));
	SENT(REPLY("2", "1", "0", "A"));
	TOLD("stop b A\n");
	say(world, 1, ANNOUNCE("A", "a", ",'event':'stopped'"));
	SENT(REPLY("1", "0", "0", "A"));
	TOLD("stop a A\n");
	say(world, 1, ANNOUNCE("A", "a", ",'event':'stopped'"));        /* nobody stops: no event */
	SENT(REPLY("1", "0", "0", "A"));
	TOLD("");
	CHECK(tracker_totals(world->tracker)->torrents == 0);
	say(world, 2, ANNOUNCE("A", "b", ""));          /* having left, it is a leecher again */
	SENT(REPLY("2", "0", "1", "A"));
	world_free(world);
}

/* Each message is counted once, as what it was, and so is what it led to. */
static void counted(void)
{
	static const struct {
		const char *message;
		enum counter counts[5];         /* up by one each; 0 ends them */
	} steps[] = {
		{ "", { COUNT_KEEP_ALIVES } }, { "{}", { COUNT_KEEP_ALIVES } },
		{ "{", { COUNT_INVALID, COUNT_OUT_FAILURES } },
		{ "{'action':'dance'}", { COUNT_INVALID, COUNT_OUT_FAILURES } },
		{ ANNOUNCE("A", "a", ""), { COUNT_ANNOUNCES, COUNT_UPDATE, COUNT_OUT_REPLIES } },
		{ ANNOUNCE("A", "a", ",'event':'started'"),
		    { COUNT_ANNOUNCES, COUNT_STARTED, COUNT_OUT_REPLIES } },
		{ ANNOUNCE("A", "a", OFFERS(OFFER("1") "," OFFER("2"))),
		    { COUNT_ANNOUNCES, COUNT_UPDATE, COUNT_OUT_REPLIES, COUNT_OUT_OFFERS } },
		{ ANNOUNCE("A", "a", ANSWER("b", "1")),
		    { COUNT_ANSWERS, COUNT_UPDATE, COUNT_OUT_ANSWERS } },
		{ ANNOUNCE("A", "a", ",'event':'completed'"),
		    { COUNT_ANNOUNCES, COUNT_COMPLETED, COUNT_OUT_REPLIES } },
		{ "{'action':'scrape','info_hash':'#A'}", { COUNT_SCRAPES, COUNT_OUT_SCRAPES } },
		{ "{'action':'scrape'}",
		    { COUNT_SCRAPES, COUNT_REFUSED_SCRAPE, COUNT_OUT_FAILURES } },
		{ ANNOUNCE("B", "a", ""),
		    { COUNT_ANNOUNCES, COUNT_REFUSED_TORRENTS, COUNT_OUT_FAILURES } },
		{ ANNOUNCE("A", "c", ""),
		    { COUNT_ANNOUNCES, COUNT_REFUSED_PEERS, COUNT_OUT_FAILURES } },
		{ ANNOUNCE("A", "a", ",'event':'stopped'"),
		    { COUNT_ANNOUNCES, COUNT_STOPPED, COUNT_OUT_REPLIES } }
	};
	struct tracker_options options = usual_options();
	struct counters expected;
	struct world *world;

	options.limits.torrents = 1;
	options.limits.members = 2;
	world = world_new(options);
	say(world, 2, ANNOUNCE("A", "b", ""));
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		expected = world->counters;
		for (int n = 0; n < 5 && steps[i].counts[n] != 0; n++)
			expected.of[steps[i].counts[n]]++;
		say(world, 1, steps[i].message);
		if (memcmp(&expected, &world->counters, sizeof expected) != 0)
			printf("step %zu: %s\n", i, steps[i].message);
		CHECK(memcmp(&expected, &world->counters, sizeof expected) == 0);
	}
	forget(world);
	world_free(world);
}

/* An id as the inside of a JSON string, in the way that replies have it. */
static void id_text(const uint8_t *id, char *at)
{
	static const char letters[] = "btn.fr";

	for (int i = 0; i < 20; i++) {
		if (id[i] == '"' || id[i] == '\\')
			at += sprintf(at, "\\%c", id[i]);
		else if (id[i] >= '\b' && id[i] <= '\r' && id[i] != '\v')
			at += sprintf(at, "\\%c", letters[id[i] - '\b']);
		else if (id[i] < ' ')
			at += sprintf(at, "\\u%04x", id[i]);
		else if (id[i] < 0x80)
			at += sprintf(at, "%c", id[i]);
		else
			at += sprintf(at, "%c%c", 0xc0 | id[i] >> 6, 0x80 | (id[i] & 0x3f));
	}
	*at = '\0';
}

/* A field of a message, every byte as \u00XX. */
static char *id_field(char *at, const char *name, const uint8_t *id)
{
	at += sprintf(at, ",\"%s\":\"", name);
	for (int i = 0; i < 20; i++)
		at += sprintf(at, i % 2 == 0 ? "\\u%04x" : "\\u%04X", id[i]);
	return at + sprintf(at, "\"");
}

/* Every byte in a hash and in an id, escaped as it must be, in a reply and in a relay. */
static void bytes_of_ids(void)
{
	static const uint8_t other[20] = "other";
	struct world *world = world_new(usual_options());
	char message[1024], expected[2048], *at, hash_text[121], peer_text[121];
	uint8_t hash[20], peer[20];

	for (int first = 0; first < 256; first += 16) {
		for (int i = 0; i < 20; i++) {
			hash[i] = (uint8_t)(first + i);
			peer[i] = (uint8_t)(255 - first - i);
		}
		id_text(hash, hash_text);
		id_text(peer, peer_text);
		at = message + sprintf(message, "{\"action\":\"announce\"");
		at = id_field(id_field(at, "info_hash", hash), "peer_id", other);
		strcpy(at, "}");
		say_bytes(world, 2, message, strlen(message));
		forget(world);
		at = id_field(at, "peer_id", peer);
		strcpy(at, ",\"offers\":[{\"offer\":{\"sdp\":\"\"},\"offer_id\":\"\"}]}");
		say_bytes(world, 1, message, strlen(message));
		snprintf(expected, sizeof expected, "1<{\"complete\":0,\"incomplete\":2,"
		    "\"action\":\"announce\",\"interval\":120,\"info_hash\":\"%s\"}\n"
		    "2<{\"action\":\"announce\",\"offer\":{\"sdp\":\"\"},\"offer_id\":\"\","
		    "\"peer_id\":\"%s\",\"info_hash\":\"%s\"}\n", hash_text, peer_text, hash_text);
		CHECK(strcmp(world->sent.text, expected) == 0);
		tracker_end(world->tracker, 1);
		tracker_end(world->tracker, 2);
		forget(world);
	}
	world_free(world);
}

static void intervals(void)
{
	static const struct { uint32_t ms; const char *told; } cases[] = {
		{ 1, "1" }, { 5000, "1" }, { 5001, "2" }, { 599999, "120" }, { 600000, "120" },
		{ 600001, "121" }, { UINT32_MAX, "858994" }
	};
	struct tracker_options options = usual_options();
	char expected[200];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *world;

		options.interval = cases[i].ms;
		world = world_new(options);
		say(world, 1, ANNOUNCE("A", "a", ""));
		snprintf(expected, sizeof expected, "1<{'complete':0,'incomplete':1,"
		    "'action':'announce','interval':%s,'info_hash':'#A'}\n", cases[i].told);
		SENT(expected);
		say(world, 1, "{'action':'scrape','info_hash':[]}");
		snprintf(expected, sizeof expected, "1<{'action':'scrape','files':{},"
		    "'flags':{'min_request_interval':%s}}\n", cases[i].told);
		SENT(expected);
		world_free(world);
	}
}

/* What counts as a download: `completed` of a leecher that was a member before. */
static void downloads(void)
{
	struct world *world = world_new(usual_options());

	say(world, 1, ANNOUNCE("A", "a", ",'event':'completed'"));
	SENT(REPLY("1", "1", "0", "A"));
	TOLD("complete a A\n");
	JOIN(2, "A", "b");
	say(world, 3, "{'action':'scrape','info_hash':'#A'}");
	SENT("3<{'action':'scrape','files':{'#A':{'complete':1,'incomplete':1,'downloaded':0}},"
	    "'flags':{'min_request_interval':120}}\n");
	say(world, 2, ANNOUNCE("A", "b", ",'event':'completed','left':7"));
	SENT(REPLY("2", "2", "0", "A"));
	TOLD("complete b A\n");
	say(world, 2, ANNOUNCE("A", "b", ",'event':'completed'"));
	TOLD("complete b A\n");
	say(world, 1, ANNOUNCE("A", "a", ",'event':'completed'"));
	forget(world);
	say(world, 3, ANNOUNCE("A", "c", ""));
	say(world, 3, ANNOUNCE("A", "c", ",'event':'completed'" ANSWER("a", "x")));
	forget(world);
	say(world, 3, "{'action':'scrape','info_hash':'#A'}");
	SENT("3<{'action':'scrape','files':{'#A':{'complete':3,'incomplete':0,'downloaded':2}},"
	    "'flags':{'min_request_interval':120}}\n");
	TOLD("");
	world_free(world);
}

static void keep_alives(void)
{
	struct world *world = world_new(usual_options());

	say(world, 1, "");
	say(world, 1, "{}");
	SENT("");
	TOLD("");
	say(world, 1, "{ }");
	SENT("1<{'failure reason':'invalid action in WS request: undefined'}\n");
	TOLD("! invalid action in WS request: undefined\n");
	world_free(world);
}

/* What is said, the answer, the warning. */
static const char *const wrongs[][3] = {
	{ "x", "{'failure reason':'invalid JSON'}", "invalid JSON" },
	{ "[]", "{'failure reason':'invalid JSON'}", "invalid JSON" },
	{ "{'action':'announce'", "{'failure reason':'invalid JSON'}", "invalid JSON" },
	{ "{'action':'x'}", "{'failure reason':'invalid action in WS request: x'}",
	    "invalid action in WS request: x" },
	{ "{'action':['a'],'info_hash':'#A'}",
	    "{'failure reason':'invalid action in WS request: [\\'a\\']','info_hash':'#A'}",
	    "invalid action in WS request: [\\'a\\']" },
	{ "{'info_hash':'#A','peer_id':'#a'}",
	    "{'failure reason':'invalid action in WS request: undefined','info_hash':'#A'}",
	    "invalid action in WS request: undefined" },
	{ "{'action':'announce'}", "{'failure reason':'invalid info_hash'}",
	    "invalid info_hash" },
	{ "{'action':'announce','info_hash':'A','peer_id':'a'}",
	    "{'failure reason':'invalid info_hash'}", "invalid info_hash" },
	{ ANNOUNCE("A", "a", ",'peer_id':null"),
	    "{'action':'announce','failure reason':'invalid peer_id','info_hash':'#A'}",
	    "invalid peer_id" },
	{ ANNOUNCE("A", "a", ",'answer':{}"), "{'action':'announce','failure reason':"
	    "'invalid `to_peer_id` (required with `answer`)','info_hash':'#A'}",
	    "invalid `to_peer_id` (required with `answer`)" },
	{ "{'action':'scrape','info_hash':5}",
	    "{'action':'scrape','failure reason':'invalid info_hash'}",
	    "invalid info_hash" },
	{ "{'action':'scrape','info_hash':['#A',5]}",
	    "{'action':'scrape','failure reason':'invalid info_hash'}",
	    "invalid info_hash" },
	{ "{'action':'scrape'}",
	    "{'action':'scrape','failure reason':'full scrape is not allowed'}",
	    "full scrape is not allowed" },
	{ "{'action':'scrape','info_hash':null}",
	    "{'action':'scrape','failure reason':'full scrape is not allowed'}",
	    "full scrape is not allowed" }
};

static void failures(void)
{
	struct world *world = world_new(usual_options());
	char expected[400];

	JOIN(2, "A", "b");
	for (size_t i = 0; i < COUNT(wrongs); i++) {
		say(world, 1, wrongs[i][0]);
		snprintf(expected, sizeof expected, "1<%s\n", wrongs[i][1]);
		SENT(expected);
		snprintf(expected, sizeof expected, "! %s\n", wrongs[i][2]);
		TOLD(expected);
	}
	CHECK(tracker_link_count(world->tracker, 1) == 0);
	say(world, 1, ANNOUNCE("A", "a", ""));          /* it may go on */
	SENT(REPLY("1", "0", "2", "A"));
	world_free(world);
}

/* The longest reason there is, beside the longest hash. */
static void longest_failure(void)
{
	struct world *world = world_new(usual_options());
	char message[2000] = "{\"action\":\"", expected[2000] = "1<{\"failure reason\":\""
	    "invalid action in WS request: ";

	for (int i = 0; i < 40; i++)
		strcat(message, "\\u0001");
	for (int i = 0; i < 32; i++)
		strcat(expected, "\\u0001");
	strcat(message, "\",\"info_hash\":\"");
	strcat(expected, "\",\"info_hash\":\"");
	for (int i = 0; i < 20; i++) {
		strcat(message, "\\u0002");
		strcat(expected, "\\u0002");
	}
	strcat(message, "\"}");
	strcat(expected, "\"}\n");
	say_bytes(world, 1, message, strlen(message));
	SENT(expected);
	world_free(world);
}

/* -- offers --------------------------------------------------------------------------------- */

/* The reply first; the offer as it came, to another peer whether it seeds or not. */
static void offers(void)
{
	struct world *world = world_new(usual_options());

	say(world, 2, ANNOUNCE("A", "b", ",'left':0"));
	JOIN(3, "B", "c");
	forget(world);
	say(world, 1, ANNOUNCE("A", "a", ",'left':0" OFFERS(OFFER("x"))));
	SENT(REPLY("1", "2", "0", "A") RELAY("2", "x", "a", "A"));
	say(world, 1, ANNOUNCE("A", "a", OFFERS(" { 'offer_id' : '\\u0041\xc3\xbf\\'' , 'x':[1e9],"
	    "'offer' : {'sdp':'\\ud83d\\ude00','x' : [ ]}} ")));
	SENT(REPLY("1", "2", "0", "A")
	    "2<{'action':'announce','offer':{'sdp':'\\ud83d\\ude00','x' : [ ]},"
	    "'offer_id':'\\u0041\xc3\xbf\\'','peer_id':'#a','info_hash':'#A'}\n");
	say(world, 1, ANNOUNCE("A", "a", ",'numwant':0" OFFERS(OFFER("x"))));
	SENT(REPLY("1", "2", "0", "A"));
	say(world, 1, ANNOUNCE("A", "a", OFFERS("null,{},{'offer':{},'offer_id':'z'},"
	    OFFER("y"))));
	SENT(REPLY("1", "2", "0", "A") RELAY("2", "y", "a", "A"));
	say(world, 1, ANNOUNCE("A", "a", OFFERS(OFFER("x")) ",'event':'stopped'"));
	SENT(REPLY("1", "1", "0", "A"));
	say(world, 1, ANNOUNCE("A", "a", OFFERS(OFFER("x")) ANSWER("b", "q")));
	SENT(ANSWERED("2", "q", "a", "A"));
	world_free(world);
}

/* Never to the announcer's own id, on whichever socket; but to another id on its socket. */
static void offers_to_others(void)
{
	struct world *world = world_new(usual_options());

	JOIN(1, "A", "a");
	JOIN(2, "A", "a");
	say(world, 1, ANNOUNCE("A", "a", OFFERS(OFFER("x") "," OFFER("y"))));
	SENT(REPLY("1", "0", "2", "A"));
	JOIN(1, "A", "b");
	say(world, 1, ANNOUNCE("A", "a", OFFERS(OFFER("x") "," OFFER("y"))));
	SENT(REPLY("1", "0", "3", "A") RELAY("1", "x", "a", "A"));
	world_free(world);
}

/* Offer i goes to the i-th of a sample: `count` of them, in order, each to somebody else. */
static bool spread(const struct world *world, unsigned count)
{
	const char *at = strchr(world->sent.text, '\n') + 1;
	bool met[LINKS + 1] = { false };
	char offer[32];

	for (unsigned i = 0; i < count; i++, at = strchr(at, '\n') + 1) {
		unsigned long link = strtoul(at, NULL, 10);

		snprintf(offer, sizeof offer, "\"offer_id\":\"%u\"", i);
		if (link < 2 || link > LINKS || met[link] || strstr(at, offer) == NULL ||
		    strstr(at, offer) > strchr(at, '\n'))
			return false;
		met[link] = true;
	}
	return *at == '\0';
}

static void offers_to_many(void)
{
	static const struct { unsigned offers; const char *numwant; unsigned relayed; } cases[] = {
		{ 1, "100", 1 }, { 10, "null", 10 }, { 20, "20", 20 }, { 25, "25", 20 },
		{ 40, "-1", 20 }, { 10, "3", 3 }, { 10, "2.5", 2 }, { 30, "1e3", 20 },
		{ 10, "0.9", 0 }
	};
	struct world *world = world_new(usual_options());
	char message[8000], *at;

	for (uint32_t link = 2; link <= LINKS; link++) {
		sprintf(message, "{'action':'announce','info_hash':'#A','peer_id':'%020lu'}",
		    (unsigned long)link);
		say(world, link, message);
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		at = message + sprintf(message, "{'action':'announce','info_hash':'#A',"
		    "'peer_id':'#a','numwant':%s,'offers':[", cases[i].numwant);
		for (unsigned offer = 0; offer < cases[i].offers; offer++)
			at += sprintf(at, "%s{'offer':{'sdp':''},'offer_id':'%u'}",
			    offer == 0 ? "" : ",", offer);
		strcpy(at, "]}");
		for (int round = 0; round < 20; round++) {
			forget(world);
			say(world, 1, message);
			CHECK(spread(world, cases[i].relayed));
		}
	}
	world_free(world);
}

/* -- answers -------------------------------------------------------------------------------- */

static void answers(void)
{
	struct world *world = world_new(usual_options());

	JOIN(1, "A", "a");
	JOIN(3, "A", "c");
	say(world, 2, ANNOUNCE("A", "b", ANSWER("a", "x")));    /* it makes its sender a member */
	SENT(ANSWERED("1", "x", "b", "A"));
	TOLD("update b A\n");
	CHECK(tracker_totals(world->tracker)->members == 3);
	say(world, 2, ANNOUNCE("A", "b", ANSWER("b", "x")));    /* oneself */
	say(world, 2, ANNOUNCE("A", "b", ANSWER("z", "x")));    /* nobody */
	SENT("");
	TOLD("update b A\nupdate b A\n");
	say(world, 4, ANNOUNCE("B", "d", ANSWER("a", "x")));    /* another swarm */
	SENT("");
	TOLD("update d B\n");
	say(world, 2, ANNOUNCE("A", "b", ",'left':0" ANSWER("a", "y")));
	forget(world);
	say(world, 3, ANNOUNCE("A", "c", ""));
	SENT(REPLY("3", "1", "2", "A"));
	say(world, 2, ANNOUNCE("A", "b", ",'answer':null,'to_peer_id':'#a','offer_id':'x'"));
	SENT(REPLY("2", "1", "2", "A"));
	world_free(world);
}

/* To both sockets of an id; from one that leaves with it; to oneself on another socket: not. */
static void answers_to_all(void)
{
	struct world *world = world_new(usual_options());

	JOIN(1, "A", "a");
	JOIN(2, "A", "a");
	JOIN(3, "A", "b");
	say(world, 3, ANNOUNCE("A", "b", ANSWER("a", "x")));
	CHECK(strstr(world->sent.text, "1<{") != NULL && strstr(world->sent.text, "2<{") != NULL);
	CHECK(strlen(world->sent.text) == 2 * (strlen(strchr(world->sent.text, '\n') + 1)));
	forget(world);
	say(world, 1, ANNOUNCE("A", "a", ANSWER("a", "x")));
	SENT("");
	TOLD("update a A\n");
	say(world, 2, ANNOUNCE("A", "a", ",'event':'stopped'" ANSWER("b", "y")));
	SENT(ANSWERED("3", "y", "a", "A"));
	TOLD("stop a A\n");
	CHECK(tracker_link_count(world->tracker, 2) == 0);
	say(world, 2, ANNOUNCE("A", "a", ",'event':'stopped'" ANSWER("b", "y")));
	SENT(ANSWERED("3", "y", "a", "A"));     /* it was none, and becomes none */
	TOLD("");
	CHECK(tracker_totals(world->tracker)->members == 2);
	world_free(world);
}

/* What is not usable does nothing at all, whatever event comes with it. */
static void answers_unusable(void)
{
	static const char *const more[] = {
		",'to_peer_id':'#a','offer_id':'x','answer':5",
		",'to_peer_id':'#a','offer_id':'x','answer':{}",
		",'to_peer_id':'#a','offer_id':5,'answer':{'sdp':''}",
		",'to_peer_id':'#a','answer':{'sdp':''}",
		",'to_peer_id':'#a','offer_id':'x','answer':{'sdp':''},'answer':false"
	};
	struct world *world = world_new(usual_options());
	char message[400];

	JOIN(1, "A", "a");
	JOIN(2, "A", "b");
	for (size_t i = 0; i < COUNT(more); i++) {
		snprintf(message, sizeof message, ANNOUNCE("A", "c", "%s"), more[i]);
		say(world, 3, message);
		snprintf(message, sizeof message, ANNOUNCE("A", "b", "%s,'event':'stopped'"),
		    more[i]);
		say(world, 2, message);
		SENT("");
		TOLD("");
	}
	CHECK(tracker_totals(world->tracker)->members == 2);
	world_free(world);
}

/* -- who owns a peer ------------------------------------------------------------------------- */

/* Nobody stops another socket's membership; a socket's end ends its own only. */
static void ownership(void)
{
	struct world *world = world_new(usual_options());

	JOIN(1, "A", "a");
	say(world, 2, ANNOUNCE("A", "a", ",'event':'stopped'"));
	SENT(REPLY("2", "0", "1", "A"));
	TOLD("");
	JOIN(1, "A", "b");      /* two ids on one socket, one of them on two */
	JOIN(1, "B", "a");
	JOIN(2, "A", "a");
	CHECK(tracker_totals(world->tracker)->peers == 2);
	CHECK(tracker_totals(world->tracker)->members == 4);
	CHECK(tracker_link_count(world->tracker, 1) == 3);
	say(world, 1, ANNOUNCE("A", "a", ",'event':'stopped'"));
	SENT(REPLY("1", "0", "2", "A"));
	TOLD("stop a A\n");
	CHECK(tracker_link_count(world->tracker, 1) == 2);
	tracker_end(world->tracker, 1);
	CHECK(strlen(world->told.text) == strlen("stop a B\nstop b A\n"));
	CHECK(strstr(world->told.text, "stop a B\n") && strstr(world->told.text, "stop b A\n"));
	forget(world);
	CHECK(tracker_totals(world->tracker)->torrents == 1);
	CHECK(tracker_totals(world->tracker)->peers == 1);
	tracker_end(world->tracker, 1);
	tracker_end(world->tracker, 3);
	SENT("");
	TOLD("");
	tracker_end(world->tracker, 2);
	TOLD("stop a A\n");
	world_free(world);
}

/* The older sockets of an id are pinged when another one comes, and only then. */
static void pings(void)
{
	struct world *world = world_new(usual_options());

	say(world, 1, ANNOUNCE("A", "a", ""));
	SENT(REPLY("1", "0", "1", "A"));
	say(world, 2, ANNOUNCE("A", "a", ""));
	SENT("1?\n" REPLY("2", "0", "2", "A"));
	say(world, 2, ANNOUNCE("A", "a", ""));
	say(world, 1, ANNOUNCE("A", "a", ""));
	SENT(REPLY("2", "0", "2", "A") REPLY("1", "0", "2", "A"));
	say(world, 3, ANNOUNCE("B", "a", ""));          /* another swarm, another membership */
	say(world, 3, ANNOUNCE("A", "b", ""));
	SENT(REPLY("3", "0", "1", "B") REPLY("3", "0", "3", "A"));
	say(world, 4, ANNOUNCE("A", "a", ANSWER("b", "x")));
	CHECK(strncmp(world->sent.text, "1?\n2?\n", 6) == 0 ||
	    strncmp(world->sent.text, "2?\n1?\n", 6) == 0);
	CHECK(strncmp(world->sent.text + 6, "3<{", 3) == 0);
	forget(world);
	tracker_end(world->tracker, 2);
	say(world, 2, ANNOUNCE("A", "a", ""));
	CHECK(strstr(world->sent.text, "1?\n") && strstr(world->sent.text, "4?\n"));
	world_free(world);
}

/* Were these links pinged, once each, in any order, and then this sent? */
static bool pinged(struct world *world, const char *links, const char *then)
{
	char line[8];
	bool right = true;

	for (const char *link = links; *link != '\0'; link++) {
		snprintf(line, sizeof line, "%c?\n", *link);
		right = right && strstr(world->sent.text, line) != NULL;
	}
	right = right && world->sent.length >= 3 * strlen(links);
	if (right) {
		world->sent.length -= 3 * strlen(links);
		memmove(world->sent.text, world->sent.text + 3 * strlen(links),
		    world->sent.length + 1);
	}
	return log_is(&world->sent, then) && right;
}

static void fifth_socket(void)
{
	struct world *world = world_new(usual_options());

	JOIN(1, "A", "a");
	JOIN(2, "A", "a");
	JOIN(3, "A", "a");
	JOIN(4, "A", "a");
	say(world, 5, ANNOUNCE("A", "a", ",'event':'started'"));
	CHECK(pinged(world, "1234", FAILURE("5", "too many connections for this peer_id", "A")));
	TOLD("! too many connections for this peer_id\n");
	say(world, 5, ANNOUNCE("A", "a", ANSWER("b", "x")));    /* in silence */
	CHECK(pinged(world, "1234", ""));
	TOLD("");
	world->silent[1] = world->silent[2] = world->silent[4] = TRACKER_PING_GRACE - 1;
	say(world, 5, ANNOUNCE("A", "a", ",'event':'started'"));
	CHECK(pinged(world, "1234", FAILURE("5", "too many connections for this peer_id", "A")));
	TOLD("! too many connections for this peer_id\n");
	CHECK(tracker_link_count(world->tracker, 5) == 0);
	world->silent[2] = TRACKER_PING_GRACE;
	say(world, 5, ANNOUNCE("A", "a", ",'event':'started'"));
	CHECK(pinged(world, "134", REPLY("5", "0", "4", "A")));
	TOLD("stop a A\nstart a A\n");
	CHECK(tracker_link_count(world->tracker, 2) == 0);
	CHECK(tracker_link_count(world->tracker, 5) == 1);
	CHECK(tracker_totals(world->tracker)->peers == 1);
	say(world, 5, ANNOUNCE("A", "a", ""));          /* a member already */
	SENT(REPLY("5", "0", "4", "A"));
	say(world, 6, ANNOUNCE("B", "a", ""));          /* each swarm has its four */
	SENT(REPLY("6", "0", "1", "B"));
	world_free(world);
}

/* The one that has been silent for longest goes; its socket keeps its other memberships. */
static void longest_silent(void)
{
	static const uint32_t silences[4][4] = {
		{ 2000, 2001, 9000, 8999 }, { TRACKER_NEVER, TRACKER_NEVER, 1999, 2000 },
		{ 5000, TRACKER_NEVER, TRACKER_NEVER, TRACKER_NEVER },
		{ 0, TRACKER_NEVER - 1, 100000, 4000 }
	};
	static const uint32_t gone[4] = { 3, 4, 1, 2 };

	for (int i = 0; i < 4; i++) {
		struct world *world = world_new(usual_options());

		for (uint32_t link = 1; link <= 4; link++) {
			JOIN(link, "A", "a");
			JOIN(link, "B", "b");
			world->silent[link] = silences[i][link - 1];
		}
		say(world, 5, ANNOUNCE("A", "a", ",'left':0" ANSWER("z", "x")));
		TOLD("stop a A\nupdate a A\n");
		for (uint32_t link = 1; link <= 4; link++)
			CHECK(tracker_link_count(world->tracker, link) == 2 - (link == gone[i]));
		CHECK(tracker_link_count(world->tracker, 5) == 1);
		world_free(world);
	}
}

/* -- limits --------------------------------------------------------------------------------- */

static struct tracker_options tiny_options(void)
{
	struct tracker_options options = usual_options();

	options.limits = (struct swarm_limits){ .links = LINKS, .torrents = 2, .members = 6,
		.per_link = 3 };
	return options;
}

static void torrents_full(void)
{
	struct world *world = world_new(tiny_options());

	JOIN(1, "A", "a");
	JOIN(1, "B", "a");
	say(world, 2, ANNOUNCE("C", "c", ",'event':'started'"));
	SENT(FAILURE("2", "tracker is full: no room for another torrent", "C"));
	TOLD("! tracker is full: no room for another torrent\n");
	say(world, 2, ANNOUNCE("C", "c", ANSWER("a", "x")));
	say(world, 2, ANNOUNCE("C", "c", ",'event':'stopped'"));
	SENT(REPLY("2", "0", "0", "C"));
	TOLD("");
	say(world, 2, ANNOUNCE("A", "c", ""));          /* the rest goes on */
	SENT(REPLY("2", "0", "2", "A"));
	say(world, 1, ANNOUNCE("B", "a", ",'event':'stopped'"));
	forget(world);
	say(world, 2, ANNOUNCE("C", "c", ""));
	SENT(REPLY("2", "0", "1", "C"));
	world_free(world);
}

static void members_full(void)
{
	struct world *world = world_new(tiny_options());

	JOIN(1, "A", "a");
	JOIN(1, "A", "b");
	JOIN(1, "A", "c");
	JOIN(2, "A", "d");
	JOIN(2, "A", "e");
	JOIN(2, "A", "f");
	say(world, 3, ANNOUNCE("A", "g", ",'event':'completed','left':0" OFFERS(OFFER("x"))));
	SENT(FAILURE("3", "tracker is full: no room for another peer", "A"));
	TOLD("! tracker is full: no room for another peer\n");
	say(world, 3, ANNOUNCE("A", "a", ""));          /* a known id needs room too */
	SENT(FAILURE("3", "tracker is full: no room for another peer", "A"));
	say(world, 3, ANNOUNCE("A", "g", ANSWER("a", "x")));    /* and is not heard */
	SENT("");
	say(world, 2, ANNOUNCE("A", "f", ANSWER("a", "x")));
	SENT(ANSWERED("1", "x", "f", "A"));
	tracker_end(world->tracker, 2);
	say(world, 3, ANNOUNCE("A", "g", ""));
	SENT(REPLY("3", "0", "4", "A"));
	world_free(world);
}

static void link_full(void)
{
	struct world *world = world_new(tiny_options());

	JOIN(1, "A", "a");
	JOIN(1, "A", "b");
	JOIN(1, "B", "a");
	say(world, 1, ANNOUNCE("B", "b", ""));
	SENT(FAILURE("1", "too many torrents on this connection", "B"));
	TOLD("! too many torrents on this connection\n");
	JOIN(2, "A", "d");
	say(world, 1, ANNOUNCE("B", "d", ANSWER("a", "x")));
	SENT("");
	TOLD("");
	say(world, 1, ANNOUNCE("B", "a", ",'event':'stopped'"));
	forget(world);
	say(world, 1, ANNOUNCE("B", "b", ""));
	SENT(REPLY("1", "0", "1", "B"));
	world_free(world);
}

/* A link that is full does not take the place of a silent one. */
static void link_full_first(void)
{
	struct world *world = world_new(tiny_options());

	for (uint32_t link = 1; link <= 4; link++) {
		JOIN(link, "A", "a");
		world->silent[link] = 60000;
	}
	tracker_end(world->tracker, 4);
	JOIN(5, "B", "d");
	JOIN(5, "B", "e");
	JOIN(5, "B", "f");
	say(world, 5, ANNOUNCE("A", "a", ""));
	SENT(FAILURE("5", "too many torrents on this connection", "A"));
	CHECK(tracker_totals(world->tracker)->members == 6);
	world_free(world);
}

/* A full table does not keep a phone from coming back: it takes its own old place. */
static void replaced_when_full(void)
{
	struct world *world = world_new(tiny_options());

	for (uint32_t link = 1; link <= 4; link++)
		JOIN(link, "A", "a");
	JOIN(6, "B", "b");
	JOIN(6, "B", "c");
	world->silent[3] = 3000;
	say(world, 5, ANNOUNCE("A", "a", ""));
	CHECK(pinged(world, "124", REPLY("5", "0", "4", "A")));
	TOLD("stop a A\nupdate a A\n");
	world_free(world);
}

/* -- age ------------------------------------------------------------------------------------ */

#define AGE UINT64_C(1200000)

static void expiry(void)
{
	struct world *world = world_new(usual_options());

	CHECK(tracker_expire(world->tracker, world->now) == -1);
	JOIN(1, "A", "a");                              /* at 5 s */
	world->now += 10000;
	JOIN(2, "A", "b");                              /* at 15 s */
	world->now += 10000;
	JOIN(2, "B", "b");                              /* at 25 s */
	CHECK(tracker_expire(world->tracker, world->now) == (int64_t)AGE - 20000);
	say(world, 1, ANNOUNCE("A", "a", ""));          /* the first is the last now */
	forget(world);
	CHECK(tracker_expire(world->tracker, world->now) == (int64_t)AGE - 10000);
	CHECK(tracker_expire(world->tracker, 15000 + AGE - 1) == 1);
	SENT("");
	TOLD("");
	CHECK(tracker_expire(world->tracker, 15000 + AGE) == 10000);
	TOLD("stop b A\n");
	CHECK(tracker_link_count(world->tracker, 2) == 1);
	CHECK(tracker_expire(world->tracker, 25000 + AGE + 500) == -1);
	CHECK(strstr(world->told.text, "stop b B\n") && strstr(world->told.text, "stop a A\n"));
	SENT("");
	CHECK(tracker_totals(world->tracker)->torrents == 0);
	world->now = 25000 + AGE + 500;
	say(world, 2, ANNOUNCE("A", "b", ""));          /* the socket stayed */
	SENT(REPLY("2", "0", "1", "A"));
	world_free(world);
}

/* An answer keeps a membership alive; what is refused or unusable does not, nor does a scrape. */
static void refreshing(void)
{
	static const struct { const char *message; bool refreshes; } cases[] = {
		{ ANNOUNCE("A", "a", ""), true },
		{ ANNOUNCE("A", "a", ",'event':'completed'"), true },
		{ ANNOUNCE("A", "a", ANSWER("z", "x")), true },
		{ ANNOUNCE("A", "a", ANSWER("a", "x")), true },
		{ ANNOUNCE("A", "a", ",'to_peer_id':'#z','answer':{}"), false },
		{ ANNOUNCE("A", "a", ",'to_peer_id':'z','answer':{}"), false },
		{ "{'action':'scrape','info_hash':'#A'}", false },
		{ "{'action':'announced','info_hash':'#A','peer_id':'#a'}", false },
		{ "", false }, { "{}", false }
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct world *world = world_new(usual_options());

		JOIN(1, "A", "a");
		world->now += 100000;
		say(world, 1, cases[i].message);
		CHECK(tracker_expire(world->tracker, 5000 + AGE) ==
		    (cases[i].refreshes ? 100000 : -1));
		world_free(world);
	}
}

/* A client's ping keeps its only membership; of several it is not known which. */
static void pinged_by_client(void)
{
	struct world *world = world_new(usual_options());

	tracker_pinged(world->tracker, 1, world->now);
	JOIN(1, "A", "a");
	JOIN(2, "A", "b");
	JOIN(2, "B", "b");
	world->now += 60000;
	tracker_pinged(world->tracker, 1, world->now);
	tracker_pinged(world->tracker, 2, world->now);
	tracker_pinged(world->tracker, 3, world->now);
	SENT("");
	TOLD("");
	CHECK(tracker_expire(world->tracker, 5000 + AGE) == 60000);
	CHECK(tracker_link_count(world->tracker, 1) == 1);
	CHECK(tracker_link_count(world->tracker, 2) == 0);
	world_free(world);
}

/* A clock of years. */
static void late(void)
{
	struct world *world = world_new(usual_options());

	world->now = UINT64_C(3000000000) * 1000 + 999;
	JOIN(1, "A", "a");
	CHECK(tracker_expire(world->tracker, world->now) == (int64_t)AGE + 1);      /* never early */
	CHECK(tracker_expire(world->tracker, world->now + AGE + 1) == -1);
	world_free(world);
}

/* -- scrapes -------------------------------------------------------------------------------- */

#define ZEROS "{'complete':0,'incomplete':0,'downloaded':0}"
#define FLAGS "'flags':{'min_request_interval':120}}\n"

static void scrapes(void)
{
	struct world *world = world_new(usual_options());

	JOIN(1, "A", "a");
	say(world, 2, ANNOUNCE("A", "b", ",'left':0"));
	JOIN(1, "B", "a");
	forget(world);
	say(world, 3, "{'action':'scrape','info_hash':'#B'}");
	SENT("3<{'action':'scrape','files':{'#B':{'complete':0,'incomplete':1,"
	    "'downloaded':0}}," FLAGS);
	say(world, 3, "{'action':'scrape','info_hash':['#C','#A','#C','#A','#B']}");
	SENT("3<{'action':'scrape','files':{'#C':" ZEROS ",'#A':{'complete':1,'incomplete':1,"
	    "'downloaded':0},'#B':{'complete':0,'incomplete':1,'downloaded':0}}," FLAGS);
	say(world, 3, "{'action':'scrape','info_hash':[]}");
	SENT("3<{'action':'scrape','files':{}," FLAGS);
	say(world, 3, "{'action':'scrape','info_hash':'#{'}");  /* no member of an object */
	SENT("3<{'action':'scrape','files':{'#{':" ZEROS "}," FLAGS);
	TOLD("");
	CHECK(tracker_link_count(world->tracker, 3) == 0);
	world_free(world);
}

/* A thousand hashes of the longest text, twice over in one order or another; and one more. */
static void scrape_many(void)
{
	struct tracker_options options = usual_options();
	struct world *world;
	char *message = malloc(400000), *expected = malloc(400000), *in, *out;

	options.max_message = 1000;     /* what is asked by name is answered whole */
	world = world_new(options);
	for (int distinct = 1; distinct <= 1000; distinct = distinct == 1 ? 500 : distinct + 500) {
		in = message + sprintf(message, "{\"action\":\"scrape\",\"info_hash\":[");
		out = expected + sprintf(expected, "1<{\"action\":\"scrape\",\"files\":{");
		for (int i = 0; i < 1000; i++) {
			char id[121], *at = id;
			int number = i % distinct;

			for (int digit = 0; digit < 20; digit++, number /= 7)
				at += sprintf(at, "\\u%04x", number % 7 + 1);
			in += sprintf(in, "%s\"%s\"", i == 0 ? "" : ",", id);
			if (i < distinct)
				out += sprintf(out, "%s\"%s\":{\"complete\":0,\"incomplete\":0,"
				    "\"downloaded\":0}", i == 0 ? "" : ",", id);
		}
		strcpy(in, "]}");
		sprintf(out, "},\"flags\":{\"min_request_interval\":120}}\n");
		say_bytes(world, 1, message, strlen(message));
		SENT(expected);
		strcpy(in, ",\"aaaaaaaaaaaaaaaaaaaa\"]}");
		say_bytes(world, 1, message, strlen(message));
		SENT("1<{'action':'scrape','failure reason':'too many info_hashes'}\n");
		TOLD("! too many info_hashes\n");
	}
	free(message);
	free(expected);
	world_free(world);
}

/* All torrents, in the order they came, as many as fit the limit whole. */
static void scrape_all(void)
{
	static const char file[] = "\"%020u\":{\"complete\":0,\"incomplete\":1,\"downloaded\":0}";
	struct tracker_options options = usual_options();
	char message[200], *expected = malloc(100000), *at;

	options.full_scrape = true;
	for (size_t limit = 100; limit < 4000; limit += 61) {
		struct world *world;
		unsigned count = 0;

		options.max_message = limit;
		world = world_new(options);
		for (unsigned i = 0; i < 30; i++) {
			snprintf(message, sizeof message,
			    "{'action':'announce','info_hash':'%020u','peer_id':'#a'}", i);
			say(world, 1, message);
		}
		forget(world);
		say(world, 2, "{'action':'scrape'}");
		CHECK(world->sent.length - 3 <= limit);         /* without link and newline */
		for (at = world->sent.text; (at = strstr(at, ":{\"c")) != NULL; at++)
			count++;
		at = expected + sprintf(expected, "2<{\"action\":\"scrape\",\"files\":{");
		for (unsigned i = 0; i < count; i++) {
			at += sprintf(at, "%s", i == 0 ? "" : ",");
			at += sprintf(at, file, i);
		}
		strcpy(at, "},\"flags\":{\"min_request_interval\":120}}\n");
		/* It stops at most two of the longest files before the limit. */
		CHECK(count == 30 || world->sent.length + 2 * 200 + 64 > limit);
		SENT(expected);
		world_free(world);
	}
	free(expected);
}

static void scrape_nothing(void)
{
	struct tracker_options options = usual_options();
	struct world *world;

	options.full_scrape = true;
	world = world_new(options);
	say(world, 1, "{'action':'scrape','info_hash':null}");
	SENT("1<{'action':'scrape','files':{}," FLAGS);
	world_free(world);
}

/* -- the rest ------------------------------------------------------------------------------- */

static void families(void)
{
	static const enum swarm_family family[] = { SWARM_IPV4, SWARM_IPV6, SWARM_LOCAL };
	const struct swarm_totals *totals;
	struct world *world = world_new(usual_options());
	char *message = expand(ANNOUNCE("A", "a", ""));

	totals = tracker_totals(world->tracker);
	for (uint32_t i = 0; i < 3; i++)
		tracker_message(world->tracker, i + 1, family[i], message, strlen(message), 5000);
	CHECK(totals->peers == 1 && totals->ipv4 == 1 && totals->ipv6 == 1);
	tracker_end(world->tracker, 1);
	CHECK(totals->ipv4 == 0 && totals->ipv6 == 1);
	tracker_end(world->tracker, 2);
	CHECK(totals->peers == 1 && totals->ipv4 == 0 && totals->ipv6 == 0);
	free(message);
	world_free(world);
}

#define WEBTORRENT(hash, rest) \
	"{'action':'announce','info_hash':'#" hash "','peer_id':'-WW0102-" rest "'}"

/* Each id is counted once under its client, however many memberships it has. */
static void clients(void)
{
	struct world *world = world_new(usual_options());
	struct stats_numbers numbers = { .server = "", .version = "",
		.clients = tracker_clients(world->tracker) };
	char *json = malloc(STATS_TEXT_MAX + 1);

	for (uint32_t link = 1; link <= 4; link++) {
		say(world, link, WEBTORRENT("A", "abcdefghijkl"));
		say(world, link, WEBTORRENT("B", "abcdefghijkl"));
	}
	say(world, 1, WEBTORRENT("A", "bcdefghijklm"));
	json[stats_json(&numbers, json)] = '\0';
	CHECK(strstr(json, "\"clients\":{\"WebTorrent\":{\"1.2\":2}}") != NULL);
	tracker_end(world->tracker, 1);
	tracker_end(world->tracker, 2);
	tracker_end(world->tracker, 3);
	json[stats_json(&numbers, json)] = '\0';
	CHECK(strstr(json, "\"clients\":{\"WebTorrent\":{\"1.2\":1}}") != NULL);
	free(json);
	world_free(world);
}

/* What a scrape of all says, added up. */
static unsigned members_scraped(struct world *world)
{
	static const char *const keys[] = { "\"complete\":", "\"incomplete\":" };
	unsigned members = 0;

	forget(world);
	say(world, LINKS, "{'action':'scrape'}");
	for (size_t i = 0; i < COUNT(keys); i++) {
		for (const char *at = world->sent.text; (at = strstr(at, keys[i])) != NULL; ) {
			at += strlen(keys[i]);
			members += (unsigned)strtoul(at, NULL, 10);
		}
	}
	forget(world);
	return members;
}

static void counts_agree(struct world *world)
{
	const struct swarm_totals *totals = tracker_totals(world->tracker);
	uint32_t members = 0;

	for (uint32_t link = 1; link <= LINKS; link++)
		members += tracker_link_count(world->tracker, link);
	CHECK(members == totals->members && totals->members <= 60 && totals->torrents <= 5);
	CHECK(totals->peers <= totals->members && totals->peers == totals->seeders_only +
	    totals->leechers_only + totals->seeders_and_leechers);
	CHECK(totals->ipv4 == totals->peers && members_scraped(world) == members);
}

/* Everything at random in small tables. */
static void at_random(void)
{
	static const char *const more[] = {
		"", ",'left':0", ",'event':'started'", ",'event':'completed'", ",'event':'stopped'",
		OFFERS(OFFER("x") "," OFFER("y") "," OFFER("z")), ANSWER("a", "x"),
		ANSWER("b", "y"), ",'event':'stopped'" ANSWER("c", "x"), ",'answer':{}"
	};
	struct tracker_options options = usual_options();
	struct world *world;
	uint64_t random = 3;
	char message[400];

	options.limits = (struct swarm_limits){ .links = LINKS, .torrents = 5, .members = 60,
		.per_link = 6 };
	options.full_scrape = true;
	world = world_new(options);
	for (int step = 0; step < 25000; step++) {
		uint32_t word, link;

		random = random * 6364136223846793005u + 1442695040888963407u;
		word = (uint32_t)(random >> 32);
		link = word % (LINKS - 1) + 1;
		world->now += word >> 8 & 4095;
		world->silent[link] = word >> 28 < 8 ? TRACKER_NEVER : word >> 20 & 4095;
		if (word >> 27 == 0)
			tracker_end(world->tracker, link);
		snprintf(message, sizeof message, "{'action':'announce','info_hash':'#%c',"
		    "'peer_id':'#%c'%s}", 'A' + (int)(word >> 4 & 7), 'a' + (int)(word >> 7 & 15),
		    more[(word >> 11) % COUNT(more)]);
		say(world, link, message);
		tracker_expire(world->tracker, world->now);
		forget(world);
		if (step % 16 == 0)
			counts_agree(world);
	}
	world_free(world);
}

int main(void)
{
	RUN(replies);
	RUN(counted);
	RUN(bytes_of_ids);
	RUN(intervals);
	RUN(downloads);
	RUN(keep_alives);
	RUN(failures);
	RUN(longest_failure);
	RUN(offers);
	RUN(offers_to_others);
	RUN(offers_to_many);
	RUN(answers);
	RUN(answers_to_all);
	RUN(answers_unusable);
	RUN(ownership);
	RUN(pings);
	RUN(fifth_socket);
	RUN(longest_silent);
	RUN(torrents_full);
	RUN(members_full);
	RUN(link_full);
	RUN(link_full_first);
	RUN(replaced_when_full);
	RUN(expiry);
	RUN(refreshing);
	RUN(pinged_by_client);
	RUN(late);
	RUN(scrapes);
	RUN(scrape_many);
	RUN(scrape_all);
	RUN(scrape_nothing);
	RUN(families);
	RUN(clients);
	RUN(at_random);
	return test_end();
}
