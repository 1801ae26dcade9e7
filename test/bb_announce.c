/* bb_announce.c - announces: their fields, the reply, and what is refused. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

static void announce_reply(void)
{
	struct server *server = server_start(NULL);
	struct client *a = client_open(server), *b = client_open(server);
	struct id hash = id_hash(), first = id_peer(), second = id_peer();

	client_announce(a, hash, first, ",'event':'started','left':100,'numwant':5");
	REPLY(a, 0, 1, hash);
	client_announce(b, hash, second, ",'event':'started','left':0");
	REPLY(b, 1, 1, hash);
	client_announce(a, hash, first, ",'left':0");
	REPLY(a, 2, 0, hash);
	client_announce(b, hash, second, ",'event':'stopped'");
	REPLY(b, 1, 0, hash);
	client_announce(a, hash, first, ",'event':'stopped','left':0");
	REPLY(a, 0, 0, hash);
	SILENT(a);
	SILENT(b);
	CHECK_STAT(server, "torrents", 0);
}

static void announce_interval(void)
{
	static const struct {
		const char *option;
		int told;
	} cases[] = {
		{ "600000", 120 }, { "5000", 1 }, { "5001", 2 }, { "10000", 2 }, { "1234567", 247 },
		{ "3600000", 720 }
	};
	struct server *server;
	struct client *client;
	struct id hash = id_hash();
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("--interval %s", cases[i].option);
		server = server_start(OPTIONS("--interval", cases[i].option));
		client = client_open(server);
		client_announce(client, hash, id_peer(), "");
		EXPECT(client, "{'complete':0,'incomplete':1,'action':'announce','interval':%d,"
		    "'info_hash':'%s'}", cases[i].told, hash.text);
		client_say(client, "{'action':'scrape','info_hash':[]}");
		EXPECT(client, "{'action':'scrape','files':{},'flags':{'min_request_interval':%d}}",
		    cases[i].told);
	}
}

static void announce_left(void)
{
	static const char *const seeders[] = {
		"0", "\"0\"", "0.0", "-0", "-0.0", "0e5", "0E+5", "0.000e-3", "0e400", "\"\\u0030\""
	};
	static const char *const leechers[] = {
		"null", "-1", "1", "0.5", "\"1\"", "\"0.0\"", "\"00\"", "\"\"", "\" 0\"", "true",
		"false", "[]", "[0]", "{}", "1e400", "-1e400", "18446744073709551616", "4294967296",
		"1e-400", "0.0000000000000000000000000000000000000000001", "10"
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash;
	size_t i;

	for (i = 0; i < sizeof(seeders) / sizeof(seeders[0]); i++) {
		test_case("left %s", seeders[i]);
		hash = id_hash();
		client_announce(client, hash, id_peer(), format_text(",'left':%s", seeders[i]));
		REPLY(client, 1, 0, hash);
		client_close(client);
		client = client_open(server);
	}
	for (i = 0; i < sizeof(leechers) / sizeof(leechers[0]); i++) {
		test_case("left %s", leechers[i]);
		hash = id_hash();
		client_announce(client, hash, id_peer(), format_text(",'left':%s", leechers[i]));
		REPLY(client, 0, 1, hash);
		client_close(client);
		client = client_open(server);
	}
}

/* Everything but the three known events is an update; nobody is refused for it. */
static void announce_events(void)
{
	static const struct {
		const char *event, *line;
	} cases[] = {
		{ ",'event':'started'", "start" }, { "", "update" }, { ",'event':''", "update" },
		{ ",'event':'empty'", "update" }, { ",'event':'update'", "update" },
		{ ",'event':'paused'", "update" }, { ",'event':'<regular>'", "update" },
		{ ",'event':null", "update" }, { ",'event':5", "update" },
		{ ",'event':{}", "update" }, { ",'event':['stopped']", "update" },
		{ ",'event':'Stopped'", "update" }, { ",'event':'STARTED'", "update" },
		{ ",'event':'stopped '", "update" }, { ",'event':'st\\u0061rted'", "start" }
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s", cases[i].event);
		client_announce(client, hash, id, cases[i].event);
		REPLY(client, 0, 1, hash);
		CHECK_TEXT(server_event(server, 1),
		    format_text("%s: %s", cases[i].line, id_hex(id)));
	}
	client_announce(client, hash, id, ",'event':'stopped'");
	REPLY(client, 0, 0, hash);
	CHECK_TEXT(server_event(server, 1), format_text("stop: %s", id_hex(id)));
}

