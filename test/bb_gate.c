/* bb_gate.c - who may be in a torrent: lists, --filter; and who is told: --hook. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- lists --- */

static char *list_file(const char *name, const char *first, const char *second)
{
	struct text text = { 0 };

	text_format(&text, "# torrents\n%s\n\n  %s  # another\n", first, second);
	return test_file(name, text.bytes);
}

static void refused(struct server *server, struct client *client, struct id hash)
{
	client_announce(client, hash, id_peer(), "");
	FAILURE(client, "disallowed info_hash", hash);
	CHECK_TEXT(server_event(server, 1), "WARNING: disallowed info_hash");
	CHECK_TEXT(server_event(server, 0), "none");
}

static void allowed(struct server *server, struct client *client, struct id hash, struct id id)
{
	client_announce(client, hash, id, "");
	REPLY(client, 0, 1, hash);
	CHECK_TEXT(server_event(server, 1), format_text("update: %s", id_hex(id)));
}

static void gate_allow_list(void)
{
	struct id one = id_hash(), two = id_hash(), three = id_hash();
	struct server *server = server_start(OPTIONS("--allow-list", list_file("allow",
	    id_hex(one), format_text("magnet:?dn=x&xt=urn:btih:%s", id_hex(two)))));
	struct client *client = client_open(server);

	allowed(server, client, one, id_peer());
	allowed(server, client, two, id_peer());
	refused(server, client, three);
	CHECK_STAT(server, "torrents", 2);
	CHECK_STAT(server, "peersAll", 2);
}

static void gate_deny_list(void)
{
	struct id one = id_hash(), two = id_hash(), three = id_hash();
	struct server *server = server_start(OPTIONS("--deny-list", list_file("deny",
	    id_hex(one), id_hex(two))));
	struct client *client = client_open(server);

	refused(server, client, one);
	refused(server, client, two);
	allowed(server, client, three, id_peer());
}

static void gate_both_lists(void)
{
	struct id one = id_hash(), two = id_hash();
	struct server *server = server_start(OPTIONS("--allow-list", list_file("allow",
	    id_hex(one), id_hex(two)), "--deny-list", list_file("deny", id_hex(two),
	    id_hex(two))));
	struct client *client = client_open(server);

	allowed(server, client, one, id_peer());
	refused(server, client, two);
}

/* Put other lines in a list's place, as a program that takes care does. */
static void list_replace(const char *name, const char *content)
{
	char *new = test_file(format_text("%s.new", name), content);

	CHECK(rename(new, test_path(name)) == 0);
}

/* Skip to a line of stdout. */
static void line_comes(struct server *server, const char *want)
{
	char *line;

	while ((line = server_line(server, 3)) != NULL && strcmp(line, want) != 0)
		continue;
	CHECK_TEXT(line, want);
}

static void gate_reload(void)
{
	struct id one = id_hash(), two = id_hash(), three = id_hash(), id = id_peer();
	struct server *server = server_start(OPTIONS("--allow-list", list_file("allow",
	    id_hex(one), id_hex(two))));
	struct client *client = client_open(server);

	allowed(server, client, one, id);
	allowed(server, client, two, id);
	refused(server, client, three);
	list_replace("allow", format_text("%s\n%s\n", id_hex(two), id_hex(three)));
	CHECK(kill(server->pid, SIGHUP) == 0);
	line_comes(server, "lists reloaded: 2 allowed");
	/* Who is in a torrent that is not allowed any more is there no longer. */
	CHECK_TEXT(server_event(server, 1), format_text("stop: %s", id_hex(id)));
	CHECK_STAT(server, "torrents", 1);
	allowed(server, client, two, id);
	allowed(server, client, three, id);
	refused(server, client, one);
}

