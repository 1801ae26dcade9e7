/* bb_stats.c - /stats and /stats.json. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void stats_keys(void)
{
	static const char *const keys[] = {
		"torrents", "activeTorrents", "peersAll", "peersSeederOnly", "peersLeecherOnly",
		"peersSeederAndLeecher", "peersIPv4", "peersIPv6"
	};
	struct server *server = server_start(NULL);
	struct reply reply = http_get(server, "/stats.json", "");
	char *body;
	size_t i;

	CHECK_NUMBER(reply.status, 200);
	CHECK_CONTAINS(reply_header(&reply, "Content-Type"), "application/json");
	CHECK_TEXT(reply_header(&reply, "Access-Control-Allow-Origin"), "*");
	CHECK(json_valid(reply.body, reply.len));
	CHECK(utf8_valid(reply.body, reply.len));
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		test_case("%s", keys[i]);
		CHECK_NUMBER(json_number(reply.body, keys[i]), 0);
	}
	body = json_compact(reply.body);
	CHECK_CONTAINS(body, "\"clients\":{}");
	CHECK_CONTAINS(body, "\"server\":\"uwt\"");
	CHECK_CONTAINS(body, "\"serverVersion\":\"");
	body = strstr(body, "\"serverVersion\":\"") + strlen("\"serverVersion\":\"");
	CHECK(*body >= '0' && *body <= '9');
}

static void stats_numbers(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hashes[2] = { id_hash(), id_hash() }, both = id_peer(), seeder = id_peer();

	JOIN(client, hashes[0], both, ",'left':0");
	JOIN(client, hashes[1], both, "");
	JOIN(other, hashes[0], seeder, ",'left':0");
	JOIN(other, hashes[1], seeder, ",'left':0");
	JOIN(other, hashes[0], id_peer(), "");
	JOIN(other, hashes[0], both, "");   /* the same id once more */
	CHECK_STAT(server, "torrents", 2);
	CHECK_STAT(server, "activeTorrents", 2);
	CHECK_STAT(server, "peersAll", 3);
	CHECK_STAT(server, "peersSeederOnly", 1);
	CHECK_STAT(server, "peersLeecherOnly", 1);
	CHECK_STAT(server, "peersSeederAndLeecher", 1);
	CHECK_STAT(server, "peersIPv4", 3);
	CHECK_STAT(server, "peersIPv6", 0);
	JOIN(client, hashes[1], both, ",'left':0");
	JOIN(other, hashes[0], both, ",'event':'stopped'");
	CHECK_STAT(server, "peersSeederOnly", 2);
	CHECK_STAT(server, "peersSeederAndLeecher", 0);
	JOIN(client, hashes[0], both, ",'event':'stopped'");
	JOIN(client, hashes[1], both, ",'event':'stopped'");
	CHECK_STAT(server, "peersAll", 2);
	client_close(other);
	server_turn(server);
	CHECK_STAT(server, "torrents", 0);
	CHECK_STAT(server, "peersAll", 0);
	CHECK_STAT(server, "peersSeederOnly", 0);
	CHECK_STAT(server, "peersLeecherOnly", 0);
}

/* Which of the two forms, by Accept. */
static void stats_accept(void)
{
	static const struct {
		const char *path, *accept;
		bool json, page;
	} cases[] = {
		{ "/stats.json", "", true, false },
		{ "/stats.json", "Accept: text/html\r\n", true, false },
		{ "/stats", "", false, false }, { "/stats", "Accept: */*\r\n", false, false },
		{ "/stats", "Accept: application/json\r\n", true, false },
		{ "/stats", "accept: application/json, */*;q=0.1\r\n", true, false },
		{ "/stats", "Accept: text/html\r\n", false, true },
		{ "/stats", "Accept: text/html,application/json\r\n", false, true },
		{ "/stats", "Accept: application/json\r\nAccept: text/html\r\n", false, true },
		{ "/stats",
		    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,"
		    "image/webp,*/*;q=0.8\r\n", false, true },
		{ "/stats?x=y", "Accept: TEXT/HTML\r\n", false, true }
	};
	struct server *server = server_start(NULL);
	struct reply reply;
	char *type;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s %s", cases[i].path, cases[i].accept);
		reply = http_get(server, cases[i].path, cases[i].accept);
		CHECK_NUMBER(reply.status, 200);
		CHECK_TEXT(reply_header(&reply, "Access-Control-Allow-Origin"), "*");
		type = reply_header(&reply, "Content-Type");
		CHECK_CONTAINS(type, cases[i].json ? "application/json" : "text/html");
		CHECK(json_valid(reply.body, reply.len) == cases[i].json);
		if (!cases[i].json)
			CHECK_TEXT(reply_header(&reply, "Cache-Control"), "max-age=30");
		CHECK((strncasecmp(reply.body, "<!doctype html", 14) == 0) == cases[i].page);
	}
}

