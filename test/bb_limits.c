/* bb_limits.c - full tables, full buffers, peers that do not read, few descriptors. */
#include "harness.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

/* The next message is a failure with that hash; returns its reason. */
static char *refused(struct client *client, struct id hash)
{
	char *message = HEAR(client);
	static const char start[] = "{\"action\":\"announce\",\"failure reason\":\"";

	CHECK(strncmp(message, start, sizeof(start) - 1) == 0);
	CHECK_CONTAINS(message, format_text(",'info_hash':'%s'}", hash.text));
	return message;
}

/* The status with which a handshake is met; 0: the end of the connection. */
static int shake_status(struct client *client)
{
	client_print(client, "GET / HTTP/1.1\r\n" UPGRADE "\r\n");
	return client_reply(client).status;
}

/* All places are held by connections that have announced: the newcomer gets 503, they stay. */
static void limits_connections(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "4"));
	struct client *clients[4], *newcomer;
	struct id hash = id_hash(), ids[4];
	int i;

	for (i = 0; i < 4; i++) {
		ids[i] = id_peer();
		clients[i] = client_open(server);
		client_announce(clients[i], hash, ids[i], "");
		REPLY(clients[i], 0, i + 1, hash);
	}
	for (i = 0; i < 3; i++) {
		newcomer = client_connect(server);
		CHECK_NUMBER(shake_status(newcomer), 503);
		CHECK(client_ends(newcomer, 2));
		client_close(newcomer);
	}
	CHECK_NUMBER(http_get(server, "/stats.json", "").status, 503);
	for (i = 0; i < 4; i++) {
		client_announce(clients[i], hash, ids[i], "");
		REPLY(clients[i], 0, 4, hash);
	}
	client_close(clients[1]);
	SILENT(clients[0]);
	newcomer = client_open(server);
	client_announce(newcomer, hash, id_peer(), "");
	REPLY(newcomer, 0, 4, hash);
}

/* Newcomers to a full table that say nothing keep nobody from hearing that it is full. */
static void limits_connections_crowd(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "2"));
	struct client *clients[2];
	struct id hash = id_hash(), ids[2] = { id_peer(), id_peer() };
	int i;

	for (i = 0; i < 2; i++) {
		clients[i] = client_open(server);
		JOIN(clients[i], hash, ids[i], "");
	}
	for (i = 0; i < 60; i++)
		(void)client_connect(server);
	for (i = 0; i < 5; i++)
		CHECK_NUMBER(shake_status(client_connect(server)), 503);
	for (i = 0; i < 2; i++) {
		client_announce(clients[i], hash, ids[i], "");
		REPLY(clients[i], 0, 2, hash);
	}
}

/* A connection that has never announced makes room, the oldest of them first. */
static void limits_connections_idle(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "4"));
	struct client *clients[4], *newcomer;
	struct id hash = id_hash();
	int i;

	for (i = 0; i < 4; i++) {
		clients[i] = client_open(server);
		if (i % 2 == 0)
			JOIN(clients[i], hash, id_peer(), "");
	}
	newcomer = client_open(server);
	JOIN(newcomer, hash, id_peer(), "");
	CHECK(client_ends(clients[1], 2));
	SILENT(clients[0]);
	SILENT(clients[2]);
	SILENT(clients[3]);
	newcomer = client_open(server);
	JOIN(newcomer, hash, id_peer(), "");
	CHECK(client_ends(clients[3], 2));
	CHECK_NUMBER(shake_status(client_connect(server)), 503);
	SILENT(clients[0]);
	SILENT(clients[2]);
}

static void limits_peers(void)
{
	struct server *server = server_start(OPTIONS("--max-peers", "3"));
	struct client *clients[4];
	struct id hash = id_hash(), ids[4];
	int i;

	for (i = 0; i < 4; i++) {
		clients[i] = client_open(server);
		ids[i] = id_peer();
		client_announce(clients[i], hash, ids[i], ",'event':'started'");
		if (i < 3)
			REPLY(clients[i], 0, i + 1, hash);
	}
	CHECK_CONTAINS(refused(clients[3], hash), "full");
	for (i = 0; i < 3; i++) {   /* what is there stays, and works */
		client_announce(clients[i], hash, ids[i], "");
		REPLY(clients[i], 0, 3, hash);
	}
	CHECK_STAT(server, "peersAll", 3);
	client_announce(clients[3], hash, ids[3], answer_made(ids[0]));   /* nor by an answer */
	SILENT(clients[3]);
	client_say(clients[3], "{'action':'scrape','info_hash':[]}");
	EXPECT(clients[3], "{'action':'scrape','files':{},'flags':{'min_request_interval':120}}");
	client_close(clients[1]);
	server_turn(server);
	client_announce(clients[3], hash, ids[3], "");
	REPLY(clients[3], 0, 3, hash);
}

