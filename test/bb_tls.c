/* bb_tls.c - what only TLS has: handshakes, records, certificates and their change. */
#include "harness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_HEAD 5

/* --- beneath TLS --- */

/* Write bytes as they are; quietly stops when the server has closed. */
static void raw_write(struct client *client, const char *bytes, size_t len)
{
	struct pollfd ready = { .fd = client->fd, .events = POLLOUT };
	double until = time_now() + 5;
	ssize_t sent;

	while (len != 0) {
		sent = send(client->fd, bytes, len, 0);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent > 0) {
			bytes += sent;
			len -= (size_t)sent;
		} else {
			CHECK(time_now() < until);
			(void)poll(&ready, 1, 100);
		}
	}
}

/* Read at least so many bytes as they are, or up to the end of the connection. */
static struct text raw_read(struct client *client, size_t least)
{
	struct pollfd ready = { .fd = client->fd, .events = POLLIN };
	struct text text = { NULL, 0, 0 };
	double until = time_now() + 5;
	char bytes[4096];
	ssize_t got;

	text_add(&text, "", 0);
	while (text.len < least) {
		got = recv(client->fd, bytes, sizeof(bytes), 0);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			break;
		if (got > 0) {
			text_add(&text, bytes, (size_t)got);
			continue;
		}
		if (time_now() >= until)
			check_failed(__FILE__, __LINE__, "nothing comes any more");
		(void)poll(&ready, 1, 100);
	}
	return text;
}

/* A connection that begins a handshake of its own with this name, and is not told the outcome. */
static struct client *newcomer(struct server *server, const char *name)
{
	struct client *client = client_connect(server);

	client_bare(client);
	client_secure(client, name, false);
	return client;
}

/* The same, with its handshake done. */
static struct client *secured(struct server *server, const char *name)
{
	struct client *client = newcomer(server, name);

	CHECK(client_agree(client, 5));
	return client;
}

/* A WebSocket in that torrent. */
static struct client *member(struct server *server, struct id hash, struct id id)
{
	struct client *client = client_open(server);

	JOIN(client, hash, id, "");
	return client;
}

/* --- one port --- */

