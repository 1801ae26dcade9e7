/* bb_output.c - what the program prints: banner, event lines, warnings; and a full pipe. */
#include "harness.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Next event is that word and that peer. */
#define EVENT(server, word, id) \
	CHECK_TEXT(server_event(server, 1), format_text(word ": %s", id_hex(id)))

#define QUIET(server) CHECK_TEXT(server_event(server, 0), "none")

/* Nothing on stdout may hold anything but printable characters and newlines. */
static void check_printable(const struct server *server)
{
	size_t i;

	for (i = 0; i < server->lines.len; i++)
		CHECK(server->lines.bytes[i] == '\n' ||
		    (server->lines.bytes[i] >= 0x20 && server->lines.bytes[i] < 0x7f));
}

static void output_banner(void)
{
	struct server *server = server_start(NULL);
	char *line;

	server->line = 0;
	CHECK_TEXT(server_line(server, 1), format_text("server listening on %d", server->port));
	CHECK_TEXT(server_line(server, 1), format_text("Tracker: ws://localhost:%d", server->port));
	if (test_is_tls())
		CHECK_TEXT(server_line(server, 1), format_text("Tracker: wss://localhost:%d",
		    server->port));
	CHECK_TEXT(server_line(server, 1), format_text("Tracker stats: http://localhost:%d/stats",
	    server->port));
	line = server_line(server, 1);   /* the limits, and the memory they can come to */
	CHECK(line != NULL);
	CHECK(strpbrk(line, "0123456789") != NULL);
	CHECK_CONTAINS(line, "peers");
	CHECK(server_line(server, 0) == NULL);
}

static void output_banner_no_stats(void)
{
	struct server *server = server_start(OPTIONS("--no-stats"));

	server->line = 0;
	CHECK_TEXT(server_line(server, 1), format_text("server listening on %d", server->port));
	CHECK_TEXT(server_line(server, 1), format_text("Tracker: ws://localhost:%d", server->port));
	if (test_is_tls())
		CHECK_TEXT(server_line(server, 1), format_text("Tracker: wss://localhost:%d",
		    server->port));
	CHECK_CONTAINS(server_line(server, 1), "peers");
	CHECK(server_line(server, 0) == NULL);
}

static void output_limits(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "17", "--max-peers", "29",
	    "--max-torrents", "13"));
	char *line;

	while (strncmp(line = server_line(server, 1), "limits: ", 8) != 0)
		continue;
	CHECK_CONTAINS(line, "17");
	CHECK_CONTAINS(line, "29");
	CHECK_CONTAINS(line, "13");
}

static void output_events(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	JOIN(client, hash, id, ",'event':'started'");
	EVENT(server, "start", id);
	JOIN(client, hash, id, ",'event':'completed'");
	EVENT(server, "complete", id);
	JOIN(client, hash, id, "");
	EVENT(server, "update", id);
	JOIN(client, hash, id, ",'event':'paused'");
	EVENT(server, "update", id);
	/* the announce's own event, whatever was before */
	JOIN(client, hash, id, ",'event':'started'");
	EVENT(server, "start", id);
	JOIN(client, hash, id, ",'event':'stopped'");
	EVENT(server, "stop", id);
	JOIN(client, hash, id, ",'event':'stopped'");   /* not a member any more */
	SILENT(client);
	QUIET(server);
	client_close(client);
	server_turn(server);
	QUIET(server);
}

static void output_stop(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	struct id hash = id_hash(), id, second;
	int way;

	for (way = 0; way < 3; way++) {
		test_case("way %d", way);
		client = client_open(server);
		id = id_peer();
		JOIN(client, hash, id, "");
		EVENT(server, "update", id);
		if (way == 0)
			client_close(client);
		else if (way == 1)
			client_reset(client);
		else
			client_frame(client, FIN | CLOSE, "\x03\xe9", 2);
		EVENT(server, "stop", id);
		QUIET(server);
	}
	client = client_open(server);
	id = id_peer();
	second = id_peer();
	JOIN(client, hash, id, "");
	JOIN(client, hash, second, "");
	JOIN(client, id_hash(), id, "");
	EVENT(server, "update", id);
	EVENT(server, "update", second);
	EVENT(server, "update", id);
	client_close(client);
	for (way = 0; way < 3; way++)   /* one for each membership */
		CHECK(strncmp(server_event(server, 1), "stop: ", 6) == 0);
	server_turn(server);
	QUIET(server);
}

/* A refused announce is no event. */
static void output_refused(void)
{
	struct server *server = server_start(OPTIONS("--max-swarms", "1"));
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	char *line;

	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'short',"
	    "'event':'started'}",
	    hash.text);
	FAILURE(client, "invalid peer_id", hash);
	JOIN(client, hash, id, ",'event':'started'");
	while (strncmp(line = server_event(server, 1), "WARNING", 7) == 0)
		continue;
	CHECK_TEXT(line, format_text("start: %s", id_hex(id)));
	client_announce(client, hash, id_peer(), ",'event':'started'");
	FAILURE(client, "too many torrents on this connection", hash);
	while (strncmp(line = server_event(server, 0), "WARNING", 7) == 0)
		continue;
	CHECK_TEXT(line, "none");
}

