/* bb_handshake.c - the upgrade from HTTP to WebSocket. */
#include "harness.h"

#include <string.h>

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static const char handshake[] = "GET / HTTP/1.1\r\nHost: localhost\r\n" UPGRADE KEY VERSION "\r\n";

/* Ask and read the reply; the connection is usable as a tracker's afterwards if it is 101. */
static struct reply shake(struct client *client, const char *request)
{
	client_write(client, request, strlen(request));
	return client_reply(client);
}

static void tracker_works(struct client *client)
{
	struct id hash = id_hash();

	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

static void handshake_reply(void)
{
	static const char *const pairs[][2] = {
		{ "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
		{ "x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk=" },
		{ "AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI=" },
		{ "/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g=" },
		{ "+/+/+/+/+/+/+/+/+/+/+w==", "M0DUs3om0SqzerhOhYSMM7WQuBQ=" }
	};
	struct server *server = server_start(NULL);
	struct client *client;
	struct reply reply;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		test_case("%s", pairs[i][0]);
		client = client_connect(server);
		reply = shake(client, format_text("GET / HTTP/1.1\r\nHost: localhost\r\n" UPGRADE
		    VERSION "Sec-WebSocket-Key: %s\r\n\r\n", pairs[i][0]));
		CHECK_NUMBER(reply.status, 101);
		CHECK(strncmp(reply.head, "HTTP/1.1 101 ", 13) == 0);
		CHECK_TEXT(reply_header(&reply, "Sec-WebSocket-Accept"), pairs[i][1]);
		CHECK(reply_says(&reply, "Upgrade", "websocket"));
		CHECK(reply_says(&reply, "Connection", "upgrade"));
		CHECK(reply_header(&reply, "Content-Length") == NULL);
		SILENT(client);
		client_close(client);
	}
}

/* What a browser offers is left out of the reply: no compression, no subprotocol. */
static void handshake_declines(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	struct reply reply = shake(client,
	    "GET / HTTP/1.1\r\nHost: localhost\r\n" UPGRADE KEY VERSION
	    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	    "Sec-WebSocket-Protocol: chat, bittorrent\r\nOrigin: https://example.com\r\n\r\n");

	CHECK_NUMBER(reply.status, 101);
	CHECK(reply_header(&reply, "Sec-WebSocket-Extensions") == NULL);
	CHECK(reply_header(&reply, "Sec-WebSocket-Protocol") == NULL);
	tracker_works(client);
}

static void handshake_any_path(void)
{
	static const char *const paths[] = {
		"/", "/announce", "/0", "/stats", "/stats.json", "/a/b/c?x=y&z=%20", "/?info_hash=1"
	};
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		test_case("%s", paths[i]);
		client = client_connect(server);
		CHECK_NUMBER(shake(client,
		    format_text("GET %s HTTP/1.1\r\nHost: localhost\r\n" UPGRADE
		    KEY VERSION "\r\n", paths[i])).status, 101);
		tracker_works(client);
		client_close(client);
	}
}

/* Headers as real clients and proxies write them. */
static void handshake_accepted(void)
{
	static const char *const heads[] = {
		"Host: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" KEY VERSION,
		"HOST: a\r\nCONNECTION: UPGRADE\r\nUPGRADE: WEBSOCKET\r\n"
		"SEC-WEBSOCKET-KEY: dGhlIHNhbXBsZSBub25jZQ==\r\nSEC-WEBSOCKET-VERSION: 13\r\n",
		"host: a\r\nconnection:upgrade\r\nupgrade:WebSocket\r\n"
		"sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version:13\r\n",
		"Host: a\r\nConnection: Upgrade ,keep-alive\r\nUpgrade: websocket \r\n" KEY VERSION,
		UPGRADE KEY VERSION   /* no Host */
	};
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		test_case("%s", heads[i]);
		client = client_connect(server);
		CHECK_NUMBER(shake(client,
		    format_text("GET / HTTP/1.1\r\n%s\r\n", heads[i])).status,
		    101);
		tracker_works(client);
		client_close(client);
	}
}

static void handshake_version(void)
{
	static const char *const versions[] = {
		"Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 7\r\n",
		"Sec-WebSocket-Version: 14\r\n", "Sec-WebSocket-Version: 130\r\n",
		"Sec-WebSocket-Version: \r\n", ""
	};
	struct server *server = server_start(NULL);
	struct reply reply;
	size_t i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		test_case("%s", versions[i]);
		reply = http_ask(server, format_text("GET / HTTP/1.1\r\n" UPGRADE KEY "%s\r\n",
		    versions[i]));
		CHECK_NUMBER(reply.status, 426);
		CHECK_TEXT(reply_header(&reply, "Sec-WebSocket-Version"), "13");
	}
}

static void handshake_key(void)
{
	static const char *const keys[] = {
		"",
		"Sec-WebSocket-Key: \r\n",
		"Sec-WebSocket-Key: x\r\n",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",       /* no padding */
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n",         /* 15 bytes */
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=\r\n",     /* 17 bytes */
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==AAAA\r\n",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n",
		"Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n",
		"Sec-WebSocket-Key: dGhlIHNhbXBs SBub25jZQ==\r\n",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n"      /* unused bits not 0 */
	};
	struct server *server = server_start(NULL);
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		test_case("%s", keys[i]);
		CHECK_NUMBER(http_ask(server, format_text("GET / HTTP/1.1\r\nHost: a\r\n" UPGRADE
		    VERSION "%s\r\n", keys[i])).status, 400);
	}
}

