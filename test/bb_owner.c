/* bb_owner.c - who owns a peer: (info_hash, peer_id, socket). */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define FULL "too many connections for this peer_id"

/* Does an answer to this id arrive here? */
static bool hears_answer(struct client *client)
{
	char **messages = MESSAGES(client);
	size_t i;

	for (i = 0; messages[i] != NULL; i++)
		CHECK_CONTAINS(messages[i], "\"answer\":");
	return i != 0;
}

/*
 * Announce what has to be refused as long as no ping was unanswered for 2 s, the first since that
 * moment. False if this machine was too slow to tell: then it may have been accepted.
 */
static bool still_refused(struct client *client, struct id hash, struct id id, double since)
{
	char *message;

	client_announce(client, hash, id, "");
	message = HEAR(client);
	if (strstr(message, "failure reason") == NULL && clock_since(since) > 1.9)
		return false;
	CHECK_TEXT(message, format_text("{'action':'announce','failure reason':'%s',"
	    "'info_hash':'%s'}", FULL, hash.text));
	return true;
}

static void owner_many_hashes(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hashes[3] = { id_hash(), id_hash(), id_hash() }, id = id_peer(), from = id_peer();
	size_t i;

	for (i = 0; i < 3; i++) {
		client_announce(client, hashes[i], id, i == 1 ? ",'left':0" : "");
		REPLY(client, i == 1, i != 1, hashes[i]);
	}
	for (i = 0; i < 3; i++) {
		client_announce(other, hashes[i], from, offers_made(1));
		CHECK_CONTAINS(HEAR(other), hashes[i].text);
		RELAYED(client, 0, from, hashes[i]);
	}
	CHECK_STAT(server, "torrents", 3);
	CHECK_STAT(server, "peersAll", 2);
	client_close(other);
	client_announce(client, hashes[0], id, ",'event':'stopped'");
	CHECK_CONTAINS(HEAR(client), "\"interval\"");
	CHECK_STAT(server, "torrents", 2);
	CHECK_STAT(server, "peersAll", 1);
	client_close(client);
	server_turn(server);
	CHECK_STAT(server, "torrents", 0);
}

/* Two ids in one swarm on one socket: both are peers, both are reached, both go with the socket. */
static void owner_two_ids(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), first = id_peer(), second = id_peer(), from = id_peer();

	JOIN(other, hash, from, "");
	client_announce(client, hash, first, "");
	REPLY(client, 0, 2, hash);
	client_announce(client, hash, second, ",'left':0");
	REPLY(client, 1, 2, hash);
	client_announce(other, hash, from, answer_made(first));
	ANSWERED(client, from, hash);
	client_announce(other, hash, from, answer_made(second));
	ANSWERED(client, from, hash);
	SILENT(client);
	client_close(client);
	server_turn(server);
	SCRAPED(other, hash, 0, 1, 0);
	SILENT(other);   /* nobody is told */
	CHECK_STAT(server, "peersAll", 1);
}

static void owner_second_socket(void)
{
	struct server *server = server_start(NULL);
	struct client *old = client_open(server), *new = client_open(server);
	struct client *other = client_open(server);
	struct id hash = id_hash(), id = id_peer(), from = id_peer();

	JOIN(other, hash, from, "");
	client_announce(old, hash, id, "");
	REPLY(old, 0, 2, hash);
	SILENT(old);
	CHECK_NUMBER(old->pings, 0);
	client_announce(new, hash, id, "");
	REPLY(new, 0, 3, hash);              /* memberships, not ids */
	CHECK_STAT(server, "peersAll", 2);
	SILENT(old);
	CHECK_NUMBER(old->pings, 1);         /* is it still alive? */
	client_announce(new, hash, id, "");
	REPLY(new, 0, 3, hash);
	client_announce(old, hash, id, "");
	REPLY(old, 0, 3, hash);
	SILENT(old);
	SILENT(new);
	CHECK_NUMBER(old->pings, 1);         /* not at every announce */
	CHECK_NUMBER(new->pings, 0);
	client_announce(other, hash, from, answer_made(id));
	ANSWERED(old, from, hash);
	ANSWERED(new, from, hash);
	SILENT(old);
	SILENT(new);
	client_close(new);
	server_turn(server);
	SCRAPED(other, hash, 0, 2, 0);
	CHECK_STAT(server, "peersAll", 2);
}

