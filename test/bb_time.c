/* bb_time.c - timeouts, pings and ages, by the server's clocks. */
#include "harness.h"

#include <string.h>

/*
 * What happens now was due so many seconds after something that happened between two moments. Both
 * are looked at, since this process may have been held up between them.
 */
#define CHECK_AFTER(before, after, seconds) \
	do { \
		CHECK_BETWEEN(clock_since(before), (seconds) - 1, 1e9); \
		CHECK_BETWEEN(clock_since(after), -1e9, (seconds) + clock_slack()); \
	} while (0)

/* The connection lives, or so many seconds have passed in the meantime. */
#define CHECK_LIVES(client, before, seconds) \
	CHECK(!client_ends(client, 0) || clock_since(before) > (seconds) - 1)

/* Connections that do not get their request done in 10 s. */
static void time_handshake(void)
{
	struct server *server = server_start(NULL);
	double before = time_now(), after;
	struct client *mute = client_connect(server), *half = client_connect(server);
	struct client *slow = client_connect(server), *whole = client_open(server);
	int i;

	after = time_now();
	client_print(half, "GET / HTTP/1.1\r\nHost: a\r\nUpgr");
	client_print(slow, "GET / HTTP/1.1\r\n");
	for (i = 0; i < 8; i++) {
		client_print(slow, "X-%d: y\r\n", i);   /* a byte now and then wins no time */
		clock_wait(1);
	}
	CHECK_LIVES(mute, before, 10);
	CHECK_NUMBER(client_reply(half).status, 408);
	CHECK_AFTER(before, after, 10);
	CHECK_NUMBER(client_reply(slow).status, 408);
	CHECK_AFTER(before, after, 10);
	CHECK(client_ends(half, 2));
	CHECK(client_ends(slow, 2));
	CHECK(client_ends(mute, 2));
	SILENT(whole);
}

