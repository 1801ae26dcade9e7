/* bb_frames.c - WebSocket frames, messages, pings and closing. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT (256u * 1024u)   /* default of --max-message */

/* An announce padded with blanks to exactly so many bytes. */
static char *message_of(struct id hash, size_t len)
{
	struct text text = { NULL, 0, 0 };

	text_format(&text, "{'action':'announce','info_hash':'%s','peer_id':'%s'", hash.text,
	    id_peer().text);
	CHECK(text.len < len);
	while (text.len + 1 < len)
		text_add(&text, " ", 1);
	text_add(&text, "}", 1);
	return text.bytes;
}

static void frames_binary(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	char *message = message_of(hash, 200);

	client_frame(client, FIN | BINARY, message, 200);
	REPLY(client, 0, 1, hash);
	client_frame(client, BINARY, message, 50);
	client_frame(client, FIN | CONTINUATION, message + 50, 150);
	REPLY(client, 0, 1, hash);
}

/* The lengths at which the form of a frame's head changes, for both directions. */
static void frames_lengths(void)
{
	static const size_t lengths[] = { 124, 125, 126, 127, 128, 1000, 65535, 65536, 65537 };
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	char *message, *pad;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		test_case("%zu bytes", lengths[i]);
		message = message_of(hash, lengths[i]);
		client_frame(client, FIN | TEXT, message, lengths[i]);
		CHECK_CONTAINS(HEAR(client), "\"interval\":120");
	}
	JOIN(other, hash, id_peer(), "");
	client_close(client);
	client = client_open(server);
	for (i = 0; i < 140; i++) {
		pad = text_repeat("x", i);
		client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s','offers':"
		    "[{'offer':{'sdp':'%s'},'offer_id':''}]}", hash.text, from.text, pad);
		CHECK_CONTAINS(HEAR(client), "\"interval\":120");
		EXPECT(other, "{'action':'announce','offer':{'sdp':'%s'},'offer_id':'',"
		    "'peer_id':'%s','info_hash':'%s'}", pad, from.text, hash.text);
	}
}

static void frames_fragments(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	char *message = message_of(hash, 180);
	size_t i;

	client_frame(client, TEXT, message, 90);
	client_frame(client, FIN | CONTINUATION, message + 90, 90);
	REPLY(client, 0, 1, hash);
	client_frame(client, TEXT, "", 0);
	client_frame(client, CONTINUATION, message, 180);
	client_frame(client, CONTINUATION, "", 0);
	client_frame(client, FIN | CONTINUATION, "", 0);
	REPLY(client, 0, 1, hash);
	client_frame(client, TEXT, message, 1);
	for (i = 1; i < 179; i++)
		client_frame(client, CONTINUATION, message + i, 1);
	client_frame(client, FIN | CONTINUATION, message + 179, 1);
	REPLY(client, 0, 1, hash);
}

/* Pings between the fragments are answered before the message is whole. */
static void frames_fragments_pings(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	char *message = message_of(hash, 120);
	size_t i;

	client_frame(client, TEXT, message, 1);
	for (i = 1; i < 119; i++) {
		SILENT(client);
		client_frame(client, FIN | PONG, "x", 1);
		client_frame(client, CONTINUATION, message + i, 1);
	}
	SILENT(client);
	client_frame(client, FIN | CONTINUATION, message + 119, 1);
	REPLY(client, 0, 1, hash);
	SILENT(client);
}

/* A code point of two and of four bytes, cut between fragments at each place. */
static void frames_fragments_utf8(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id id = id_peer();
	char *hash = text_repeat("\xc3\xbf", 20), *message;
	size_t cut, len;

	message = format_text("{'x':'\xf0\x9f\x98\x80','action':'announce','info_hash':'%s',"
	    "'peer_id':'%s'}", hash, id.text);
	len = strlen(message);
	for (cut = 1; cut < len; cut++) {
		test_case("cut at %zu", cut);
		client_frame(client, TEXT, message, cut);
		SILENT(client);
		client_frame(client, FIN | CONTINUATION, message + cut, len - cut);
		EXPECT(client, "{'complete':0,'incomplete':1,'action':'announce','interval':120,"
		    "'info_hash':'%s'}", hash);
	}
}