/* The membership of the second socket outlives the first, whichever way the first ends. */
static void owner_old_closes_last(void)
{
	struct server *server = server_start(NULL);
	struct client *old, *new, *other = client_open(server);
	struct id hash = id_hash(), id = id_peer(), from = id_peer();
	int way;

	JOIN(other, hash, from, "");
	for (way = 0; way < 4; way++) {
		test_case("way %d", way);
		old = client_open(server);
		new = client_open(server);
		JOIN(old, hash, id, ",'event':'started'");
		JOIN(new, hash, id, ",'event':'started'");
		if (way == 0)
			client_close(old);
		else if (way == 1)
			client_reset(old);
		else if (way == 2)
			client_frame(old, FIN | CLOSE, "\x03\xe9", 2);
		else
			JOIN(old, hash, id, ",'event':'stopped'");
		server_turn(server);
		SCRAPED(other, hash, 0, 2, 0);
		CHECK_STAT(server, "peersAll", 2);
		client_announce(other, hash, from, offers_made(1));
		REPLY(other, 0, 2, hash);
		RELAYED(new, 0, from, hash);
		client_close(old);
		client_close(new);
		server_turn(server);
		SCRAPED(other, hash, 0, 1, 0);
	}
}

static void owner_new_closes_first(void)
{
	struct server *server = server_start(NULL);
	struct client *old = client_open(server), *new = client_open(server);
	struct client *other = client_open(server);
	struct id hash = id_hash(), id = id_peer(), from = id_peer();

	JOIN(old, hash, id, ",'left':0");
	JOIN(new, hash, id, "");
	JOIN(other, hash, from, "");
	SCRAPED(other, hash, 1, 2, 0);
	client_reset(new);
	server_turn(server);
	SCRAPED(other, hash, 1, 1, 0);
	client_announce(other, hash, from, answer_made(id));
	ANSWERED(old, from, hash);
}

/* `stopped` for a peer of somebody else's socket: answered, and nothing happens. */
static void owner_stop_foreign(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *stranger = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	client_announce(client, hash, id, ",'event':'started'");
	REPLY(client, 0, 1, hash);
	CHECK_TEXT(server_event(server, 1), format_text("start: %s", id_hex(id)));
	client_announce(stranger, hash, id, ",'event':'stopped'");
	REPLY(stranger, 0, 1, hash);
	client_announce(stranger, hash, id_peer(), ",'event':'stopped'");
	REPLY(stranger, 0, 1, hash);
	CHECK_TEXT(server_event(server, 0), "none");
	SCRAPED(stranger, hash, 0, 1, 0);
	client_announce(stranger, id_hash(), id, ",'event':'stopped'");
	CHECK_CONTAINS(HEAR(stranger), "{\"complete\":0,\"incomplete\":0,");
	client_close(stranger);
	server_turn(server);
	CHECK_STAT(server, "peersAll", 1);
	CHECK_STAT(server, "torrents", 1);
	CHECK_TEXT(server_event(server, 0), "none");
}