/* The same for a second request on a connection. */
static void time_second_request(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_connect(server);
	double before, after;

	client_print(client, "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(client_reply(client).status, 200);
	clock_wait(5);
	before = time_now();
	client_print(client, "GET /stats.json HTTP/1.1\r\n");
	after = time_now();
	CHECK_NUMBER(client_reply(client).status, 408);
	CHECK_AFTER(before, after, 10);
	CHECK(client_ends(client, 2));
}

/* An idle connection between requests lives for 60 s. */
static void time_keepalive(void)
{
	struct server *server = server_start(NULL);
	struct client *idle = client_connect(server), *used = client_connect(server);
	double before = time_now(), after;

	client_print(idle, "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(client_reply(idle).status, 200);
	after = time_now();
	client_print(used, "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(client_reply(used).status, 200);
	clock_wait(30);
	client_print(used, "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(client_reply(used).status, 200);
	clock_wait(27);
	CHECK_LIVES(idle, before, 60);
	CHECK(client_ends(idle, 5));
	CHECK_AFTER(before, after, 60);
	client_print(used, "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(client_reply(used).status, 200);
}

/* Read what is there; the moment of the first ping goes to *pinged, the end's to *ended. */
static void watch(struct client *client, double *pinged, double *ended)
{
	struct frame frame;
	enum next next;

	while ((next = client_next(client, &frame, 0)) == NEXT_FRAME)
		CHECK(frame.opcode == CLOSE || frame.opcode == TEXT);
	if (client->pings != 0 && *pinged == 0)
		*pinged = time_now();
	if (next == NEXT_END && *ended == 0)
		*ended = time_now();
}

/* Was that moment so many seconds of the server's clocks after what was done between two others? */
static void check_moment(double moment, double before, double after, double seconds)
{
	CHECK_BETWEEN(clock_since(before) - clock_since(moment), seconds - 1, 1e9);
	CHECK_BETWEEN(clock_since(after) - clock_since(moment), -1e9, seconds + clock_slack());
}

/*
 * 45 s without traffic from a peer bring a ping, 15 more without any end it: the first is
 * mute, the second answers, the third announces now and then, the fourth hears it in silence.
 */
static void time_ping(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[4];
	struct id hash = id_hash(), ids[4];
	double before = time_now(), after, pinged[4] = { 0 }, ended[4] = { 0 };
	int i, announced = 0;

	for (i = 0; i < 4; i++) {
		clients[i] = client_open(server);
		ids[i] = id_peer();
		JOIN(clients[i], i < 2 ? id_hash() : hash, ids[i], "");
	}
	clients[0]->mute = true;
	after = time_now();
	while (clock_since(before) < 72) {
		clock_wait(0.5);
		if (clock_since(before) > 30 * (announced + 1)) {
			client_announce(clients[2], hash, ids[2], offers_made(1));
			announced++;
		}
		for (i = 0; i < 4; i++)
			watch(clients[i], &pinged[i], &ended[i]);
	}
	check_moment(pinged[0], before, after, 45);
	check_moment(pinged[1], before, after, 45);
	check_moment(pinged[3], before, after, 45);   /* what it was sent is no traffic from it */
	check_moment(ended[0], before, after, 60);
	CHECK_NUMBER(clients[0]->pings, 1);
	CHECK_NUMBER(clients[1]->pings, 1);
	CHECK_NUMBER(clients[2]->pings, 0);           /* its announces were traffic */
	CHECK_NUMBER(clients[3]->pings, 1);
	CHECK(ended[1] == 0 && ended[2] == 0 && ended[3] == 0);
	CHECK_STAT(server, "peersAll", 3);
}

/* How many memberships a torrent has, as scraped. */
static long members(struct client *client, struct id hash)
{
	client_say(client, "{'action':'scrape','info_hash':'%s'}", hash.text);
	return json_number(HEAR(client), "incomplete");
}

/*
 * A membership lives for ten times the interval told, here 10 s, from its last announce or
 * answer. A client's ping refreshes it if its socket has no other.
 */
static void time_age(void)
{
	enum { ONCE, AGAIN, PINGS, ANSWERS, COUNT };
	struct server *server = server_start(OPTIONS("--interval", "5000", "--max-torrents", "4"));
	struct client *clients[COUNT], *watcher = client_open(server);
	struct id hashes[COUNT], ids[COUNT];
	double start = time_now();
	int i, tick;
	char *line;

	for (i = 0; i < COUNT; i++) {
		clients[i] = client_open(server);
		hashes[i] = id_hash();
		ids[i] = id_peer();
		JOIN(clients[i], hashes[i], ids[i], "");
	}
	while (strcmp(server_event(server, 0), "none") != 0)
		continue;
	for (tick = 0; tick < 5; tick++) {
		clock_wait(3);
		client_frame(clients[PINGS], FIN | PING, "", 0);
		JOIN(clients[AGAIN], hashes[AGAIN], ids[AGAIN], "");
		client_announce(clients[ANSWERS], hashes[ANSWERS], ids[ANSWERS],
		    answer_made(id_peer()));
		SILENT(clients[ANSWERS]);
		CHECK(members(watcher, hashes[ONCE]) == 1 || clock_since(start) > 9);
	}
	CHECK_NUMBER(members(watcher, hashes[ONCE]), 0);
	CHECK_NUMBER(members(watcher, hashes[AGAIN]), 1);
	CHECK_NUMBER(members(watcher, hashes[PINGS]), 1);
	CHECK_NUMBER(members(watcher, hashes[ANSWERS]), 1);
	CHECK_STAT(server, "peersAll", 3);
	CHECK_STAT(server, "torrents", 3);
	while (strncmp(line = server_event(server, 0), "update", 6) == 0)
		continue;
	CHECK_TEXT(line, format_text("stop: %s", id_hex(ids[ONCE])));
	SILENT(clients[ONCE]);   /* its socket stays, and is good for more */
	JOIN(clients[ONCE], hashes[ONCE], ids[ONCE], "");
	CHECK_NUMBER(members(watcher, hashes[ONCE]), 1);
}

/* With two memberships a ping refreshes neither, and a refreshed one does not save the other. */
static void time_age_two(void)
{
	struct server *server = server_start(OPTIONS("--interval", "5000"));
	struct client *pings = client_open(server), *one = client_open(server);
	struct client *watcher = client_open(server);
	struct id first = id_hash(), second = id_hash(), id = id_peer(), other = id_peer();
	int i;

	JOIN(pings, first, id, "");
	JOIN(pings, second, id, "");
	JOIN(one, first, other, "");
	JOIN(one, second, other, "");
	for (i = 0; i < 5; i++) {
		clock_wait(3);
		client_frame(pings, FIN | PING, "", 0);
		JOIN(one, first, other, "");
	}
	CHECK_NUMBER(members(watcher, first), 1);
	CHECK_NUMBER(members(watcher, second), 0);
	CHECK_STAT(server, "peersAll", 1);
}

/* It does not go before. */
static void time_age_not_before(void)
{
	struct server *server = server_start(OPTIONS("--interval", "10000"));
	struct client *client = client_open(server), *watcher = client_open(server);
	struct id hash = id_hash();
	double before = time_now();

	JOIN(client, hash, id_peer(), "");
	clock_wait(18);
	CHECK(members(watcher, hash) == 1 || clock_since(before) > 19);
	clock_wait(2 + clock_slack());
	CHECK_NUMBER(members(watcher, hash), 0);
	SILENT(client);
}

/* When an id comes back on another socket, a dead first one goes within 15 s. */
static void time_dead_socket(void)
{
	struct server *server = server_start(NULL);
	struct client *dead = client_open(server), *alive = client_open(server);
	struct client *again = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	double before, after;

	dead->mute = true;
	JOIN(dead, hash, id, "");
	before = time_now();
	JOIN(alive, hash, id, "");
	JOIN(again, hash, id, "");
	SILENT(alive);
	CHECK_NUMBER(alive->pings, 1);
	after = time_now();
	clock_wait(12);
	CHECK_LIVES(dead, before, 15);
	CHECK(client_ends(dead, 5));
	CHECK_AFTER(before, after, 15);
	SILENT(alive);
	SILENT(again);
	CHECK_NUMBER(members(again, hash), 2);
	CHECK_STAT(server, "peersAll", 1);
}

/* A message that never ends is no reason to stay; pongs are. */
static void time_half_message(void)
{
	struct server *server = server_start(NULL);
	struct client *mute = client_open(server), *alive = client_open(server);
	double before = time_now(), after;

	mute->mute = true;
	client_frame(mute, TEXT, "{\"action\":", 10);
	client_write(mute, "\x80\x85", 2);
	after = time_now();
	client_frame(alive, TEXT, "{\"action\":", 10);
	do {
		SILENT(alive);
		CHECK(clock_since(after) < 61 + clock_slack());
	} while (!client_ends(mute, 0.05));
	CHECK_AFTER(before, after, 60);
	client_frame(alive, FIN | CONTINUATION, "5}", 2);
	EXPECT(alive, "{'failure reason':'invalid action in WS request: 5'}");
}

/* The browser's page is at most a second old. */
static void time_page(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);

	CHECK_LACKS(http_get(server, "/stats", "Accept: text/html\r\n").body, "WebTorrent<");
	JOIN(client, id_hash(), id_from("-TR4050-abcdefghijkl"), "");
	clock_wait(1.1 + clock_slack() / 4);
	CHECK_CONTAINS(http_get(server, "/stats", "Accept: text/html\r\n").body, "Transmission");
}

const struct bb_test bb_time[] = {
	TEST(time_handshake, FITS, 10), TEST(time_second_request, FITS, 15),
	TEST(time_keepalive, FITS, 62), TEST(time_ping, FITS, 73), TEST(time_age, FITS, 15),
	TEST(time_age_two, FITS, 15), TEST(time_age_not_before, FITS, 25),
	TEST(time_dead_socket, FITS, 16), TEST(time_half_message, LARGE, 61),
	TEST(time_page, FITS, 2), TESTS_END
};
