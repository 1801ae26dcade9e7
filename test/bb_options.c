/* bb_options.c - the command line, and where the program listens. */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

/* Options that are refused: status 2, one line on stderr, nothing on stdout. */
static struct outcome check_refused(const char *const *options)
{
	struct outcome outcome = program_run(options);

	CHECK_NUMBER(outcome.status, 2);
	CHECK_TEXT(outcome.out, "");
	CHECK(strncmp(outcome.err, "uwt: ", 5) == 0);
	CHECK_NUMBER(lines_of(outcome.err), 1);
	CHECK(outcome.err[strlen(outcome.err) - 1] == '\n');
	return outcome;
}

static void options_values(void)
{
	static const struct {
		const char *name, *value, *says;   /* what the line must contain */
	} cases[] = {
		{ "--port", "70000", "65535" }, { "--port", "65536", "65535" },
		{ "-p", "-1", "65535" }, { "--port", "80x", "65535" }, { "--port", "", "port" },
		{ "--port", " 80", "65535" }, { "--port", "0x50", "65535" },
		{ "--port", "8e3", "65535" }, { "--port", "99999999999999999999", "65535" },
		{ "--port", "http", "65535" }, { "--interval", "1e3x", "" },
		{ "--interval", "-5", "" }, { "--interval", "", "" }, { "--interval", "5s", "" },
		{ "--interval", "1.5", "" }, { "--interval", "99999999999999999999999", "" },
		{ "--max-peers", "-1", "" }, { "--max-peers", "many", "" },
		{ "--max-peers", "99999999999999", "" }, { "--max-torrents", "-1", "" },
		{ "--max-torrents", "1.0", "" }, { "--max-connections", "", "" },
		{ "--max-connections", "12 ", "" }, { "--max-swarms", "x", "" },
		{ "--max-swarms", "-4", "" }, { "--buffer-memory", "4X", "" },
		{ "--buffer-memory", "K", "" }, { "--buffer-memory", "4KB", "" },
		{ "--buffer-memory", "-4K", "" }, { "--buffer-memory", "99999999999G", "" },
		{ "--max-message", "1KK", "" }, { "--max-message", "17179869184G", "" },
		{ "-H", "not an address", "" }, { "-H", "300.1.1.1", "" }, { "--host", "::g", "" },
		{ "-H", "", "" }, { "-H", "unix:", "" }
	};
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s `%s`", cases[i].name, cases[i].value);
		outcome = check_refused(OPTIONS(cases[i].name, cases[i].value));
		CHECK_CONTAINS(outcome.err, cases[i].says);
		if (cases[i].name[1] == '-')
			CHECK_CONTAINS(outcome.err, cases[i].name + 2);
	}
}

static void options_unknown(void)
{
	static const char *const cases[] = {
		"--nonsense", "-x", "operand", "-", "--port-", "--quiet=1", "---port", "--Port"
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s", cases[i]);
		(void)check_refused(OPTIONS(cases[i]));
	}
	test_case("a value that is missing");
	(void)check_refused(OPTIONS("--port"));
	(void)check_refused(OPTIONS("-p"));
	(void)check_refused(OPTIONS("-p", "0", "--interval"));
	(void)check_refused(OPTIONS("-p", "0", "--nonsense", "--port", "1"));
	(void)check_refused(OPTIONS("-p", "0", "8000"));
}

static void options_help(void)
{
	static const char *const names[] = {
		"--port", "--host", "--interval", "--no-stats", "--trust-proxy", "--full-scrape",
		"--max-connections", "--max-peers", "--max-torrents", "--max-swarms",
		"--buffer-memory", "--max-message", "--index", "--config", "--quiet", "--silent",
		"--version", "--help", "-p", "-H", "-c", "-q", "-s", "-v", "-h"
	};
	struct outcome outcome = program_run(OPTIONS("--help"));
	size_t i;

	CHECK_NUMBER(outcome.status, 0);
	CHECK_TEXT(outcome.err, "");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK_CONTAINS(outcome.out, names[i]);
	CHECK_TEXT(program_run(OPTIONS("-h")).out, outcome.out);
	outcome = program_run(OPTIONS("--version"));
	CHECK_NUMBER(outcome.status, 0);
	CHECK_TEXT(outcome.err, "");
	CHECK_NUMBER(lines_of(outcome.out), 1);
	CHECK(strpbrk(outcome.out, "0123456789") != NULL);
	CHECK_TEXT(program_run(OPTIONS("-v")).out, outcome.out);
}

