/* bb_load.c - much at once, twice: the second wave needs no more memory than the first. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define PEERS 300
#define SWARMS 30

struct wave {
	struct server *server;
	struct client *clients[PEERS];
	struct id ids[PEERS], hashes[SWARMS];
};

/* Read all that has come to a client, up to the pong of this moment. */
static void drain(struct client *client)
{
	struct frame frame;

	client_frame(client, FIN | PING, "drain", 5);
	while (client_next(client, &frame, 5) == NEXT_FRAME) {
		if (frame.opcode == PONG)
			return;
		CHECK_NUMBER(frame.opcode, TEXT);
		CHECK(json_valid(frame.payload, frame.len));
		free(frame.payload);
	}
	check_failed(__FILE__, __LINE__, "no pong");
}

static void wave_announce(struct wave *wave, const char *extra)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		client_announce(wave->clients[i], wave->hashes[i % SWARMS], wave->ids[i], extra);
		if (i % 10 == 9)
			drain(wave->clients[i]);
	}
	for (i = 0; i < PEERS; i++)
		drain(wave->clients[i]);
}

/* Everybody answers a neighbour of its swarm, in two fragments. */
static void wave_answer(struct wave *wave)
{
	char *message;
	size_t len;
	int i;

	for (i = 0; i < PEERS; i++) {
		message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'%s}",
		    wave->hashes[i % SWARMS].text, wave->ids[i].text,
		    answer_made(wave->ids[(i + SWARMS) % PEERS]));
		len = strlen(message);
		client_frame(wave->clients[i], TEXT, message, len / 2);
		server_turn(wave->server);
		client_frame(wave->clients[i], FIN | CONTINUATION, message + len / 2,
		    len - len / 2);
		free(message);
	}
	for (i = 0; i < PEERS; i++)
		drain(wave->clients[i]);
}

/* A third of them leaves, each in its way, and comes back under another id. */
static void wave_churn(struct wave *wave)
{
	int i;

	for (i = 0; i < PEERS; i += 3) {
		if (i % 2 == 0)
			client_reset(wave->clients[i]);
		else
			client_close(wave->clients[i]);
		wave->clients[i] = client_open(wave->server);
		wave->ids[i] = id_peer();
		JOIN(wave->clients[i], wave->hashes[i % SWARMS], wave->ids[i],
		    ",'event':'started'");
	}
}

static void wave_requests(struct wave *wave)
{
	static const char *const paths[] = { "/", "/stats", "/stats.json", "/nothing" };
	int i;

	for (i = 0; i < 60; i++)
		CHECK(http_get(wave->server, paths[i % 4], i % 2 == 0 ? "" :
		    "Accept: text/html\r\n").status >= 200);
}

static void wave_run(struct server *server)
{
	static struct wave wave;
	int i;

	wave.server = server;
	for (i = 0; i < SWARMS; i++)
		wave.hashes[i] = id_hash();
	for (i = 0; i < PEERS; i++) {
		wave.ids[i] = id_peer();
		wave.clients[i] = client_open(server);
	}
	wave_announce(&wave, ",'event':'started','left':100");
	wave_announce(&wave, offers_made(5));
	CHECK_STAT(server, "peersAll", PEERS);
	CHECK_STAT(server, "torrents", SWARMS);
	wave_answer(&wave);
	wave_churn(&wave);
	wave_requests(&wave);
	wave_announce(&wave, ",'event':'completed','left':0");
	CHECK_STAT(server, "peersSeederOnly", PEERS);
	wave_announce(&wave, ",'event':'stopped'");
	CHECK_STAT(server, "peersAll", 0);
	server_settle(server);
}

static void load_waves(void)
{
	struct server *server = server_start(NULL);
	long first, second;

	wave_run(server);
	first = server_memory(server);
	wave_run(server);
	second = server_memory(server);
	if (first < 0)
		return;
	/* More is a build with instruments. Their own memory is not ours, nor is an emulator's. */
	if (first < 100000 && (getenv("EMULATOR") == NULL || *getenv("EMULATOR") == '\0'))
		CHECK_BETWEEN((double)(second - first), -1000000, 48);
}

/* One big swarm on few sockets: each announce finds its peers, and all of them are counted. */
static void load_swarm(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[4];
	struct id hash = id_hash();
	char *offers = offers_made(3);
	int i, j, round;

	for (i = 0; i < 4; i++)
		clients[i] = client_open(server);
	for (round = 0; round < 20; round++)
		for (i = 0; i < 4; i++) {
			for (j = 0; j < 40; j++)
				client_announce(clients[i], hash, id_peer(), offers);
			for (j = 0; j < 4; j++)
				drain(clients[(i + j) % 4]);   /* the sender first */
		}
	CHECK_STAT(server, "peersAll", 3200);
	client_say(clients[0], "{'action':'scrape','info_hash':'%s'}", hash.text);
	CHECK_CONTAINS(HEAR(clients[0]), "\"incomplete\":3200,");
	client_close(clients[0]);
	client_reset(clients[1]);
	SILENT(clients[2]);
	CHECK_STAT(server, "peersAll", 1600);
}

/* Many connections that come and go without a word. */
static void load_connections(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	int i;

	for (i = 0; i < 3000; i++) {
		client = client_connect(server);
		if (i % (test_is_tls() ? 9 : 3) == 0)
			client_write(client, "G", 1);
		if (i % 2 == 0)
			client_reset(client);
		else
			client_close(client);
		server->clients = client->next;   /* forgotten */
		client_bare(client);
		free(client->in.bytes);
		free(client);
	}
	CHECK_STAT(server, "peersAll", 0);
}

const struct bb_test bb_load[] = {
	TEST(load_waves, LARGE, 0), TEST(load_swarm, LARGE, 0), TEST(load_connections, LARGE, 0),
	TESTS_END
};