static void limits_torrents(void)
{
	struct server *server = server_start(OPTIONS("--max-torrents", "2"));
	struct client *client = client_open(server), *other = client_open(server);
	struct id hashes[3] = { id_hash(), id_hash(), id_hash() }, id = id_peer(), from = id_peer();

	JOIN(client, hashes[0], id, "");
	JOIN(client, hashes[1], id, "");
	client_announce(other, hashes[2], id_peer(), "");
	(void)refused(other, hashes[2]);
	client_announce(other, hashes[1], from, offers_made(1));   /* the others are open */
	REPLY(other, 0, 2, hashes[1]);
	RELAYED(client, 0, from, hashes[1]);
	CHECK_STAT(server, "torrents", 2);
	client_announce(client, hashes[0], id, ",'event':'stopped'");
	REPLY(client, 0, 0, hashes[0]);
	client_announce(other, hashes[2], id, "");
	REPLY(other, 0, 1, hashes[2]);
}

/* Full, and emptied, and full again, many times: every place comes back. */
static void limits_again(void)
{
	struct server *server = server_start(OPTIONS("--max-peers", "6", "--max-torrents", "3",
	    "--max-connections", "5"));
	struct client *clients[3];
	struct id hashes[3] = { id_hash(), id_hash(), id_hash() };
	int round, i, j;

	for (round = 0; round < 50; round++) {
		test_case("round %d", round);
		for (i = 0; i < 3; i++) {
			clients[i] = client_open(server);
			for (j = 0; j < 2; j++) {
				client_announce(clients[i], hashes[(i + j) % 3], id_peer(), "");
				CHECK_CONTAINS(HEAR(clients[i]), "\"interval\"");
			}
		}
		client_announce(clients[0], hashes[0], id_peer(), "");
		CHECK_CONTAINS(refused(clients[0], hashes[0]), "full");
		for (i = 0; i < 3; i++)
			if (round % 2 == 0)
				client_close(clients[i]);
			else
				client_reset(clients[i]);
		server_turn(server);
	}
}

/* Offers in batches until `deaf` is dropped, or so many bytes went to it. */
static bool flood(struct server *server, struct client *sender, struct id hash, struct id id)
{
	char *offer = format_text(",'offers':[{'offer':{'sdp':'%s'},'offer_id':'x'}]",
	    text_repeat("x", 600));
	double before;
	long sent, i;

	for (sent = 0; sent < 30000; sent += 10) {
		before = time_now();
		for (i = 0; i < 10; i++)
			client_announce(sender, hash, id, offer);
		for (i = 0; i < 10; i++)
			CHECK_CONTAINS(HEAR(sender), "\"interval\":120");
		CHECK_BETWEEN(time_now() - before, 0, 1);   /* nobody waits for the deaf one */
		if (sent % 200 == 0 && server_stat(server, "peersAll") == 1)
			return true;
	}
	return false;
}

/* A peer that does not read is dropped at its cap; who sends to it does not notice. */
static void limits_deaf(void)
{
	struct server *server = server_start(NULL);
	struct client *deaf = client_try(server, AF_INET, 4096), *sender = client_open(server);
	struct id hash = id_hash(), deaf_id = id_peer(), id = id_peer();

	CHECK(deaf != NULL);
	client_shake(deaf, "");
	JOIN(deaf, hash, deaf_id, "");
	CHECK(flood(server, sender, hash, id));
	CHECK(client_ends(deaf, 3));
	client_announce(sender, hash, id, "");
	REPLY(sender, 0, 1, hash);
}

/* With little memory for it, the one that holds most goes, and the others' messages arrive. */
static void limits_deaf_pool(void)
{
	struct server *server = server_start(OPTIONS("--buffer-memory", "64K"));
	struct client *deaf = client_try(server, AF_INET, 4096), *sender = client_open(server);
	struct client *other = client_open(server);
	struct id hash = id_hash(), elsewhere = id_hash(), id = id_peer(), from = id_peer();
	int i;

	CHECK(deaf != NULL);
	client_shake(deaf, "");
	JOIN(deaf, hash, id_peer(), "");
	JOIN(other, elsewhere, id_peer(), "");
	for (i = 0; i < 20; i++) {
		JOIN(sender, elsewhere, from, offers_made(1));
		RELAYED(other, 0, from, elsewhere);
	}
	client_close(other);
	JOIN(sender, elsewhere, from, ",'event':'stopped'");
	server_turn(server);
	CHECK(flood(server, sender, hash, id));
	CHECK(client_ends(deaf, 3));
}

