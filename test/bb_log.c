/* bb_log.c - lines on stderr: --log, times, what is told, limits, and who does not read. */
#define _XOPEN_SOURCE 700
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a server has said on stderr must not be found at its end. */
static void heard_forget(struct server *server)
{
	(void)server_complains(server);
	server->errors.len = 0;
	server->errors.bytes[0] = '\0';
}

/* Wait until stderr, as it came, has this from a place on. Returns where. */
static const char *heard_wait(struct server *server, size_t from, const char *part)
{
	double until = time_now() + 5;
	const char *at;

	while ((void)server_complains(server),
	    (at = strstr(server->heard.bytes + from, part)) == NULL) {
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "no `%s` on stderr", part);
		time_wait(0.01);
	}
	return at;
}

static char *version(void)
{
	char *line = program_run(OPTIONS("--version")).out;

	CHECK(strncmp(line, "uwt ", 4) == 0);
	line[strcspn(line + 4, " ") + 4] = '\0';
	return line + 4;
}

/* Let it end by this signal, with no client left. */
static void end_by(struct server *server, int number)
{
	server_settle(server);
	CHECK(kill(server->pid, number) == 0);
	CHECK(server_wait(server, 3, true));
}

static char *started(struct server *server)
{
	return format_text("started: version %s, listening on port %d; limits: 5 connections, 29 peers, "
	    "4 torrents, ", version(), server->port);
}

#define BOUNDS "-p", format_text("%d", port_free()), "-H", "localhost", "--max-connections", "5", \
	"--max-peers", "29", "--max-torrents", "4"

static void log_text(void)
{
	struct server *server;
	int quiet;
	char *line;

	for (quiet = 0; quiet < 2; quiet++) {
		server = server_start(OPTIONS("--log", "text", BOUNDS, quiet ? "-q" : "--ws"));
		line = server_error(server);
		CHECK(strncmp(line, "uwt: started: ", 14) == 0);
		CHECK_CONTAINS(line, started(server));
		CHECK_CONTAINS(line, " MB of memory; addresses: localhost");
		end_by(server, quiet ? SIGINT : SIGTERM);
		CHECK_TEXT(server->errors.bytes, quiet ? "uwt: ending: SIGINT\nuwt: ended\n" :
		    "uwt: ending: SIGTERM\nuwt: ended\n");
		CHECK_NUMBER(server->stamped, 3);
		heard_forget(server);
	}
}

/* Where it listens is all there. */
static void log_metrics(void)
{
	struct server *server = server_start(OPTIONS("--metrics", "127.0.0.1:0", "--log", "text"));
	char *line;

	while ((line = server_line(server, 3)) != NULL && strncmp(line, "Tracker metrics: ", 17) != 0)
		continue;
	CHECK(line != NULL);
	CHECK_CONTAINS(server_error(server), format_text(", listening on port %d, %s; limits: ",
	    server->port, line + 17));
	end_by(server, SIGTERM);
	heard_forget(server);
}

/* The next line must be JSON of this level, with a message that begins and ends so. */
static void check_json(const struct server *server, const char **at, const char *level,
    const char *begin, const char *end)
{
	size_t length = strcspn(*at, "\n");
	char *line = format_text("%.*s", (int)length, *at), stamp[32];
	char *start = format_text("'level':'%s','message':'%s", level, begin);
	char *tail = format_text("%s'}", end);
	time_t when;

	CHECK(*at + length < server->heard.bytes + server->heard.len);
	CHECK(json_valid(line, length));
	CHECK(length > 32 && strncmp(line, "{\"time\":\"", 9) == 0 &&
	    strncmp(line + 29, "\",", 2) == 0);
	(void)snprintf(stamp, sizeof(stamp), "%.20s ", line + 9);
	when = stamp_read(stamp);
	CHECK(when >= server->since && when <= time(NULL));
	if (strncmp(line + 31, start, strlen(start)) != 0)
		check_text(__FILE__, __LINE__, "line", line + 31, start);
	CHECK(length > strlen(tail));
	CHECK_TEXT(line + length - strlen(tail), tail);
	*at += length + 1;
}