static void tls_one_port(void)
{
	struct server *server = server_start(NULL);
	struct client *plain = client_connect(server), *secure = client_open(server);
	struct id hash = id_hash(), ids[2] = { id_peer(), id_peer() };
	struct client *page;

	client_bare(plain);
	client_shake(plain, "");
	client_announce(plain, hash, ids[0], "");
	REPLY(plain, 0, 1, hash);
	client_announce(secure, hash, ids[1], offers_made(1));
	REPLY(secure, 0, 2, hash);
	RELAYED(plain, 0, ids[1], hash);
	client_announce(plain, hash, ids[0], answer_made(ids[1]));
	ANSWERED(secure, ids[0], hash);
	page = client_connect(server);
	client_bare(page);
	client_print(page, "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(json_number(client_reply(page).body, "peersAll"), 2);
	CLOSED((client_frame(plain, FIN | CLOSE, "\x03\xe8", 2), plain), 1000);
	CHECK_STAT(server, "peersAll", 1);
}

/* Without a certificate a hello gets an alert that a client understands, and the end. */
static void tls_not_served(void)
{
	struct server *server;
	struct client *client, *other;
	struct text hello, alert;
	size_t part;

	test_without_tls();
	server = server_start(NULL);
	other = client_open(server);
	for (part = 0; part < 3; part++) {
		test_case("part %zu", part);
		client = client_connect(server);
		client_secure(client, "localhost", false);
		hello = client_hello(client);
		client_bare(client);
		raw_write(client, hello.bytes,
		    part == 0 ? 1 : part == 1 ? hello.len / 2 : hello.len);
		alert = raw_read(client, 100);
		CHECK_NUMBER(alert.len, 7);
		CHECK(alert.bytes[0] == 21 && alert.bytes[1] == 3);
		CHECK(memcmp(alert.bytes + 3, "\0\2\2", 3) == 0);   /* fatal */
		client_close(client);
		SILENT(other);
	}
	client = client_connect(server);
	client_secure(client, "localhost", false);
	CHECK(!client_agree(client, 5));
	CHECK(client_fault(client) > 256);   /* BearSSL's for an alert that was received */
}

/* A request without TLS. */
static struct reply plain_ask(struct server *server, const char *request)
{
	struct client *client = client_connect(server);

	client_bare(client);
	client_print(client, "%s", request);
	return client_reply(client);
}

/* This machine may do without TLS. That others are sent on or away is tested in test_site.c. */
static void tls_only(void)
{
	static const char upgrade[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	    "Sec-WebSocket-Version: 13\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n";
	static const char get[] = "GET /stats?x HTTP/1.1\r\nHost: tracker.example:8000\r\n\r\n";
	struct server *server = server_start(OPTIONS("--tls-only"));

	CHECK_NUMBER(plain_ask(server, get).status, 200);
	CHECK_NUMBER(plain_ask(server, upgrade).status, 101);
	CHECK_NUMBER(http_get(server, "/stats.json", "").status, 200);
	JOIN(client_open(server), id_hash(), id_peer(), "");
}

static void tls_stats(void)
{
	struct server *server = server_start(NULL);
	struct reply reply;
	struct client *client;
	char *tls;

	client = newcomer(server, "localhost");
	(void)client_hello(client);
	client_bare(client);
	raw_write(client, "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9);   /* a hello that is none */
	CHECK(client_ends(client, 3));
	client_shake(secured(server, "localhost"), "");
	reply = http_get(server, "/stats.json", "");
	CHECK(json_valid(reply.body, reply.len));
	tls = strstr(reply.body, "\"tls\":");
	CHECK(tls != NULL);
	CHECK_CONTAINS(tls, "\"notAfter\":\"2126-01-01T00:00:00Z\"");
	CHECK_NUMBER(json_number(tls, "connections"), 2);
	CHECK_NUMBER(json_number(tls, "handshakes"), 2);
	CHECK_NUMBER(json_number(tls, "resumptions"), 1);
	CHECK_NUMBER(json_number(tls, "failures"), 1);
	CHECK_LACKS(http_get(server, "/stats", "Accept: text/html\r\n").body, "role=\"alert\"");
	test_without_tls();
	server = server_start(NULL);
	CHECK_LACKS(http_get(server, "/stats.json", "").body, "tls");
}

/* --- options and files --- */

static void check_refused(const char *const *options, int status, const char *part)
{
	struct outcome outcome = program_run(options);

	CHECK_NUMBER(outcome.status, status);
	CHECK_TEXT(outcome.out, "");
	CHECK(strncmp(outcome.err, "uwt: ", 5) == 0);
	CHECK(strchr(outcome.err, '\n') == outcome.err + strlen(outcome.err) - 1);
	CHECK_CONTAINS(outcome.err, part);
}

static void tls_options(void)
{
	char *certificate = pem_certificate("ec"), *key = pem_key("ec");
	char *names[] = { "--cert", "--key", "--tls-only", "--tls-sessions", "--max-handshakes" };
	struct outcome outcome = program_run(OPTIONS("--help"));
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK_CONTAINS(outcome.out, names[i]);
	CHECK_CONTAINS(program_run(OPTIONS("-v")).out, "TLS");
	CHECK_LACKS(program_run(OPTIONS("-v")).out, "no TLS");
	check_refused(OPTIONS("-p", "0", "--cert", certificate), 2, "--key");
	check_refused(OPTIONS("-p", "0", "--key", key), 2, "--cert");
	check_refused(OPTIONS("-p", "0", PAIR("ec"), "--cert", certificate), 2, "--key");
	check_refused(OPTIONS("-p", "0", "--cert"), 2, "--cert");
	check_refused(OPTIONS("-p", "0", "--tls-only"), 2, "--tls-only");
	check_refused(OPTIONS("-p", "0", PAIR("ec"), "--max-handshakes", "0"), 2,
	    "--max-handshakes");
	check_refused(OPTIONS("-p", "0", PAIR("ec"), "--max-handshakes", "x"), 2,
	    "--max-handshakes");
	check_refused(OPTIONS("-p", "0", PAIR("ec"), "--tls-sessions", "-1"), 2, "--tls-sessions");
}

/* Files that are not a pair: one line says which, and nothing is served. */
static void tls_files_wrong(void)
{
	char *certificate = pem_certificate("ec"), *key = pem_key("ec");
	char *empty = test_file("empty", ""), *text = test_file("text", "no certificate\n");
	char *broken = test_file("broken", "-----BEGIN CERTIFICATE-----\nMIIBeDCCAR6g\n");
	char *wrong = test_file("wrong", "-----BEGIN CERTIFICATE-----\nMIIBeDCCAR6g\n"
	    "-----END CERTIFICATE-----\n");
	const char *const pairs[][3] = {
		{ pem_certificate("renewed"), key, "renewed.pem" },
		{ pem_certificate("rsa"), key, "rsa.pem" },
		{ certificate, pem_key("rsa"), "ec.pem" },
		{ "/nonexistent/x.pem", key, "/nonexistent/x.pem" },
		{ certificate, "/nonexistent/x.key", "/nonexistent/x.key" },
		{ certificate, "/", "/" }, { "/dev/null", key, "/dev/null" },
		{ empty, key, "empty" }, { certificate, empty, "" }, { text, key, "text" },
		{ certificate, text, "" }, { broken, key, "broken" }, { wrong, key, "wrong" },
		{ key, certificate, "ec.key" }, { key, key, "ec.key" },
		{ certificate, certificate, "ec.pem" }
	};
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		test_case("%s and %s", pairs[i][0], pairs[i][1]);
		check_refused(OPTIONS("-p", "0", "--cert", pairs[i][0], "--key", pairs[i][1]), 1,
		    pairs[i][2]);
	}
	test_case("the second of two");
	check_refused(OPTIONS("-p", "0", PAIR("ec"), "--cert", text, "--key", key), 1, "text");
	outcome = program_run(OPTIONS("-p", "0", "-s", "--cert", text, "--key", key));
	CHECK_NUMBER(outcome.status, 1);
	CHECK_TEXT(outcome.err, "");
}

/* It serves, and says so. */
static void tls_expired(void)
{
	struct server *server = server_start(OPTIONS(PAIR("expired")));
	char *line = server_error(server);

	CHECK(strncmp(line, "uwt: ", 5) == 0);
	CHECK_CONTAINS(line, "warning");
	CHECK_CONTAINS(line, "expired");
	CHECK(client_is_shown(secured(server, "localhost"), "test-expired"));
	JOIN(client_open(server), id_hash(), id_peer(), "");
	CHECK_CONTAINS(http_get(server, "/stats", "Accept: text/html\r\n").body,
	    "certificate ended on 2021-01-01");
	CHECK_CONTAINS(http_get(server, "/stats.json", "").body, "2021-01-01T00:00:00Z");
}

static void check_name(struct server *server, const char *name, const char *shown)
{
	struct client *client = secured(server, name);

	test_case("%s", name == NULL ? "no name" : name);
	CHECK(client_is_shown(client, shown));
	client_close(client);
}

static void tls_names(void)
{
	struct server *server = server_start(OPTIONS(PAIR("ec"), PAIR("rsa")));

	check_name(server, "localhost", "test-ec");
	check_name(server, "rsa.example", "test-rsa");
	check_name(server, "RSA.Example", "test-rsa");
	check_name(server, "a.ec.example", "test-ec");
	check_name(server, "nobody.example", "test-ec");
	check_name(server, NULL, "test-ec");
	server = server_start(OPTIONS(PAIR("rsa"), PAIR("ec")));
	check_name(server, "localhost", "test-ec");
	check_name(server, "b.ec.example", "test-ec");
	check_name(server, "b.b.ec.example", "test-rsa");
	check_name(server, "ec.example", "test-rsa");
	check_name(server, "rsa.example", "test-rsa");
	check_name(server, NULL, "test-rsa");
}

/* --- reloading --- */

struct reload {
	struct server *server;
	char *certificate, *key;        /* the files in force */
	struct client *clients[500];
	struct id hash, ids[500];
	int count;
};

static void reload_put(const struct reload *reload, const char *certificate, const char *key)
{
	CHECK(rename(certificate, reload->certificate) == 0);
	CHECK(rename(key, reload->key) == 0);
}

/* All announce; a signal comes in the middle; all are answered. */
static void reload_signal(struct reload *reload)
{
	int i;

	for (i = 0; i < reload->count; i++) {
		client_announce(reload->clients[i], reload->hash, reload->ids[i], "");
		if (i == reload->count / 2)
			CHECK(kill(reload->server->pid, SIGHUP) == 0);
	}
	for (i = 0; i < reload->count; i++)
		REPLY(reload->clients[i], 0, reload->count, reload->hash);
}

static void reload_check(struct reload *reload, const char *shown)
{
	struct client *client = secured(reload->server, "localhost");

	CHECK(client_is_shown(client, shown));
	client_shake(client, "");
	client_close(client);
	client = client_connect(reload->server);   /* sessions outlive the certificate */
	CHECK(client_agree(client, 5));
	CHECK(client_is_resumed(client));
	client_close(client);
}

static void reload_good(struct reload *reload, const char *name)
{
	char *line;

	test_case("to %s", name);
	reload_put(reload, pem_certificate(name), pem_key(name));
	reload_signal(reload);
	while ((line = server_line(reload->server, 2)) != NULL)
		if (strstr(line, "reloaded") != NULL)
			break;
	CHECK(line != NULL);
	reload_check(reload, format_text("test-%s", name));
}

/* What is in the files now is refused with one line. */
static void reload_bad(struct reload *reload, const char *what, const char *shown)
{
	char *line;

	test_case("%s", what);
	reload_signal(reload);
	line = server_error(reload->server);
	CHECK(strncmp(line, "uwt: not reloaded", 17) == 0);
	CHECK_CONTAINS(line, "live.");
	reload_check(reload, shown);
}

/* Nobody notices a change of certificates, and none is made when the new ones are wrong. */
static void tls_reload(void)
{
	struct reload reload = { .hash = id_hash(), .count = test_is_tiny() ? 4 : 500 };
	int i;

	reload.certificate = test_path("live.pem");
	reload.key = test_path("live.key");
	reload_put(&reload, pem_certificate("ec"), pem_key("ec"));
	reload.server = server_start(OPTIONS("--cert", reload.certificate, "--key", reload.key));
	for (i = 0; i < reload.count; i++) {
		reload.ids[i] = id_peer();
		reload.clients[i] = member(reload.server, reload.hash, reload.ids[i]);
	}
	reload_check(&reload, "test-ec");
	reload_good(&reload, "renewed");
	reload_put(&reload, test_file("text", "nothing\n"), pem_key("renewed"));
	reload_bad(&reload, "no certificate", "test-renewed");
	reload_put(&reload, pem_certificate("ec"), pem_key("rsa"));
	reload_bad(&reload, "no pair", "test-renewed");
	CHECK(unlink(reload.key) == 0);
	reload_bad(&reload, "no key", "test-renewed");
	reload_good(&reload, "rsa");
	reload_good(&reload, "ec");
	CHECK_STAT(reload.server, "peersAll", reload.count);
}

/* A handshake that is under way when the certificate changes ends well. */
static void tls_reload_between(void)
{
	struct reload reload = { .hash = id_hash(), .count = 0 };
	struct client *client;
	struct text hello;

	reload.certificate = test_path("live.pem");
	reload.key = test_path("live.key");
	reload_put(&reload, pem_certificate("ec"), pem_key("ec"));
	reload.server = server_start(OPTIONS("--cert", reload.certificate, "--key", reload.key));
	client = newcomer(reload.server, "localhost");
	hello = client_hello(client);
	raw_write(client, hello.bytes, hello.len);
	server_turn(reload.server);
	reload_put(&reload, pem_certificate("renewed"), pem_key("renewed"));
	CHECK(kill(reload.server->pid, SIGHUP) == 0);
	while (strstr(server_line(reload.server, 2), "reloaded") == NULL)
		continue;
	CHECK(client_agree(client, 5));
	CHECK(client_is_shown(client, "test-ec"));
	client_shake(client, "");
	SILENT(client);
}

/* --- handshakes --- */

/* Byte by byte, and at once with what follows. */
static void tls_hello_bytes(void)
{
	struct server *server = server_start(NULL);
	struct client *client = newcomer(server, "localhost");
	struct text hello = client_hello(client);
	size_t i;

	for (i = 0; i < hello.len; i++) {
		raw_write(client, hello.bytes + i, 1);
		if (i % 8 == 0)
			server_turn(server);
	}
	CHECK(client_agree(client, 5));
	client_shake(client, "");
	SILENT(client);
}

/* A hello in many records: each holds a byte of it. */
static void tls_hello_fragments(void)
{
	struct server *server = server_start(NULL);
	struct client *client = newcomer(server, "localhost");
	struct text hello = client_hello(client), pieces = { NULL, 0, 0 };
	size_t i;

	for (i = RECORD_HEAD; i < hello.len; i++) {
		text_add(&pieces, "\x16\x03\x01\x00\x01", RECORD_HEAD);
		text_add(&pieces, hello.bytes + i, 1);
	}
	raw_write(client, pieces.bytes, pieces.len);
	CHECK(client_agree(client, 5));
	client_shake(client, "");
	SILENT(client);
}

/* A hello longer than the head of a request may be is read whole: a server hello answers it. */
static void tls_hello_long(void)
{
	struct server *server = server_start(NULL);
	struct client *client = newcomer(server, "localhost");
	struct text hello = client_hello(client), answer;
	unsigned char *bytes;
	size_t pad = 9000, at, add[3][2];
	int i;

	/* One more extension, padding (RFC 7685), and every length around it. */
	at = RECORD_HEAD + 4 + 2 + 32;
	at += 1 + (unsigned char)hello.bytes[at];
	at += 2 + ((size_t)(unsigned char)hello.bytes[at] << 8 |
	    (unsigned char)hello.bytes[at + 1]);
	at += 1 + (unsigned char)hello.bytes[at];
	text_add(&hello, "\0\x15", 2);
	text_add(&hello, (char[]) { (char)(pad >> 8), (char)(pad & 255) }, 2);
	text_add(&hello, text_repeat("x", pad), pad);
	bytes = (unsigned char *)hello.bytes;
	memcpy(add, (size_t[3][2]) { { 3, hello.len - 5 }, { 7, hello.len - 9 },
		{ at, hello.len - at - 2 } }, sizeof(add));
	for (i = 0; i < 3; i++) {
		bytes[add[i][0]] = (unsigned char)(add[i][1] >> 8);
		bytes[add[i][0] + 1] = (unsigned char)add[i][1];
	}
	client_bare(client);
	for (at = 0; at < hello.len; at += 1000) {
		raw_write(client, hello.bytes + at, hello.len - at < 1000 ? hello.len - at : 1000);
		server_turn(server);
	}
	answer = raw_read(client, 6);
	CHECK(answer.len > 6 && answer.bytes[0] == 0x16 && answer.bytes[5] == 2);
}

/* Handshakes that stop somewhere end after 10 s, and hold nothing then. */
static void tls_hello_slow(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[4], *good = client_open(server);
	struct text hellos[4];
	double before = time_now();
	int i;

	for (i = 0; i < 4; i++) {
		clients[i] = newcomer(server, "localhost");
		hellos[i] = client_hello(clients[i]);
		client_bare(clients[i]);
	}
	raw_write(clients[0], hellos[0].bytes, 1);
	raw_write(clients[1], hellos[1].bytes, hellos[1].len / 2);
	raw_write(clients[2], hellos[2].bytes, hellos[2].len);
	CHECK_NUMBER(raw_read(clients[2], 1).bytes[0], 0x16);
	for (i = 0; i < 8; i++) {   /* a byte now and then wins no time */
		raw_write(clients[3], hellos[3].bytes + i, 1);
		clock_wait(1);
	}
	CHECK(server_stat(server, "buffersInUse") > 0 || clock_since(before) > 9);
	for (i = 0; i < 4; i++) {
		test_case("client %d", i);
		CHECK(!client_ends(clients[i], 0) || clock_since(before) > 9);
	}
	for (i = 0; i < 4; i++) {
		test_case("client %d", i);
		CHECK(client_ends(clients[i], 3));
		CHECK_BETWEEN(clock_since(before), 9, 12 + clock_slack());
	}
	SILENT(good);
	CHECK_STAT(server, "buffersInUse", 0);
}

/* A hello whose records come one by one has no more time. */
static void tls_hello_fragments_slow(void)
{
	struct server *server = server_start(NULL);
	struct client *client = newcomer(server, "localhost");
	struct text hello = client_hello(client);
	double before = time_now();
	char record[RECORD_HEAD + 1] = "\x16\x03\x01\x00\x01";
	size_t i;

	client_bare(client);
	for (i = 0; i < 8 && !client_ends(client, 0); i++) {
		record[RECORD_HEAD] = hello.bytes[RECORD_HEAD + i];
		raw_write(client, record, sizeof(record));
		clock_wait(2);
	}
	CHECK(client_ends(client, 0));
	CHECK_BETWEEN(clock_since(before), 9, 16 + clock_slack());
}

/* One way to break a handshake off. */
static void abort_one(struct server *server, int way)
{
	struct client *client = newcomer(server, "localhost");
	struct text hello = client_hello(client);

	raw_write(client, hello.bytes, way == 0 ? hello.len / 2 : hello.len);
	if (way == 2)
		(void)raw_read(client, 1);
	if (way == 3)
		raw_write(client, "\x15\x03\x03\x00\x02\x02\x28", 7);
	if (way == 4)
		raw_write(client, "\x16\x03\x03\x00\x04\x10\x00\x00\x00", 9);
	if (way == 5)
		raw_write(client, "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x20", 11);
	if (way % 2 == 0)
		client_reset(client);
	client_close(client);
	server->clients = client->next;   /* forgotten */
	free(client);
}

/* 1,000 broken handshakes leave nothing behind. */
static void tls_aborted(void)
{
	struct server *server = server_start(OPTIONS("--max-handshakes", "8",
	    "--max-connections", "64"));
	struct client *good = client_open(server);
	long first = 0;
	int i;

	for (i = 0; i < 1200; i++) {
		if (i == 200) {
			CHECK_STAT(server, "peersAll", 0);
			first = server_memory(server);
		}
		abort_one(server, i % 6);
		if (i % 100 == 0)
			SILENT(good);
	}
	SILENT(good);
	CHECK_STAT(server, "buffersInUse", 0);
	if (first > 0 && first < 100000)   /* more is a build with instruments */
		CHECK_BETWEEN((double)(server_memory(server) - first), -1000000, 48);
}

/* At the limit of handshakes the oldest one ends, once it has had a while. */
static void tls_handshakes_limit(void)
{
	struct server *server = server_start(OPTIONS("--max-handshakes", "4"));
	struct client *clients[12], *good = client_open(server);
	struct text hello;
	int i;

	for (i = 0; i < 12; i++) {
		clients[i] = newcomer(server, "localhost");
		hello = client_hello(clients[i]);
		raw_write(clients[i], hello.bytes, hello.len);
		server_turn(server);
	}
	CHECK(client_agree(clients[8], 5));
	client_shake(clients[8], "");
	for (i = 0; i < 4; i++) {
		test_case("client %d", i);
		CHECK(!client_agree(clients[i], 5));
	}
	SILENT(good);
	for (i = 0; i < 10; i++)
		client_shake(secured(server, "localhost"), "");
}

/* Whoever goes on with his handshake gets in, however many more there are than may be at a time. */
static void tls_handshakes_few(void)
{
	struct server *server = server_start(OPTIONS("--max-handshakes", "2"));
	pid_t children[8];
	int i, status;

	for (i = 0; i < 8; i++) {
		children[i] = fork();
		CHECK(children[i] >= 0);
		if (children[i] == 0)
			_exit(client_agree(newcomer(server, "localhost"), 8) ? 0 : 1);
	}
	for (i = 0; i < 8; i++) {
		test_case("client %d", i);
		CHECK(waitpid(children[i], &status, 0) == children[i]);
		CHECK_NUMBER(status, 0);
	}
}

/* Many at once all get in, and who is in does not wait for them. */
static void tls_handshakes_many(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[40], *good = client_open(server);
	double started = time_now(), before, longest = 0;
	struct text hellos[40];
	int i;

	for (i = 0; i < 40; i++) {
		clients[i] = newcomer(server, "localhost");
		hellos[i] = client_hello(clients[i]);
	}
	for (i = 0; i < 40; i++)
		raw_write(clients[i], hellos[i].bytes, hellos[i].len);
	for (i = 0; i < 40; i++) {
		before = time_now();
		SILENT(good);
		longest = time_now() - before > longest ? time_now() - before : longest;
		test_case("client %d", i);
		if (client_agree(clients[i], 5))
			client_shake(clients[i], "");
		else
			CHECK_BETWEEN(clock_since(started), 9, 1e9);   /* a busy machine */
	}
	CHECK_BETWEEN(longest, 0, 0.5);
	for (i = 0; i < 40; i++)
		if (clock_since(started) < 9)
			SILENT(clients[i]);
}

/* What came while a handshake waits for its turn: the longest record, whose end came with more than
 * is read at a time. The server stands still meanwhile, so that it finds all in one turn. */
static void tls_handshake_waits(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[30], *large = newcomer(server, "localhost");
	struct text hellos[30];
	static char bytes[18000 + 65536];
	int i;

	client_bare(large);
	memset(bytes, 0x55, sizeof(bytes));
	memcpy(bytes, "\x16\x03\x01\x48\x00", RECORD_HEAD);
	raw_write(large, bytes, 18000);
	server_turn(server);
	for (i = 0; i < 30; i++) {
		clients[i] = newcomer(server, "localhost");
		hellos[i] = client_hello(clients[i]);
	}
	server_turn(server);
	CHECK(kill(server->pid, SIGSTOP) == 0);
	for (i = 0; i < 30; i++)
		raw_write(clients[i], hellos[i].bytes, hellos[i].len);
	CHECK(send(large->fd, bytes + 18000, 65536, 0) == 65536);
	CHECK(kill(server->pid, SIGCONT) == 0);
	for (i = 0; i < 30; i++) {
		test_case("client %d", i);
		CHECK(client_agree(clients[i], 5));
		client_shake(clients[i], "");
	}
	CHECK(client_ends(large, 5));
}

/* A client's next records after a server's, with a key that is as good as any and an end that is
 * not: what they cost the server is as usual. */
static struct text flight_make(const struct text *answer)
{
	/* The base points of P-256 and of X25519. */
	static const char point[] = "\x41\x04"
	    "\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2"
	    "\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96"
	    "\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16"
	    "\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5";
	static const char coordinate[33] = "\x20\x09";
	struct text flight = { NULL, 0, 0 };
	bool curve = false;
	size_t at;

	for (at = 0; at + 7 < answer->len && !curve; at++)   /* in the ServerKeyExchange */
		curve = answer->bytes[at] == 12 &&
		    memcmp(answer->bytes + at + 4, "\3\0\x1d", 3) == 0;
	if (curve)
		text_add(&flight, "\x16\x03\x03\x00\x25\x10\x00\x00\x21", 9);
	else
		text_add(&flight, "\x16\x03\x03\x00\x46\x10\x00\x00\x42", 9);
	text_add(&flight, curve ? coordinate : point, curve ? 33 : 66);
	text_add(&flight, "\x14\x03\x03\x00\x01\x01\x16\x03\x03\x00\x28", 11);
	text_add(&flight, text_repeat("U", 40), 40);
	return flight;
}

/* Of 500 handshakes that are overdue in one turn, what has come by then is not worked off before
 * anybody else is served. The server stands still meanwhile; those that it went on with get an
 * alert, the others only an end. */
static void tls_handshakes_overdue(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[500], *good = client_open(server);
	struct text hello = client_hello(newcomer(server, "localhost")), answer, flight;
	struct id hash = id_hash(), id = id_peer();
	int i, begun = 0, alerts = 0;
	double before;

	for (i = 0; i < 500; i++) {
		clients[i] = client_connect(server);
		client_bare(clients[i]);
		raw_write(clients[i], hello.bytes, hello.len);
	}
	for (i = 0; i < 500; i++) {
		answer = raw_read(clients[i], 400);
		begun += answer.len >= 400;
		if (i == 0)
			flight = flight_make(&answer);
	}
	CHECK(begun > 250);   /* on a busy machine the first may be overdue already */
	CHECK(kill(server->pid, SIGSTOP) == 0);
	for (i = 0; i < 500; i++)
		raw_write(clients[i], flight.bytes, flight.len);
	client_announce(good, hash, id, "");
	clock_wait(11);
	CHECK(kill(server->pid, SIGCONT) == 0);
	before = time_now();
	REPLY(good, 0, 1, hash);
	CHECK_BETWEEN(time_now() - before, 0, 0.5);
	for (i = 0; i < 500; i++) {
		answer = raw_read(clients[i], 1000000);
		alerts += answer.len >= 7 && answer.bytes[answer.len - 7] == 0x15;
	}
	CHECK_BETWEEN(alerts, 0, begun / 2);
}

/* Records without end that mean nothing end with their sender. */
static void tls_idle_talk(void)
{
	struct server *server = server_start(NULL);
	struct client *good = client_open(server), *client = newcomer(server, "localhost");
	struct text hello = client_hello(client), records = { NULL, 0, 0 };
	int i;

	raw_write(client, hello.bytes, hello.len);
	for (i = 0; i < 3000; i++)      /* warnings: user_canceled */
		text_add(&records, "\x15\x03\x03\x00\x02\x01\x5a", 7);
	raw_write(client, records.bytes, records.len);
	client_bare(client);
	CHECK(client_ends(client, 2));
	SILENT(good);
	CHECK_STAT(server, "buffersInUse", 0);
}

/* A session is resumed as long as there is room to remember it. */
static void tls_sessions(void)
{
	struct server *server = server_start(OPTIONS("--tls-sessions", "1"));
	struct client *client = secured(server, "localhost");
	int i;

	CHECK(!client_is_resumed(client));
	for (i = 0; i < 5; i++) {
		client = client_connect(server);
		CHECK(client_agree(client, 5));
		CHECK(client_is_resumed(client));
		client_shake(client, "");
		SILENT(client);
		client_close(client);
	}
}

/* --- records --- */

/* A record cut at every byte. */
static void tls_record_cuts(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct text frame = { NULL, 0, 0 }, records;
	size_t cut, len = 100;
	char *message;

	message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}", hash.text,
	    id.text);
	frame_add(&frame, FIN | TEXT, message, strlen(message));
	for (cut = 1; cut < len; cut++) {
		test_case("cut at %zu of %zu", cut, len);
		records = (struct text) { NULL, 0, 0 };
		client_record(client, &records, frame.bytes, frame.len);
		len = records.len;
		raw_write(client, records.bytes, cut);
		server_turn(server);
		raw_write(client, records.bytes + cut, len - cut);
		REPLY(client, 0, 1, hash);
		free(records.bytes);
	}
	CHECK_STAT(server, "buffersInUse", 0);
}

