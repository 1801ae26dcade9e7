/* bb_http.c - HTTP on the tracker's port: requests, refusals, connections. */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char get_stats[] = "GET /stats.json HTTP/1.1\r\nHost: a\r\n\r\n";

static void check_stats(struct client *client)
{
	struct reply reply = client_reply(client);

	CHECK_NUMBER(reply.status, 200);
	CHECK(json_valid(reply.body, reply.len));
}

static void http_versions(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	struct reply reply;

	client_print(client, "%s", get_stats);
	check_stats(client);
	client_print(client, "GET /stats.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	check_stats(client);
	CHECK(client_ends(client, 2));
	client = client_connect(server);
	client_print(client, "GET /stats.json HTTP/1.0\r\n\r\n");
	check_stats(client);
	CHECK(client_ends(client, 2));
	client = client_connect(server);
	client_print(client, "GET /stats.json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	reply = client_reply(client);
	CHECK_NUMBER(reply.status, 200);
	CHECK(reply_says(&reply, "Connection", "keep-alive"));
	client_print(client, "GET /stats.json HTTP/1.0\r\n\r\n");
	check_stats(client);
	CHECK(client_ends(client, 2));
	client = client_connect(server);
	client_print(client, "GET /stats.json HTTP/1.1\r\n\r\n");   /* no Host */
	check_stats(client);
}

/* Versions that are none of these. */
static void http_versions_wrong(void)
{
	static const char *const lines[] = {
		"GET /stats.json HTTP/2.0", "GET /stats.json HTTP/0.9", "GET /stats.json HTTP/3",
		"GET /stats.json HTTP/1.", "GET /stats.json HTTP/1.x", "GET /stats.json http/1.1",
		"GET /stats.json HTTP/11.1", "GET /stats.json", "GET /stats.json HTTPS/1.1"
	};
	struct server *server = server_start(NULL);
	struct client *client;
	int status;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		test_case("%s", lines[i]);
		client = client_connect(server);
		client_print(client, "%s\r\nHost: a\r\n\r\n", lines[i]);
		status = client_reply(client).status;
		CHECK(status == 400 || status == 505);
		CHECK(client_ends(client, 2));
		client_close(client);
	}
}

static void http_keepalive(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	struct text text = { NULL, 0, 0 };
	int i;

	for (i = 0; i < 20; i++) {
		client_print(client, "%s", get_stats);
		check_stats(client);
	}
	for (i = 0; i < 5; i++)
		text_add(&text, get_stats, sizeof(get_stats) - 1);
	client_write(client, text.bytes, text.len);   /* five at once */
	for (i = 0; i < 5; i++)
		check_stats(client);
	client_write(client, text.bytes, text.len - 7);
	for (i = 0; i < 4; i++)
		check_stats(client);
	client_write(client, text.bytes + text.len - 7, 7);
	check_stats(client);
	/* an empty line before a request is passed over */
	client_print(client, "\r\n%s", get_stats);
	check_stats(client);
}

static void http_pipelined_many(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	struct text text = { NULL, 0, 0 };
	int i;

	for (i = 0; i < 200; i++)
		text_add(&text, get_stats, sizeof(get_stats) - 1);
	client_write(client, text.bytes, text.len);
	for (i = 0; i < 200; i++)
		check_stats(client);
}

/* What comes after the request that closes, or after a refusal, is not answered. */
static void http_closes(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);

	client_print(client, "GET /stats.json HTTP/1.1\r\nConnection: close\r\n\r\n%s", get_stats);
	check_stats(client);
	CHECK(client_ends(client, 2));
	client = client_connect(server);
	client_print(client, "GET /stats.json HTTP/1.1\r\nA b\r\n\r\n%s", get_stats);
	CHECK_NUMBER(client_reply(client).status, 400);
	CHECK_NUMBER(client_reply(client).status, 0);
}