/* As libtorrent writes: 7.4 KB with ten offers, a frame of 4,096 bytes, the rest a little later. */
static void frames_libtorrent(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct text text = { NULL, 0, 0 };
	char *pad = text_repeat("a=candidate ", 50);
	int i;

	JOIN(other, hash, id_peer(), "");
	text_format(&text, "{'action':'announce','info_hash':'%s','peer_id':'%s','corrupt':0,"
	    "'key':'1B2C','numwant':10,'event':'completed','offers':[", hash.text, id.text);
	for (i = 0; i < 10; i++)
		text_format(&text, "%s{'offer_id':'o%d','offer':{'type':'offer','sdp':'%s'}}",
		    i == 0 ? "" : ",", i, pad);
	text_format(&text, "]}");
	client_frame(client, TEXT, text.bytes, 4096);
	time_wait(0.04);
	client_frame(client, FIN | CONTINUATION, text.bytes + 4096, text.len - 4096);
	REPLY(client, 1, 1, hash);
	EXPECT(other, "{'action':'announce','offer':{'type':'offer','sdp':'%s'},'offer_id':'o0',"
	    "'peer_id':'%s','info_hash':'%s'}", pad, id.text, hash.text);
	client_frame(client, FIN | PING, "", 0);
	client_frame(client, FIN | CLOSE, "", 0);
}

static void frames_masks(void)
{
	static const unsigned char masks[][4] = {
		{ 0, 0, 0, 0 }, { 255, 255, 255, 255 }, { 1, 2, 3, 4 }, { 0x22, 0x22, 0x22, 0x22 }
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	unsigned char frame[6 + 120];
	char *message = message_of(hash, 120);
	size_t i, j;

	for (i = 0; i < 4; i++) {
		frame[0] = FIN | TEXT;
		frame[1] = 0x80 | 120;
		memcpy(frame + 2, masks[i], 4);
		for (j = 0; j < 120; j++)
			frame[6 + j] = (unsigned char)((unsigned char)message[j] ^ masks[i][j % 4]);
		client_write(client, frame, sizeof(frame));
		REPLY(client, 0, 1, hash);
	}
}

/* Many messages in one segment are answered in order. */
static void frames_together(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct text text = { NULL, 0, 0 };
	struct id hash[3] = { id_hash(), id_hash(), id_hash() };
	struct frame frame;
	char *message, payload[16];
	int i;

	for (i = 0; i < 12; i++) {
		message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}",
		    hash[i % 3].text, "-WW0102-aaaaaaaaaaaa");
		frame_add(&text, FIN | TEXT, message, strlen(message));
		(void)snprintf(payload, sizeof(payload), "ping %d", i);
		frame_add(&text, FIN | PING, payload, strlen(payload));
	}
	client_write(client, text.bytes, text.len);
	for (i = 0; i < 12; i++) {
		REPLY(client, 0, 1, hash[i % 3]);
		CHECK(client_next(client, &frame, 5) == NEXT_FRAME && frame.opcode == PONG);
		(void)snprintf(payload, sizeof(payload), "ping %d", i);
		CHECK_TEXT(frame.payload, payload);
	}
}

