/* soak_kinds.c - how each kind of peer behaves, and misbehaves; see soak.h */
#include "soak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MIDDLE_SWARMS 300       /* of a handful of peers each */
#define TLS_PERCENT 30          /* of those that could speak either */
#define SHARED_IDS 6            /* that many use at a time, */
#define SHARED_SWARMS 3         /* in these */
#define CROWDED_ADDRESS 0x7f050505
#define HUGE_BYTES 204800       /* of a message that is nearly too long */
#define FLOOD 300               /* messages in one write: more than --max-rate may be twice that */

/* --- messages --- */

static const char junk[] = "0123456789abcdefghijklmnop\x01\x7f\x80\xff\xc3\x28 {}[]\":,\\";

static const char *sdp(unsigned len)
{
	static char text[HUGE_BYTES + 1];

	if (text[0] == '\0')
		memset(text, 'v', HUGE_BYTES);
	return text + HUGE_BYTES - len;
}

static struct id id_shared(const char *prefix, unsigned number)
{
	int digits = 20 - (int)strlen(prefix);
	struct id id;

	(void)snprintf(id.text, sizeof(id.text), "%s%0*u", prefix, digits, number);
	return id;
}

/* One that nobody had before. */
static struct id id_new(struct load *load, const char *prefix)
{
	return id_shared(prefix, load->serial++);
}

/* A torrent: the largest one, one of many, or one of its own. */
static struct id hash_choose(struct load *load)
{
	unsigned draw = chance(load, 100);

	if (draw < 25)
		return id_shared("large", 0);
	return draw < 92 ? id_shared("middle", chance(load, MIDDLE_SWARMS)) : id_new(load, "alone");
}

/* So many offers, as further keys. */
static char *offers(struct load *load, unsigned count, unsigned bytes)
{
	struct text text = { NULL, 0, 0 };
	unsigned i;

	text_format(&text, ",'offers':[");
	for (i = 0; i < count; i++)
		text_format(&text, "%s{'offer':{'type':'offer','sdp':'%s'},'offer_id':'%020u'}",
		    i == 0 ? "" : ",", sdp(bytes), load->serial++);
	text_format(&text, "]");
	return text.bytes;
}

static void announce(struct peer *peer, const char *keys)
{
	SAY(peer, "{'action':'announce','info_hash':'%s','peer_id':'%s','left':%u%s}",
	    peer->hash.text, peer->id.text, peer->number % 3, keys);
}

static void announce_offers(struct peer *peer, unsigned count, unsigned bytes)
{
	char *keys = offers(peer->load, count, bytes);

	announce(peer, keys);
	free(keys);
}

static void join(struct peer *peer)
{
	peer->id = id_new(peer->load, peer->number % 5 == 0 ? "-TR4050-" : "-WW0102-");
	peer->hash = hash_choose(peer->load);
	announce(peer, ",\"event\":\"started\"");
}

/* The value of a string's key, which holds nothing that is escaped. */
static bool value_of(const char *message, const char *key, char value[64])
{
	const char *at = strstr(message, key);
	size_t len;

	if (at == NULL)
		return false;
	at += strlen(key);
	len = strcspn(at, "\"");
	if (len > 63)
		return false;
	memcpy(value, at, len);
	value[len] = '\0';
	return true;
}

/* --- those that behave --- */

static void answer(struct peer *peer, const char *message)
{
	char to[64], offer[64], hash[64];

	if (value_of(message, "\"peer_id\":\"", to) &&
	    value_of(message, "\"offer_id\":\"", offer) &&
	    value_of(message, "\"info_hash\":\"", hash))
		SAY(peer, "{'action':'announce','info_hash':'%s','peer_id':'%s','to_peer_id':'%s',"
		    "'offer_id':'%s','answer':{'type':'answer','sdp':'%s'}}", hash, peer->id.text,
		    to, offer, sdp(400));
}

static void member_heard(struct peer *peer, const char *message, size_t len)
{
	const char *name = "a reply";

	if (strstr(message, "\"offer\":") != NULL) {
		name = "an offer";
		if (chance(peer->load, 2) == 0 && peer->out.len < OUT_MAX)
			answer(peer, message);
	} else if (strstr(message, "\"answer\":") != NULL) {
		name = "an answer";
	} else if (strstr(message, "\"files\":") != NULL) {
		name = "a scrape";
	}
	(void)len;
	tally(peer->load, name, strlen(name));
}

static void scrape_many(struct peer *peer, unsigned count)
{
	struct text text = { NULL, 0, 0 };
	unsigned i;

	text_format(&text, "{'action':'scrape','info_hash':[");
	for (i = 0; i < count; i++)
		text_format(&text, "%s'%s'", i == 0 ? "" : ",", hash_choose(peer->load).text);
	text_format(&text, "]}");
	peer_say_text(peer, text.bytes);
}

