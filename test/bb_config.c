/* bb_config.c - the configuration file. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct server *start_with(const char *content)
{
	return server_start(OPTIONS("-c", test_file("uwt.conf", content)));
}

static void announce_told(struct server *server, int interval)
{
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_announce(client, hash, id_peer(), "");
	EXPECT(client, "{'complete':0,'incomplete':1,'action':'announce','interval':%d,"
	    "'info_hash':'%s'}", interval, hash.text);
}

static void config_file(void)
{
	struct server *server = start_with(
	    "# a comment\n"
	    "\n"
	    "port 0\n"
	    "  interval\t20000  \n"
	    "   # an indented comment\n"
	    "max-swarms 1\n"
	    "max-message 1K\n"
	    "\t\n"
	    "full-scrape\n"
	    "host 127.0.0.1");   /* no newline at the end */
	struct client *client = client_open(server);
	struct id hash = id_hash();

	announce_told(server, 4);
	client_say(client, "{'action':'scrape'}");
	CHECK_CONTAINS(HEAR(client), "\"files\":{\"");
	client_announce(client, hash, id_peer(), "");
	CHECK_CONTAINS(HEAR(client), "\"interval\":4");
	client_announce(client, hash, id_peer(), "");
	FAILURE(client, "too many torrents on this connection", hash);
	client_say_text(client, text_repeat(" ", 1025));
	CLOSED(client, 1009);
}

static void config_empty(void)
{
	char *path = test_file("empty.conf", "");

	announce_told(server_start(OPTIONS("-p", "0", "--config", path)), 120);
}

static void config_overridden(void)
{
	char *path = test_file("uwt.conf", "port 1\ninterval 20000\nmax-swarms 7\n");

	announce_told(server_start(OPTIONS("-p", "0", "-c", path, "--interval", "50000")), 10);
	announce_told(server_start(OPTIONS("--interval", "50000", "--config", path, "-p", "0")),
	    10);
	announce_told(server_start(OPTIONS("-c", path, "-p", "0")), 4);
}

static void config_no_stats(void)
{
	struct server *server = start_with("port 0\nno-stats\nindex none\n");

	server->stats = false;
	CHECK_NUMBER(http_get(server, "/stats.json", "").status, 404);
	CHECK_NUMBER(http_get(server, "/", "").status, 404);
	announce_told(server, 120);
}

static void config_trust_proxy(void)
{
	struct server *server = start_with("port 0\ntrust-proxy 127.0.0.0/8\n");

	JOIN(client_open_with(server, "X-Forwarded-For: 2001:db8::1\r\n"), id_hash(), id_peer(),
	    "");
	CHECK_STAT(server, "peersIPv6", 1);
}

/* `uwt: FILE:LINE: ...`, one line that names the word, status 2. */
static void config_errors(void)
{
	static const struct {
		const char *content, *line, *word, *other;   /* one of the two must be named */
	} cases[] = {
		{ "nonsense 5\n", "1", "nonsense", NULL },
		{ "port 0\n\n# x\nporto 5\n", "4", "porto", NULL },
		{ "port 70000\n", "1", "70000", "port" },
		{ "port 0\ninterval 1e3x\n", "2", "1e3x", NULL },
		{ "max-peers -1\n", "1", "-1", "max-peers" }, { "port\n", "1", "port", NULL },
		{ "buffer-memory 4X\n", "1", "4X", "buffer-memory" },
		{ "\n\nmax-message x\n", "3", "max-message", "x" },
		{ "--port 0\n", "1", "--port", NULL },
		{ "full-scrape maybe\n", "1", "maybe", "full-scrape" },
		{ "host 300.1.1.1", "1", "300.1.1.1", "host" }, { "port 0 5\n", "1", "5", "port" },
		{ "trust-proxy 1.2.3.4/33\n", "1", "1.2.3.4/33", "trust-proxy" }
	};
	struct outcome outcome;
	char *path;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case("%s", cases[i].content);
		path = test_file("uwt.conf", cases[i].content);
		outcome = program_run(OPTIONS("-p", "0", "-c", path));
		CHECK_NUMBER(outcome.status, 2);
		CHECK_TEXT(outcome.out, "");
		CHECK_CONTAINS(outcome.err, format_text("uwt: %s:%s: ", path, cases[i].line));
		if (cases[i].other == NULL ||
		    strstr(outcome.err + strlen(path), cases[i].other) == NULL)
			CHECK_CONTAINS(outcome.err + strlen(path), cases[i].word);
		CHECK(strchr(outcome.err, '\n') == outcome.err + strlen(outcome.err) - 1);
	}
}

static void config_unreadable(void)
{
	struct outcome outcome = program_run(OPTIONS("-c", "/nonexistent/uwt.conf"));

	CHECK(outcome.status > 0);
	CHECK_TEXT(outcome.out, "");
	CHECK(strncmp(outcome.err, "uwt: ", 5) == 0);
	CHECK_CONTAINS(outcome.err, "/nonexistent/uwt.conf");
	CHECK_NUMBER(program_run(OPTIONS("-c",
	    test_file("bytes.conf", "\x1b[31m\xff\x07 5\n"))).status,
	    2);
	CHECK_NUMBER(program_run(OPTIONS("-c",
	    test_file("long.conf", text_repeat("x", 100000)))).status,
	    2);
}

static void config_hosts(void)
{
	char *path = test_path("config.socket");
	struct server *server = start_with(format_text("port 0\nhost 127.0.0.1\nhost unix:%s\n",
	    path));

	memcpy(server->path, path, strlen(path) + 1);
	client_shake(client_connect(server), "");
	client_shake(client_connect_by(server, AF_UNIX), "");
}

const struct bb_test bb_config[] = {
	TEST(config_file, FITS, 0), TEST(config_empty, FITS, 0),
	TEST(config_overridden, FITS, 0), TEST(config_no_stats, FITS, 0),
	TEST(config_trust_proxy, FITS, 0), TEST(config_errors, FITS, 0),
	TEST(config_unreadable, FITS, 0), TEST(config_hosts, FITS, 0), TESTS_END
};