static void http_head(void)
{
	static const char *const paths[] = { "/", "/stats", "/stats.json", "/nothing" };
	static const int statuses[] = { 200, 200, 200, 404 };
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	struct reply reply, whole;
	size_t i;

	for (i = 0; i < 4; i++) {
		test_case("%s", paths[i]);
		client_print(client, "HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
		reply = client_reply_head(client);
		CHECK_NUMBER(reply.status, statuses[i]);
		CHECK(reply_header(&reply, "Content-Length") != NULL);
		client_print(client, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", paths[i]);
		whole = client_reply(client);
		CHECK_NUMBER(whole.status, statuses[i]);
		CHECK_TEXT(reply_header(&reply, "Content-Type"),
		    reply_header(&whole, "Content-Type"));
		CHECK(whole.len > 0);
	}
}

static void http_methods(void)
{
	static const char *const methods[] = {
		"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "GETX",
		"HEADS", "BREW"
	};
	struct server *server = server_start(NULL);
	struct reply reply;
	char *allow;
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		test_case("%s", methods[i]);
		reply = http_ask(server, format_text("%s /stats HTTP/1.1\r\nHost: a\r\n"
		    "Content-Length: 0\r\n\r\n", methods[i]));
		CHECK_NUMBER(reply.status, 405);
		allow = reply_header(&reply, "Allow");
		CHECK_CONTAINS(allow, "GET");
		CHECK_CONTAINS(allow, "HEAD");
	}
}

/* A request of exactly so many bytes, head and empty line together. */
static char *request_of(size_t len)
{
	static const char start[] = "GET /stats.json HTTP/1.1\r\nHost: a\r\nX: ";
	size_t fill = len - (sizeof(start) - 1) - 4;

	return format_text("%s%s\r\n\r\n", start, text_repeat("x", fill));
}

static void http_head_limit(void)
{
	struct server *server = server_start(NULL);
	struct client *client;

	CHECK_NUMBER(http_ask(server, request_of(8192)).status, 200);
	CHECK_NUMBER(http_ask(server, request_of(8193)).status, 431);
	CHECK_NUMBER(http_ask(server, request_of(20000)).status, 431);
	client = client_connect(server);
	client_write(client, request_of(8192), 8192);
	client_write(client, request_of(8192), 8192);   /* each head by itself */
	check_stats(client);
	check_stats(client);
	CHECK_NUMBER(http_ask(server, format_text("GET /%s HTTP/1.1\r\n\r\n",
	    text_repeat("x", 9000))).status, 431);
	client = client_connect(server);
	client_write(client, request_of(30000), 9000);   /* it need not be whole */
	CHECK_NUMBER(client_reply(client).status, 431);
	CHECK(client_ends(client, 2));
}

static void http_head_limit_cut(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	size_t cut;

	for (cut = 1000; cut < 8192; cut += 1434) {
		test_case("cut at %zu", cut);
		client = client_connect(server);
		client_write(client, request_of(8192), cut);
		server_turn(server);
		client_write(client, request_of(8192) + cut, 8192 - cut);
		check_stats(client);
		client_write(client, request_of(8193), cut);
		server_turn(server);
		client_write(client, request_of(8193) + cut, 8193 - cut);
		CHECK_NUMBER(client_reply(client).status, 431);
		client_close(client);
	}
}

static void http_headers_limit(void)
{
	struct server *server = server_start(NULL);
	char *many = text_repeat("A: b\r\n", 64);

	CHECK_NUMBER(http_ask(server, format_text("GET /stats HTTP/1.1\r\n%s\r\n", many)).status,
	    200);
	CHECK_NUMBER(http_ask(server, format_text("GET /stats HTTP/1.1\r\n%sA: b\r\n\r\n",
	    many)).status, 431);
}

static void http_body(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);

	client_print(client, "GET /stats.json HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello");
	CHECK_NUMBER(client_reply(client).status, 413);
	CHECK(client_ends(client, 2));
	client = client_connect(server);
	client_print(client, "GET /stats.json HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n");
	CHECK_NUMBER(client_reply(client).status, 413);
	client = client_connect(server);
	client_print(client, "GET /stats.json HTTP/1.1\r\nContent-Length: 0\r\n\r\n%s", get_stats);
	check_stats(client);
	check_stats(client);
}

struct bad_head {
	const char *what;
	const char *bytes;
	size_t len;
};

#define BAD(what, bytes) { what, bytes, sizeof(bytes) - 1 }
#define LINE "GET /stats.json HTTP/1.1\r\n"