/* Any of what real clients do. */
static void member_act(struct peer *peer)
{
	struct load *load = peer->load;
	unsigned draw = peer->acts == 0 ? 0 : 1 + chance(load, 100);

	if (draw == 0 || draw > 97)
		join(peer);
	else if (draw < 45)
		announce_offers(peer, 1 + chance(load, 5), 200 + chance(load, 1800));
	else if (draw < 60)
		announce(peer, "");
	else if (draw < 66)
		announce(peer, ",\"event\":\"completed\"");
	else if (draw < 72)
		announce(peer, ",\"event\":\"stopped\"");
	else if (draw < 80)
		SAY(peer, "{'action':'scrape','info_hash':'%s'}", peer->hash.text);
	else if (draw < 86)
		scrape_many(peer, chance(load, 40));
	else if (draw == 86)
		SAY(peer, "{'action':'scrape'}");
	else if (draw < 92)
		peer_frame(peer, FIN | PING, "0123456789", chance(load, 10));
	else
		SAY(peer, "{}");
}

static void idle_act(struct peer *peer)
{
	if (peer->acts == 0)
		join(peer);
}

/* In the torrent that certainly is there. */
static void settler_act(struct peer *peer)
{
	if (peer->acts > 0)
		return;
	peer->id = id_new(peer->load, "-WW0102-");
	peer->hash = id_shared("large", 0);
	announce(peer, "");
}

static void reader_act(struct peer *peer)
{
	static const char *const requests[] = {
		"GET /stats HTTP/1.1\r\nAccept: text/html\r\n\r\n", "GET /stats HTTP/1.1\r\n\r\n",
		"GET /stats.json HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /none HTTP/1.1\r\n\r\n",
		"GET /stats HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
	};
	unsigned times = chance(peer->load, 4) == 0 ? 6 : 1, i;
	const char *request;

	for (i = 0; i < times; i++) {
		request = requests[chance(peer->load, sizeof(requests) / sizeof(requests[0]))];
		peer_write(peer, request, strlen(request));
	}
}

/* --- those that are slow, or many --- */

static void silent_act(struct peer *peer)
{
	(void)peer;
}

static void slow_head_act(struct peer *peer)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

	peer_write(peer, peer->acts < sizeof(head) - 1 ? head + peer->acts : "x", 1);
}

static void slow_body_act(struct peer *peer)
{
	/* The head of a frame of 200,000 bytes, whose mask is zeros. */
	static const unsigned char head[14] = { 0x81, 0xff, 0, 0, 0, 0, 0, 3, 0x0d, 0x40 };

	if (peer->acts == 0)
		peer_write(peer, head, sizeof(head));
	else if (peer->acts % 3 == 0)
		peer_write(peer, sdp(20000), 20000);
	else
		peer_write(peer, "x", 1);
}

/* Reads nothing while it is a member of the largest torrent, and asks for the longest answers. */
static void sloth_act(struct peer *peer)
{
	int i;

	if (peer->acts == 0) {
		join(peer);
		peer->hash = id_shared("large", 0);
		announce(peer, "");
		peer_turn_deaf(peer);
	}
	announce_offers(peer, 5, 2000);
	for (i = 0; i < 8; i++)
		SAY(peer, "{'action':'scrape'}");
}

static void deaf_reader_act(struct peer *peer)
{
	int i;

	if (!peer->deaf)
		peer_turn_deaf(peer);
	for (i = 0; i < 30 && peer->out.len < OUT_MAX; i++)
		reader_act(peer);
}

/* Many at one address. */
static void crowded_act(struct peer *peer)
{
	if (peer->acts % 4 == 0)
		reader_act(peer);
}

/* Ids that others have at the same time, in the same torrents. */
static void twin_act(struct peer *peer)
{
	if (peer->acts == 0) {
		peer->id = id_shared("-WW0102-twin", chance(peer->load, SHARED_IDS));
		peer->hash = id_shared("twins", chance(peer->load, SHARED_SWARMS));
	}
	announce_offers(peer, 2, 300);
}

/* More torrents than one connection may have. */
static void hoarder_act(struct peer *peer)
{
	int i;

	for (i = 0; i < 10; i++) {
		peer->id = id_new(peer->load, "-WW0102-");
		peer->hash = chance(peer->load, 2) == 0 ? id_new(peer->load, "hoard") :
		    hash_choose(peer->load);
		announce(peer, "");
	}
}