/* Does the server hold something that a socket did not take? If it does not tell: it may. */
static bool output_waits(struct server *server, int sent)
{
	long used = server_stat(server, "buffersInUse");

	return used > 30 || (used < 0 && sent > 50);
}

/* A peer that is slow, but within its cap, gets everything in the end, in order and whole. */
static void limits_slow(void)
{
	struct server *server = server_start(NULL);
	struct client *slow = client_try(server, AF_INET, 4096), *sender = client_open(server);
	struct id hash = id_hash(), from = id_peer();
	char *pad = text_repeat("0123456789abcdef", 256);
	int round, i, sent;

	CHECK(slow != NULL);
	client_shake(slow, "");
	JOIN(slow, hash, id_peer(), "");
	for (round = 0; round < 3; round++) {
		for (sent = 0; sent < 5000; sent++) {
			if (sent % 5 == 0 && output_waits(server, sent))
				break;
			JOIN(sender, hash, from, format_text(",'offers':[{'offer':{'sdp':'%s'},"
			    "'offer_id':'%d'}]", pad, sent));
		}
		CHECK(sent < 5000);
		for (i = 0; i < sent; i++)
			EXPECT(slow, "{'action':'announce','offer':{'sdp':'%s'},'offer_id':'%d',"
			    "'peer_id':'%s','info_hash':'%s'}", pad, i, from.text, hash.text);
		SILENT(slow);
	}
}

/* The same for a browser: pages asked for at once and read later. */
static void limits_slow_browser(void)
{
	static const char request[] = "GET / HTTP/1.1\r\n\r\n";
	struct server *server = server_start(NULL);
	struct client *slow = client_try(server, AF_INET, 4096);
	int i, sent, waits = 0;
	struct reply reply;

	CHECK(slow != NULL);
	for (sent = 0; sent < 3000 && waits < 3; sent++) {
		client_write(slow, request, sizeof(request) - 1);
		waits += sent % 5 == 4 && server_stat(server, "buffersInUse") != 0;
	}
	for (i = 0; i < sent; i++) {
		reply = client_reply(slow);
		CHECK_NUMBER(reply.status, 200);
		CHECK(strncmp(reply.body, "<!", 2) == 0 && reply.body[reply.len - 1] == '\n');
	}
}

/* It asks much and reads no answer. */
static void limits_deaf_scraper(void)
{
	struct server *server = server_start(NULL);
	struct client *deaf = client_try(server, AF_INET, 4096), *other = client_open(server);
	struct text scrape = { NULL, 0, 0 }, list = { NULL, 0, 0 };
	struct id hash = id_hash(), id = id_peer();
	double until = time_now() + 10;
	ssize_t sent = 0;
	size_t at = 0;
	int i;

	CHECK(deaf != NULL);
	client_shake(deaf, "");
	for (i = 0; i < 1000; i++)
		text_format(&list, "%s'%s'", i == 0 ? "" : ",", id_hash().text);
	list.bytes = format_text("{'action':'scrape','info_hash':[%s]}", list.bytes);
	frame_add(&scrape, FIN | TEXT, list.bytes, strlen(list.bytes));
	while (sent >= 0 && time_now() < until) {
		sent = client_push(deaf, scrape.bytes + at, scrape.len - at);
		at = sent > 0 ? (at + (size_t)sent) % scrape.len : at;
		client_announce(other, hash, id, "");
		REPLY(other, 0, 1, hash);
	}
	CHECK(sent < 0);
}

/* Pages asked for and not read: the tracker goes on. */
static void limits_deaf_browser(void)
{
	static const char request[] = "GET /stats HTTP/1.1\r\nAccept: text/html\r\n\r\n";
	struct server *server = server_start(NULL);
	struct client *deaf = client_try(server, AF_INET, 4096), *other = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct text text = { NULL, 0, 0 };
	ssize_t sent = 0;
	size_t at = 0, total = 0;
	int i;

	CHECK(deaf != NULL);
	for (i = 0; i < 100; i++)
		text_add(&text, request, sizeof(request) - 1);
	for (i = 0; i < 2000 && sent >= 0 && total < 4000000; i++) {
		sent = client_push(deaf, text.bytes + at, text.len - at);
		if (sent > 0) {
			at = (at + (size_t)sent) % text.len;
			total += (size_t)sent;
		}
		client_announce(other, hash, id, "");
		REPLY(other, 0, 1, hash);
	}
}