static void log_json(void)
{
	struct server *server;
	const char *at;
	int quiet;

	for (quiet = 0; quiet < 2; quiet++) {
		server = server_start(OPTIONS("--log=json", BOUNDS, quiet ? "-q" : "--ws"));
		end_by(server, SIGTERM);
		at = server->heard.bytes;
		check_json(server, &at, "info", started(server), "addresses: localhost");
		check_json(server, &at, "info", "ending: SIGTERM", "");
		check_json(server, &at, "info", "ended", "");
		CHECK_TEXT(at, "");
		heard_forget(server);
	}
}

/* Two signals end it at once, and it says so all the same. */
static void log_end_at_once(void)
{
	struct server *server = server_start(OPTIONS("--log", "text"));

	JOIN(client_open(server), id_hash(), id_peer(), "");
	CHECK(kill(server->pid, SIGTERM) == 0);
	(void)heard_wait(server, 0, "ending: ");
	(void)kill(server->pid, SIGTERM);
	CHECK(server_wait(server, 2, true));
	(void)heard_wait(server, 0, " uwt: ended\n");
	heard_forget(server);
}

/* -- reloading ---------------------------------------------------------------------------- */

static char *list_of(const char *content)
{
	return test_file("list", content);
}

static char *one_hash(void)
{
	return format_text("%s\n", id_hex(id_hash()));
}

static void reload(struct server *server)
{
	CHECK(kill(server->pid, SIGHUP) == 0);
}

static void log_reload(void)
{
	char *path = list_of(one_hash());
	struct server *server = server_start(OPTIONS("--log", "text", "--deny-list", path));

	CHECK_CONTAINS(server_error(server), "uwt: started: ");
	reload(server);
	(void)heard_wait(server, 0, "uwt: lists reloaded: 1 denied\n");
	if (test_is_tls()) {
		(void)heard_wait(server, 0, "uwt: certificates reloaded\n");
		CHECK_TEXT(server->errors.bytes,
		    "uwt: certificates reloaded\nuwt: lists reloaded: 1 denied\n");
	} else {
		CHECK_TEXT(server->errors.bytes, "uwt: lists reloaded: 1 denied\n");
	}
	heard_forget(server);
	(void)list_of("nonsense\n");
	reload(server);
	(void)heard_wait(server, 0, format_text("uwt: not reloaded, the lists before stay in force: "
	    "--deny-list %s: line 1: ", path));
	end_by(server, SIGTERM);
	CHECK_CONTAINS(server->heard.bytes, " uwt: ended\n");
	heard_forget(server);
}

/* A name of a file that JSON must escape. */
static void log_reload_json(void)
{
	char *path = test_file("a \"list\"\x1b\xff\\", one_hash());
	struct server *server = server_start(OPTIONS("--log", "json", "--allow-list", path));
	const char *at;

	CHECK(unlink(path) == 0);
	reload(server);
	at = heard_wait(server, 0, "\"level\":\"error\"");
	while (at > server->heard.bytes && at[-1] != '\n')
		at--;
	(void)heard_wait(server, (size_t)(at - server->heard.bytes), "\n");
	check_json(server, &at, "error", "not reloaded, the lists before stay in force: --allow-list ",
	    ".a \\\"list\\\"\\\\x1b\\\\xff\\\\x5c: No such file or directory");
	end_by(server, SIGTERM);
	heard_forget(server);
}

/* Without --log what goes well is not told, what is wrong is, with the time before it. */
static void log_default(void)
{
	char *path = list_of(one_hash());
	struct server *server = server_start(OPTIONS("--allow-list", path, "-q", "-p",
	    format_text("%d", port_free())));

	reload(server);
	server_turn(server);
	CHECK_TEXT(server->heard.bytes, "");
	(void)list_of("nonsense\n");
	reload(server);
	CHECK_CONTAINS(server_error(server), "uwt: not reloaded, ");
	CHECK_NUMBER(server->stamped, 1);
	end_by(server, SIGTERM);
	CHECK_TEXT(server->errors.bytes, "");
}

/* With --silent nothing is, whatever --log says. */
static void log_silent(void)
{
	char *path = list_of(one_hash());
	struct server *server = server_start(OPTIONS("--allow-list", path, "--log", "json",
	    "--silent", "-p", format_text("%d", port_free()), "--hook", "exit 3"));

	reload(server);
	server_turn(server);
	(void)list_of("nonsense\n");
	reload(server);
	server_turn(server);
	time_wait(0.1);
	end_by(server, SIGTERM);
	CHECK_TEXT(server->heard.bytes, "");
}

