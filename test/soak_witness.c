/*
 * soak_witness.c - those that behave, and must not notice the others; see soak.h
 *
 * Pairs of peers stay from the start; a visitor comes, is served and goes, again and again.
 */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS 4                 /* ws and ws, ws and wss, wss and ws, wss and wss */
#define EXPECTED_MAX 2          /* messages that one waits for at a time */
#define SDP_MAX 3000            /* bytes: one that holds more than most may be ended for it */
#define PAUSE 0.3               /* s, the longest between two steps of a pair */
#define VISIT_PAUSE 0.5         /* s, the shortest from visit to visit */
#define SPENT_MAX 1.0           /* s of the processor that the server takes while one waits */
#define WAIT_MAX 10.0           /* s that one waits */
#define VISIT_STEPS 3           /* of a visit, each of which may take as long as one of a pair */

struct witness {
	struct peer peer;
	struct pair *pair;
	char *expected[EXPECTED_MAX];
	unsigned count;         /* of these */
};

/* Two that are alone in a torrent: so what either hears is known to the byte. */
struct pair {
	struct witness sides[2];
	struct id hash;
	unsigned steps;         /* begun */
	double since, spent;    /* the clock of the load, and what the server had spent, then */
	double next;            /* when the next one begins */
	double longest;         /* that one took, s */
	double most;            /* that the server spent meanwhile, s */
};

struct visitor {
	struct peer peer;
	double since, spent;    /* when it came, as in struct pair */
	bool served;
};

struct witnesses {
	struct load *load;
	struct visitor visitor;
	unsigned long visits;
	struct pair pairs[PAIRS];
};

/* --- what they wait for --- */

static unsigned waiting(const struct pair *pair)
{
	return pair->sides[0].count + pair->sides[1].count;
}

/* Takes the text. */
static void expect(struct witness *witness, char *message)
{
	CHECK(witness->count < EXPECTED_MAX);
	witness->expected[witness->count++] = message;
}

static void witness_heard(struct peer *peer, const char *message, size_t len)
{
	struct witness *witness = peer->witness;
	struct pair *pair = witness->pair;
	double took = peer->load->clock - pair->since, spent = peer->load->spent - pair->spent;

	CHECK_TEXT(message, witness->count == 0 ? "nothing" : witness->expected[0]);
	CHECK_NUMBER(len, strlen(witness->expected[0]));
	free(witness->expected[0]);
	witness->expected[0] = witness->expected[1];
	witness->count--;
	if (took > pair->longest)
		pair->longest = took;
	if (spent > pair->most)
		pair->most = spent;
	if (waiting(pair) == 0)
		pair->next = peer->load->clock + PAUSE * chance(peer->load, 100) / 100;
}

static void witness_lost(struct peer *peer)
{
	check_failed(__FILE__, __LINE__, "witness %u was dropped", peer->number);
}

static const struct kind witness_kind = { "witness", 1, WEBSOCKET, 0, false, 0x7f060001, NULL,
	witness_heard, witness_lost };

/* --- what they do --- */

static void expect_reply(struct witness *witness, unsigned peers)
{
	expect(witness, format_text("{'complete':0,'incomplete':%u,'action':'announce',"
	    "'interval':12,'info_hash':'%s'}", peers, witness->pair->hash.text));
}

/* The text of a description, with all that JSON and UTF-8 have. */
static char *sdp_make(struct load *load)
{
	static const char *const pieces[] = {
		"a=candidate:1 1 udp 2113937151 192.0.2.7 51234 typ host", "\\r\\n", "\\\"",
		"\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\xf0\x9f\x98\x80", "x", "'{}[],:",
		"\\\\", "\x7f"
	};
	struct text text = { NULL, 0, 0 };
	size_t len = 1 + chance(load, SDP_MAX - 60);
	const char *piece;

	while (text.len < len) {
		piece = pieces[chance(load, sizeof(pieces) / sizeof(pieces[0]))];
		text_add(&text, piece, strlen(piece));
	}
	return text.bytes;
}