static void frames_keepalive(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	int i;

	for (i = 0; i < 3; i++) {
		client_frame(client, FIN | TEXT, "", 0);
		client_frame(client, FIN | BINARY, "", 0);
		client_say_text(client, "{}");
		client_frame(client, FIN | BINARY, "{}", 2);
		client_frame(client, TEXT, "{", 1);
		client_frame(client, FIN | CONTINUATION, "}", 1);
		client_frame(client, TEXT, "", 0);
		client_frame(client, FIN | CONTINUATION, "", 0);
	}
	SILENT(client);
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

static void frames_ping(void)
{
	static const size_t lengths[] = { 0, 1, 2, 20, 124, 125 };
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct frame frame;
	char payload[125];
	size_t i;

	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (char)(i * 7 + 128);   /* no text, and it need not be */
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		test_case("%zu bytes", lengths[i]);
		client_frame(client, FIN | PING, payload, lengths[i]);
		CHECK(client_next(client, &frame, 5) == NEXT_FRAME);
		CHECK_NUMBER(frame.opcode, PONG);
		CHECK_NUMBER(frame.len, lengths[i]);
		CHECK(memcmp(frame.payload, payload, frame.len) == 0);
	}
	client_frame(client, FIN | PONG, "", 0);
	client_frame(client, FIN | PONG, payload, 125);
	SILENT(client);
}

/* --- what closes a connection --- */

static void frames_not_utf8(void)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\x80", 1 }, { "\xff", 1 }, { "{\"a\":\"\xe9\"}", 9 }, { "\xc0\x80", 2 },
		{ "\xc1\xbf", 2 }, { "\xe0\x80\x80", 3 }, { "\xed\xa0\x80", 3 },
		{ "\xed\xbf\xbf", 3 }, { "\xf0\x80\x80\x80", 4 }, { "\xf4\x90\x80\x80", 4 },
		{ "\xf8\x88\x80\x80\x80", 5 }, { "{}\xc3", 3 }, { "{}\xe2\x82", 4 },
		{ "{}\xf0\x9f\x98", 5 }, { "\xc3(", 2 }
	};
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;
	int form;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (form = 0; form < 3; form++) {
			test_case("%s, form %d", cases[i].bytes, form);
			client = client_open(server);
			if (form == 2) {
				client_frame(client, TEXT, cases[i].bytes, 1);
				client_frame(client, FIN | CONTINUATION, cases[i].bytes + 1,
				    cases[i].len - 1);
			} else {
				client_frame(client, FIN | (form == 0 ? TEXT : BINARY),
				    cases[i].bytes,
				    cases[i].len);
			}
			CLOSED(client, 1007);
			client_close(client);
		}
}

#define PLAIN 0x100   /* tells a continuation, whose first byte is 0, from no frame */

/* Frames that break the protocol. */
static const struct {
	const char *what;
	unsigned first[3];   /* of up to three frames, 0: none */
	size_t len;          /* of each */
} broken[] = {
	{ "RSV1", { FIN | RSV1 | TEXT }, 2 },
	{ "RSV2", { FIN | RSV2 | TEXT }, 2 },
	{ "RSV3", { FIN | RSV3 | TEXT }, 2 },
	{ "RSV1 on a ping", { FIN | RSV1 | PING }, 0 },
	{ "RSV1 on a continuation", { TEXT, FIN | RSV1 | CONTINUATION }, 1 },
	{ "opcode 3", { FIN | 3 }, 2 }, { "opcode 4", { FIN | 4 }, 2 },
	{ "opcode 5", { FIN | 5 }, 2 }, { "opcode 6", { FIN | 6 }, 2 },
	{ "opcode 7", { FIN | 7 }, 2 }, { "opcode 11", { FIN | 11 }, 2 },
	{ "opcode 12", { FIN | 12 }, 2 }, { "opcode 13", { FIN | 13 }, 2 },
	{ "opcode 14", { FIN | 14 }, 2 }, { "opcode 15", { FIN | 15 }, 2 },
	{ "fragmented ping", { PING }, 1 }, { "fragmented pong", { PONG }, 1 },
	{ "fragmented close", { CLOSE }, 2 },
	{ "long ping", { FIN | PING }, 126 }, { "long pong", { FIN | PONG }, 126 },
	{ "long close", { FIN | CLOSE }, 126 }, { "very long ping", { FIN | PING }, 65536 },
	{ "nothing to continue", { FIN | CONTINUATION }, 2 },
	{ "nothing to continue, first", { PLAIN | CONTINUATION }, 2 },
	{ "text inside a message", { TEXT, FIN | TEXT }, 1 },
	{ "text inside a message, first", { TEXT, TEXT }, 1 },
	{ "binary inside a message", { TEXT, PLAIN | CONTINUATION, FIN | BINARY }, 1 },
	{ "continued after its end", { TEXT, FIN | CONTINUATION, PLAIN | CONTINUATION }, 0 }
};

