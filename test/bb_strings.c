/* bb_strings.c - info_hash, peer_id and to_peer_id: strings that carry bytes. */
#include "harness.h"

#include <string.h>

/* JSON texts that are not 20 code points up to U+00FF. */
static const char *const wrong[] = {
	"null", "5", "true", "[]", "{}", "[\"aaaaaaaaaaaaaaaaaaaa\"]", "\"\"",
	"\"aaaaaaaaaaaaaaaaaaa\"",                                   /* 19 */
	"\"aaaaaaaaaaaaaaaaaaaaa\"",                                 /* 21 */
	"\"\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\xc3\xbf\"",
	"\"aaaaaaaaaaaaaaaaaaa\\u0100\"", "\"aaaaaaaaaaaaaaaaaaa\xc4\x80\"",
	"\"aaaaaaaaaaaaaaaaaaa\\ud800\"", "\"\\udc00aaaaaaaaaaaaaaaaaaa\"",
	"\"aaaaaaaaaaaaaaaaaa\\ud83d\\ude00\"", "\"aaaaaaaaaaaaaaaaaaa\\ud83d\\ude00\"",
	"\"aaaaaaaaaaaaaaaa\xf0\x9f\x98\x80\"", "\"aaaaaaaaaaaaaaaaaaa\xf0\x9f\x98\x80\"",
	"\"aaaaaaaaaaaaaaaaaaa\xe2\x82\xac\"",
	"\"\\u0061\\u0061\\u0061\"", "\"aaaaaaaaaaaaaaaaaaa\\uffff\"",
	"\"6161616161616161616161616161616161616161\""
};

#define WRONG_COUNT (sizeof(wrong) / sizeof(wrong[0]))

static void strings_wrong_hash(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	size_t i;

	for (i = 0; i < WRONG_COUNT; i++) {
		test_case("%s", wrong[i]);
		client_say(client, "{'action':'announce','info_hash':%s,'peer_id':'%s'}", wrong[i],
		    id_peer().text);
		EXPECT(client, "{'failure reason':'invalid info_hash'}");
	}
	client_say(client, "{'action':'announce','peer_id':'%s'}", id_peer().text);
	EXPECT(client, "{'failure reason':'invalid info_hash'}");
	CHECK_STAT(server, "torrents", 0);
	CHECK_STAT(server, "peersAll", 0);
}

static void strings_wrong_peer(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	size_t i;

	for (i = 0; i < WRONG_COUNT; i++) {
		test_case("%s", wrong[i]);
		client_say(client, "{'action':'announce','info_hash':'%s','peer_id':%s}", hash.text,
		    wrong[i]);
		FAILURE(client, "invalid peer_id", hash);
	}
	client_say(client, "{'action':'announce','info_hash':'%s'}", hash.text);
	FAILURE(client, "invalid peer_id", hash);
	CHECK_STAT(server, "torrents", 0);
}

static void strings_wrong_target(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	size_t i;

	for (i = 0; i < WRONG_COUNT; i++) {
		test_case("%s", wrong[i]);
		client_announce(client, hash, id,
		    format_text(",'answer':{'type':'answer','sdp':'x'},"
		    "'offer_id':'x','to_peer_id':%s", wrong[i]));
		FAILURE(client, "invalid `to_peer_id` (required with `answer`)", hash);
	}
	client_announce(client, hash, id, ",'answer':{'type':'answer','sdp':'x'},'offer_id':'x'");
	FAILURE(client, "invalid `to_peer_id` (required with `answer`)", hash);
	CHECK_STAT(server, "peersAll", 0);
}

/* However it is written, a byte is a byte. */
static void strings_one_swarm(void)
{
	static const char *const forms[][3] = {
		{ "\xc3\xbf", "\\u00ff", "\\u00FF" }, { "a", "\\u0061", "\\u0061" },
		{ "/", "\\/", "\\u002f" }, { "\\n", "\\u000a", "\\u000A" },
		{ "\\\"", "\\u0022", "\\u0022" }, { "\\\\", "\\u005c", "\\u005C" },
		{ "\xc2\x80", "\\u0080", "\\u0080" }, { "\x7f", "\\u007f", "\\u007F" },
		{ "\\b", "\\u0008", "\\u0008" }, { "\\t", "\\u0009", "\\u0009" }
	};
	struct server *server = server_start(NULL);
	struct client *clients[3];
	size_t i, j;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		for (j = 0; j < 3; j++) {
			test_case("%s", forms[i][j]);
			clients[j] = client_open(server);
			client_say(clients[j],
			    "{'action':'announce','info_hash':'%s','peer_id':'%s'}",
			    text_repeat(forms[i][j], 20), id_peer().text);
			CHECK_NUMBER(json_number(HEAR(clients[j]), "incomplete"), (int)j + 1);
		}
		for (j = 0; j < 3; j++)
			client_close(clients[j]);
		server_turn(server);
	}
}

/* Also one peer: the same id written in two ways is one membership on one socket. */
static void strings_one_peer(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();

	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s\\u0000'}",
	    hash.text, text_repeat("\xc3\xbf", 19));
	REPLY(client, 0, 1, hash);
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s\\u0000'}",
	    hash.text, text_repeat("\\u00ff", 19));
	REPLY(client, 0, 1, hash);
	client_say(other, "{'action':'announce','info_hash':'%s','peer_id':'%s',"
	    "'answer':{'sdp':''},"
	    "'offer_id':'a','to_peer_id':'%s\\u00ff%s\\u0000'}", hash.text, from.text,
	    text_repeat("\xc3\xbf", 9), text_repeat("\xc3\xbf", 9));
	EXPECT(client, "{'action':'announce','answer':{'sdp':''},'offer_id':'a','peer_id':'%s',"
	    "'info_hash':'%s'}", from.text, hash.text);
	SILENT(client);
}

