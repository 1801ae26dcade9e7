/* bb_metrics.c - /metrics and its port, /health, /stats/history.json, /stats/torrents.json. */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

/* A sample of /metrics; -1 if there is none of that name and labels. */
static double metric(const char *text, const char *name)
{
	const char *at = text;
	size_t length = strlen(name);

	while ((at = strstr(at, name)) != NULL) {
		if ((at == text || at[-1] == '\n') && at[length] == ' ')
			return atof(at + length);
		at += length;
	}
	return -1;
}

/* The port that the program says it serves metrics on, by that host. */
static int metrics_port(struct server *server, const char *host)
{
	char *start = format_text("Tracker metrics: http://%s:", host), *line;

	do {
		line = server_line(server, 5);
		CHECK(line != NULL);
	} while (strncmp(line, start, strlen(start)) != 0);
	line += strlen(start);
	CHECK_TEXT(strchr(line, '/'), "/metrics");
	return atoi(line);
}

/* GET by another port. */
static struct reply get_at(struct server *server, int port, const char *path)
{
	int usual = server->port;
	struct reply reply;

	server->port = port;
	reply = http_get(server, path, "");
	server->port = usual;
	return reply;
}

static void metrics_own_port(void)
{
	struct server *server = server_start(OPTIONS("--metrics", "127.0.0.1:0"));
	int port = metrics_port(server, "127.0.0.1");
	struct client *client = client_open(server);
	struct id hash = id_hash();
	struct reply reply;

	JOIN(client, hash, id_peer(), ",'event':'started'");
	client_say(client, "{");
	(void)HEAR(client);
	CHECK_NUMBER(http_get(server, "/metrics", "").status, 404);
	reply = get_at(server, port, "/metrics");
	CHECK_NUMBER(reply.status, 200);
	CHECK_TEXT(reply_header(&reply, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
	CHECK_NUMBER(metric(reply.body, "uwt_websockets"), 1);
	CHECK_NUMBER(metric(reply.body, "uwt_torrents"), 1);
	CHECK_NUMBER(metric(reply.body, "uwt_peers{role=\"leecher\"}"), 1);
	CHECK_NUMBER(metric(reply.body, "uwt_messages_received_total{kind=\"announce\"}"), 1);
	CHECK_NUMBER(metric(reply.body, "uwt_messages_received_total{kind=\"invalid\"}"), 1);
	CHECK_NUMBER(metric(reply.body, "uwt_announces_accepted_total{event=\"started\"}"), 1);
	CHECK_NUMBER(metric(reply.body, "uwt_messages_sent_total{kind=\"failure\"}"), 1);
	CHECK(metric(reply.body, "uwt_received_bytes_total") > 100);
	CHECK(metric(reply.body, "uwt_turn_duration_seconds_count") > 0);
	CHECK_NUMBER(metric(reply.body, "uwt_tls_connections"), test_is_tls() ? 2 : -1);
	CHECK_NUMBER(get_at(server, port, "/health").status, 200);
	CHECK_NUMBER(get_at(server, port, "/stats.json").status, 200);
}

static void metrics_hosts(void)
{
	struct server *server = server_start(OPTIONS("--metrics", "0"));

	CHECK_NUMBER(get_at(server, metrics_port(server, "localhost"), "/metrics").status, 200);
	server = server_start(OPTIONS("--metrics", "public"));
	CHECK_NUMBER(http_get(server, "/metrics", "").status, 200);
	server = server_start(OPTIONS("--metrics", "public", "--no-stats"));
	CHECK_NUMBER(http_get(server, "/metrics", "").status, 200);
	CHECK_NUMBER(http_get(server, "/stats/day", "").status, 404);
}

static void metrics_wrong(void)
{
	static const char *const values[] = {
		"x", "70000", "1:2:3", "::1:9100", "127.0.0.1:", ":9100", "127.0.0.1:9100x",
		"unix:/tmp/x:1", "example.org:9100", "[::1]", "Public", "-1"
	};
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		test_case("%s", values[i]);
		outcome = program_run(OPTIONS("-p", "0", "--metrics", values[i]));
		CHECK_NUMBER(outcome.status, 2);
		CHECK_CONTAINS(outcome.err, "--metrics");
		CHECK_TEXT(outcome.out, "");
	}
	outcome = program_run(OPTIONS("-p", "0", "--torrent-stats", "--no-stats"));
	CHECK_NUMBER(outcome.status, 2);
	CHECK_CONTAINS(outcome.err, "--no-stats");
}

/* A port that is taken is told, and nothing is served. */
static void metrics_taken(void)
{
	struct server *server = server_start(OPTIONS("-H", "127.0.0.1"));
	struct outcome outcome = program_run(OPTIONS("-p", "0", "--metrics",
	    format_text("127.0.0.1:%d", server->port)));

	CHECK_NUMBER(outcome.status, 1);
	CHECK_CONTAINS(outcome.err, "cannot listen on 127.0.0.1");
}

static void health(void)
{
	struct server *server = server_start(OPTIONS("--max-torrents", "1", "--no-stats"));
	struct client *client = client_open(server);
	struct id hash = id_hash(), peer = id_peer();
	struct reply reply = http_get(server, "/health", "");

	server->stats = false;
	CHECK_NUMBER(reply.status, 200);
	CHECK_TEXT(reply.body, "ok\n");
	CHECK_TEXT(reply_header(&reply, "Cache-Control"), "no-store");
	JOIN(client, hash, peer, "");
	reply = http_get(server, "/health", "");
	CHECK_NUMBER(reply.status, 503);
	CHECK_TEXT(reply.body, "torrents full\n");
	JOIN(client, hash, peer, ",'event':'stopped'");
	CHECK_NUMBER(http_get(server, "/health", "").status, 200);
}

/* Who cannot let anybody in, because his filter is not there, says so. */
static void health_filter(void)
{
	struct server *server = server_start(OPTIONS("--filter", "sleep 1; exit 0"));
	struct reply reply;
	int tries = 0;

	CHECK_NUMBER(http_get(server, "/health", "").status, 200);
	do {
		time_wait(0.1);
		reply = http_get(server, "/health", "");
	} while (reply.status == 200 && tries++ < 50);
	CHECK_NUMBER(reply.status, 503);
	CHECK_TEXT(reply.body, "no filter\n");
	CHECK_CONTAINS(server_error(server), "it has ended");
	server = server_start(OPTIONS("--filter", "exit 0", "--filter-fail", "open"));
	CHECK_CONTAINS(server_error(server), "it has ended");
	CHECK_NUMBER(http_get(server, "/health", "").status, 200);
}

/* Minutes come and are kept. */
static void history(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct reply reply = http_get(server, "/stats/history.json", "");
	int i;

	CHECK_NUMBER(reply.status, 200);
	CHECK(json_valid(reply.body, reply.len));
	CHECK_LACKS(json_compact(reply.body), ",1]");
	JOIN(client, id_hash(), id_peer(), "");
	for (i = 0; i < 5; i++) {
		clock_wait(25);
		client_say(client, "{}");
		server_turn(server);
	}
	reply = http_get(server, "/stats/history.json", "");
	CHECK(json_valid(reply.body, reply.len));
	CHECK_CONTAINS(json_compact(reply.body), ",1],\"seeders\":");
	CHECK_TEXT(reply_header(&reply, "Access-Control-Allow-Origin"), "*");
}

static void torrents(void)
{
	struct server *server = server_start(OPTIONS("--torrent-stats"));
	struct client *client = client_open(server);
	struct id large = id_hash(), small = id_hash();
	struct reply reply;

	JOIN(client, small, id_peer(), ",'left':0");
	JOIN(client, large, id_peer(), "");
	JOIN(client, large, id_peer(), "");
	reply = http_get(server, "/stats/torrents.json?sort=peers&limit=1", "");
	CHECK_NUMBER(reply.status, 200);
	CHECK_TEXT(json_compact(reply.body), text_quoted(format_text("{'torrents':2,'list':["
	    "{'info_hash':'%s','complete':0,'incomplete':2,'downloaded':0}]}", id_hex(large))));
	reply = http_get(server, "/stats/torrents.json?sort=seeders", "");
	CHECK_TEXT(json_compact(reply.body), text_quoted(format_text("{'torrents':2,'list':["
	    "{'info_hash':'%s','complete':1,'incomplete':0,'downloaded':0}]}", id_hex(small))));
	reply = http_get(server, format_text("/stats/torrents.json?info_hash=%s", id_hex(small)), "");
	CHECK_CONTAINS(reply.body, id_hex(small));
	CHECK_LACKS(reply.body, id_hex(large));
	reply = http_get(server, "/stats/torrents.json?limit=0", "");
	CHECK_NUMBER(reply.status, 400);
	CHECK_CONTAINS(reply.body, "limit");
	CHECK(reply_says(&reply, "Connection", "close") == false);
	reply = http_get(server, "/stats/torrents.json?info_hash=zz", "");
	CHECK_NUMBER(reply.status, 400);
	CHECK_LACKS(reply.body, "zz");
	server = server_start(NULL);
	CHECK_NUMBER(http_get(server, "/stats/torrents.json", "").status, 404);
}

/* The three pages for browsers, and that HEAD says as much as GET. */
static void pages(void)
{
	static const char *const paths[] = { "/stats", "/stats/day", "/stats/month" };
	struct server *server = server_start(NULL);
	struct reply reply;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		test_case("%s", paths[i]);
		reply = http_get(server, paths[i], "Accept: text/html\r\n");
		CHECK_NUMBER(reply.status, 200);
		CHECK_CONTAINS(reply.body, "<!DOCTYPE html>");
		CHECK_CONTAINS(reply.body, "</html>");
		CHECK(reply.len <= 40 * 1024);
		CHECK_CONTAINS(reply_header(&reply, "Content-Security-Policy"), "default-src 'none'");
	}
}

const struct bb_test bb_metrics[] = {
	TEST(metrics_own_port, FITS, 0), TEST(metrics_hosts, FITS, 0),
	TEST(metrics_wrong, FITS, 0), TEST(metrics_taken, FITS, 0), TEST(health, LARGE, 0), TEST(health_filter, LARGE, 3),
	TEST(history, FITS, 130), TEST(torrents, FITS, 0), TEST(pages, FITS, 0), TESTS_END
};