/* A fifth socket with the same id is refused while four are alive; they are asked if they are. */
static void owner_fifth(void)
{
	struct server *server = server_start(NULL);
	struct client *four[4], *fifth = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	int before[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		four[i] = client_open(server);
		client_announce(four[i], hash, id, "");
		REPLY(four[i], 0, (int)i + 1, hash);
	}
	for (i = 0; i < 4; i++) {
		SILENT(four[i]);
		before[i] = four[i]->pings;
	}
	client_announce(fifth, hash, id, "");
	FAILURE(fifth, FULL, hash);
	for (i = 0; i < 4; i++) {
		SILENT(four[i]);
		CHECK_NUMBER(four[i]->pings, before[i] + 1);
	}
	client_announce(fifth, hash, id_peer(), "");   /* its socket is as good as any */
	REPLY(fifth, 0, 5, hash);
	client_announce(fifth, id_hash(), id, "");
	CHECK_CONTAINS(HEAR(fifth), "\"incomplete\":1");
	client_announce(four[0], hash, id, ",'left':0");
	REPLY(four[0], 1, 4, hash);
	CHECK_STAT(server, "peersAll", 2);
	client_close(four[2]);
	server_turn(server);
	client_announce(fifth, hash, id, "");
	REPLY(fifth, 1, 4, hash);
}

/* Its place goes to the fifth when one of the four leaves a ping unanswered for 2 s. */
static void owner_replaced(void)
{
	struct server *server = server_start(NULL);
	struct client *four[4], *fifth = client_open(server);
	struct id hash = id_hash(), elsewhere = id_hash(), id = id_peer();
	double since;
	size_t i;

	for (i = 0; i < 4; i++) {
		four[i] = client_open(server);
		JOIN(four[i], hash, id, "");
	}
	for (i = 0; i < 4; i++)
		SILENT(four[i]);
	four[1]->mute = true;
	since = time_now();
	if (!still_refused(fifth, hash, id, since))
		return;
	for (i = 0; i < 4; i++)
		if (i != 1)
			SILENT(four[i]);
	if (!still_refused(fifth, hash, id, since))   /* not for 2 s yet */
		return;
	for (i = 0; i < 4; i++)
		if (i != 1)
			SILENT(four[i]);
	while (strcmp(server_event(server, 0), "none") != 0)
		continue;
	clock_wait(2.6);
	client_announce(fifth, hash, id, ",'event':'started'");
	REPLY(fifth, 0, 4, hash);
	CHECK_TEXT(server_event(server, 0), format_text("stop: %s", id_hex(id)));
	CHECK_TEXT(server_event(server, 0), format_text("start: %s", id_hex(id)));
	four[1]->mute = false;
	SILENT(four[1]);                      /* its socket stays */
	client_announce(four[1], elsewhere, id, "");
	REPLY(four[1], 0, 1, elsewhere);
	client_announce(four[1], hash, id_peer(), answer_made(id));
	for (i = 0; i < 4; i++)
		CHECK(hears_answer(four[i]) == (i != 1));
	CHECK(hears_answer(fifth));
}

/* Of two that are silent, who has been so for longest goes first. */
static void owner_replaced_longest(void)
{
	struct server *server = server_start(NULL);
	struct client *four[4], *fifth = client_open(server), *sixth;
	struct id hash = id_hash(), id = id_peer(), from = id_peer();
	size_t i, round;
	double since;

	for (i = 0; i < 4; i++) {
		four[i] = client_open(server);
		JOIN(four[i], hash, id, "");
	}
	for (i = 0; i < 4; i++)
		SILENT(four[i]);
	since = time_now();
	for (round = 0; round < 2; round++) {
		four[round == 0 ? 2 : 0]->mute = true;
		if (!still_refused(fifth, hash, id, since))
			return;
		for (i = 0; i < 4; i++)
			if (!four[i]->mute)
				SILENT(four[i]);
		clock_wait(round == 0 ? 0.6 : 2.5);
	}
	client_announce(fifth, hash, id, "");
	REPLY(fifth, 0, 4, hash);
	client_announce(fifth, hash, from, answer_made(id));
	four[2]->mute = false;
	CHECK(!hears_answer(four[2]));
	client_close(four[2]);
	sixth = client_open(server);
	client_announce(sixth, hash, id, "");
	REPLY(sixth, 0, 5, hash);
	four[0]->mute = false;
	for (i = 0; i < 4; i++)
		if (i != 2)
			/* to the first answer it was a member still */
			CHECK(hears_answer(four[i]));
	CHECK(hears_answer(fifth));
	client_announce(fifth, hash, from, answer_made(id));
	CHECK(!hears_answer(four[0]));
	CHECK(hears_answer(sixth));
}