/* -- commands ------------------------------------------------------------------------------ */

static void log_command(void)
{
	static const char *const names[] = { "--filter", "--hook" };
	struct server *server;
	const char *ended;
	size_t i;

	for (i = 0; i < 2; i++) {
		test_case("%s", names[i]);
		server = server_start(OPTIONS("--log", "text", names[i], "exit 3"));
		ended = heard_wait(server, 0, format_text(
		    "Z uwt: the command of %s: it has ended; it is started again\n", names[i]));
		(void)heard_wait(server, (size_t)(ended - server->heard.bytes), format_text(
		    "Z uwt: the command of %s: it was started again\n", names[i]));
		end_by(server, SIGTERM);
		heard_forget(server);
	}
}

/* What a command writes there itself is its own. */
static void log_command_writes(void)
{
	struct server *server = server_start(OPTIONS("--log", "json", "--hook",
	    "echo 'a line' >&2; cat >/dev/null"));

	(void)heard_wait(server, 0, "a line\n");
	end_by(server, SIGTERM);
	(void)heard_wait(server, 0, "\"ended\"}\n");
	CHECK_LACKS(server->heard.bytes, "--hook");
	heard_forget(server);
}

/* -- what is wrong from the start ----------------------------------------------------------- */

static void log_usage(void)
{
	char *config = test_file("conf", "log yaml\n");
	static const char *const wrong[] = { "xml", "Text", "json ", "" };
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		outcome = program_run(OPTIONS("--log", wrong[i], "-p", "0"));
		CHECK_NUMBER(outcome.status, 2);
		CHECK_TEXT(outcome.err, wrong[i][0] == '\0' ? "uwt: --log: needs a value\n" :
		    format_text("uwt: --log %s: must be text or json\n", wrong[i]));
	}
	outcome = program_run(OPTIONS("-c", config));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_TEXT(outcome.err, "uwt: --log yaml: must be text or json\n");
	outcome = program_run(OPTIONS("--log", "json", "--silent", "--interval", "1"));
	CHECK_NUMBER(outcome.status, 2);
	CHECK(strncmp(outcome.err, "uwt: --interval 1: must be ", 27) == 0);
	outcome = program_run(OPTIONS("--log", "json", "-p", "0", "--user", "no-such-user"));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_TEXT(outcome.err, "uwt: --user no-such-user: no such user\n");
}

static void log_start_fails(void)
{
	struct outcome outcome = program_run(OPTIONS("-p", "0", "--index", "/nonexistent"));
	struct server now = { .since = time(NULL) };
	const char *at;

	CHECK_NUMBER(outcome.status, 1);   /* program_run has seen to the time */
	CHECK_TEXT(outcome.err, "uwt: --index /nonexistent: No such file or directory\n");
	outcome = program_run(OPTIONS("-p", "0", "--index", "/nonexistent", "--log", "json"));
	CHECK_NUMBER(outcome.status, 1);
	text_add(&now.heard, outcome.err, strlen(outcome.err));
	at = now.heard.bytes;
	check_json(&now, &at, "error", "--index /nonexistent: No such file or directory", "");
	CHECK_TEXT(at, "");
	outcome = program_run(OPTIONS("-p", "0", "--index", "/nonexistent", "--log", "json", "-s"));
	CHECK_NUMBER(outcome.status, 1);
	CHECK_TEXT(outcome.err, "");
}

static void log_config(void)
{
	struct server *server = server_start(OPTIONS("-c", test_file("conf",
	    "port 0\nlog json   # for a program\n")));

	CHECK_CONTAINS(server_error(server), "\"message\":\"started: ");
	end_by(server, SIGTERM);
	heard_forget(server);
}

/* -- where it goes ------------------------------------------------------------------------- */