/* Many messages begun and not ended: those of others go on. */
static void limits_half_messages(void)
{
	struct server *server = server_start(OPTIONS("--buffer-memory", "64K",
	    "--max-connections", "400"));
	struct client *clients[100], *other = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	char *piece = text_repeat("x", 3000);
	int i;

	JOIN(other, hash, id, "");
	for (i = 0; i < 100; i++) {
		clients[i] = client_open(server);
		JOIN(clients[i], id_hash(), id_peer(), "");
		client_frame(clients[i], TEXT, piece, 3000);
		client_announce(other, hash, id, "");
		REPLY(other, 0, 1, hash);
	}
	for (i = 0; i < 100; i++)
		client_close(clients[i]);
	server_turn(server);
	client_frame(other, TEXT, piece, 2000);   /* there is room again */
	SILENT(other);
	client_frame(other, FIN | CONTINUATION, "", 0);
	EXPECT(other, "{'failure reason':'invalid JSON'}");
}

/* Begin or go on with a message: so many KB more. */
static void half_add(struct client *client, int *held, int kilobytes)
{
	static const char piece[1024] = "xxxx";

	for (; kilobytes > 0; kilobytes--)
		client_frame(client, (*held)++ == 0 ? TEXT : CONTINUATION, piece, sizeof(piece));
	SILENT(client);
}

/* When room runs short the one who holds most of it goes, whoever asks for more. */
static void limits_largest(void)
{
	struct server *server = server_start(OPTIONS("--buffer-memory", "64K"));
	struct client *clients[4];
	int held[4], round, i, largest;

	for (round = 0; round < 12; round++) {
		test_case("round %d", round);
		largest = round % 3;
		for (i = 0; i < 4; i++) {
			clients[i] = client_open(server);
			held[i] = 0;
		}
		for (i = 0; i < 3; i++)
			half_add(clients[i], &held[i], i == largest ? 30 : 9);
		half_add(clients[3], &held[3], 9);
		half_add(clients[3], &held[3], 9);
		CHECK(client_ends(clients[largest], 2));
		for (i = 0; i < 4; i++) {
			if (i == largest)
				continue;
			client_frame(clients[i], FIN | CONTINUATION, "", 0);
			EXPECT(clients[i], "{'failure reason':'invalid JSON'}");
		}
		for (i = 0; i < 4; i++)
			client_close(clients[i]);
		server_turn(server);
	}
}

/* Who waits holds no buffer. */
static void limits_idle(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[4];
	struct id hash = id_hash();
	long used;
	int i;

	for (i = 0; i < 4; i++) {
		clients[i] = client_open(server);
		JOIN(clients[i], hash, id_peer(), offers_made(2));
		client_frame(clients[i], TEXT, "{", 1);
		server_turn(server);
		client_frame(clients[i], FIN | CONTINUATION, "}", 1);
	}
	server_turn(server);
	used = server_stat(server, "buffersInUse");
	CHECK(used == 0 || used == -1);
	client_frame(clients[0], TEXT, "{\"a\":", 5);
	server_turn(server);
	used = server_stat(server, "buffersInUse");
	CHECK(used > 0 || used == -1);
}

/* The soft limit of descriptors is raised to the hard one. */
static void limits_descriptors_raised(void)
{
	struct server *server = server_start_under("ulimit -n 250 && ulimit -S -n 80", NULL);
	struct client *clients[100];
	struct id hash = id_hash();
	int i;

	for (i = 0; i < 100; i++) {
		clients[i] = client_open(server);
		client_announce(clients[i], hash, id_peer(), "");
		REPLY(clients[i], 0, i + 1, hash);
	}
}