static const struct bad_head bad_heads[] = {
	BAD("bare LF in the request line", "GET /stats.json HTTP/1.1\nHost: a\r\n\r\n"),
	BAD("bare LF after a header", LINE "Host: a\nX: b\r\n\r\n"),
	BAD("bare LF at the end", LINE "Host: a\r\n\n"),
	BAD("LF LF", "GET /stats.json HTTP/1.1\n\n"),
	BAD("bare CR in a value", LINE "Host: a\rb\r\n\r\n"),
	BAD("bare CR in the request line", "GET /stats.json\r HTTP/1.1\r\n\r\n"),
	BAD("CR CR LF", LINE "Host: a\r\r\n\r\n"),
	BAD("NUL in a value", LINE "Host: a\0b\r\n\r\n"),
	BAD("NUL in a name", LINE "Ho\0st: a\r\n\r\n"),
	BAD("NUL in the target", "GET /\0 HTTP/1.1\r\n\r\n"),
	BAD("continued header", LINE "Host: a\r\n b\r\n\r\n"),
	BAD("continued header with a tab", LINE "Host: a\r\n\tb\r\n\r\n"),
	BAD("blank line start", LINE " Host: a\r\n\r\n"),
	BAD("space before the colon", LINE "Host : a\r\n\r\n"),
	BAD("tab before the colon", LINE "Host\t: a\r\n\r\n"),
	BAD("no colon", LINE "Host\r\n\r\n"),
	BAD("no name", LINE ": a\r\n\r\n"),
	BAD("space in a name", LINE "Ho st: a\r\n\r\n"),
	BAD("two lengths", LINE "Content-Length: 0\r\nContent-Length: 1\r\n\r\n"),
	BAD("two lengths, other order", LINE "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
	BAD("chunked", LINE "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	BAD("identity", LINE "transfer-encoding: identity\r\n\r\n"),
	BAD("chunked and length", LINE "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	BAD("no target", "GET HTTP/1.1\r\n\r\n"),
	BAD("nothing", "\r\n\r\n\r\n")
};

static void http_malformed(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
		test_case("%s", bad_heads[i].what);
		client = client_connect(server);
		client_write(client, bad_heads[i].bytes, bad_heads[i].len);
		CHECK_NUMBER(client_reply(client).status, 400);
		CHECK(client_ends(client, 2));
		client_close(client);
	}
}

/* The same, arriving byte by byte. */
static void http_malformed_bytes(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i, j;

	for (i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
		test_case("%s", bad_heads[i].what);
		client = client_connect(server);
		for (j = 0; j < bad_heads[i].len && !client->ended; j++) {
			client_write(client, bad_heads[i].bytes + j, 1);
			server_turn(server);
		}
		CHECK_NUMBER(client_reply(client).status, 400);
		client_close(client);
	}
}

static void http_smuggled_upgrade(void)
{
	static const char *const lines[] = {
		"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
		"Content-Length: 0\r\nContent-Length: 3\r\n"
	};
	struct server *server = server_start(NULL);
	size_t i;

	for (i = 0; i < 3; i++) {
		test_case("%s", lines[i]);
		CHECK(http_ask(server, format_text("GET / HTTP/1.1\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		    "Sec-WebSocket-Version: 13\r\n%s\r\n", lines[i])).status >= 400);
	}
}

static void http_not_found(void)
{
	static const char *const paths[] = {
		"/nothing", "/stats/", "/stats.jsonx", "/Stats", "/announce", "/scrape",
		"/favicon.ico", "/../etc/passwd", "//stats", "/%73tats", "/stat"
	};
	struct server *server = server_start(NULL);
	struct reply reply;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		test_case("%s", paths[i]);
		reply = http_get(server, paths[i], "");
		CHECK_NUMBER(reply.status, 404);
		CHECK(reply.len > 0);
		CHECK(strstr(reply.body, "ws:") != NULL || strstr(reply.body, "racker") != NULL);
	}
}

/* A proxy took the upgrade away: say so, on any path. */
static void http_lost_upgrade(void)
{
	static const char *const paths[] = { "/", "/announce", "/stats", "/stats.json", "/x?y" };
	static const char *const rests[] = {
		"", "Connection: close\r\n", "Upgrade: websocket\r\n", "Connection: Upgrade\r\n",
		"Connection: Upgrade\r\nUpgrade: h2c\r\n"
	};
	struct server *server = server_start(NULL);
	struct reply reply;
	size_t i, j;

	for (i = 0; i < 5; i++)
		for (j = 0; j < 5; j++) {
			test_case("%s %s", paths[i], rests[j]);
			reply = http_get(server, paths[i], format_text("Sec-WebSocket-Key: "
			    "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s",
			    rests[j]));
			CHECK_NUMBER(reply.status, 426);
			CHECK(reply_says(&reply, "Upgrade", "websocket"));
			CHECK(strstr(reply.body, "pgrade") != NULL ||
			    strstr(reply.body, "roxy") != NULL);
		}
}

static void http_landing(void)
{
	struct server *server = server_start(NULL);
	struct reply reply = http_get(server, "/", "Accept: text/html\r\n");

	CHECK_NUMBER(reply.status, 200);
	CHECK_CONTAINS(reply_header(&reply, "Content-Type"), "text/html");
	CHECK(reply_header(&reply, "Content-Security-Policy") != NULL);
	CHECK_BETWEEN((double)reply.len, 200, 10240);
	CHECK(strncasecmp(reply.body, "<!doctype html>", 15) == 0);
	CHECK(utf8_valid(reply.body, reply.len));
	CHECK_NUMBER(http_get(server, "/?x=1", "").status, 200);
}

static void http_index(void)
{
	static const char page[] = "<p>The operator's own page.</p>\n";
	struct server *server = server_start(OPTIONS("--index", test_file("page.html", page)));
	struct reply reply = http_get(server, "/", "");

	CHECK_NUMBER(reply.status, 200);
	CHECK_TEXT(reply.body, page);
	CHECK_CONTAINS(reply_header(&reply, "Content-Type"), "text/html");
	server = server_start(OPTIONS("--index", "none"));
	reply = http_get(server, "/", "");
	CHECK_NUMBER(reply.status, 404);
	CHECK(reply.len > 0);
	CHECK_NUMBER(http_get(server, "/stats.json", "").status, 200);
}

static void http_targets(void)
{
	struct server *server = server_start(NULL);

	CHECK_NUMBER(http_get(server, "/stats.json?_=123", "").status, 200);
	CHECK_NUMBER(http_get(server, "http://localhost/stats.json", "").status, 200);
	CHECK_NUMBER(http_get(server, "/?stats.json", "").status, 200);
	CHECK_NUMBER(http_get(server, "*", "").status / 100, 4);
}

/* A client that has said all it wants to say still gets its answers. */
static void http_half_closed(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	int i, count = test_is_tiny() ? 1 : 100;

	for (i = 0; i < count; i++)
		client_print(client, "%s", get_stats);
	CHECK(shutdown(client->fd, SHUT_WR) == 0);
	for (i = 0; i < count; i++)
		check_stats(client);
	CHECK(client_ends(client, 2));
}

/* Clients that end halfway, at every byte of a request. */
static void http_left(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	size_t cut;

	for (cut = 0; cut < sizeof(get_stats) - 1; cut++) {
		test_case("cut at %zu", cut);
		client = client_connect(server);
		client_write(client, get_stats, cut);
		if (cut % 2 == 0)
			client_reset(client);
		else
			client_close(client);
	}
	client = client_connect(server);
	client_print(client, "%s", get_stats);
	client_reset(client);   /* does not wait for the reply */
	CHECK_STAT(server, "peersAll", 0);
}

const struct bb_test bb_http[] = {
	TEST(http_versions, FITS, 0), TEST(http_versions_wrong, FITS, 0),
	TEST(http_keepalive, FITS, 0), TEST(http_pipelined_many, LARGE, 0),
	TEST(http_closes, FITS, 0), TEST(http_head, FITS, 0), TEST(http_methods, FITS, 0),
	TEST(http_head_limit, LARGE, 0), TEST(http_head_limit_cut, LARGE, 0),
	TEST(http_headers_limit, FITS, 0), TEST(http_body, FITS, 0),
	TEST(http_malformed, FITS, 0), TEST(http_malformed_bytes, FITS, 0),
	TEST(http_smuggled_upgrade, FITS, 0), TEST(http_not_found, FITS, 0),
	TEST(http_lost_upgrade, FITS, 0), TEST(http_landing, FITS, 0), TEST(http_index, FITS, 0),
	TEST(http_targets, FITS, 0), TEST(http_half_closed, FITS, 0),
	TEST(http_left, FITS, 0), TESTS_END
};