static void frames_broken(void)
{
	struct server *server = server_start(NULL);
	struct client *client, *good = client_open(server);
	char *payload = text_repeat(" ", 65536);
	size_t i, j;

	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		test_case("%s", broken[i].what);
		client = client_open(server);
		for (j = 0; j < 3 && broken[i].first[j] != 0; j++) {
			client_frame(client, broken[i].first[j] & 0xff, payload, broken[i].len);
			client->closing = false;
		}
		CLOSED(client, 1002);
		client_close(client);
		SILENT(good);
	}
}

/* Heads that are wrong in their second byte or in their length; nothing need follow them. */
static void frames_heads(void)
{
	static const struct {
		const char *what;
		unsigned char bytes[20];
		size_t len;
	} cases[] = {
		{ "unmasked text", { 0x81, 2, '{', '}' }, 4 }, { "unmasked ping", { 0x89, 0 }, 2 },
		{ "unmasked close", { 0x88, 0 }, 2 },
		{ "unmasked long text", { 0x81, 126, 0, 126 }, 4 },
		{ "125 in 16 bits", { 0x81, 0x80 | 126, 0, 125, 1, 2, 3, 4 }, 8 },
		{ "0 in 16 bits", { 0x81, 0x80 | 126, 0, 0, 1, 2, 3, 4 }, 8 },
		{ "65535 in 64 bits",
		    { 0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4 }, 14 },
		{ "5 in 64 bits", { 0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4 }, 14 },
		{ "64 bits of length",
		    { 0x81, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4 }, 14 }
	};
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s", cases[i].what);
		client = client_open(server);
		client_write(client, cases[i].bytes, cases[i].len);
		CLOSED(client, 1002);
		client_close(client);
	}
}

static void frames_limit(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	char *message = message_of(hash, LIMIT);

	client_frame(client, FIN | TEXT, message, LIMIT);
	REPLY(client, 0, 1, hash);
	client_frame(client, TEXT, message, LIMIT / 2);
	client_frame(client, FIN | CONTINUATION, message + LIMIT / 2, LIMIT / 2);
	REPLY(client, 0, 1, hash);
	message = message_of(hash, LIMIT + 1);
	client_frame(client, FIN | TEXT, message, LIMIT + 1);
	CLOSED(client, 1009);
	client = client_open(server);
	client_frame(client, TEXT, message, LIMIT / 2);
	client_frame(client, CONTINUATION, message, LIMIT / 4);
	client_frame(client, FIN | CONTINUATION, message, LIMIT / 4 + 1);
	CLOSED(client, 1009);
	client = client_open(server);
	client_frame(client, BINARY, message, LIMIT);
	client_frame(client, CONTINUATION, message, 1);
	CLOSED(client, 1009);
}

/* A head alone that promises too much is enough. */
static void frames_promised(void)
{
	static const uint64_t lengths[] = {
		LIMIT + 1, 1u << 20, UINT64_C(1) << 32, UINT64_C(1) << 40,
		UINT64_C(0x7fffffffffffffff)
	};
	struct server *server = server_start(NULL);
	struct text text;
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		test_case("%llu", (unsigned long long)lengths[i]);
		client = client_open(server);
		text = (struct text) { NULL, 0, 0 };
		frame_add_long(&text, FIN | TEXT, NULL, lengths[i], 64);
		client_write(client, text.bytes, text.len);
		CLOSED(client, 1009);
		client_close(client);
	}
}