/* --- those that break the rules of HTTP and WebSocket --- */

static void bad_http_act(struct peer *peer)
{
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		    "Sec-WebSocket-Version: 8\r\n\r\n",
		"GET / HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n",
		"GET / HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Key: short\r\n"
		    "Sec-WebSocket-Version: 13\r\n\r\n",
		"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "DELETE / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n", "nonsense\r\n\r\n", "\r\n\r\n\r\n", "GET\t/\r\n\r\n"
	};
	const char *request = requests[chance(peer->load, sizeof(requests) / sizeof(requests[0]))];

	peer_write(peer, request, strlen(request));
}

static void long_head_act(struct peer *peer)
{
	static const char start[] = "GET / HTTP/1.1\r\nX-Long: ";

	if (peer->acts == 0)
		peer_write(peer, start, sizeof(start) - 1);
	peer_write(peer, sdp(3000), 3000);
}

static void bad_frame_act(struct peer *peer)
{
	static const struct {
		const char *bytes;
		size_t len;
	} frames[] = {
		{ "\x81\x05hello", 7 }, { "\xf1\x80zzzz", 6 }, { "\x83\x80zzzz", 6 },
		{ "\x8b\x80zzzz", 6 }, { "\x09\x80zzzz", 6 }, { "\x89\xfe\x00\x7ezzzz", 8 },
		{ "\x80\x80zzzz", 6 }, { "\x81\xff\x80\0\0\0\0\0\0\0zzzz", 14 },
		{ "\x81\xff\0\0\0\0\0\x04\x93\xe0zzzz", 14 }, { "\x81\xfe\x00\x05zzzzabcde", 13 },
		{ "\x88\x81zzzzz", 7 }, { "\x88\x82\0\0\0\0\x03\xed", 8 },
		{ "\x88\x83\0\0\0\0\x03\xe8\xff", 9 }, { "\x81\x82\0\0\0\0\xc3\x28", 8 },
		{ "\x82\x81\0\0\0\0\xff", 7 }, { "\x01\x81zzzzz\x01\x81zzzzz", 14 }
	};
	unsigned draw = chance(peer->load, sizeof(frames) / sizeof(frames[0]));

	peer_write(peer, frames[draw].bytes, frames[draw].len);
}

/* Fragments without end, with pings between. */
static void fragments_act(struct peer *peer)
{
	struct text text = { NULL, 0, 0 };
	unsigned size = 1 + chance(peer->load, 1000), i;

	for (i = 0; i < 60; i++) {
		frame_add(&text, peer->acts + i == 0 ? TEXT : CONTINUATION, sdp(size), size);
		if (i % 8 == 7)
			frame_add(&text, FIN | PING, "between", 7);
	}
	peer_write(peer, text.bytes, text.len);
	free(text.bytes);
}

/* --- those that say too much, or nonsense --- */

/* Hundreds of messages in one write; twice as many are more than --max-rate. */
static void flood_act(struct peer *peer)
{
	unsigned times = FLOOD * (1 + chance(peer->load, 8) / 7), i;
	struct text text = { NULL, 0, 0 };
	char *message;

	if (peer->acts == 0)
		join(peer);
	message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}",
	    peer->hash.text, peer->id.text);
	for (i = 0; i < times; i++)
		frame_add(&text, FIN | TEXT, message, strlen(message));
	peer_write(peer, text.bytes, text.len);
	free(text.bytes);
	free(message);
}

static void pings_act(struct peer *peer)
{
	struct text text = { NULL, 0, 0 };
	int i;

	for (i = 0; i < FLOOD; i++)
		frame_add(&text, FIN | (i % 3 == 0 ? PONG : PING), sdp(125), 125);
	peer_write(peer, text.bytes, text.len);
	free(text.bytes);
}

/* Messages as long as they may be, for others to take: one goes to each of many. */
static void huge_act(struct peer *peer)
{
	if (peer->acts == 0)
		join(peer);
	else if (peer->acts % 4 == 1)
		announce_offers(peer, 1, HUGE_BYTES - 1000);
	else if (peer->acts % 4 == 3)
		announce_offers(peer, 40, 4000);
}

static void oversized_act(struct peer *peer)
{
	if (peer->acts == 0)
		announce_offers(peer, 2, HUGE_BYTES);
}