/* Without text/html it is uwt-js's lines, one each, in this order. */
static void stats_lines(void)
{
	static const char want[] =
	    "<h1>2 active torrents</h1>\n<h2>Connected Peers: 3</h2>\n"
	    "<h3>Peers Seeding Only: 1</h3>\n<h3>Peers Leeching Only: 1</h3>\n"
	    "<h3>Peers Seeding & Leeching: 1</h3>\n<h3>IPv4 Peers: 3</h3>\n"
	    "<h3>IPv6 Peers: 0</h3>\n<h3>Clients:</h3>\n";
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hashes[2] = { id_hash(), id_hash() }, both = id_peer();
	struct reply reply;
	char *rest;

	JOIN(client, hashes[0], both, ",'left':0");
	JOIN(client, hashes[1], both, "");
	JOIN(client, hashes[0], id_peer(), ",'left':0");
	JOIN(client, hashes[0], id_from("-TR4050-abcdefghijkl"), "");
	reply = http_get(server, "/stats", "");
	CHECK_NUMBER(reply.status, 200);
	CHECK(reply.len > sizeof(want));
	rest = strstr(reply.body, "<h3>Clients:</h3>\n");
	CHECK_CONTAINS(reply.body, "<h3>Clients:</h3>\n");
	CHECK_CONTAINS(rest, "WebTorrent");
	CHECK_CONTAINS(rest, "1.2");
	CHECK_CONTAINS(rest, "Transmission");
	rest[strlen("<h3>Clients:</h3>\n")] = '\0';
	CHECK_TEXT(reply.body, want);
}

/* The browser's page: numbers and clients too, at most a second old. */
static void stats_page(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	struct reply reply;
	int i;

	for (i = 0; i < 11; i++)
		JOIN(client, hash, id_peer(), "");
	reply = http_get(server, "/stats", "Accept: text/html\r\n");
	CHECK_NUMBER(reply.status, 200);
	CHECK_CONTAINS(reply.body, "<title>");
	CHECK(utf8_valid(reply.body, reply.len));
	CHECK_CONTAINS(reply.body, "WebTorrent");
	CHECK_CONTAINS(reply.body, "1.2");
	CHECK_CONTAINS(strstr(reply.body, "WebTorrent"), ">11<");
}