/* Every byte a record, sent one by one and all at once; empty records between them. */
static void tls_record_bytes(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct text frame = { NULL, 0, 0 }, records = { NULL, 0, 0 };
	char *message;
	size_t i;

	message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}", hash.text,
	    id.text);
	frame_add(&frame, FIN | TEXT, message, strlen(message));
	for (i = 0; i < frame.len; i++) {
		client_write(client, frame.bytes + i, 1);
		server_turn(server);
	}
	REPLY(client, 0, 1, hash);
	for (i = 0; i < frame.len; i++) {
		client_record(client, &records, frame.bytes + i, 1);
		client_record(client, &records, "", 0);
	}
	raw_write(client, records.bytes, records.len);
	REPLY(client, 0, 1, hash);
	records.len = 0;
	for (i = 0; i < 1000; i++)
		client_record(client, &records, "", 0);
	raw_write(client, records.bytes, records.len);
	SILENT(client);
}

/* Many frames in one record, which comes whole or in two parts. */
static void tls_record_frames(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct text frames = { NULL, 0, 0 }, records;
	size_t cuts[] = { 0, 1, 4, 5, 6, 8000, 16000 };
	char *message;
	size_t i;
	int count, j;

	message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}", hash.text,
	    id.text);
	for (count = 0; frames.len < 16384 - 200; count++)
		frame_add(&frames, FIN | TEXT, message, strlen(message));
	for (i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		test_case("cut at %zu", cuts[i]);
		records = (struct text) { NULL, 0, 0 };
		client_record(client, &records, frames.bytes, frames.len);
		CHECK(records.len < frames.len + 64);
		raw_write(client, records.bytes, cuts[i]);
		server_turn(server);
		raw_write(client, records.bytes + cuts[i], records.len - cuts[i]);
		for (j = 0; j < count; j++)
			REPLY(client, 0, 1, hash);
		SILENT(client);
	}
}

