/* bb_offers.c - offers: to whom, how many, in which bytes. */
#include "harness.h"

#include <string.h>

#define OFFER_FORMAT ",'offers':[{'offer':{'type':'offer','sdp':'x'},'offer_id':%s}]"

static void offers_relay(void)
{
	struct server *server = server_start(NULL);
	struct client *a = client_open(server), *b = client_open(server);
	struct id hash = id_hash(), first = id_peer(), second = id_peer();

	client_announce(a, hash, first, offers_made(2));   /* nobody is there yet */
	REPLY(a, 0, 1, hash);
	client_announce(b, hash, second, offers_made(1));
	REPLY(b, 0, 2, hash);
	RELAYED(a, 0, second, hash);
	SILENT(a);
	SILENT(b);
}

/* The offer's own JSON text goes out as it came in; what its entry has besides does not. */
static void offers_verbatim(void)
{
	static const char *const offers[] = {
		"{\"sdp\":\"\"}",
		"{\"type\":\"offer\",\"sdp\":\"v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\n\"}",
		"{ \"sdp\" :\t\"a\" , \"x\" : [ 1 , {} , null ] }", "{\"sdp\":\"a\",\"sdp\":\"b\"}",
		"{\"sdp\":\"\\u0041\\u00e9\\ud83d\\ude00\\/\"}",
		"{\"sdp\":\"\xc3\xa9\xf0\x9f\x98\x80\"}", "{\"sdp\":\"\\ud800\"}",
		"{\"s\\u0064p\":\"a\"}", "{\"sdp\":\"}]\\\"{[\",\"n\":-1.50e+10}",
		"{\"sdp\":5,\"sdp\":\"last\"}", "{\"type\":null,\"sdp\":\"U2FsdGVkX1+encrypted==\"}"
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	size_t i;

	JOIN(other, hash, id_peer(), "");
	for (i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
		test_case("%s", offers[i]);
		client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s',"
		    "'offers': [ {'extra':[1], 'offer' : %s , 'offer_id':'id'} ] }", hash.text,
		    from.text, offers[i]);
		REPLY(client, 0, 2, hash);
		EXPECT(other, "{'action':'announce','offer':%s,'offer_id':'id','peer_id':'%s',"
		    "'info_hash':'%s'}", offers[i], from.text, hash.text);
	}
	test_case("the last of two");
	client_say(client, "{'offers':[],'action':'announce','info_hash':'%s','peer_id':'%s',"
	    "'offers':[{'offer':5,'offer_id':5,'offer':{'sdp':'1'},'offer_id':'2'}]}",
	    hash.text, from.text);
	REPLY(client, 0, 2, hash);
	EXPECT(other, "{'action':'announce','offer':{'sdp':'1'},'offer_id':'2','peer_id':'%s',"
	    "'info_hash':'%s'}", from.text, hash.text);
}

/* Also the offer_id goes out in the text in which it came. */
static void offers_id_verbatim(void)
{
	const char *const ids[] = {
		"\"\"", "\"a\"", "\"\\u0041\\n\\/\"", "\"\xc3\xbf\xf0\x9f\x98\x80\"", "\"\\u0000\"",
		"\"\\ud83d\\ude00\"", "\"\xc2\x85 \\\"\""
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	size_t i;

	JOIN(other, hash, id_peer(), "");
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		test_case("%s", ids[i]);
		client_announce(client, hash, from, format_text(OFFER_FORMAT, ids[i]));
		REPLY(client, 0, 2, hash);
		EXPECT(other, "{'action':'announce','offer':{'type':'offer','sdp':'x'},"
		    "'offer_id':%s,'peer_id':'%s','info_hash':'%s'}", ids[i], from.text, hash.text);
	}
}