static void handshake_methods(void)
{
	struct server *server = server_start(NULL);

	CHECK_NUMBER(http_ask(server, "POST / HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION
	    "Content-Length: 0\r\n\r\n").status, 405);
	CHECK(http_ask(server, "PUT /announce HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION
	    "\r\n").status != 101);
}

static void handshake_cut(void)
{
	struct server *server = server_start(NULL);
	size_t cut, len = sizeof(handshake) - 1;
	struct client *client;

	for (cut = 1; cut < len; cut++) {
		test_case("cut at %zu", cut);
		client = client_connect(server);
		client_write(client, handshake, cut);
		server_turn(server);
		client_write(client, handshake + cut, len - cut);
		CHECK_NUMBER(client_reply(client).status, 101);
		SILENT(client);
		client_close(client);
	}
}

static void handshake_bytes(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	size_t i;

	for (i = 0; i + 1 < sizeof(handshake); i++) {
		client_write(client, handshake + i, 1);
		server_turn(server);
	}
	CHECK_NUMBER(client_reply(client).status, 101);
	tracker_works(client);
}

/* A client that does not wait: its first message follows the request in the same segment. */
static void handshake_with_message(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	struct text text;
	struct id hash;
	size_t cut;
	char *message;

	for (cut = 0; cut < 40; cut += 3) {
		test_case("cut %zu bytes before the end", cut);
		hash = id_hash();
		message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}",
		    hash.text, id_peer().text);
		text = (struct text) { NULL, 0, 0 };
		text_add(&text, handshake, sizeof(handshake) - 1);
		frame_add(&text, FIN | TEXT, message, strlen(message));
		client = client_connect(server);
		client_write(client, text.bytes, text.len - cut);
		server_turn(server);
		client_write(client, text.bytes + text.len - cut, cut);
		CHECK_NUMBER(client_reply(client).status, 101);
		REPLY(client, 0, 1, hash);
		client_close(client);
	}
}

/* A connection that asked for pages may become a tracker's, also in one segment. */
static void handshake_after_page(void)
{
	static const char get[] = "GET /stats.json HTTP/1.1\r\nHost: a\r\n\r\n";
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);

	CHECK_NUMBER(shake(client, get).status, 200);
	CHECK_NUMBER(shake(client, get).status, 200);
	CHECK_NUMBER(shake(client, handshake).status, 101);
	tracker_works(client);
	client = client_connect(server);
	client_print(client, "%s%s", get, handshake);
	CHECK_NUMBER(client_reply(client).status, 200);
	CHECK_NUMBER(client_reply(client).status, 101);
	tracker_works(client);
}

/* What is neither HTTP nor WebSocket ends its own connection and nothing else. */
static void handshake_garbage(void)
{
	static const char *const garbage[] = {
		"\x16\x03\x01\x02\x05\x01\x01\xfc\x03\x03", "\x80\xff\xff",
		"SSH-2.0-OpenSSH_9.9\r\n", "hello\r\n\r\n", "GET\r\n\r\n", "GET / \r\n\r\n",
		" / HTTP/1.1\r\n\r\n", "\023BitTorrent protocol\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1 x\r\n\r\n"
	};
	struct server *server = server_start(NULL);
	struct client *good = client_open(server), *client;
	size_t i;

	for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		test_case("%s", garbage[i]);
		client = client_connect(server);
		client_write(client, garbage[i], strlen(garbage[i]));
		if (strstr(garbage[i], "\r\n\r\n") != NULL)
			CHECK_NUMBER(client_reply(client).status, 400);
		SILENT(good);
		client_close(client);
	}
	tracker_works(good);
}

static void handshake_many(void)
{
	struct client *clients[300];
	struct server *server = server_start(NULL);
	size_t i, count = test_is_tls() ? 40 : 300;   /* TLS does one after the other: 10 s for all */

	for (i = 0; i < count; i++)
		clients[i] = client_connect(server);
	for (i = 0; i < count; i++)
		client_write(clients[i], handshake, sizeof(handshake) - 1);
	for (i = 0; i < count; i++)
		CHECK_NUMBER(client_reply(clients[i]).status, 101);
	for (i = count; i != 0; i--)
		SILENT(clients[i - 1]);
}

const struct bb_test bb_handshake[] = {
	TEST(handshake_reply, FITS, 0), TEST(handshake_declines, FITS, 0),
	TEST(handshake_any_path, FITS, 0), TEST(handshake_accepted, FITS, 0),
	TEST(handshake_version, FITS, 0), TEST(handshake_key, FITS, 0),
	TEST(handshake_methods, FITS, 0), TEST(handshake_cut, FITS, 0),
	TEST(handshake_bytes, FITS, 0), TEST(handshake_with_message, FITS, 0),
	TEST(handshake_after_page, FITS, 0), TEST(handshake_garbage, FITS, 0),
	TEST(handshake_many, LARGE, 0), TESTS_END
};