static void options_accepted(void)
{
	struct server *server = server_start(OPTIONS("--ws", "--stats", "--full-scrape"));
	struct client *client = client_open(server);

	CHECK_STAT(server, "peersAll", 0);
	client_say(client, "{'action':'scrape'}");
	EXPECT(client, "{'action':'scrape','files':{},'flags':{'min_request_interval':120}}");
	server = server_start(OPTIONS("-p", "0", "-H", "127.0.0.1", "--interval", "600000",
	    "--max-swarms", "100", "--max-message", "64K", "--index", "none"));
	CHECK_STAT(server, "peersAll", 0);
}

static void options_sizes(void)
{
	static const struct {
		const char *value;
		size_t bytes;
	} cases[] = { { "2000", 2000 }, { "1K", 1024 }, { "3K", 3072 }, { "1M", 1048576 } };
	struct server *server;
	struct client *client;
	struct id hash = id_hash();
	char *message;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("--max-message %s", cases[i].value);
		server = server_start(OPTIONS("--max-message", cases[i].value));
		client = client_open(server);
		message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}%s",
		    hash.text, id_peer().text, text_repeat(" ", cases[i].bytes));
		client_frame(client, FIN | TEXT, message, cases[i].bytes);
		REPLY(client, 0, 1, hash);
		client_frame(client, FIN | TEXT, message, cases[i].bytes + 1);
		CLOSED(client, 1009);
	}
	server = server_start(OPTIONS("--max-message", "16M", "--buffer-memory", "128M"));
	client = client_open(server);
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

static void options_families(void)
{
	struct server *server = server_start(NULL);
	struct client *client;
	struct id hash = id_hash();
	int family;

	if (!machine_has_ipv6())
		test_skip("no IPv6");
	for (family = 0; family < 2; family++) {
		client = client_connect_by(server, family == 0 ? AF_INET : AF_INET6);
		client_shake(client, "");
		client_announce(client, hash, id_peer(), offers_made(1));
		REPLY(client, 0, family + 1, hash);
	}
	/* the first, from the second */
	CHECK_CONTAINS(HEAR(server->clients->next), "\"offer\":");
	CHECK_STAT(server, "peersIPv4", 1);
	CHECK_STAT(server, "peersIPv6", 1);
	CHECK_STAT(server, "peersAll", 2);
}

/* Only there, and nowhere else. */
static void options_hosts(void)
{
	struct server *server = server_start(OPTIONS("-H", "127.0.0.1"));

	CHECK_STAT(server, "peersAll", 0);
	CHECK(client_try(server, AF_INET6, 0) == NULL);
	if (!machine_has_ipv6())
		test_skip("no IPv6");
	server = server_start(OPTIONS("--host", "::1"));
	CHECK_STAT(server, "peersAll", 0);
	CHECK(client_try(server, AF_INET, 0) == NULL);
	server = server_start(OPTIONS("-H", "127.0.0.1", "--host", "::1"));
	CHECK_STAT(server, "peersAll", 0);
	client_shake(client_connect_by(server, AF_INET6), "");
	client_shake(client_connect_by(server, AF_INET), "");
	server = server_start(OPTIONS("-H", "::"));
	client_shake(client_connect_by(server, AF_INET6), "");
	CHECK(client_try(server, AF_INET, 0) == NULL);   /* IPV6_V6ONLY */
	server = server_start(OPTIONS("-H", "0.0.0.0"));
	client_shake(client_connect_by(server, AF_INET), "");
	CHECK(client_try(server, AF_INET6, 0) == NULL);
}

static void options_unix(void)
{
	char *path = test_path("socket");
	struct server *server = server_start(OPTIONS("-H", format_text("unix:%s", path)));
	struct client *client = client_open(server);
	struct id hash = id_hash();

	CHECK_TEXT(text_shown(server->lines.bytes, strcspn(server->lines.bytes, "\n")),
	    format_text("server listening on unix:%s", path));
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
	CHECK_STAT(server, "peersAll", 1);
	server_end(server);
	server = server_start(OPTIONS("-H", format_text("unix:%s", path)));   /* and again */
	CHECK_STAT(server, "peersAll", 0);
	client = client_open(server);
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
}