/* SIGHUP that comes while it starts, when nothing else will happen for long. */
static void gate_reload_early(void)
{
	char *page = test_path("page");
	struct server *server;

	CHECK(mkfifo(page, 0600) == 0);
	server = server_start_under(format_text("exec 9<>%s && { (sleep 0.5; kill -HUP $$; "
	    "sleep 0.1; echo x >&9) & trap '' HUP; exec 9>&-; }", page),
	    OPTIONS("--index", page, "--deny-list",
	    test_file("list", format_text("%s\n", id_hex(id_hash())))));
	line_comes(server, "lists reloaded: 1 denied");
}

/* With an error those before stay in force, and somebody is told. */
static void gate_reload_fails(void)
{
	struct id one = id_hash(), two = id_hash(), id = id_peer();
	struct server *server = server_start(OPTIONS("--deny-list", list_file("deny", id_hex(one),
	    id_hex(one))));
	struct client *client = client_open(server);

	refused(server, client, one);
	allowed(server, client, two, id);
	list_replace("deny", format_text("%s\nnonsense\n", id_hex(two)));
	CHECK(kill(server->pid, SIGHUP) == 0);
	CHECK_TEXT(server_error(server), format_text("uwt: not reloaded, the lists before stay in "
	    "force: --deny-list %s: line 2: neither 40 hexadecimal digits nor a magnet link",
	    test_path("deny")));
	refused(server, client, one);
	allowed(server, client, two, id);
	CHECK(unlink(test_path("deny")) == 0);
	CHECK(kill(server->pid, SIGHUP) == 0);
	CHECK_TEXT(server_error(server), format_text("uwt: not reloaded, the lists before stay in "
	    "force: --deny-list %s: No such file or directory", test_path("deny")));
	refused(server, client, one);
}

/* Announces go on while long lists are read, and the torrents that go are many. */
static void gate_reload_under_load(void)
{
	struct text text = { 0 };
	struct server *server;
	struct client *client;
	struct id hashes[600], id = id_peer();
	double longest = 0;
	size_t i;

	for (i = 0; i < 600; i++) {
		hashes[i] = id_hash();
		text_format(&text, "%s\n", id_hex(hashes[i]));
	}
	for (i = 0; i < 100000; i++)
		text_format(&text, "%040zx\n", i);
	server = server_start(OPTIONS("--allow-list", test_file("allow", text.bytes)));
	client = client_open(server);
	for (i = 0; i < 600; i++)
		JOIN(client, hashes[i], id, "");
	/* Half of them. */
	list_replace("allow", text.bytes + 41 * 300);
	CHECK(kill(server->pid, SIGHUP) == 0);
	while (server_stat(server, "torrents") != 300) {
		double before = time_now();

		JOIN(client, hashes[599], id, "");
		if (time_now() - before > longest)
			longest = time_now() - before;
		CHECK_BETWEEN(longest, 0, 1);
	}
	for (i = 0; i < 600; i++) {
		client_announce(client, hashes[i], id, "");
		if (i < 300)
			FAILURE(client, "disallowed info_hash", hashes[i]);
		else
			REPLY(client, 0, 1, hashes[i]);
	}
}

static void gate_start_fails(void)
{
	struct outcome outcome;

	outcome = program_run(OPTIONS("--allow-list", test_file("bad", "# good\n12\n")));
	CHECK_NUMBER(outcome.status, 1);
	CHECK_TEXT(outcome.err, format_text("uwt: --allow-list %s: line 2: neither 40 hexadecimal "
	    "digits nor a magnet link\n", test_path("bad")));
	outcome = program_run(OPTIONS("--deny-list", test_path("none")));
	CHECK_NUMBER(outcome.status, 1);
	CHECK_TEXT(outcome.err, format_text("uwt: --deny-list %s: No such file or directory\n",
	    test_path("none")));
	CHECK(mkfifo(test_path("pipe"), 0600) == 0);
	outcome = program_run(OPTIONS("--deny-list", test_path("pipe")));
	CHECK_NUMBER(outcome.status, 1);
	CHECK_CONTAINS(outcome.err, format_text("uwt: --deny-list %s: ", test_path("pipe")));
	outcome = program_run(OPTIONS("--filter-fail", "open"));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_TEXT(outcome.err, "uwt: --filter-fail: needs --filter\n");
	outcome = program_run(OPTIONS("--filter", "true", "--filter-fail", "ajar"));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_TEXT(outcome.err, "uwt: --filter-fail ajar: must be open or closed\n");
}