/* An announce with an offer, or with an answer, which the other one gets as it is. */
static void relay(struct witness *from, struct witness *to, bool offer)
{
	struct load *load = from->peer.load;
	const char *what = offer ? "offer" : "answer", *hash = from->pair->hash.text;
	const char *id = from->peer.id.text;
	char *sdp = sdp_make(load), *body;
	unsigned number = load->serial++;

	body = format_text("{ 'type' : '%s','sdp':'%s' , 'n':[1e9,-0.50,null]}", what, sdp);
	expect(to, format_text("{'action':'announce','%s':%s,'offer_id':'%u','peer_id':'%s',"
	    "'info_hash':'%s'}", what, body, number, id, hash));
	if (offer) {
		expect_reply(from, 2);
		SAY(&from->peer, "{'action':'announce','info_hash':'%s','peer_id':'%s','offers':["
		    "{'offer':%s,'offer_id':'%u'}]}", hash, id, body, number);
	} else {
		SAY(&from->peer, "{'action':'announce','info_hash':'%s','peer_id':'%s',"
		    "'to_peer_id':'%s','offer_id':'%u','answer':%s}", hash, id, to->peer.id.text,
		    number, body);
	}
	free(body);
	free(sdp);
}

static void scrape(struct witness *witness)
{
	const char *hash = witness->pair->hash.text;

	expect(witness, format_text("{'action':'scrape','files':{'%s':{'complete':0,'incomplete':2,"
	    "'downloaded':0},'nobody is in there..':{'complete':0,'incomplete':0,'downloaded':0}},"
	    "'flags':{'min_request_interval':12}}", hash));
	SAY(&witness->peer, "{'action':'scrape','info_hash':['%s','nobody is in there..']}", hash);
}

/* Both come one after the other; from then on it is left to chance. */
static void pair_step(struct load *load, struct pair *pair)
{
	unsigned side = pair->steps < 2 ? pair->steps : chance(load, 2);
	unsigned draw = pair->steps < 2 ? 0 : chance(load, 8);
	struct witness *one = &pair->sides[side], *other = &pair->sides[1 - side];

	pair->since = load->clock;
	pair->spent = load->spent;
	if (draw == 0) {
		expect_reply(one, pair->steps == 0 ? 1 : 2);
		SAY(&one->peer, "{'action':'announce','info_hash':'%s','peer_id':'%s'}",
		    pair->hash.text, one->peer.id.text);
	} else if (draw == 1) {
		scrape(one);
	} else {
		relay(one, other, draw < 5);
	}
	pair->steps++;
}

/* --- the visitor --- */

static struct visitor *visitor_of(struct peer *peer)
{
	return (struct visitor *)(void *)peer;
}

static void visitor_act(struct peer *peer)
{
	SAY(peer, "{'action':'announce','info_hash':'%s','peer_id':'%s','event':'started'}",
	    peer->hash.text, peer->id.text);
}

/* The tables of peers and torrents may be full, that of connections is not. */
static void visitor_heard(struct peer *peer, const char *message, size_t len)
{
	(void)len;
	CHECK(!visitor_of(peer)->served);
	if (strstr(message, "tracker is full: no room") == NULL)
		CHECK_TEXT(message, format_text("{'complete':0,'incomplete':1,'action':'announce',"
		    "'interval':12,'info_hash':'%s'}", peer->hash.text));
	visitor_of(peer)->served = true;
	peer_frame(peer, FIN | CLOSE, "\x03\xe8", 2);
	peer->leaving = true;
}

static void visitor_lost(struct peer *peer)
{
	if (!visitor_of(peer)->served)
		check_failed(__FILE__, __LINE__, "a visitor was dropped");
}

static const struct kind visitor_kind = { "visitor", 1, WEBSOCKET, 0, false, 0x7f060002,
	visitor_act, visitor_heard, visitor_lost };

void witnesses_visit(struct witnesses *witnesses)
{
	struct visitor *visitor = &witnesses->visitor;
	struct load *load = witnesses->load;
	struct peer *peer = &visitor->peer;

	if (peer->state != PEER_CLOSED || load->clock - visitor->since < VISIT_PAUSE)
		return;
	peer->load = load;
	(void)snprintf(peer->id.text, sizeof(peer->id.text), "-WW0102-vis%09u", load->serial);
	(void)snprintf(peer->hash.text, sizeof(peer->hash.text), "visitor%013u", load->serial++);
	visitor->since = load->clock;
	visitor->spent = load->spent;
	visitor->served = false;
	peer_open(peer, &visitor_kind, false);
	witnesses->visits++;
}