/* Fewer descriptors than newcomers: those who are there stay, others are refused or wait. */
static void limits_descriptors_few(void)
{
	struct server *server = server_start_under("ulimit -n 128", NULL);
	struct client *clients[150], *first = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct frame frame;
	int i;

	JOIN(first, hash, id, "");
	for (i = 0; i < 150; i++) {
		clients[i] = client_connect(server);
		client_print(clients[i], "GET / HTTP/1.1\r\nUpgrade: websocket\r\n"
		    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
		client_announce(clients[i], hash, id_peer(), "");
		client_frame(first, FIN | PING, "", 0);
		CHECK(client_next(first, &frame, 5) == NEXT_FRAME && frame.opcode == PONG);
	}
	for (i = 0; i < 150; i++)
		client_close(clients[i]);
	SILENT(first);
	client_announce(first, hash, id, ",'event':'stopped'");
	CHECK_CONTAINS(HEAR(first), "\"interval\"");
}

/* Few descriptors lower the defaults of the tables; a table named stays as it is. */
static void limits_descriptors_tables(void)
{
	struct server *server = server_start_under("ulimit -n 128", OPTIONS("--max-peers", "1000"));
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

/* Who sends more messages in a second than it may hears of it and goes; the others stay. */
static void limits_rate(void)
{
	struct server *server = server_start(OPTIONS("--max-rate", "5"));
	struct client *fast = client_open(server), *slow = client_open(server);
	struct id hash = id_hash(), id = id_peer(), slow_id = id_peer();
	char *message;
	int i, replies = 0;

	for (i = 0; i < 8; i++) {
		client_announce(slow, hash, slow_id, "");
		REPLY(slow, 0, 1, hash);
		clock_wait(0.5);
	}
	for (i = 0; i < 40; i++)
		client_announce(fast, hash, id, "");
	while (strstr(message = HEAR(fast), "failure") == NULL)
		replies++;
	CHECK_TEXT(message, text_quoted("{'failure reason':'too many messages in a second'}"));
	CHECK(replies >= 5 && replies < 40);
	CLOSED(fast, 1008);
	SILENT(slow);
	CHECK_STAT(server, "peersAll", 1);
}

/* One address has no more connections than it may; another does not notice. */
static void limits_per_address(void)
{
	struct server *server = server_start(OPTIONS("--max-per-address", "4"));
	struct client *clients[3], *newcomer;
	int i;

	server_turn(server);    /* that takes one */
	for (i = 0; i < 3; i++)
		clients[i] = client_open(server);
	for (i = 0; i < 30; i++) {
		newcomer = client_connect(server);
		if (test_is_tls())
			CHECK(!client_agree(newcomer, 2));
		else if (i % 2)
			CHECK_NUMBER(shake_status(newcomer), 429);
		if (i % 3)
			client_close(newcomer);
	}
	if (machine_has_ipv6())
		client_shake(client_connect_by(server, AF_INET6), "");
	for (i = 0; i < 3; i++)
		SILENT(clients[i]);
	client_close(clients[1]);
	SILENT(clients[0]);
	client_open(server);
	newcomer = client_connect(server);
	CHECK(test_is_tls() ? !client_agree(newcomer, 2) : shake_status(newcomer) == 429);
}

/* Behind a proxy it is the addresses that the proxy names. */
static void check_proxy_quota(struct server *server)
{
	static const char one[] = "X-Forwarded-For: 192.0.2.1\r\n";
	static const char other[] = "X-Forwarded-For: 2001:db8:1:2::3\r\n";
	static const char household[] = "X-Forwarded-For: 2001:db8:1:2::4\r\n";
	struct client *client = client_open_with(server, one);
	int i;

	for (i = 0; i < 3; i++)
		CHECK_NUMBER(http_get(server, "/", UPGRADE "X-Forwarded-For: 192.0.2.1\r\n").status,
		    429);
	client_close(client_open_with(server, other));
	server_turn(server);
	client_open_with(server, household);
	CHECK_NUMBER(http_get(server, "/", UPGRADE "X-Real-IP: 2001:db8:1:2::5\r\n").status, 429);
	client_open_with(server, "");
	client_close(client);
	server_turn(server);
	client_open_with(server, one);
}

static void limits_per_address_proxy(void)
{
	char *path = format_text("unix:%s", test_path("proxy"));

	check_proxy_quota(server_start(OPTIONS("--trust-proxy", "--max-per-address", "1")));
	check_proxy_quota(server_start(OPTIONS("-H", path, "--trust-proxy", "--max-per-address",
	    "1")));
}

const struct bb_test bb_limits[] = {
	TEST(limits_connections, FITS, 0), TEST(limits_connections_idle, FITS, 0),
	TEST(limits_connections_crowd, FITS, 0), TEST(limits_slow, LARGE, 0),
	TEST(limits_slow_browser, LARGE, 0),
	TEST(limits_peers, FITS, 0), TEST(limits_torrents, FITS, 0), TEST(limits_again, FITS, 0),
	TEST(limits_deaf, FITS, 0), TEST(limits_deaf_pool, FITS, 0),
	TEST(limits_deaf_scraper, LARGE, 0), TEST(limits_deaf_browser, LARGE, 0),
	TEST(limits_half_messages, LARGE, 0), TEST(limits_largest, LARGE, 0),
	TEST(limits_idle, FITS, 0),
	TEST(limits_descriptors_raised, LARGE, 0), TEST(limits_descriptors_few, LARGE, 0),
	TEST(limits_descriptors_tables, LARGE, 0), TEST(limits_rate, FITS, 6),
	TEST(limits_per_address, LARGE, 0), TEST(limits_per_address_proxy, FITS, 0), TESTS_END
};