/* --- the command of --filter --- */

/* Lines of sh that answer each question with this, in which $id is its number. */
static char *filter_script(const char *answer)
{
	return format_text("while IFS= read -r line; do id=${line#*:}; id=${id%%%%,*}; %s; done",
	    answer);
}

#define SAY(rest) "echo '{\"id\":'$id'," rest "}'"
#define ALLOW SAY("\"allow\":true")
#define REFUSE SAY("\"allow\":false,\"reason\":\"no key\"")

static void gate_filter_allows(void)
{
	struct server *server = server_start(OPTIONS("--filter", filter_script(ALLOW)));
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), id = id_peer(), second = id_peer();

	allowed(server, client, hash, id);
	client_announce(other, hash, second, offers_made(1));
	REPLY(other, 0, 2, hash);
	RELAYED(client, 0, second, hash);
	client_announce(client, hash, id, answer_made(second));
	ANSWERED(other, id, hash);
}

static void gate_filter_refuses(void)
{
	struct server *server = server_start(OPTIONS("--filter", filter_script(REFUSE)));
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_announce(client, hash, id_peer(), ",'event':'started'");
	FAILURE(client, "no key", hash);
	CHECK_TEXT(server_event(server, 1), "WARNING: no key");
	CHECK_TEXT(server_event(server, 0), "none");
	CHECK_STAT(server, "torrents", 0);
	/* Who stops is not asked about. */
	client_announce(client, hash, id_peer(), ",'event':'stopped'");
	REPLY(client, 0, 0, hash);
}