static void announce_completed(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	client_announce(client, hash, id, ",'event':'started','left':5");
	REPLY(client, 0, 1, hash);
	/* a seeder all the same */
	client_announce(client, hash, id, ",'event':'completed','left':5");
	REPLY(client, 1, 0, hash);
	SCRAPED(client, hash, 1, 0, 1);
	client_announce(client, hash, id, ",'event':'completed','left':0");   /* not twice */
	REPLY(client, 1, 0, hash);
	SCRAPED(client, hash, 1, 0, 1);
	JOIN(other, hash, id_peer(), "");
	client_announce(client, hash, id, ",'event':'stopped'");
	REPLY(client, 0, 1, hash);
	SCRAPED(client, hash, 0, 1, 1);   /* stays while the torrent is there */
	client_close(other);
	server_turn(server);
	SCRAPED(client, hash, 0, 0, 0);
	JOIN(client, hash, id, "");
	SCRAPED(client, hash, 0, 1, 0);
}

/* A seeder that begins with `completed` has downloaded nothing; so has one by `left`. */
static void announce_completed_first(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer(), second = id_peer();

	client_announce(client, hash, id, ",'event':'completed','left':0");
	REPLY(client, 1, 0, hash);
	SCRAPED(client, hash, 1, 0, 0);
	client_announce(client, hash, id, ",'event':'started','left':0");
	REPLY(client, 1, 0, hash);
	SCRAPED(client, hash, 1, 0, 0);
	client_announce(client, hash, second, ",'left':10");
	REPLY(client, 1, 1, hash);
	client_announce(client, hash, second, ",'left':0");
	REPLY(client, 2, 0, hash);
	SCRAPED(client, hash, 2, 0, 0);
	client_announce(client, hash, second, ",'event':'completed'");
	REPLY(client, 2, 0, hash);
	SCRAPED(client, hash, 2, 0, 0);
}

static void announce_seeder_stays(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	client_announce(client, hash, id, ",'left':0");
	REPLY(client, 1, 0, hash);
	client_announce(client, hash, id, ",'left':1000");
	REPLY(client, 1, 0, hash);
	client_announce(client, hash, id, "");
	REPLY(client, 1, 0, hash);
	client_announce(client, hash, id, ",'event':'stopped'");
	REPLY(client, 0, 0, hash);
	client_announce(client, hash, id, ",'left':1000");
	REPLY(client, 0, 1, hash);
}

static void announce_duplicates(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), wrong = id_hash(), id = id_peer();

	client_say(client, "{'action':'scrape','left':5,'event':'stopped','info_hash':'%s',"
	    "'peer_id':5,'peer_id':'%s','info_hash':'%s','left':0,'event':'started',"
	    "'\\u0061ction':'announce'}", wrong.text, id.text, hash.text);
	REPLY(client, 1, 0, hash);
	CHECK_TEXT(server_event(server, 1), format_text("start: %s", id_hex(id)));
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s','info_hash':null}",
	    hash.text, id.text);
	EXPECT(client, "{'failure reason':'invalid info_hash'}");
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s','left':0,"
	    "'answer':{'sdp':'x'},'answer':null,'x':{'info_hash':5,'action':6,'peer_id':7}}",
	    hash.text, id.text);
	REPLY(client, 1, 0, hash);
}

static void announce_unknown_keys(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_say(client, " { 'uploaded' : 'x' , 'downloaded':-1e99,\r\n\t'corrupt':[{}],"
	    "'key':{'a':[1,2,{'b':null}]},'trackerid':true,'compact':1,'':0,'toString':1,"
	    "'__proto__':{'left':0},'ip':'1.2.3.4','port':1,'action':'announce','info_hash':'%s',"
	    "'peer_id':'%s','Left':0,'left ':0,'\\u0000':0,'offer_id':5,'to_peer_id':5} ",
	    hash.text, id_peer().text);
	REPLY(client, 0, 1, hash);
}