static void close_with(struct client *client, unsigned code, const char *reason, size_t len)
{
	char payload[200];

	payload[0] = (char)(code >> 8);
	payload[1] = (char)(code & 255);
	memcpy(payload + 2, reason, len);
	client_frame(client, FIN | CLOSE, payload, len + 2);
}

static void frames_close(void)
{
	static const int good[] = {
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
		4000, 4999
	};
	static const int bad[] = { 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000,
		65535 };
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		test_case("%d", good[i]);
		client = client_open(server);
		close_with(client, (unsigned)good[i], "going", i % 2 * 5);
		CLOSED(client, good[i]);
		client_close(client);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		test_case("%d", bad[i]);
		client = client_open(server);
		close_with(client, (unsigned)bad[i], "", 0);
		CLOSED(client, 1002);
		client_close(client);
	}
	test_case("no code");
	client = client_open(server);
	client_frame(client, FIN | CLOSE, "", 0);
	CLOSED(client, 0);
}

static void frames_close_reason(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);

	client_frame(client, FIN | CLOSE, "\x03", 1);
	CLOSED(client, 1002);
	client = client_open(server);
	close_with(client, 1000, text_repeat("x", 123), 123);
	CLOSED(client, 1000);
	client = client_open(server);
	close_with(client, 1000, text_repeat("x", 124), 124);
	client->closing = false;
	CLOSED(client, 1002);
	client = client_open(server);
	close_with(client, 1000, "caf\xc3\xa9", 5);
	CLOSED(client, 1000);
	client = client_open(server);
	close_with(client, 1000, "caf\xe9", 4);
	CLOSED(client, 1007);
	client = client_open(server);
	close_with(client, 1000, "caf\xc3", 4);
	CLOSED(client, 1007);
}

/* Nothing that follows a close frame counts; a close comes through in the middle of a message. */
static void frames_close_last(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct text text = { NULL, 0, 0 };
	char *message = message_of(id_hash(), 120);

	frame_add(&text, FIN | CLOSE, "\x03\xe8", 2);
	frame_add(&text, FIN | TEXT, message, 120);
	frame_add(&text, FIN | PING, "x", 1);
	client->closing = true;
	client_write(client, text.bytes, text.len);
	CLOSED(client, 1000);
	CHECK_TEXT(server_event(server, 0), "none");
	client = client_open(server);
	client_frame(client, TEXT, message, 60);
	close_with(client, 1001, "", 0);
	CLOSED(client, 1001);
}

/* A message before the offending frame is answered, and what ends says so in order. */
static void frames_answered_first(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct text text = { NULL, 0, 0 };
	struct id hash = id_hash();
	char *message = message_of(hash, 120);

	frame_add(&text, FIN | TEXT, message, 120);
	frame_add(&text, FIN | RSV1 | TEXT, "{}", 2);
	client_write(client, text.bytes, text.len);
	REPLY(client, 0, 1, hash);
	CLOSED(client, 1002);
}

const struct bb_test bb_frames[] = {
	TEST(frames_binary, FITS, 0), TEST(frames_lengths, LARGE, 0),
	TEST(frames_fragments, FITS, 0), TEST(frames_fragments_pings, FITS, 0),
	TEST(frames_fragments_utf8, FITS, 0), TEST(frames_libtorrent, LARGE, 0),
	TEST(frames_masks, FITS, 0), TEST(frames_together, FITS, 0),
	TEST(frames_keepalive, FITS, 0), TEST(frames_ping, FITS, 0),
	TEST(frames_not_utf8, FITS, 0), TEST(frames_broken, FITS, 0), TEST(frames_heads, FITS, 0),
	TEST(frames_limit, LARGE, 0), TEST(frames_promised, FITS, 0), TEST(frames_close, FITS, 0),
	TEST(frames_close_reason, FITS, 0), TEST(frames_close_last, FITS, 0),
	TEST(frames_answered_first, FITS, 0), TESTS_END
};