/* What the question says; the path decides. */
static void gate_filter_question(void)
{
	char *path = test_path("questions");
	struct server *server = server_start(OPTIONS("--filter", filter_script(format_text(
	    "%s >>%s; case $line in *key=good*) %s;; *) %s;; esac", "printf '%s\\n' \"$line\"",
	    path, ALLOW, REFUSE))));
	struct client *client = client_connect(server);
	struct id hash = id_hash(), id = id_peer();
	struct text text = { 0 };
	char line[4096];
	FILE *file;

	client_print(client, "GET /announce?key=good HTTP/1.1\r\nHost: a\r\nX-Odd: \"q\" \\\r\n"
	    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
	CHECK_NUMBER(client_reply(client).status, 101);
	JOIN(client, hash, id, ",'event':'started','left':7");
	client = client_open(server);
	client_announce(client, hash, id_peer(), "");
	FAILURE(client, "no key", hash);
	file = fopen(path, "r");
	CHECK(file != NULL && fgets(line, sizeof line, file) != NULL);
	text_format(&text, "%s", line);
	CHECK_CONTAINS(text.bytes, "\"action\":\"announce\"");
	CHECK_CONTAINS(text.bytes, format_text("\"info_hash\":\"%s\"", id_hex(hash)));
	CHECK_CONTAINS(text.bytes, format_text("\"peer_id\":\"%s\"", id_hex(id)));
	CHECK_CONTAINS(text.bytes, "\"path\":\"/announce?key=good\"");
	CHECK_CONTAINS(text.bytes, "\"x-odd\":\"\\\"q\\\" \\\\\"");
	CHECK_CONTAINS(text.bytes, "\"event\":\"started\"");
	CHECK_CONTAINS(text.bytes, "\"left\":7");
	CHECK_CONTAINS(text.bytes, "\"address\":\"");
	(void)fclose(file);
}

#define DEAD "uwt: the command of --filter: it has ended; it is started again"

/* With a command that cannot be asked, nobody or everybody is let in. */
static void gate_filter_dead(void)
{
	struct server *server = server_start(OPTIONS("--filter", "exit 3"));
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_announce(client, hash, id_peer(), "");
	FAILURE(client, "the filter cannot be asked", hash);
	CHECK_TEXT(server_error(server), DEAD);
	server = server_start(OPTIONS("--filter", "exit 3", "--filter-fail", "open"));
	client = client_open(server);
	client_announce(client, hash, id_peer(), "");
	REPLY(client, 0, 1, hash);
	CHECK_TEXT(server_error(server), DEAD);
}

/* One that dies when it is asked leaves no question open, and is there again. */
static void gate_filter_dies(void)
{
	char *path = test_path("died");
	struct server *server = server_start(OPTIONS("--filter", filter_script(format_text(
	    "test -e %s || { : >%s; exit 1; }; %s", path, path, ALLOW))));
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	double until;

	client_announce(client, hash, id, "");
	FAILURE(client, "the filter cannot be asked", hash);
	until = time_now() + 8;
	for (;;) {
		char *heard;

		client_announce(client, hash, id, "");
		heard = HEAR(client);
		if (strstr(heard, "failure") == NULL)
			break;
		CHECK(time_now() < until);
		time_wait(0.1);
	}
	CHECK_TEXT(server_error(server), DEAD);
}

/* Who is in stays when the command dies of being asked about him again; nobody else gets in. */
static void gate_filter_dies_later(void)
{
	char *path = test_path("asked");
	struct server *server = server_start(OPTIONS("--filter", filter_script(format_text(
	    "test -e %s && exit 1; : >%s; %s", path, path, SAY("\"allow\":true,\"ttl\":1")))));
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	client_announce(client, hash, id, "");
	REPLY(client, 0, 1, hash);
	clock_wait(3);
	client_announce(client, hash, id, "");
	REPLY(client, 0, 1, hash);
	CHECK_TEXT(server_error(server), DEAD);
	client_announce(client, hash, id_peer(), "");
	FAILURE(client, "the filter cannot be asked", hash);
	CHECK_STAT(server, "peersAll", 1);
}

/* No answer in 10 seconds is a refusal; what came behind waits for it, in order. */
static void gate_filter_hangs(void)
{
	struct server *server = server_start(OPTIONS("--filter", "cat >/dev/null"));
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct frame frame;

	client_announce(client, hash, id, "");
	client_announce(client, hash, id, ",'event':'stopped'");
	client_announce(other, hash, id_peer(), ",'event':'stopped'");
	REPLY(other, 0, 0, hash);
	CHECK_NUMBER(client_next(client, &frame, 0.2), NEXT_NOTHING);
	clock_wait(10.5);
	FAILURE(client, "the filter did not answer", hash);
	REPLY(client, 0, 0, hash);
}

/* Each question is answered twice, and then some that nobody asked. */
static void gate_filter_talks(void)
{
	struct server *server = server_start(OPTIONS("--filter", filter_script(format_text(
	    "%s; %s; id=$((id + 1)); %s", ALLOW, REFUSE, REFUSE))));
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	int i;

	for (i = 0; i < 20; i++) {
		client_announce(client, hash, id, "");
		REPLY(client, 0, 1, hash);
		client_announce(client, hash, id, ",'event':'stopped'");
		REPLY(client, 0, 0, hash);
	}
}

/* What is no answer ends it, and questions that it had. */
static void gate_filter_garbage(void)
{
	static const struct {
		const char *says, *why;
	} cases[] = {
		{ "echo nonsense", "it is not one JSON object" },
		{ "echo '{\"id\":'$id'}'", "its allow is neither true nor false" },
		{ "yes no 2>/dev/null", "it is not one JSON object" },
		{ "tr '\\0' x </dev/zero 2>/dev/null", "line" }
	};
	struct id hash = id_hash();
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct server *server = server_start(OPTIONS("--filter",
		    filter_script(cases[i].says)));
		struct client *client = client_open(server);

		test_case("%s", cases[i].says);
		client_announce(client, hash, id_peer(), "");
		FAILURE(client, "the filter cannot be asked", hash);
		CHECK_CONTAINS(server_error(server), cases[i].why);
		client_announce(client, hash, id_peer(), ",'event':'stopped'");
		REPLY(client, 0, 0, hash);
		server_end(server);
	}
}