/* An offer_id has at most 128 code points, however many bytes they take. */
static void offers_id_long(void)
{
	static const struct {
		const char *piece;
		size_t times;
		bool relayed;
	} cases[] = {
		{ "a", 128, true }, { "a", 129, false }, { "\xc3\xbf", 128, true },
		{ "\xc3\xbf", 129, false }, { "\\u0061", 128, true }, { "\\u0061", 129, false },
		{ "\\ud83d\\ude00", 128, true }, { "\\ud83d\\ude00", 129, false },
		{ "\xf0\x9f\x98\x80", 128, true }, { "\xf0\x9f\x98\x80", 129, false },
		{ "a", 10240, false }
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	char *id;
	size_t i;

	JOIN(other, hash, id_peer(), "");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s, %zu times", cases[i].piece, cases[i].times);
		id = format_text("'%s'", text_repeat(cases[i].piece, cases[i].times));
		client_announce(client, hash, from, format_text(OFFER_FORMAT, id));
		REPLY(client, 0, 2, hash);
		if (cases[i].relayed)
			EXPECT(other, "{'action':'announce','offer':{'type':'offer','sdp':'x'},"
			    "'offer_id':%s,'peer_id':'%s','info_hash':'%s'}", id, from.text,
			    hash.text);
		SILENT(other);
	}
}

static const char *const unusable[] = {
	"null", "5", "\"x\"", "[]", "{}", "true",
	"{\"offer\":{\"type\":\"offer\",\"sdp\":\"x\"}}", "{\"offer_id\":\"x\"}",
	"{\"offer\":null,\"offer_id\":\"x\"}", "{\"offer\":\"x\",\"offer_id\":\"x\"}",
	"{\"offer\":[{\"sdp\":\"x\"}],\"offer_id\":\"x\"}",
	"{\"offer\":{},\"offer_id\":\"x\"}",
	"{\"offer\":{\"type\":\"offer\"},\"offer_id\":\"x\"}",
	"{\"offer\":{\"sdp\":5},\"offer_id\":\"x\"}",
	"{\"offer\":{\"sdp\":null},\"offer_id\":\"x\"}",
	"{\"offer\":{\"sdp\":{\"sdp\":\"x\"}},\"offer_id\":\"x\"}",
	"{\"offer\":{\"a\":{\"sdp\":\"x\"}},\"offer_id\":\"x\"}",
	"{\"offer\":{\"SDP\":\"x\"},\"offer_id\":\"x\"}",
	"{\"offer\":{\"sdp\":\"x\",\"sdp\":5},\"offer_id\":\"x\"}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":5}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":null}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":[\"x\"]}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"\\ud800\"}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"a\\udc00b\"}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"\\ude00\\ud83d\"}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"x\",\"offer_id\":1}",
	"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"x\",\"offer\":1}"
};

/* What is not usable is passed over; what stands beside it is relayed. */
static void offers_unusable(void)
{
	static const char good[] = "{'offer':{'type':'offer','sdp':'sdp 0'},'offer_id':'offer 0'}";
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	size_t i;

	JOIN(other, hash, id_peer(), "");
	for (i = 0; i < sizeof(unusable) / sizeof(unusable[0]); i++) {
		test_case("%s", unusable[i]);
		client_announce(client, hash, from, format_text(",'offers':[%s]", unusable[i]));
		REPLY(client, 0, 2, hash);
		SILENT(other);
		client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s',"
		    "'offers':[%s,%s,%s]}", hash.text, from.text, unusable[i], text_quoted(good),
		    unusable[i]);
		REPLY(client, 0, 2, hash);
		RELAYED(other, 0, from, hash);
		SILENT(other);
	}
	while (strcmp(server_event(server, 0), "none") != 0)
		continue;
}

static void offers_not_array(void)
{
	static const char *const values[] = {
		"{}", "{\"0\":{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"x\"}}", "\"\"",
		"\"offers\"", "null", "5", "true", "[]", "[null]", "[[]]",
		"{\"offer\":{\"sdp\":\"x\"},\"offer_id\":\"x\"}"
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	size_t i;

	JOIN(other, hash, id_peer(), "");
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		test_case("%s", values[i]);
		client_announce(client, hash, from, format_text(",'offers':%s", values[i]));
		REPLY(client, 0, 2, hash);
		SILENT(other);
	}
}

/* How many of these clients hear exactly one relay; more than one is a failure. */
static int relays_heard(struct client **clients, size_t count)
{
	char **messages;
	int heard = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		messages = MESSAGES(clients[i]);
		if (messages[0] == NULL)
			continue;
		CHECK_CONTAINS(messages[0], "\"offer\":");
		CHECK(messages[1] == NULL);
		heard++;
	}
	return heard;
}