/* The longest message, in records as long as they can be and in pieces that fit nothing. */
static void tls_record_full(void)
{
	static const size_t pieces[] = { 1000000, 65536, 16413, 7001 };
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash(), id = id_peer();
	struct text text = { NULL, 0, 0 }, frame = { NULL, 0, 0 }, records;
	size_t i, at, len;

	text_format(&text, "{'action':'announce','info_hash':'%s','peer_id':'%s'}", hash.text,
	    id.text);
	while (text.len < 262144)
		text_add(&text, " ", 1);
	frame_add(&frame, FIN | TEXT, text.bytes, text.len);
	for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		test_case("pieces of %zu", pieces[i]);
		records = (struct text) { NULL, 0, 0 };
		client_record(client, &records, frame.bytes, frame.len);
		for (at = 0; at < records.len; at += len) {
			len = records.len - at < pieces[i] ? records.len - at : pieces[i];
			raw_write(client, records.bytes + at, len);
			if (i == 3)
				server_turn(server);
		}
		REPLY(client, 0, 1, hash);
	}
	CHECK_STAT(server, "buffersInUse", 0);
}

/* The limit on a request's head is one on what was encrypted. */
static void tls_record_requests(void)
{
	static const char request[] = "GET /stats.json HTTP/1.1\r\nHost: a\r\n\r\n";
	struct server *server = server_start(NULL);
	struct client *client = secured(server, "localhost");
	struct text text = { NULL, 0, 0 }, records = { NULL, 0, 0 };
	size_t at, count;

	for (count = 0; text.len < 16384 - 200; count++)
		text_add(&text, request, sizeof(request) - 1);
	client_record(client, &records, text.bytes, text.len);
	for (at = 0; at < records.len; at += 1000) {
		raw_write(client, records.bytes + at,
		    records.len - at < 1000 ? records.len - at : 1000);
		server_turn(server);
	}
	while (count-- != 0)
		CHECK_NUMBER(client_reply(client).status, 200);
}