/* Any traffic answers a ping. */
static void owner_traffic_answers(void)
{
	struct server *server = server_start(NULL);
	struct client *four[4], *fifth = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	size_t i;

	for (i = 0; i < 4; i++) {
		four[i] = client_open(server);
		JOIN(four[i], hash, id, "");
		four[i]->mute = true;
	}
	client_announce(fifth, hash, id, "");
	FAILURE(fifth, FULL, hash);
	client_say_text(four[0], "{}");
	client_frame(four[1], FIN | PONG, "", 0);
	client_frame(four[2], FIN | PING, "", 0);
	client_announce(four[3], hash, id, "");
	clock_wait(2.6);
	client_announce(fifth, hash, id, "");
	FAILURE(fifth, FULL, hash);
}

static void owner_swarms(void)
{
	static const char reason[] = "too many torrents on this connection";
	struct server *server = server_start(OPTIONS("--max-swarms", "2"));
	struct client *client = client_open(server), *other = client_open(server);
	struct id hashes[3] = { id_hash(), id_hash(), id_hash() }, id = id_peer(),
	    target = id_peer();

	JOIN(other, hashes[2], target, "");
	JOIN(client, hashes[0], id, "");
	JOIN(client, hashes[1], id, "");
	client_announce(client, hashes[2], id, "");
	FAILURE(client, reason, hashes[2]);
	client_announce(client, hashes[0], id_peer(), "");   /* memberships count, not torrents */
	FAILURE(client, reason, hashes[0]);
	client_announce(client, hashes[2], id, answer_made(target));
	SILENT(client);
	/* who cannot be a member answers nobody */
	SILENT(other);
	client_announce(client, hashes[2], id, ",'event':'stopped'");
	REPLY(client, 0, 1, hashes[2]);
	client_announce(client, hashes[0], id, ",'left':0");
	REPLY(client, 1, 0, hashes[0]);
	client_announce(client, hashes[1], id, ",'event':'stopped'");
	REPLY(client, 0, 0, hashes[1]);
	client_announce(client, hashes[2], id, "");
	REPLY(client, 0, 2, hashes[2]);
}

static void owner_swarms_default(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash, id = id_peer();
	int i, j;

	for (i = 0; i < 4096; i += 128) {
		for (j = 0; j < 128; j++)
			client_announce(client, id_hash(), id, "");
		for (j = 0; j < 128; j++)
			CHECK_CONTAINS(HEAR(client), "{\"complete\":0,\"incomplete\":1,");
	}
	hash = id_hash();
	client_announce(client, hash, id, "");
	FAILURE(client, "too many torrents on this connection", hash);
	CHECK_STAT(server, "torrents", 4096);
	CHECK_STAT(server, "peersAll", 1);
	client_reset(client);
	server_turn(server);
	CHECK_STAT(server, "torrents", 0);
}

const struct bb_test bb_owner[] = {
	TEST(owner_many_hashes, FITS, 0), TEST(owner_two_ids, FITS, 0),
	TEST(owner_second_socket, FITS, 0), TEST(owner_old_closes_last, FITS, 0),
	TEST(owner_new_closes_first, FITS, 0), TEST(owner_stop_foreign, FITS, 0),
	TEST(owner_fifth, FITS, 0), TEST(owner_replaced, FITS, 3),
	TEST(owner_replaced_longest, FITS, 4), TEST(owner_traffic_answers, FITS, 3),
	TEST(owner_swarms, FITS, 0), TEST(owner_swarms_default, LARGE, 0), TESTS_END
};