static void offers_numwant(void)
{
	static const struct {
		const char *numwant;
		int relayed;
	} cases[] = {
		{ "0", 0 }, { "1", 1 }, { "2", 2 }, { "2.5", 2 }, { "2.999", 2 }, { "0.9", 0 },
		{ "0e5", 0 }, { "3", 3 }, { "100", 3 }, { "1e400", 3 }, { "2e0", 2 },
		{ "20e-1", 2 }, { "0.1e1", 1 }, { "-1", 3 }, { "\"1\"", 3 }, { "null", 3 },
		{ "true", 3 }, { "[1]", 3 }, { "-0.5", 3 }, { "18446744073709551617", 3 },
		{ "4294967296", 3 }
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *others[4];
	struct id hash = id_hash(), from = id_peer();
	size_t i;

	for (i = 0; i < 4; i++) {
		others[i] = client_open(server);
		JOIN(others[i], hash, id_peer(), "");
	}
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("numwant %s", cases[i].numwant);
		client_announce(client, hash, from, format_text("%s,'numwant':%s", offers_made(3),
		    cases[i].numwant));
		REPLY(client, 0, 5, hash);
		CHECK_NUMBER(relays_heard(others, 4), cases[i].relayed);
	}
}

/* Each offer goes to one peer, each peer gets one offer: the first offers, if peers are few. */
static void offers_distinct(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *others[3];
	struct id hash = id_hash(), from = id_peer();
	int seen[5], n, round;
	char *message;
	size_t i;

	for (i = 0; i < 3; i++) {
		others[i] = client_open(server);
		JOIN(others[i], hash, id_peer(), "");
	}
	for (round = 0; round < 30; round++) {
		memset(seen, 0, sizeof(seen));
		client_announce(client, hash, from, offers_made(5));
		REPLY(client, 0, 4, hash);
		for (i = 0; i < 3; i++) {
			message = HEAR(others[i]);
			CHECK_CONTAINS(message, "\"offer_id\":\"offer ");
			n = strstr(message, "\"offer_id\":\"offer ")[18] - '0';
			CHECK(n >= 0 && n < 3 && seen[n]++ == 0);
			SILENT(others[i]);
		}
		SILENT(client);
	}
}

/* Never to the own id, on whatever socket; but to another id on the own one, after the reply. */
static void offers_self(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *again = client_open(server);
	struct id hash = id_hash(), id = id_peer(), second = id_peer();

	JOIN(client, hash, id, "");
	JOIN(again, hash, id, "");
	client_announce(client, hash, id, offers_made(3));
	REPLY(client, 0, 2, hash);
	SILENT(client);
	SILENT(again);
	client_close(again);
	server_turn(server);
	client_announce(client, hash, second, offers_made(2));
	REPLY(client, 0, 2, hash);
	RELAYED(client, 0, second, hash);
	SILENT(client);
}

static void offers_other_swarm(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id id = id_peer(), hash = id_hash();

	JOIN(other, id_hash(), id_peer(), "");
	client_announce(client, hash, id, offers_made(3));
	REPLY(client, 0, 1, hash);
	SILENT(other);
}

static void offers_to_seeders(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();

	JOIN(other, hash, id_peer(), ",'left':0");
	client_announce(client, hash, from, format_text(",'left':0%s", offers_made(1)));
	REPLY(client, 2, 0, hash);
	RELAYED(other, 0, from, hash);
}

static void offers_not_relayed(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct client *third = client_open(server);
	struct id hash = id_hash(), from = id_peer(), id = id_peer();

	JOIN(other, hash, id, "");
	JOIN(third, hash, id_peer(), "");
	JOIN(client, hash, from, "");
	client_announce(client, hash, from, format_text("%s%s", offers_made(2), answer_made(id)));
	ANSWERED(other, from, hash);
	SILENT(other);
	SILENT(third);
	client_announce(client, hash, from, format_text(",'event':'stopped'%s", offers_made(2)));
	REPLY(client, 0, 2, hash);
	SILENT(other);
	SILENT(third);
}

/* A refused announce relays nothing. */
static void offers_refused(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash();

	JOIN(other, hash, id_peer(), "");
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'x'%s}", hash.text,
	    offers_made(1));
	FAILURE(client, "invalid peer_id", hash);
	SILENT(other);
}