/* Records full of requests, whose answers are read late. */
static void tls_slow_reader(void)
{
	static const char request[] = "GET / HTTP/1.1\r\n\r\n";
	struct server *server = server_start(NULL);
	struct client *slow = client_try(server, AF_INET, 4096), *other = client_open(server);
	struct text text = { NULL, 0, 0 }, records = { NULL, 0, 0 };
	struct reply reply;
	int i;

	CHECK(slow != NULL && client_agree(slow, 5));
	for (i = 0; i < 3000; i++)
		text_add(&text, request, sizeof(request) - 1);
	client_record(slow, &records, text.bytes, text.len);
	raw_write(slow, records.bytes, records.len);
	SILENT(other);
	CHECK(server_stat(server, "buffersInUse") > 0);
	for (i = 0; i < 3000; i++) {
		reply = client_reply(slow);
		CHECK_NUMBER(reply.status, 200);
		CHECK(reply.body[reply.len - 1] == '\n');
		if (i % 100 == 0)
			SILENT(other);
	}
}

/* A new handshake on an old connection is refused by a warning, which BearSSL takes for the end. */
static void tls_renegotiation(void)
{
	struct server *server = server_start(NULL);
	struct client *client = member(server, id_hash(), id_peer());
	struct text records = { NULL, 0, 0 };

	client_renegotiate(client, &records);
	raw_write(client, records.bytes, records.len);
	CHECK(!client_ends(client, 0.1));
	CHECK_NUMBER(client_fault(client), 256 + 100);   /* no_renegotiation */
	CHECK_STAT(server, "peersAll", 1);
	client_close(client);
	server_turn(server);
	CHECK_STAT(server, "peersAll", 0);
}