static void announce_invalid_json(void)
{
	static const char *const texts[] = {
		"nonsense", "{", "}", "[", "]", "{]", "\"", "{\"a\"", "{\"a\":", "{\"a\":1",
		"{\"a\":1,", "{\"a\":1,}", "{\"a\":,}", "{,}", "{\"a\"}", "{a:1}", "{\"a\"::1}",
		"{\"a\" 1}", "{\"a\":tru}", "{\"a\":truee}", "{\"a\":True}", "{\"a\":nul}",
		"{\"a\":undefined}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":01}", "{\"a\":-}",
		"{\"a\":+1}", "{\"a\":.5}", "{\"a\":5.}", "{\"a\":1e}", "{\"a\":1e+}",
		"{\"a\":0x10}", "{\"a\":1 2}", "{\"a\":[1,]}", "{\"a\":[1 2]}", "{\"a\":[,1]}",
		"{\"a\":\"\\x41\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\u12\"}", "{\"a\":\"\\\"}",
		"{\"a\":\"\n\"}", "{\"a\":\"\t\"}", "{\"a\":\"\x01\"}", "{'a':1}", "{} {}", "{}x",
		"{},", "{}\x01", "\xef\xbb\xbf{}", "{\"a\":1}{\"a\":2}", "{1:2}",
		"{\"a\":{\"b\":}}", "{\"a\":[}]}", "{/* */}", " ", "\n", "null", "true", "false",
		"0", "-1.5", "\"announce\"", "[]", "[{}]", "[{\"action\":\"announce\"}]",
		"{\"action\":\"announce\"", "{\"action\":\"scrape\",\"info_hash\":[]",
		"{\"action\":\"scrape\",\"info_hash\":[}"
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		test_case("%s", texts[i]);
		client_say_text(client, texts[i]);
		EXPECT(client, "{'failure reason':'invalid JSON'}");
	}
	test_case("NUL");
	client_frame(client, FIN | TEXT, "{}\0", 3);
	EXPECT(client, "{'failure reason':'invalid JSON'}");
	client_announce(client, hash, id_peer(), "");   /* the connection stays */
	REPLY(client, 0, 1, hash);
}

static char *nested(struct id hash, size_t depth, const char *open, const char *close)
{
	return format_text("{'action':'announce','info_hash':'%s','peer_id':'%s','x':%s0%s}",
	    hash.text, id_peer().text, text_repeat(open, depth - 1), text_repeat(close, depth - 1));
}

static void announce_nesting(void)
{
	static const char *const kinds[][2] = { { "[", "]" }, { "{\"a\":", "}" } };
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash;
	size_t i;

	for (i = 0; i < 2; i++) {
		test_case("%s", kinds[i][0]);
		hash = id_hash();
		client_say_text(client, nested(hash, 32, kinds[i][0], kinds[i][1]));
		REPLY(client, 0, 1, hash);
		client_say_text(client, nested(hash, 33, kinds[i][0], kinds[i][1]));
		EXPECT(client, "{'failure reason':'invalid JSON'}");
	}
}

static void announce_nesting_deep(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	char *open = text_repeat("[", 200000);
	struct id hash = id_hash();

	client_say_text(client, open);
	EXPECT(client, "{'failure reason':'invalid JSON'}");
	client_say_text(client, format_text("%s%s", text_repeat("[", 100000),
	    text_repeat("]", 100000)));
	EXPECT(client, "{'failure reason':'invalid JSON'}");
	client_say_text(client, text_repeat("{\"a\":", 40000));
	EXPECT(client, "{'failure reason':'invalid JSON'}");
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

/* Very many values in one message are refused, and cost little time. */
static void announce_many_values(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	double before = time_now();

	client_announce(client, hash, id_peer(),
	    format_text(",'x':[0%s]", text_repeat(",0", 100000)));
	EXPECT(client, "{'failure reason':'invalid JSON'}");
	client_announce(client, hash, id_peer(),
	    format_text(",'x':[0%s]", text_repeat(",0", 10000)));
	REPLY(client, 0, 1, hash);
	client_announce(client, hash, id_peer(), format_text(",'x':'%s'", text_repeat("\\u0000",
	    40000)));
	REPLY(client, 0, 2, hash);
	CHECK_BETWEEN(time_now() - before, 0, 2);
}

static void announce_action(void)
{
	static const struct {
		const char *action, *shown;   /* JSON text of both, the latter without quotes */
	} cases[] = {
		{ "\"\"", "" }, { "\"Announce\"", "Announce" }, { "\"ANNOUNCE\"", "ANNOUNCE" },
		{ "\"announce \"", "announce " }, { "\"stop\"", "stop" }, { "5", "5" },
		{ "-1.50", "-1.50" }, { "null", "null" }, { "true", "true" }, { "[]", "[]" },
		{ "[1,2]", "[1,2]" }, { "{\"a\":1}", "{\\\"a\\\":1}" },
		{ "\"a\\\"b\\\\c\"", "a\\\"b\\\\c" }, { "\"\\u0041\"", "A" },
		{ "\"\xc3\xa9\"", "\xc3\xa9" },
		{ "\"0123456789012345678901234567890123\"", "01234567890123456789012345678901" },
		{ "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]", "[1,2,3,4,5,6,7,8,9,10,11,12,13,1" }
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s", cases[i].action);
		client_say(client, "{'action':%s,'info_hash':'%s','peer_id':'%s'}", cases[i].action,
		    hash.text, id_peer().text);
		EXPECT(client, "{'failure reason':'invalid action in WS request: %s',"
		    "'info_hash':'%s'}", cases[i].shown, hash.text);
		client_say(client, "{'action':%s,'info_hash':5}", cases[i].action);
		EXPECT(client, "{'failure reason':'invalid action in WS request: %s'}",
		    cases[i].shown);
	}
	client_say(client, "{ }");
	EXPECT(client, "{'failure reason':'invalid action in WS request: undefined'}");
	client_say(client, "{'info_hash':'%s'}", hash.text);
	EXPECT(client, "{'failure reason':'invalid action in WS request: undefined',"
	    "'info_hash':'%s'}", hash.text);
	CHECK_STAT(server, "torrents", 0);
}

/* The 32 are code points, not bytes; what is no UTF-8 still gives a valid message. */
static void announce_action_long(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);

	client_say(client, "{'action':'%s'}", text_repeat("\xc3\xa9", 40));
	EXPECT(client, "{'failure reason':'invalid action in WS request: %s'}",
	    text_repeat("\xc3\xa9", 32));
	client_say(client, "{'action':'%s'}", text_repeat("\xf0\x9f\x98\x80", 33));
	EXPECT(client, "{'failure reason':'invalid action in WS request: %s'}",
	    text_repeat("\xf0\x9f\x98\x80", 32));
	client_say(client, "{'action':'%s'}", text_repeat("\\ud83d\\ude00", 33));
	CHECK_CONTAINS(HEAR(client), "invalid action in WS request: ");
	client_say(client, "{'action':'\\ud800\\u0000\\n\\u001b[31m'}");
	CHECK_CONTAINS(HEAR(client), "invalid action in WS request: ");
	client_say(client, "{'action':'%s'}", text_repeat("x", 100000));
	EXPECT(client, "{'failure reason':'invalid action in WS request: %s'}",
	    text_repeat("x", 32));
}