static void offers_limit(void)
{
	struct client *others[30];
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	size_t i;

	for (i = 0; i < 30; i++) {
		others[i] = client_open(server);
		JOIN(others[i], hash, id_peer(), "");
	}
	client_announce(client, hash, from, offers_made(20));
	REPLY(client, 0, 31, hash);
	CHECK_NUMBER(relays_heard(others, 30), 20);
	client_announce(client, hash, from, offers_made(25));
	REPLY(client, 0, 31, hash);
	CHECK_NUMBER(relays_heard(others, 30), 20);
	client_announce(client, hash, from, offers_made(1000));
	REPLY(client, 0, 31, hash);
	CHECK_NUMBER(relays_heard(others, 30), 20);
	client_announce(client, hash, from, format_text("%s,'numwant':7", offers_made(25)));
	REPLY(client, 0, 31, hash);
	CHECK_NUMBER(relays_heard(others, 30), 7);
}

/* Unusable ones do not count towards the 20. */
static void offers_limit_usable(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	struct text text = { NULL, 0, 0 };
	int i;

	JOIN(other, hash, id_peer(), "");
	text_format(&text, ",'offers':[");
	for (i = 0; i < 100; i++)
		text_format(&text, "{'offer':{'sdp':'x'}},");
	text_format(&text, "{'offer':{'type':'offer','sdp':'sdp 0'},'offer_id':'offer 0'}]");
	client_announce(client, hash, from, text.bytes);
	REPLY(client, 0, 2, hash);
	RELAYED(other, 0, from, hash);
}

/* Over many announces every other peer is chosen about equally often, also after some have left. */
static void offers_uniform(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *others[4], *gone;
	struct id hash = id_hash(), from = id_peer();
	int heard[4] = { 0 }, round;
	char **messages;
	size_t i;

	JOIN(client, hash, from, "");
	for (i = 0; i < 4; i++) {
		gone = client_open(server);
		JOIN(gone, hash, id_peer(), "");
		others[i] = client_open(server);
		JOIN(others[i], hash, id_peer(), "");
		client_close(gone);
		server_turn(server);
	}
	for (round = 0; round < 400; round++) {
		client_announce(client, hash, from, offers_made(1));
		REPLY(client, 0, 5, hash);
	}
	for (i = 0; i < 4; i++) {
		messages = MESSAGES(others[i]);
		while (messages[heard[i]] != NULL)
			heard[i]++;
		CHECK_BETWEEN(heard[i], 45, 155);   /* 100 expected, deviation 8.7 */
	}
	CHECK_NUMBER(heard[0] + heard[1] + heard[2] + heard[3], 400);
}

/* As uwt-js's and bittorrent-tracker's own suites announce. */
static void offers_mock(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), from = id_peer();

	JOIN(other, hash, id_peer(), "");
	client_announce(client, hash, from, ",'numwant':2,'offers':[{'sdp':'x'},{'sdp':'y'}]");
	REPLY(client, 0, 2, hash);
	client_announce(client, hash, from, ",'numwant':1,'offers':[{'offer':{'type':'offer'},"
	    "'offer_id':'aaaaaaaaaaaaaaaaaaaa'}]");
	REPLY(client, 0, 2, hash);
	SILENT(other);
}

const struct bb_test bb_offers[] = {
	TEST(offers_relay, FITS, 0), TEST(offers_verbatim, FITS, 0),
	TEST(offers_id_verbatim, FITS, 0), TEST(offers_id_long, LARGE, 0),
	TEST(offers_unusable, FITS, 0), TEST(offers_not_array, FITS, 0),
	TEST(offers_numwant, FITS, 0), TEST(offers_distinct, FITS, 0), TEST(offers_self, FITS, 0),
	TEST(offers_other_swarm, FITS, 0), TEST(offers_to_seeders, FITS, 0),
	TEST(offers_not_relayed, FITS, 0), TEST(offers_refused, FITS, 0),
	TEST(offers_limit, LARGE, 0), TEST(offers_limit_usable, LARGE, 0),
	TEST(offers_uniform, LARGE, 0), TEST(offers_mock, FITS, 0), TESTS_END
};