/* --- ends --- */

/* What a peer sends instead of its record number `way`; false: there are no more ways. */
static bool record_spoil(struct text *records, int way)
{
	static const struct { int at; const char *bytes; size_t len; } spoils[] = {
		{ 0, "\x16", 1 }, { 0, "\x14", 1 }, { 0, "\x00", 1 }, { 0, "G", 1 },
		{ 1, "\x02", 1 }, { 1, "\x03\x04", 2 }, { 3, "\xff\xff", 2 }, { 3, "\x00\x00", 2 },
		{ 3, "\x00\x07", 2 }, { 5, "\xff\xff", 2 }, { 20, "forged", 6 },
		{ -1, "\xaa\x55", 2 }
	};
	size_t at;

	if (way == (int)(sizeof(spoils) / sizeof(spoils[0])))
		return false;
	at = spoils[way].at < 0 ? records->len - 2 : (size_t)spoils[way].at;
	memcpy(records->bytes + at, spoils[way].bytes, spoils[way].len);
	return true;
}

/* A record that is not what the peer made of it ends that peer, and nobody else. */
static void tls_forged(void)
{
	struct server *server = server_start(NULL);
	struct client *client, *other;
	struct id hash = id_hash(), id = id_peer();
	struct text records;
	char *frame = text_repeat("x", 300);
	int way;

	other = member(server, hash, id);
	for (way = 0;; way++) {
		test_case("way %d", way);
		client = member(server, hash, id_peer());
		records = (struct text) { NULL, 0, 0 };
		client_record(client, &records, frame, 300);
		if (!record_spoil(&records, way))
			break;
		raw_write(client, records.bytes, records.len);
		CHECK(client_ends(client, 3));
		client_announce(other, hash, id, "");
		REPLY(other, 0, 1, hash);
		client_close(client);
	}
	client_close(client);
}