static void bad_json_act(struct peer *peer)
{
	static const char *const messages[] = {
		"", "null", "[1", "5", "{'action':'announce'}", "{'action':7}", "{'action':'fly'}",
		"{'action':'announce','info_hash':'short','peer_id':'-WW0102-000000000001'}",
		"{'action':'announce','info_hash':'large000000000000000','peer_id':'\\ud800'}",
		"{'action':'announce','info_hash':'large000000000000000',"
		    "'peer_id':'-WW0102-000000000001','answer':{},'to_peer_id':'x'}",
		"{'action':'announce','info_hash':'large000000000000000',"
		    "'peer_id':'-WW0102-000000000001','offers':[null,5,{'offer':{}}],'left':1e400}",
		"{'action':'scrape','info_hash':5}", "{'action':'scrape','info_hash':[5]}",
		"{'action':'announce','info_hash':'large000000000000000',"
		    "'peer_id':'\\u0100aaaaaaaaaaaaaaaaaaa'}", "{'a':1,}"
	};

	peer_say_text(peer, text_quoted(messages[chance(peer->load,
	    sizeof(messages) / sizeof(messages[0]))]));
}

static void deep_json_act(struct peer *peer)
{
	char *text = text_repeat(chance(peer->load, 2) == 0 ? "[" : "{\"a\":", 20000);

	peer_say_text(peer, text);
}

/* A valid message with some of its bytes changed, or cut short. */
static void mutant_act(struct peer *peer)
{
	struct load *load = peer->load;
	char *keys = offers(load, 1, 40), *message;
	size_t len;
	int i;

	if (peer->acts == 0)
		join(peer);
	message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'%s}",
	    peer->hash.text, peer->id.text, keys);
	len = strlen(message);
	for (i = 0; i < 3; i++)
		message[chance(load, (unsigned)len)] = junk[chance(load, sizeof(junk) - 1)];
	peer_frame(peer, FIN | (chance(load, 2) == 0 ? TEXT : BINARY), message,
	    chance(load, 2) == 0 ? len : chance(load, (unsigned)len));
	free(message);
	free(keys);
}

/* --- those that break the rules of TLS --- */

static void tls_half_act(struct peer *peer)
{
	if (peer->acts == 0)
		peer_write_raw(peer, peer->hello.bytes, 1 + chance(peer->load,
		    (unsigned)peer->hello.len - 1));
}

static void tls_drip_act(struct peer *peer)
{
	if (peer->acts < peer->hello.len)
		peer_write_raw(peer, peer->hello.bytes + peer->acts, 1);
}

static void tls_silent_act(struct peer *peer)
{
	if (peer->acts == 0)
		peer_write_raw(peer, peer->hello.bytes, peer->hello.len);
}

static void tls_junk_act(struct peer *peer)
{
	char record[5 + 64] = "\x16\x03\x03\x00\x40";
	size_t i;

	if (peer->acts == 0 && chance(peer->load, 2) == 0)
		peer_write_raw(peer, peer->hello.bytes, peer->hello.len);
	for (i = 5; i < sizeof(record); i++)
		record[i] = (char)chance(peer->load, 256);
	record[0] = (char)(0x14 + chance(peer->load, 5));
	peer_write_raw(peer, record, peer->acts == 0 ? sizeof(record) : chance(peer->load, 69));
}

/* Empty records before a hello, many at once; those of alerts and data too. */
static void tls_empty_act(struct peer *peer)
{
	char records[200 * 5];
	size_t i;

	for (i = 0; i < sizeof(records); i += 5)
		memcpy(records + i, chance(peer->load, 20) == 0 ? "\x15\x03\x01\0" :
		    "\x16\x03\x01\0", 5);
	peer_write_raw(peer, records, sizeof(records));
}

/* And after the handshake, encrypted. */
static void tls_void_act(struct peer *peer)
{
	int i;

	for (i = 0; i < 50 && peer->secure; i++)
		channel_output_empty(peer->channel);
	if (peer->acts == 0)
		join(peer);
}

static void tls_broken_act(struct peer *peer)
{
	char record[5 + 32] = "\x17\x03\x03\x00\x20";

	if (peer->acts == 0)
		join(peer);
	else
		peer_write_raw(peer, record, sizeof(record));
}

/* --- all of them --- */

static const struct kind good_kinds[] = {
	{ "member", 60, WEBSOCKET, 16, false, 0, member_act, member_heard, NULL },
	{ "idle", 15, WEBSOCKET, 30, false, 0, idle_act, member_heard, NULL },
	{ "reader", 10, BARE_TLS, 6, false, 0, reader_act, NULL, NULL },
	{ "twin", 6, WEBSOCKET, 12, false, 0, twin_act, member_heard, NULL },
	{ NULL, 0, BARE, 0, false, 0, NULL, NULL, NULL }
};