/* Open a WebSocket by this target. */
static struct client *open_by(struct server *server, const char *target)
{
	struct client *client = client_connect(server);

	client_print(client, "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", target);
	CHECK_NUMBER(client_reply(client).status, 101);
	return client;
}

/* A filter by keys in the path, with such a file of them. */
static void try_keys(const char *command, const char *keys, const char *refusal)
{
	struct server *server = server_start(OPTIONS("--filter", format_text("%s %s", command,
	    test_file("keys", keys))));
	struct id hash = id_hash();

	JOIN(open_by(server, "/?key=sesame"), hash, id_peer(), "");
	JOIN(open_by(server, "/announce?a=b&key=sesame&c"), hash, id_peer(), "");
	client_announce(open_by(server, "/?key=sesam"), hash, id_peer(), "");
	FAILURE(server->clients, "no such key", hash);
	client_announce(open_by(server, "/"), hash, id_peer(), "");
	FAILURE(server->clients, "no such key", hash);
	client_announce(open_by(server, "/?key=old"), hash, id_peer(), "");
	FAILURE(server->clients, refusal, hash);
	CHECK_STAT(server, "peersAll", 2);
}

static void gate_example_sh(void)
{
	try_keys("sh contrib/filter.sh", "other\nsesame\n", "no such key");
}

static void gate_example_python(void)
{
	if (system("python3 -c 0 2>/dev/null") != 0)
		test_skip("no python3");
	try_keys("python3 contrib/filter.py", "old 2020-02-29\nsesame 9999-12-31\n",
	    "this key was good until 2020-02-29");
}

/* --- the command of --hook --- */

static void gate_hook(void)
{
	char *path = test_path("told");
	struct server *server = server_start(OPTIONS("--hook", format_text("exec cat >%s", path)));
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	static const char *const events[] = { "started", "completed", "update", "stopped" };
	char line[512];
	FILE *file;
	size_t i;

	JOIN(client, hash, id, ",'event':'started'");
	JOIN(client, hash, id, ",'event':'completed'");
	JOIN(client, hash, id, "");
	JOIN(client, hash, id, ",'event':'stopped'");
	server_settle(server);
	server_end(server);
	file = fopen(path, "r");
	CHECK(file != NULL);
	for (i = 0; i < 4; i++) {
		CHECK(fgets(line, sizeof line, file) != NULL);
		CHECK_CONTAINS(line, format_text("\"event\":\"%s\"", events[i]));
		CHECK_CONTAINS(line, format_text("\"info_hash\":\"%s\"", id_hex(hash)));
		CHECK_CONTAINS(line, format_text("\"peer_id\":\"%s\"", id_hex(id)));
	}
	CHECK(fgets(line, sizeof line, file) == NULL);
	(void)fclose(file);
}

const struct bb_test bb_gate[] = {
	TEST(gate_allow_list, FITS, 0), TEST(gate_deny_list, FITS, 0),
	TEST(gate_both_lists, FITS, 0), TEST(gate_reload, FITS, 0),
	TEST(gate_reload_early, FITS, 8), TEST(gate_reload_fails, FITS, 0),
	TEST(gate_reload_under_load, LARGE, 0),
	TEST(gate_start_fails, FITS, 0), TEST(gate_filter_allows, FITS, 0),
	TEST(gate_filter_refuses, FITS, 0), TEST(gate_filter_question, PLAIN, 0),
	TEST(gate_filter_dead, FITS, 0), TEST(gate_filter_dies, FITS, 0),
	TEST(gate_filter_hangs, LARGE, 11), TEST(gate_filter_talks, LARGE, 0),
	TEST(gate_filter_dies_later, LARGE, 3),
	TEST(gate_filter_garbage, LARGE, 0), TEST(gate_example_sh, PLAIN, 0),
	TEST(gate_example_python, PLAIN, 0), TEST(gate_hook, FITS, 0), TESTS_END
};