/* The same record twice, records in another order, one left out. */
static void tls_replayed(void)
{
	struct server *server = server_start(NULL);
	struct client *client, *other;
	struct id hash = id_hash(), id = id_peer();
	struct text first, second;
	int way;

	other = member(server, hash, id);
	for (way = 0; way < 3; way++) {
		test_case("way %d", way);
		client = member(server, hash, id_peer());
		first = second = (struct text) { NULL, 0, 0 };
		client_record(client, &first, "\x89\x80xxxx", 6);
		client_record(client, &second, "\x89\x80xxxx", 6);
		if (way == 0)
			raw_write(client, first.bytes, first.len);
		if (way == 0)
			raw_write(client, first.bytes, first.len);
		else
			raw_write(client, second.bytes, second.len);
		if (way == 1)
			raw_write(client, first.bytes, first.len);
		CHECK(client_ends(client, 3));
		SILENT(other);
		CHECK_STAT(server, "peersAll", 1);
	}
}

/* Half a record and then the end, or a reset, or plain text. */
static void tls_truncated(void)
{
	struct server *server = server_start(NULL);
	struct client *client, *other;
	struct id hash = id_hash(), id = id_peer();
	struct text records;
	int way;

	other = member(server, hash, id);
	for (way = 0; way < 4; way++) {
		test_case("way %d", way);
		client = member(server, hash, id_peer());
		records = (struct text) { NULL, 0, 0 };
		client_record(client, &records, "\x89\x80xxxx", 6);
		raw_write(client, records.bytes, way == 3 ? 3 : records.len - 1);
		server_turn(server);
		if (way == 2)
			raw_write(client, "GET / HTTP/1.1\r\n\r\n", 18);
		else if (way == 1)
			client_reset(client);
		else
			CHECK(shutdown(client->fd, SHUT_WR) == 0);
		CHECK(way == 1 || client_ends(client, 3));
		server_turn(server);
		client_announce(other, hash, id, "");
		REPLY(other, 0, 1, hash);
		client_close(client);
	}
	CHECK_STAT(server, "buffersInUse", 0);
}