/* The line is there when the reply is, and the peer is in /stats when the line is. */
static void output_order(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id;
	int i;

	for (i = 0; i < 100; i++) {
		id = id_peer();
		client_announce(client, hash, id, ",'event':'started'");
		CHECK_CONTAINS(HEAR(client), "\"incomplete\":1");
		CHECK_TEXT(server_event(server, 0), format_text("start: %s", id_hex(id)));
		client_announce(client, hash, id, ",'event':'stopped'");
		CHECK_CONTAINS(HEAR(client), "\"incomplete\":0");
		CHECK_TEXT(server_event(server, 0), format_text("stop: %s", id_hex(id)));
	}
	for (i = 0; i < 20; i++) {
		client_announce(client, hash, id, ",'event':'started'");
		EVENT(server, "start", id);
		CHECK_STAT(server, "peersAll", 1);
		client_announce(client, hash, id, ",'event':'stopped'");
		EVENT(server, "stop", id);
		CHECK_STAT(server, "peersAll", 0);
	}
}

/* What a peer did wrong is told. */
static void output_warnings(void)
{
	static const char *const wrongs[] = {
		"nonsense", "{'action':'x'}", "{'action':'announce'}",
		"{'action':'scrape','info_hash':5}",
		"{'action':'announce','info_hash':'aaaaaaaaaaaaaaaaaaaa','peer_id':5}"
	};
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	char *line;
	size_t i;

	for (i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		test_case("%s", wrongs[i]);
		client_say_text(client, text_quoted(wrongs[i]));
		CHECK_CONTAINS(HEAR(client), "failure reason");
		line = server_event(server, 0);
		CHECK(strncmp(line, "WARNING: ", 9) == 0);
		CHECK(strlen(line) > 12);
	}
	test_case("a frame");
	client_frame(client, FIN | RSV1 | TEXT, "{}", 2);
	CLOSED(client, 1002);
	CHECK(strncmp(server_event(server, 1), "WARNING: ", 9) == 0);
	check_printable(server);
}

/* What is normal is not told. */
static void output_normal(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other;
	struct id hash = id_hash(), id = id_peer();
	char *line;

	JOIN(client, hash, id, ",'offers':[null,5,{'offer':{}},{'sdp':'x'}]");
	JOIN(client, hash, id, ",'event':'<regular>','left':-1,'numwant':'x'");
	client_announce(client, hash, id, answer_made(id_peer()));
	client_announce(client, hash, id, answer_made(id));
	client_say_text(client, "{}");
	client_say_text(client, "");
	SILENT(client);
	other = client_open(server);
	client_reset(other);
	other = client_open(server);
	client_frame(other, TEXT, "{\"action\"", 9);   /* leaves in the middle of a message */
	client_close(other);
	client_reset(client_connect(server));
	client_close(client_connect(server));
	client_frame(client, FIN | CLOSE, "", 0);
	CLOSED(client, 0);
	server_turn(server);
	while (strcmp(line = server_event(server, 0), "none") != 0)
		CHECK(strncmp(line, "WARNING", 7) != 0);
}

static void output_escaped(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	char *line;

	client_say(client, "{'action':'\\u001b[31m\\n\\r\\u0000start: 00\\u009b\\u2028\\ud800'}");
	CHECK_CONTAINS(HEAR(client), "failure reason");
	client_say(client, "{'action':'\xc2\x9b\xf0\x9f\x98\x80\x7f'}");
	CHECK_CONTAINS(HEAR(client), "failure reason");
	line = server_event(server, 0);
	CHECK(strncmp(line, "WARNING: ", 9) == 0);
	(void)http_get(server, "/\x1b[31m\xff", "X: \xff\r\nUser-Agent: \xfe\r\n");
	(void)http_ask(server, "GET /\x1b HTTP/9\r\n\x07\r\n\r\n");
	client_say(client, "{'action':'announce','info_hash':'%s','peer_id':'\\n\\r\\u001b%s'}",
	    id_hash().text, "aaaaaaaaaaaaaaaaa");
	CHECK_CONTAINS(HEAR(client), "interval");
	line = server_event(server, 0);
	while (strncmp(line, "WARNING", 7) == 0)
		line = server_event(server, 0);
	CHECK_TEXT(line, "update: 0a0d1b6161616161616161616161616161616161");
	check_printable(server);
}