/* Of several faults the first is named: JSON, action, info_hash, peer_id, to_peer_id. */
static void announce_order(void)
{
	static const char to_peer_id[] = "invalid `to_peer_id` (required with `answer`)";
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	client_say(client, "{'action':'x','info_hash':1,'peer_id':2,'answer':{},'to_peer_id':3");
	EXPECT(client, "{'failure reason':'invalid JSON'}");
	client_say(client, "{'action':'x','info_hash':1,'peer_id':2,'answer':{},'to_peer_id':3}");
	EXPECT(client, "{'failure reason':'invalid action in WS request: x'}");
	client_say(client, "{'action':'announce','info_hash':1,'peer_id':2,'answer':{},"
	    "'to_peer_id':3}");
	EXPECT(client, "{'failure reason':'invalid info_hash'}");
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':2,'answer':{},"
	    "'to_peer_id':3}", hash.text);
	FAILURE(client, "invalid peer_id", hash);
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'%s','answer':"
	    "{'type':'answer','sdp':'x'},'offer_id':'x','to_peer_id':3}", hash.text, id.text);
	FAILURE(client, to_peer_id, hash);
	client_announce(client, hash, id, "");
	REPLY(client, 0, 1, hash);
}

static void announce_churn(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	struct id hash = id_hash(), id = id_peer();
	int i;

	for (i = 0; i < 200; i++) {
		test_case("round %d", i);
		client = client_open(server);
		client_announce(client, hash, i % 2 == 0 ? id : id_peer(), ",'event':'started'");
		REPLY(client, 0, 1, hash);
		if (i % 3 == 0) {
			client_announce(client, hash, id, ",'event':'stopped'");
			CHECK_CONTAINS(HEAR(client), "\"interval\":120");
		}
		if (i % 4 == 0)
			client_reset(client);
		else
			client_close(client);
		server_turn(server);
	}
}

const struct bb_test bb_announce[] = {
	TEST(announce_reply, FITS, 0), TEST(announce_interval, FITS, 0),
	TEST(announce_left, FITS, 0), TEST(announce_events, FITS, 0),
	TEST(announce_completed, FITS, 0), TEST(announce_completed_first, FITS, 0),
	TEST(announce_seeder_stays, FITS, 0), TEST(announce_duplicates, FITS, 0),
	TEST(announce_unknown_keys, FITS, 0), TEST(announce_invalid_json, FITS, 0),
	TEST(announce_nesting, FITS, 0), TEST(announce_nesting_deep, LARGE, 0),
	TEST(announce_many_values, LARGE, 0), TEST(announce_action, FITS, 0),
	TEST(announce_action_long, LARGE, 0), TEST(announce_order, FITS, 0),
	TEST(announce_churn, FITS, 0), TESTS_END
};