static void log_terminal(void)
{
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	struct text seen = { 0 };
	struct server *server;
	char bytes[4096];
	double until = time_now() + 5;
	ssize_t got;

	CHECK(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	text_add(&seen, "", 0);
	server = server_start_under(format_text("exec 2>%s", ptsname(terminal)),
	    OPTIONS("--log", "text"));
	end_by(server, SIGTERM);
	while (strstr(seen.bytes, "ended") == NULL && time_now() < until) {
		(void)poll(&(struct pollfd){ .fd = terminal, .events = POLLIN }, 1, 100);
		got = read(terminal, bytes, sizeof(bytes));
		text_add(&seen, bytes, got > 0 ? (size_t)got : 0);
	}
	CHECK(strncmp(seen.bytes, "uwt: started: ", 14) == 0);
	CHECK_CONTAINS(seen.bytes, "\nuwt: ending: SIGTERM\r\nuwt: ended\r\n");
	(void)close(terminal);
}

/* A server whose stderr is a pipe that the test has both ends of. */
static struct server *start_at_pipe(int *pipe_fd)
{
	char *path = test_path("fifo");

	CHECK(mkfifo(path, 0600) == 0);
	*pipe_fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	CHECK(*pipe_fd >= 0);
	return server_start_under(format_text("exec 2>%s", path), OPTIONS("--deny-list",
	    list_of(one_hash())));
}

/* Have it say something, and see that it goes on. */
static void complain(struct server *server)
{
	(void)list_of("nonsense\n");
	reload(server);
	server_turn(server);
	time_wait(0.05);
	server_turn(server);
}

/* Lines for which there is no room are lost; nobody waits. */
static void log_full_pipe(void)
{
	char bytes[4096] = "";
	struct text seen = { 0 };
	double until = time_now() + 5;
	int fd, lines;
	struct server *server = start_at_pipe(&fd);
	ssize_t got;

	while (write(fd, bytes, sizeof(bytes)) > 0)
		continue;
	while (write(fd, bytes, 1) > 0)
		continue;
	CHECK(errno == EAGAIN);
	for (lines = 0; lines < 3; lines++)
		complain(server);
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		CHECK(memchr(bytes, 'u', (size_t)got) == NULL);
	complain(server);
	text_add(&seen, "", 0);
	while (strchr(seen.bytes, '\n') == NULL && time_now() < until) {
		got = read(fd, bytes, sizeof(bytes));
		text_add(&seen, bytes, got > 0 ? (size_t)got : 0);
	}
	CHECK_CONTAINS(seen.bytes, "Z uwt: not reloaded, the lists before stay in force: ");
	server_end(server);
	(void)close(fd);
}

static void log_no_reader(void)
{
	int fd;
	struct server *server = start_at_pipe(&fd);

	(void)close(fd);
	complain(server);
	complain(server);
}

/* -- limits -------------------------------------------------------------------------------- */

/* The line of a limit comes, and no second one. */
static void one_limit(struct server *server, const char *what)
{
	double until = time_now() + 3;

	while ((void)server_complains(server), server->limits.len == 0 && time_now() < until)
		time_wait(0.01);
	time_wait(0.05);
	(void)server_complains(server);
	CHECK_TEXT(server->limits.bytes, format_text("uwt: warning: limit met: %s\n", what));
}

/* Connections that nobody gives up. */
static void members(struct server *server, struct client **clients, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		clients[i] = client_open(server);
		JOIN(clients[i], id_hash(), id_peer(), "");
	}
}

static void newcomers(struct server *server, int count)
{
	struct client *client;
	int i;

	for (i = 0; i < count; i++) {
		client = client_connect(server);
		client_print(client, "GET / HTTP/1.1\r\n\r\n");
		CHECK_NUMBER(client_reply(client).status, 503);
		CHECK(client_ends(client, 2));
		client_close(client);
	}
}

static void log_limit_connections(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "3"));
	struct client *clients[3];

	members(server, clients, 3);
	newcomers(server, 10);
	one_limit(server, "--max-connections 3: newcomers are refused");
	server_end(server);
	CHECK_NUMBER(server->stamped, 1);
}

static void log_limit_json(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "3", "--log", "json"));
	struct client *clients[3];
	const char *at;

	members(server, clients, 3);
	newcomers(server, 4);
	at = heard_wait(server, 0, "\"level\":\"warning\"");
	CHECK(strstr(at + 1, "\"level\":\"warning\"") == NULL);
	while (at > server->heard.bytes && at[-1] != '\n')
		at--;
	check_json(server, &at, "warning", "limit met: --max-connections 3: newcomers are refused",
	    "");
	end_by(server, SIGTERM);
	heard_forget(server);
}