static void options_unix_and_port(void)
{
	char *host = format_text("unix:%s", test_path("both"));
	struct server *server = server_start(OPTIONS("-H", host, "-H", "127.0.0.1"));
	struct client *local = client_open(server), *client;
	struct id hash = id_hash();

	CHECK(server->port > 0);
	client = client_connect_by(server, AF_INET);
	client_shake(client, "");
	client_announce(local, hash, id_peer(), "");
	REPLY(local, 0, 1, hash);
	client_announce(client, hash, id_peer(), offers_made(1));
	REPLY(client, 0, 2, hash);
	CHECK_CONTAINS(HEAR(local), "\"offer\":");
}

static void options_unix_refused(void)
{
	char *file = test_file("occupied", "not a socket\n");
	char *near = format_text("unix:/tmp/%s", text_repeat("x", 150));
	struct outcome outcome = program_run(OPTIONS("-H", format_text("unix:%s", file)));
	struct stat status;

	CHECK(outcome.status > 0);
	CHECK_TEXT(outcome.out, "");
	CHECK_NUMBER(lines_of(outcome.err), 1);
	CHECK(stat(file, &status) == 0 && S_ISREG(status.st_mode));   /* not overwritten */
	outcome = program_run(OPTIONS("-H", near));
	CHECK(outcome.status > 0);
	CHECK_TEXT(outcome.out, "");
	CHECK_NUMBER(lines_of(outcome.err), 1);
}

static void options_port(void)
{
	char *port = format_text("%d", port_free());
	struct server *server = server_start(OPTIONS("--port", port));
	struct outcome outcome;

	CHECK_NUMBER(server->port, atoi(port));
	CHECK_STAT(server, "peersAll", 0);
	outcome = program_run(OPTIONS("-p", port));   /* it is taken */
	CHECK(outcome.status > 0);
	CHECK_TEXT(outcome.out, "");
	CHECK(strncmp(outcome.err, "uwt: ", 5) == 0);
	CHECK_CONTAINS(outcome.err, port);
	CHECK_NUMBER(lines_of(outcome.err), 1);
	CHECK_STAT(server, "peersAll", 0);
	outcome = program_run(OPTIONS("-p", port, "-s"));
	CHECK(outcome.status > 0);
	CHECK_TEXT(outcome.out, "");
	CHECK_TEXT(outcome.err, "");
}

/* After an end with connections open, the port can be taken again at once. */
static void options_port_again(void)
{
	char *port = format_text("%d", port_free());
	struct server *server;
	int i;

	for (i = 0; i < 3; i++) {
		server = server_start(OPTIONS("-p", port));
		JOIN(client_open(server), id_hash(), id_peer(), "");
		CHECK(kill(server->pid, SIGTERM) == 0);
		CHECK(server_wait(server, 2, true));
	}
}

static void options_index(void)
{
	struct outcome outcome = program_run(OPTIONS("-p", "0", "--index",
	    "/nonexistent/page.html"));

	CHECK(outcome.status > 0);
	CHECK_TEXT(outcome.out, "");
	CHECK(strncmp(outcome.err, "uwt: ", 5) == 0);
	CHECK_CONTAINS(outcome.err, "/nonexistent/page.html");
	CHECK_NUMBER(lines_of(outcome.err), 1);
}

const struct bb_test bb_options[] = {
	TEST(options_values, FITS, 0), TEST(options_unknown, FITS, 0), TEST(options_help, FITS, 0),
	TEST(options_accepted, FITS, 0), TEST(options_sizes, LARGE, 0),
	TEST(options_families, FITS, 0), TEST(options_hosts, FITS, 0), TEST(options_unix, FITS, 0),
	TEST(options_unix_and_port, FITS, 0), TEST(options_unix_refused, FITS, 0),
	TEST(options_port, FITS, 0), TEST(options_port_again, FITS, 0),
	TEST(options_index, FITS, 0), TESTS_END
};
