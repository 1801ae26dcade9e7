/* bb_signals.c - the end by SIGTERM and SIGINT. */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

/* How long the program may take to end. A sanitized one looks for leaks before it does, which is not
 * its own time: the one who runs it says how long that may take. */
static double end_seconds(void)
{
	const char *more = getenv("LEAK_CHECK_SECONDS");

	return more != NULL ? 1 + strtod(more, NULL) : 1;
}

static void end_by(int number)
{
	struct server *server = server_start(NULL);
	struct client *clients[4], *page = client_connect(server);
	double before;
	int i;

	for (i = 0; i < 4; i++)
		clients[i] = client_open(server);
	JOIN(clients[0], id_hash(), id_peer(), "");
	JOIN(clients[1], id_hash(), id_peer(), "");
	client_frame(clients[2], TEXT, "{\"action\":", 10);   /* in the middle of a message */
	client_print(page, "GET /stats.json HTTP/1.1\r\n");   /* and of a request */
	server_turn(server);
	before = time_now();
	CHECK(kill(server->pid, number) == 0);
	for (i = 0; i < 4; i++)
		CLOSED(clients[i], 1001);
	CHECK(client_ends(page, 2));
	CHECK(server_wait(server, 2, true));
	CHECK_BETWEEN(time_now() - before, 0, end_seconds());
	CHECK(WIFEXITED(server->status));
	CHECK_NUMBER(WEXITSTATUS(server->status), 0);
}

static void signals_term(void)
{
	end_by(SIGTERM);
}

static void signals_int(void)
{
	end_by(SIGINT);
}

/* Where there is nothing to read again; but not under nohup(1). */
static void signals_hup(void)
{
	struct server *server;

	end_by(SIGHUP);
	server = server_start_under("trap '' HUP", NULL);
	CHECK(kill(server->pid, SIGHUP) == 0);
	JOIN(client_open(server), id_hash(), id_peer(), "");
}

static void signals_idle(void)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct server *server;
	double before;
	int i;

	for (i = 0; i < 2; i++) {
		server = server_start(NULL);
		before = time_now();
		CHECK(kill(server->pid, numbers[i]) == 0);
		CHECK(server_wait(server, 2, true));
		CHECK_BETWEEN(time_now() - before, 0, end_seconds());
		CHECK(WIFEXITED(server->status) && WEXITSTATUS(server->status) == 0);
	}
}

/* Peers that neither answer the close frame nor read hold up nobody. */
static void signals_deaf(void)
{
	struct server *server = server_start(NULL);
	double before;
	int i;

	for (i = 0; i < 3; i++)
		JOIN(client_open(server), id_hash(), id_peer(), "");
	(void)client_connect(server);
	before = time_now();
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, true));
	CHECK_BETWEEN(time_now() - before, 0, 1.2);
	CHECK(WIFEXITED(server->status) && WEXITSTATUS(server->status) == 0);
}

/* A second signal ends at once. */
static void signals_twice(void)
{
	struct server *server = server_start(NULL);
	double before;

	JOIN(client_open(server), id_hash(), id_peer(), "");
	before = time_now();
	CHECK(kill(server->pid, SIGTERM) == 0);
	time_wait(0.02);
	(void)kill(server->pid, SIGTERM);
	CHECK(server_wait(server, 2, true));
	CHECK_BETWEEN(time_now() - before, 0, 0.5);
	server->status = 0;   /* which status that is, is left open */
}

/* With its output full and unread it ends as fast. */
static void signals_full_pipe(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	double before;
	int i, j;

	for (i = 0; i < 60; i++) {
		for (j = 0; j < 50; j++)
			client_announce(client, hash, id, "");
		for (j = 0; j < 50; j++)
			REPLY(client, 0, 1, hash);
	}
	before = time_now();
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, false));
	CHECK_BETWEEN(time_now() - before, 0, 1.2);
	CHECK(WIFEXITED(server->status) && WEXITSTATUS(server->status) == 0);
}

/* Newcomers in the last moment are no reason to stay. */
static void signals_newcomers(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	int i;

	JOIN(client_open(server), id_hash(), id_peer(), "");
	CHECK(kill(server->pid, SIGTERM) == 0);
	for (i = 0; i < 20; i++) {
		client = client_try(server, server->family, 0);
		if (client != NULL)
			client_print(client, "GET / HTTP/1.1\r\n\r\n");
	}
	CHECK(server_wait(server, 2, true));
}

const struct bb_test bb_signals[] = {
	TEST(signals_term, FITS, 0), TEST(signals_int, FITS, 0), TEST(signals_hup, FITS | PLAIN, 0),
	TEST(signals_idle, FITS, 0),
	TEST(signals_deaf, FITS, 0), TEST(signals_twice, FITS, 0),
	TEST(signals_full_pipe, LARGE, 0), TEST(signals_newcomers, LARGE, 0), TESTS_END
};