/* With -q no events and no warnings; with -s nothing at all. */
static void output_quiet(void)
{
	static const char *const options[] = { "-q", "--quiet", "-s", "--silent" };
	struct server *server;
	struct client *client;
	char *line;
	size_t i;

	for (i = 0; i < 4; i++) {
		test_case("%s", options[i]);
		server = server_start(OPTIONS(options[i], "-p", format_text("%d", port_free())));
		client = client_open(server);
		JOIN(client, id_hash(), id_peer(), ",'event':'started'");
		client_say(client, "nonsense");
		CHECK_CONTAINS(HEAR(client), "failure reason");
		server_end(server);
		server->line = 0;
		if (i >= 2)
			CHECK_NUMBER(server->lines.len, 0);
		while ((line = server_line(server, 0)) != NULL) {
			CHECK_LACKS(line, "start:");
			CHECK_LACKS(line, "stop:");
			CHECK_LACKS(line, "WARNING");
		}
	}
}

/* The updates since server->line, seen or, as another line says, *dropped. */
static long events_told(struct server *server, long *dropped)
{
	long number;
	char *line, *at;
	long told = 0;

	while ((line = server_line(server, 0.2)) != NULL) {
		if (strncmp(line, "update: ", 8) == 0) {
			told++;
			continue;
		}
		if (strncmp(line, "stop: ", 6) == 0)
			continue;
		for (at = line; *at != '\0' && !isdigit((unsigned char)*at); at++)
			continue;
		number = strtol(at, NULL, 10);
		*dropped += number;
		told += number;
	}
	return told;
}

static void updates_send(struct client *client, struct id hash, struct id id, int count)
{
	int i, j;

	for (i = 0; i < count; i += 50) {
		for (j = 0; j < 50; j++)
			client_announce(client, hash, id, "");
		for (j = 0; j < 50; j++)
			REPLY(client, 0, 1, hash);
	}
}

/* Skip what the program says at its start. */
static void banner_skip(struct server *server)
{
	while (server_line(server, 0.05) != NULL)
		continue;
}

/* Nobody reads its output: lines are dropped, and a later one says how many. */
static void output_full_pipe(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	double before = time_now();
	long told, dropped = 0, sent = 8000;

	banner_skip(server);
	updates_send(client, hash, id, (int)sent);
	CHECK_BETWEEN(time_now() - before, 0, 8);
	CHECK_STAT(server, "peersAll", 1);
	told = events_told(server, &dropped);
	while (told < sent && sent < 8010) {
		client_announce(client, hash, id, "");
		REPLY(client, 0, 1, hash);
		sent++;
		told += events_told(server, &dropped);
	}
	CHECK_NUMBER(told, sent);
	CHECK(dropped > 0);
	client_announce(client, hash, id, "");
	REPLY(client, 0, 1, hash);
	/* as before */
	CHECK_TEXT(server_event(server, 1), format_text("update: %s", id_hex(id)));
	check_printable(server);
}

/* Lines that a full pipe did not take follow when it is read, though nothing else happens. */
static void output_read_late(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	double until;
	long told = 0, dropped = 0;

	banner_skip(server);
	updates_send(client, hash, id, 2000);
	until = time_now() + 2;         /* less than until a ping */
	while (told < 2000 && time_now() < until)
		told += events_told(server, &dropped);
	CHECK_NUMBER(told, 2000);
	CHECK_NUMBER(dropped, 0);
}

/* The reader of its output has gone; nobody is the worse for it. */
static void output_no_reader(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	(void)close(server->out);
	server->out = -1;
	updates_send(client, hash, id, 500);
	CHECK_STAT(server, "peersAll", 1);
}

/* What was told before SIGTERM is all there, read only afterwards. */
static void output_none_lost(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	long dropped = 0;

	banner_skip(server);
	updates_send(client, hash, id, 500);
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, false));
	CHECK_NUMBER(events_told(server, &dropped), 500);
	CHECK_NUMBER(dropped, 0);
}

/* Also with more than a pipe holds, if it is read while the program ends. */
static void output_none_lost_full(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	long dropped = 0;

	banner_skip(server);
	updates_send(client, hash, id, 4000);
	CHECK(kill(server->pid, SIGTERM) == 0);
	CHECK(server_wait(server, 2, true));
	CHECK_NUMBER(events_told(server, &dropped), 4000);
}

const struct bb_test bb_output[] = {
	TEST(output_banner, FITS, 0), TEST(output_banner_no_stats, FITS, 0),
	TEST(output_limits, FITS, 0), TEST(output_events, FITS, 0), TEST(output_stop, FITS, 0),
	TEST(output_refused, FITS, 0), TEST(output_order, FITS, 0),
	TEST(output_warnings, FITS, 0), TEST(output_normal, FITS, 0),
	TEST(output_escaped, FITS, 0), TEST(output_quiet, FITS, 0),
	TEST(output_full_pipe, LARGE, 0), TEST(output_read_late, LARGE, 0),
	TEST(output_no_reader, LARGE, 0),
	TEST(output_none_lost, LARGE, 0), TEST(output_none_lost_full, LARGE, 0), TESTS_END
};