static void visitor_check(const struct witnesses *witnesses)
{
	const struct visitor *visitor = &witnesses->visitor;
	double waits = (witnesses->load->clock - visitor->since) / VISIT_STEPS;
	double spent = (witnesses->load->spent - visitor->spent) / VISIT_STEPS;

	if (visitor->peer.state != PEER_CLOSED && (waits > WAIT_MAX || spent > SPENT_MAX))
		check_failed(__FILE__, __LINE__, "a visitor is there for %d times %.1f s, of the "
		    "server's %.1f s: %s", VISIT_STEPS, waits, spent,
		    visitor->served ? "served" : "not served");
}

/* --- all of them --- */

static void witness_open(struct load *load, struct pair *pair, unsigned number)
{
	struct witness *witness = &pair->sides[number % 2];

	witness->pair = pair;
	witness->peer.load = load;
	witness->peer.number = number;
	witness->peer.witness = witness;
	(void)snprintf(witness->peer.id.text, sizeof(witness->peer.id.text), "-WW0102-wit%09u",
	    number);
	peer_open(&witness->peer, &witness_kind, number / 2 >> (number % 2) & 1);
}

struct witnesses *witnesses_open(struct load *load)
{
	struct witnesses *witnesses = calloc(1, sizeof(*witnesses));
	struct pair *pair;
	unsigned i;

	CHECK(witnesses != NULL);
	witnesses->load = load;
	for (i = 0; i < PAIRS; i++) {
		pair = &witnesses->pairs[i];
		pair->since = pair->next = load->clock;
		pair->spent = load->spent;
		(void)snprintf(pair->hash.text, sizeof(pair->hash.text), "witness%013u", i);
		witness_open(load, pair, 2 * i);
		witness_open(load, pair, 2 * i + 1);
	}
	return witnesses;
}

static bool pair_is_open(const struct pair *pair)
{
	return pair->sides[0].peer.websocket && pair->sides[1].peer.websocket;
}

static void pair_check(const struct load *load, const struct pair *pair)
{
	double waits = load->clock - pair->since, spent = load->spent - pair->spent;

	if (waits > WAIT_MAX || spent > SPENT_MAX)
		check_failed(__FILE__, __LINE__, "witness %u or the next one waits for %.1f s, of "
		    "the server's %.1f s, in step %u", pair->sides[0].peer.number, waits, spent,
		    pair->steps);
}

void witnesses_act(struct witnesses *witnesses)
{
	struct load *load = witnesses->load;
	struct pair *pair;
	unsigned i;

	visitor_check(witnesses);
	for (i = 0; i < PAIRS; i++) {
		pair = &witnesses->pairs[i];
		if (!pair_is_open(pair) || waiting(pair) > 0) {
			pair_check(load, pair);
		} else if (load->clock >= pair->next) {
			pair_step(load, pair);
		}
	}
}

double witnesses_wait(const struct witnesses *witnesses)
{
	const struct visitor *visitor = &witnesses->visitor;
	double longest = 0, wait;
	unsigned i;

	if (visitor->peer.state != PEER_CLOSED)
		longest = (witnesses->load->clock - visitor->since) / VISIT_STEPS;
	for (i = 0; i < PAIRS; i++) {
		wait = witnesses->load->clock - witnesses->pairs[i].since;
		if (waiting(&witnesses->pairs[i]) > 0 && wait > longest)
			longest = wait;
	}
	return longest;
}

bool witnesses_met(const struct witnesses *witnesses)
{
	unsigned i, met = 0;

	for (i = 0; i < PAIRS; i++)
		met += witnesses->pairs[i].steps > 2;
	return met == PAIRS;
}

static void peer_free(struct peer *peer)
{
	peer_close(peer);
	free(peer->channel);
	free(peer->in.bytes);
	free(peer->out.bytes);
}

static void witness_close(struct witness *witness)
{
	peer_free(&witness->peer);
	while (witness->count > 0)
		free(witness->expected[--witness->count]);
}

void witnesses_close(struct witnesses *witnesses, struct testimony *testimony)
{
	struct pair *pair;

	testimony->visits += witnesses->visits;
	peer_free(&witnesses->visitor.peer);
	for (pair = witnesses->pairs; pair < witnesses->pairs + PAIRS; pair++) {
		witness_close(&pair->sides[0]);
		witness_close(&pair->sides[1]);
		if (pair->longest > testimony->longest)
			testimony->longest = pair->longest;
		if (pair->most > testimony->spent)
			testimony->spent = pair->most;
		testimony->steps += pair->steps;
	}
	free(witnesses);
}