static const struct kind bad_kinds[] = {
	{ "silent", 6, BARE, 30, false, 0, silent_act, NULL, NULL },
	{ "slow head", 6, BARE_TLS, 30, false, 0, slow_head_act, NULL, NULL },
	{ "slow body", 8, WEBSOCKET, 20, false, 0, slow_body_act, NULL, NULL },
	{ "sloth", 10, WEBSOCKET, 16, true, 0, sloth_act, NULL, NULL },
	{ "deaf reader", 5, BARE_TLS, 8, true, 0, deaf_reader_act, NULL, NULL },
	{ "crowded", 12, BARE_TLS, 40, false, CROWDED_ADDRESS, crowded_act, NULL, NULL },
	{ "hoarder", 4, WEBSOCKET, 12, false, 0, hoarder_act, member_heard, NULL },
	{ "bad HTTP", 6, BARE_TLS, 3, false, 0, bad_http_act, NULL, NULL },
	{ "long head", 3, BARE_TLS, 6, false, 0, long_head_act, NULL, NULL },
	{ "bad frame", 8, WEBSOCKET, 3, false, 0, bad_frame_act, NULL, NULL },
	{ "fragments", 5, WEBSOCKET, 12, false, 0, fragments_act, NULL, NULL },
	{ "flood", 3, WEBSOCKET, 6, false, 0, flood_act, NULL, NULL },
	{ "pings", 3, WEBSOCKET, 6, false, 0, pings_act, NULL, NULL },
	{ "huge", 3, WEBSOCKET, 12, false, 0, huge_act, member_heard, NULL },
	{ "oversized", 3, WEBSOCKET, 4, false, 0, oversized_act, NULL, NULL },
	{ "bad JSON", 6, WEBSOCKET, 10, false, 0, bad_json_act, NULL, NULL },
	{ "deep JSON", 2, WEBSOCKET, 4, false, 0, deep_json_act, NULL, NULL },
	{ "mutant", 6, WEBSOCKET, 10, false, 0, mutant_act, member_heard, NULL },
	{ "TLS half", 6, HELLO, 30, false, 0, tls_half_act, NULL, NULL },
	{ "TLS drip", 5, HELLO, 60, false, 0, tls_drip_act, NULL, NULL },
	{ "TLS silent", 8, HELLO, 30, false, 0, tls_silent_act, NULL, NULL },
	{ "TLS junk", 6, HELLO, 6, false, 0, tls_junk_act, NULL, NULL },
	{ "TLS empty", 4, HELLO, 8, false, 0, tls_empty_act, NULL, NULL },
	{ "TLS void", 4, WEBSOCKET, 8, false, 0, tls_void_act, NULL, NULL },
	{ "TLS broken", 4, WEBSOCKET, 4, false, 0, tls_broken_act, NULL, NULL },
	{ NULL, 0, BARE, 0, false, 0, NULL, NULL, NULL }
};

static const struct kind settlers[] = {
	{ "settler", 1, WEBSOCKET, 40, false, 0, settler_act, member_heard, NULL },
	{ NULL, 0, BARE, 0, false, 0, NULL, NULL, NULL }
};

void kind_open(struct peer *peer, enum sort sort)
{
	static const struct kind *const sorts[] = {
		[GOOD] = good_kinds, [BAD] = bad_kinds, [SETTLER] = settlers
	};
	const struct kind *kind;
	unsigned total = 0, draw;

	for (kind = sorts[sort]; kind->name != NULL; kind++)
		total += kind->weight;
	draw = chance(peer->load, total);
	for (kind = sorts[sort]; draw >= kind->weight; kind++)
		draw -= kind->weight;
	/* Who has to wait for a handshake would settle late. */
	peer_open(peer, kind, (kind->opening == WEBSOCKET || kind->opening == BARE_TLS) &&
	    sort != SETTLER && chance(peer->load, 100) < TLS_PERCENT);
}

bool kind_is_settler(const struct kind *kind)
{
	return kind == settlers;
}

void kind_leave(struct peer *peer)
{
	struct load *load = peer->load;
	unsigned draw = peer->leaving || peer->mute ? 3 : chance(load, 10);

	if (peer->state == PEER_OPEN && peer->websocket && draw < 3) {
		peer_frame(peer, FIN | CLOSE, "\x03\xe8", 2);
		peer->leaving = true;
	} else if (peer->state != PEER_CONNECTING && draw == 8) {
		/* Gone without a word, as far as the server can tell. */
		peer_turn_deaf(peer);
		peer->mute = true;
	} else if (peer->state != PEER_CONNECTING && draw == 9) {
		(void)shutdown(peer->fd, SHUT_WR);
		peer->leaving = true;
	} else if (draw == 7) {
		peer_reset(peer);
	} else {
		peer_close(peer);
	}
}