/* close_notify is answered by one, whatever the connection was doing. */
static void tls_notify(void)
{
	struct server *server = server_start(NULL);
	struct client *clients[4];
	struct id hash = id_hash();
	int i;

	clients[0] = member(server, hash, id_peer());
	clients[1] = secured(server, "localhost");
	clients[2] = secured(server, "localhost");
	client_print(clients[2], "GET / HTTP/1.1\r\nHos");
	clients[3] = secured(server, "localhost");
	client_print(clients[3], "GET /stats.json HTTP/1.1\r\n\r\n");
	CHECK_NUMBER(client_reply(clients[3]).status, 200);
	CHECK_STAT(server, "peersAll", 1);
	for (i = 0; i < 4; i++) {
		test_case("client %d", i);
		client_notify(clients[i]);
		CHECK(client_ends(clients[i], 2));
		CHECK(client_is_notified(clients[i]));
	}
	CHECK_STAT(server, "peersAll", 0);
}

/* And sent when the server is the first to end. */
static void tls_notifies(void)
{
	static const char *const requests[] = {
		"GET /stats.json HTTP/1.1\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		"nonsense\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
	};
	struct server *server = server_start(NULL);
	struct client *client;
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		test_case("%s", requests[i]);
		client = client_connect(server);
		client_print(client, "%s", requests[i]);
		CHECK(client_reply(client).status >= 200);
		CHECK(client_ends(client, 2));
		CHECK(client_is_notified(client));
		client_close(client);
	}
}

const struct bb_test bb_tls[] = {
	TEST(tls_one_port, TLS | FITS, 0), TEST(tls_not_served, TLS | FITS, 0),
	TEST(tls_only, TLS | FITS, 0), TEST(tls_stats, TLS | FITS, 0),
	TEST(tls_options, TLS | FITS, 0), TEST(tls_files_wrong, TLS, 0),
	TEST(tls_expired, TLS | FITS, 0), TEST(tls_names, TLS | FITS, 0),
	TEST(tls_reload, TLS | FITS, 0), TEST(tls_reload_between, TLS | FITS, 0),
	TEST(tls_hello_bytes, TLS | FITS, 0), TEST(tls_hello_fragments, TLS | FITS, 0),
	TEST(tls_hello_long, TLS, 0), TEST(tls_hello_slow, TLS | FITS, 12),
	TEST(tls_hello_fragments_slow, TLS | FITS, 17), TEST(tls_aborted, TLS, 4),
	TEST(tls_handshakes_limit, TLS, 0), TEST(tls_handshakes_few, TLS, 0), TEST(tls_handshakes_many, TLS, 0),
	TEST(tls_handshake_waits, TLS, 0), TEST(tls_handshakes_overdue, TLS, 12),
	TEST(tls_idle_talk, TLS, 0), TEST(tls_sessions, TLS | FITS, 0), TEST(tls_record_cuts, TLS | FITS, 0),
	TEST(tls_record_bytes, TLS | FITS, 0), TEST(tls_record_frames, TLS, 0),
	TEST(tls_record_full, TLS, 0), TEST(tls_record_requests, TLS, 0),
	TEST(tls_renegotiation, TLS | FITS, 0), TEST(tls_slow_reader, TLS, 0),
	TEST(tls_forged, TLS | FITS, 0),
	TEST(tls_replayed, TLS | FITS, 0), TEST(tls_truncated, TLS | FITS, 0),
	TEST(tls_notify, TLS | FITS, 0), TEST(tls_notifies, TLS | FITS, 0), TESTS_END
};