static void stats_none(void)
{
	static const char *const accepts[] = {
		"", "Accept: text/html\r\n", "Accept: application/json\r\n"
	};
	struct server *server = server_start(OPTIONS("--no-stats"));
	struct client *client = client_open(server);
	struct id hash = id_hash();
	size_t i;

	for (i = 0; i < 3; i++) {
		CHECK_NUMBER(http_get(server, "/stats", accepts[i]).status, 404);
		CHECK_NUMBER(http_get(server, "/stats.json", accepts[i]).status, 404);
	}
	CHECK_NUMBER(http_get(server, "/", "").status, 200);
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

/* What a reply has told is in the next /stats.json and in the lines. */
static void stats_current(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	struct id hash = id_hash();
	int i;

	for (i = 1; i <= 30; i++) {
		client = client_open(server);
		JOIN(client, hash, id_peer(), i % 2 == 0 ? ",'left':0" : "");
		CHECK_STAT(server, "peersAll", 1);
		CHECK_CONTAINS(http_get(server, "/stats", "").body,
		    "<h2>Connected Peers: 1</h2>\n");
		CHECK_STAT(server, "peersSeederOnly", i % 2 == 0);
		client_close(client);
		server_turn(server);
		CHECK_STAT(server, "peersAll", 0);
		CHECK_CONTAINS(http_get(server, "/stats", "").body, "<h1>0 active torrents</h1>\n");
	}
}

static void stats_clients(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	char *body;

	JOIN(client, hash, id_peer(), "");
	JOIN(client, hash, id_peer(), "");
	JOIN(client, id_hash(), id_from("-WW0091-abcdefghijkl"), "");
	JOIN(client, hash, id_from("-WD0215-abcdefghijkl"), "");
	JOIN(client, hash, id_from("abcdefghijklmnopqrst"), "");
	body = json_compact(http_get(server, "/stats.json", "").body);
	CHECK_CONTAINS(body, "\"WebTorrent\":{");
	CHECK_CONTAINS(body, "\"1.2\":2");
	CHECK_CONTAINS(body, "\"0.91\":1");
	CHECK_CONTAINS(body, "\"WebTorrent Desktop\":{\"2.15\":1}");
	CHECK_CONTAINS(body, "\"unknown\":{\"abcdefgh\":1}");
	client_close(client);
	server_turn(server);
	body = json_compact(http_get(server, "/stats.json", "").body);
	CHECK_CONTAINS(body, "\"clients\":{}");
}

/* Client names come from strangers. */
static void stats_clients_escaped(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	struct reply reply;
	int i;

	JOIN(client, hash, id_from("<b>&'x;<b>&'x;<b>&'x"), "");
	client_say(client, "{'action':'announce','info_hash':'%s',"
	    "'peer_id':'\\\"\\\\\\\"</\\n\\u0000\xc3\xbf script>aaaa'}", hash.text);
	CHECK_CONTAINS(HEAR(client), "\"incomplete\":2");
	reply = http_get(server, "/stats.json", "");
	CHECK(json_valid(reply.body, reply.len));
	CHECK(utf8_valid(reply.body, reply.len));
	CHECK_CONTAINS(json_compact(reply.body), "\"unknown\":{");
	for (i = 0; i < 2; i++) {
		reply = http_get(server, "/stats", i == 0 ? "" : "Accept: text/html\r\n");
		CHECK_LACKS(reply.body, "<b>&");
		CHECK_LACKS(reply.body, "\"\\\"</");
		CHECK_CONTAINS(reply.body, "&lt;b&gt;&amp;");
		CHECK(utf8_valid(reply.body, reply.len));
	}
}

/* Strangers choose names: only so many are kept apart. */
static void stats_clients_many(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();
	size_t versions = 0;
	char *body, *at;
	int i, j;

	for (i = 0; i < 1500; i += 100) {
		for (j = i; j < i + 100; j++)
			client_announce(client, hash, id_from(format_text("zz%06dxxxxxxxxxxxx", j)),
			    "");
		for (j = 0; j < 100; j++)
			CHECK_CONTAINS(HEAR(client), "\"interval\"");
	}
	CHECK_STAT(server, "peersAll", 1500);
	body = json_compact(http_get(server, "/stats.json", "").body);
	for (at = body; (at = strstr(at, "\"zz")) != NULL; at++)
		versions++;
	CHECK_BETWEEN((double)versions, 1000, 1024);
	CHECK_CONTAINS(body, "\"other\":");
	CHECK_NUMBER(http_get(server, "/stats", "Accept: text/html\r\n").status, 200);
	client_close(client);
	server_turn(server);
	client = client_open(server);
	JOIN(client, hash, id_peer(), "");
	body = json_compact(http_get(server, "/stats.json", "").body);
	/* there is room again */
	CHECK_CONTAINS(body, "\"clients\":{\"WebTorrent\":{\"1.2\":1}}");
}

const struct bb_test bb_stats[] = {
	TEST(stats_keys, FITS, 0), TEST(stats_numbers, FITS, 0), TEST(stats_accept, FITS, 0),
	TEST(stats_lines, FITS, 0), TEST(stats_page, FITS, 0), TEST(stats_none, FITS, 0),
	TEST(stats_current, FITS, 0), TEST(stats_clients, FITS, 0),
	TEST(stats_clients_escaped, FITS, 0), TEST(stats_clients_many, LARGE, 0), TESTS_END
};