/* Bytes of an id as JSON: all escaped as \u00XX. */
static char *escaped(const uint8_t *bytes)
{
	struct text text = { NULL, 0, 0 };
	size_t i;

	for (i = 0; i < 20; i++)
		text_format(&text, "\\u%04x", (unsigned)bytes[i]);
	return text.bytes;
}

/* A string of the message as it stands, checked: only what must be escaped is. */
static void check_written(const char *message, const char *key, const uint8_t *want)
{
	uint8_t got[64];
	size_t i;

	CHECK_NUMBER(json_bytes(message, key, got), 20);
	CHECK(memcmp(got, want, 20) == 0);
	for (i = 0; message[i] != '\0'; i++)
		CHECK((unsigned char)message[i] >= 0x20);
	for (i = 0; i < 20; i++)
		if (want[i] >= 0x80)
			CHECK_LACKS(message, format_text("\\u00%02x", (unsigned)want[i]));
		else if (want[i] >= 0x20 && want[i] != '"' && want[i] != '\\')
			CHECK(strchr(message, want[i]) != NULL);
	CHECK_LACKS(message, "\\u007f");
	CHECK_LACKS(message, "\\/");
}

/* Every byte 0 to 255, in info_hash and peer_id, comes back in the reply and in the relay. */
static void strings_every_byte(void)
{
	struct server *server = server_start(NULL);
	struct client *a, *b;
	uint8_t hash[20], id[20];
	unsigned i, j;
	char *message;

	for (i = 0; i < 256; i += 16) {
		test_case("bytes from %u", i);
		a = client_open(server);
		b = client_open(server);
		for (j = 0; j < 20; j++) {
			hash[j] = (uint8_t)(i + j);
			id[j] = (uint8_t)(i + j + 100);
		}
		client_say(a, "{'action':'announce','info_hash':'%s','peer_id':'%s'}",
		    escaped(hash), id_peer().text);
		check_written(HEAR(a), "info_hash", hash);
		client_say(b, "{'action':'announce','info_hash':'%s','peer_id':'%s'%s}",
		    escaped(hash), escaped(id), offers_made(1));
		check_written(HEAR(b), "info_hash", hash);
		message = HEAR(a);
		check_written(message, "info_hash", hash);
		check_written(message, "peer_id", id);
		client_say(b, "{'action':'scrape','info_hash':'%s'}", escaped(hash));
		CHECK_NUMBER(json_number(HEAR(b), "incomplete"), 2);
		client_close(a);
		client_close(b);
		server_turn(server);
	}
}

static void strings_all_ff(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	char *hash = text_repeat("\xc3\xbf", 20);

	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s'}",
	    text_repeat("\\u00ff", 20), hash);
	EXPECT(client, "{'complete':0,'incomplete':1,'action':'announce','interval':120,"
	    "'info_hash':'%s'}", hash);
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'short'}", hash);
	EXPECT(client, "{'action':'announce','failure reason':'invalid peer_id','info_hash':'%s'}",
	    hash);
	client_say(client, "{'action':'scrape','info_hash':'%s'}", hash);
	EXPECT(client, "{'action':'scrape','files':{'%s':{'complete':0,'incomplete':1,"
	    "'downloaded':0}},'flags':{'min_request_interval':120}}", hash);
	client_say(client, "{'action':'x','info_hash':'%s'}", text_repeat("\\u00ff", 20));
	EXPECT(client, "{'failure reason':'invalid action in WS request: x','info_hash':'%s'}",
	    hash);
}

/* Ids that differ in one byte, also after a NUL, are two. */
static void strings_differ(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'\\u0000%s'}",
	    hash.text, "aaaaaaaaaaaaaaaaaaa");
	REPLY(client, 0, 1, hash);
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'\\u0000%s'}",
	    hash.text, "aaaaaaaaaaaaaaaaaab");
	REPLY(client, 0, 2, hash);
	client_say(client, "{'action':'announce','info_hash':'\\u0000%s','peer_id':'%s'}",
	    "bbbbbbbbbbbbbbbbbbb", id_peer().text);
	CHECK_NUMBER(json_number(HEAR(client), "incomplete"), 1);
	client_say(client, "{'action':'announce','info_hash':'\\u0000%s','peer_id':'%s'}",
	    "bbbbbbbbbbbbbbbbbbc", id_peer().text);
	CHECK_NUMBER(json_number(HEAR(client), "incomplete"), 1);
	CHECK_STAT(server, "torrents", 3);
	CHECK_STAT(server, "peersAll", 4);
}

const struct bb_test bb_strings[] = {
	TEST(strings_wrong_hash, FITS, 0), TEST(strings_wrong_peer, FITS, 0),
	TEST(strings_wrong_target, FITS, 0), TEST(strings_one_swarm, FITS, 0),
	TEST(strings_one_peer, FITS, 0), TEST(strings_every_byte, FITS, 0),
	TEST(strings_all_ff, FITS, 0), TEST(strings_differ, FITS, 0), TESTS_END
};