static void log_limit_peers(void)
{
	struct server *server = server_start(OPTIONS("--max-peers", "3"));
	struct client *client = client_open(server);
	struct id hash = id_hash();
	int i;

	for (i = 0; i < 3; i++)
		JOIN(client, hash, id_peer(), "");
	for (i = 0; i < 5; i++) {
		client_announce(client, hash, id_peer(), "");
		CHECK_CONTAINS(HEAR(client), "failure reason");
	}
	one_limit(server, "--max-peers 3: further ones are refused");
}

static void log_limit_torrents(void)
{
	struct server *server = server_start(OPTIONS("--max-torrents", "2", "--quiet", "-p",
	    format_text("%d", port_free())));
	struct client *client = client_open(server);
	int i;

	for (i = 0; i < 2; i++)
		JOIN(client, id_hash(), id_peer(), "");
	for (i = 0; i < 5; i++) {
		client_announce(client, id_hash(), id_peer(), "");
		CHECK_CONTAINS(HEAR(client), "failure reason");
	}
	one_limit(server, "--max-torrents 2: further ones are refused");
}

/* Somebody sends the beginning of a message that all buffers together do not hold. */
static void log_limit_buffers(void)
{
	struct server *server = server_start(OPTIONS("--buffer-memory", "4K"));
	struct text frame = { 0 };
	struct client *client;
	char *message = text_repeat("x", 60000);
	int i;

	frame_add(&frame, FIN | TEXT, message, strlen(message));
	for (i = 0; i < 3; i++) {
		client = client_open(server);
		client_write(client, frame.bytes, frame.len - 1);
		CHECK(client_ends(client, 3));
	}
	one_limit(server, "--buffer-memory 4K: who needs more is refused");
}

static void log_limit_silent(void)
{
	struct server *server = server_start(OPTIONS("--max-connections", "3", "--silent", "-p",
	    format_text("%d", port_free())));
	struct client *clients[3];

	members(server, clients, 3);
	newcomers(server, 3);
	server_end(server);
	CHECK_TEXT(server->heard.bytes, "");
}

/* Limits of a single peer are nobody's business but its own. */
static void log_limit_single(void)
{
	struct server *server = server_start(OPTIONS("--max-swarms", "1", "--max-rate", "50",
	    "--buffer-memory", "1M"));
	struct client *client = client_open(server);
	int i;

	JOIN(client, id_hash(), id_peer(), "");
	for (i = 0; i < 3; i++) {
		client_announce(client, id_hash(), id_peer(), "");
		CHECK_CONTAINS(HEAR(client), "failure reason");
	}
	client_say(client, "{'action':'scrape'}");
	(void)HEAR(client);
	for (i = 0; i < 200; i++)
		client_announce(client, id_hash(), id_peer(), "");
	CHECK(client_ends(client, 3));
	server_end(server);
	CHECK_TEXT(server->heard.bytes, "");
}

const struct bb_test bb_log[] = {
	TEST(log_text, FITS, 0), TEST(log_metrics, FITS, 0), TEST(log_json, FITS, 0),
	TEST(log_end_at_once, FITS, 0), TEST(log_reload, FITS, 0), TEST(log_reload_json, FITS, 0),
	TEST(log_default, FITS, 0), TEST(log_silent, FITS, 0), TEST(log_command, FITS, 40),
	TEST(log_command_writes, FITS, 10), TEST(log_usage, FITS, 0),
	TEST(log_start_fails, FITS, 0), TEST(log_config, FITS, 0), TEST(log_terminal, FITS, 0),
	TEST(log_full_pipe, FITS, 0), TEST(log_no_reader, FITS, 0),
	TEST(log_limit_connections, FITS, 0), TEST(log_limit_json, FITS, 0),
	TEST(log_limit_peers, FITS, 0), TEST(log_limit_torrents, FITS, 0),
	TEST(log_limit_buffers, FITS, 0), TEST(log_limit_silent, FITS, 0),
	TEST(log_limit_single, FITS, 0), TESTS_END
};
