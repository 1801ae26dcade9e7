/* test_show.c - what a server shows of itself: history, what is kept for a second, metrics and their
 * port, health; and that each connection's end is counted once, as what it was. */
#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../inside.h"
#include "program.h"

static struct program program;

#define BEGIN_WITH(options) \
	do { \
		bool begun = program_begin(&program, options); \
\
		CHECK(begun); \
		if (!begun) \
			return; \
	} while (0)
#define BEGIN() BEGIN_WITH(NULL)
#define END() CHECK(ended_well())

static bool ended_well(void)
{
	const char *fault = program_end(&program);

	if (fault != NULL)
		printf("%s\n", fault);
	return fault == NULL;
}

static uint64_t count(enum counter counter)
{
	return program.server->counters.of[counter];
}

static void say(struct guest *guest, const char *text)
{
	guest_say(guest, text);
	pump();
}

static void request(struct guest *guest, const char *path, const char *headers)
{
	char text[600];
	int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n",
	    path, headers);

	guest_write(guest, text, (size_t)length);
	pump();
}

/* What a guest hears of a path; good until it is asked again. */
static const char *look(struct guest *guest, const char *path)
{
	guest_heard(guest);
	request(guest, path, "Accept: text/html\r\n");
	return guest_heard(guest);
}

#define SAYS(guest, path, text) \
	do { \
		const char *heard = look(guest, path); \
\
		CHECK(strstr(heard, text) != NULL); \
		if (strstr(heard, text) == NULL) \
			printf("%s says %.300s\n", path, heard); \
	} while (0)

static struct guest *visitor(void)
{
	struct guest *guest = visit(&program, "/", "");

	guest_heard(guest);
	return guest;
}

/* A minute, in which a peer says that it is there, if there is one. */
static void pass_minute(struct guest *peer)
{
	int i;

	for (i = 0; i < 4; i++) {
		pass(15000);
		if (peer != NULL)
			say(peer, "{}");
	}
}

/* A visit at the port for metrics. */
static struct guest *visit_monitor(uint16_t port)
{
	uint16_t usual = program.port;
	struct guest *guest;

	program.port = port;
	guest = visit_plainly(&program);
	program.port = usual;
	return guest;
}

static uint16_t monitor_port(void)
{
	char error[UWT_ERROR_MAX] = "";
	uint16_t port = 0;
	bool listens = uwt_server_listen_metrics(program.server, "127.0.0.1", 0, &port, error);

	if (!listens)
		printf("%s\n", error);
	CHECK(listens && port != 0);
	return port;
}

/* -- history -------------------------------------------------------------------------------- */

/* A number of an array of /stats/history.json: that of the last of its steps but `ago`. */
static double value(const char *json, const char *range, const char *series, unsigned ago)
{
	char name[40];
	const char *at = strstr(json, range), *end;

	snprintf(name, sizeof name, "\"%s\":[", series);
	at = at != NULL ? strstr(at, name) : NULL;
	if (at == NULL)
		return -2;
	end = strchr(at, ']');
	for (; ago > 0 && end > at; ago--)
		for (end--; end > at && *end != ','; end--)
			continue;
	while (end > at && end[-1] != ',' && end[-1] != '[')
		end--;
	return strncmp(end, "null", 4) == 0 ? -1 : atof(end);
}

static void test_history(void)
{
	struct guest *peer, *reader;
	const char *json;
	double rate;
	int i;

	BEGIN();
	peer = visitor();
	pass_minute(peer);
	say(peer, announce('a', 'H', ",\"left\":0"));
	for (i = 0; i < 6; i++)
		say(peer, announce('b', 'H', ""));
	pass_minute(peer);
	reader = visit_plainly(&program);
	json = look(reader, "/stats/history.json");
	CHECK(value(json, "\"hour\":", "peers", 0) == 2);
	CHECK(value(json, "\"hour\":", "seeders", 0) == 1);
	CHECK(value(json, "\"hour\":", "leechers", 0) == 1);
	CHECK(value(json, "\"hour\":", "torrents", 0) == 1);
	CHECK(value(json, "\"hour\":", "connections", 0) == 1);
	rate = value(json, "\"hour\":", "announces", 0);                /* 7 in 60 s: 0.1 */
	CHECK(rate > 0.099 && rate < 0.101);
	CHECK(value(json, "\"hour\":", "bytesIn", 0) > 0);
	CHECK(value(json, "\"hour\":", "peers", 1) == 0);
	CHECK(value(json, "\"hour\":", "peers", 2) == -1);
	/* Both minutes may be in the same step. */
	CHECK(value(json, "\"day\":", "peers", 0) >= 1 && value(json, "\"day\":", "peers", 2) == -1);
	CHECK(value(json, "\"month\":", "peers", 0) == 1);
	END();
}

/* A minute has one sample, and none is left out, however the turns come. */
static void test_every_minute(void)
{
	struct guest *guest;
	struct guest *peer;
	const char *json;
	int i;

	BEGIN();
	peer = visitor();
	for (i = 0; i < 9; i++) {
		pass_minute(peer);
		pass((uint32_t)i * 100);
	}
	guest = visit_plainly(&program);
	json = look(guest, "/stats/history.json");
	for (i = 0; i < 9; i++)
		CHECK(value(json, "\"hour\":", "connections", (unsigned)i) == 1);
	CHECK(value(json, "\"hour\":", "connections", 10) == -1);
	CHECK(value(json, "\"month\":", "connections", 0) == 1);
	END();
}

/* A server that was asleep for an hour has a gap there. */
static void test_gap(void)
{
	struct guest *guest;
	const char *json;

	BEGIN();
	pass_minute(NULL);
	clock_pass(20 * 60000);
	pass_minute(NULL);
	guest = visit_plainly(&program);
	json = look(guest, "/stats/history.json");
	CHECK(value(json, "\"hour\":", "connections", 0) >= 0);
	CHECK(value(json, "\"hour\":", "connections", 10) == -1);
	END();
}

/* What the minute that is not over came to goes into the history when the server closes. */
static void test_last_minute(void)
{
	struct history_point point;

	BEGIN();
	pass_minute(NULL);
	pass(5000);
	say(visitor(), announce('a', 'H', ""));
	uwt_server_close(program.server, 1000);
	point = history_read(program.server->history, HISTORY_HOUR, program.server->wall / 60,
	    history_steps(HISTORY_HOUR) - 1, 1);
	CHECK(point.known && point.of[HISTORY_PEERS] == 1000);
	CHECK(point.of[HISTORY_ANNOUNCES] > 0);
	END();
}

/* -- what is kept --------------------------------------------------------------------------- */

/* The page may be a second old; JSON and lines are of the moment. */
static void test_kept(void)
{
	struct guest *reader, *member;
	char *before;

	BEGIN();
	member = visitor();
	reader = visit_plainly(&program);
	pass(2000);
	before = strdup(look(reader, "/stats"));
	say(member, announce('a', 'H', ""));
	CHECK(strcmp(look(reader, "/stats"), before) == 0);
	SAYS(reader, "/stats.json", "\"peersAll\":1,");
	pass(1000);
	CHECK(strcmp(look(reader, "/stats"), before) != 0);
	free(before);
	SAYS(reader, "/stats/day", "<html");
	SAYS(reader, "/stats/month", "<html");
	SAYS(reader, "/metrics", "404");
	END();
}

/* So may lists of torrents, whatever their length; of one torrent it is said at once. */
static void test_kept_torrents(void)
{
	struct uwt_options options;
	struct guest *reader, *member;

	program_options(&program, &options);
	options.torrent_stats = true;
	BEGIN_WITH(&options);
	member = visitor();
	reader = visit_plainly(&program);
	say(member, announce('a', 'G', ""));
	SAYS(reader, "/stats/torrents.json", "{\"torrents\":1,");
	say(member, announce('a', 'H', ""));
	SAYS(reader, "/stats/torrents.json?limit=1000", "{\"torrents\":1,");
	SAYS(reader, "/stats/torrents.json?sort=leechers", "{\"torrents\":2,");
	SAYS(reader, "/stats/torrents.json?info_hash=4848484848484848484848484848484848484848",
	    "{\"torrents\":2,\"list\":[\n{\"info_hash\":\"4848");
	pass(1000);
	SAYS(reader, "/stats/torrents.json", "{\"torrents\":2,");
	SAYS(reader, "/stats/torrents.json?limit=1", "\"downloaded\":0}]}\n");
	CHECK(strchr(strchr(look(reader, "/stats/torrents.json?limit=1"), '[') + 3, '{') == NULL);
	END();
}

/* -- metrics -------------------------------------------------------------------------------- */

static size_t own_metrics(void *context, char *text, size_t room)
{
	(void)context;
	CHECK(room >= 4096);
	memcpy(text, "own 1\n", 6);
	return 6;
}

static void test_public_metrics(void)
{
	struct uwt_options options;
	struct guest *guest;

	program_options(&program, &options);
	options.metrics = true;
	options.stats = false;
	options.callbacks.metrics = own_metrics;
	BEGIN_WITH(&options);
	say(visitor(), announce('a', 'H', ""));
	guest = visit_plainly(&program);
	SAYS(guest, "/metrics", "uwt_websockets 1\n");
	SAYS(guest, "/metrics", "\nuwt_messages_received_total{kind=\"announce\"} 1\n");
	SAYS(guest, "/metrics", "\nown 1\n");
	SAYS(guest, "/stats", "404");
	END();
}

/* The port for metrics serves them, opens no WebSocket, and does not count. */
static void test_monitor_port(void)
{
	struct uwt_options options;
	struct guest *monitor, *peer, *others[MONITORS_MAX];
	uint16_t port;
	int i;

	program_options(&program, &options);
	options.max_connections = 1;
	options.max_per_address = 1;
	BEGIN_WITH(&options);
	port = monitor_port();
	monitor = visit_monitor(port);
	peer = visitor();
	say(peer, announce('a', 'H', ""));
	SAYS(monitor, "/metrics", "uwt_connections 1\n");
	SAYS(monitor, "/health", "connections full");
	SAYS(monitor, "/stats.json", "\"connections\":1,");
	CHECK(count(COUNT_REFUSED_ADDRESS) == 0 && count(COUNT_REFUSED_CONNECTIONS) == 0);
	request(monitor, "/", "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	CHECK(strncmp(guest_heard(monitor), "200 ", 4) == 0);   /* the landing page */
	for (i = 0; i < MONITORS_MAX - 1; i++)
		others[i] = visit_monitor(port);
	CHECK(program.server->monitors == MONITORS_MAX);
	/* One more takes the place of who came first. */
	others[i] = visit_monitor(port);
	CHECK(guest_ended(monitor) && count(COUNT_ENDED_PLACE) == 1);
	CHECK(program.server->monitors == MONITORS_MAX);
	for (i = 0; i < MONITORS_MAX; i++)
		SAYS(others[i], "/health", "503");
	CHECK(!guest_ended(peer));
	END();
}

static void test_monitor_port_wrong(void)
{
	char error[UWT_ERROR_MAX] = "";

	BEGIN();
	CHECK(!uwt_server_listen_metrics(program.server, "unix:x", 0, NULL, error));
	CHECK(strstr(error, "Unix") != NULL);
	CHECK(!uwt_server_listen_metrics(program.server, "127.0.0.1", program.port, NULL, error));
	CHECK(*error != '\0');
	monitor_port();
	CHECK(!uwt_server_listen_metrics(program.server, "127.0.0.1", 0, NULL, error));
	CHECK(strstr(error, "already") != NULL);
	END();
}

static uint64_t turns(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < COUNT_TURN_BUCKETS; i++)
		sum += program.server->counters.turns[i];
	return sum;
}

/* A warning, and a peer that starts, cost this program 20 ms. */
static void dawdle(struct program *running, const char *callback)
{
	(void)running;
	if (strcmp(callback, "warning") == 0 || strcmp(callback, "start") == 0)
		clock_pass(20);
}

/* How long turns took is counted, and where. */
static void test_turns(void)
{
	struct guest *guest;
	uint64_t before;

	BEGIN();
	guest = visitor();
	before = turns();
	CHECK(before > 0);
	CHECK(program.server->counters.turn_time == 0);
	program.meddle = dawdle;
	say(guest, "{");
	CHECK(turns() > before);
	CHECK(program.server->counters.turns[7] == 1);          /* up to 30 ms */
	CHECK(program.server->counters.turn_time == 20000);
	END();
}

/* What is done before a turn waits counts too: here, for a verdict that has come. */
static void test_turns_before_waiting(void)
{
	struct guest *guest;

	BEGIN();
	guest = visitor();
	program.verdict.answer = UWT_LATER;
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	program.meddle = dawdle;
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	CHECK(strstr(program_told(&program), "start a H") != NULL);
	CHECK(program.server->counters.turns[7] == 1);
	CHECK(program.server->counters.turn_time == 20000);
	END();
}

/* -- health --------------------------------------------------------------------------------- */

/* The descriptor that would be given out next. */
static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	CHECK(fd >= 0 && close(fd) == 0);
	return fd;
}

static void test_health(void)
{
	struct uwt_options options;
	struct rlimit usual, few;
	struct guest *guest, *member;

	program_options(&program, &options);
	options.max_peers = 2;
	options.max_torrents = 1;
	BEGIN_WITH(&options);
	guest = visit_plainly(&program);
	SAYS(guest, "/health", "200 text/plain; charset=utf-8 ok\n");
	uwt_server_ail(program.server, "no \"<filter>\"");
	SAYS(guest, "/health", "503 text/plain; charset=utf-8 no \"<filter>\"\n");
	SAYS(guest, "/stats", "No peers are taken: no &quot;&lt;filter&gt;&quot;.");
	uwt_server_ail(program.server, NULL);
	member = visitor();
	say(member, announce('a', 'H', ""));
	SAYS(guest, "/health", "503 text/plain; charset=utf-8 torrents full\n");
	say(member, announce('b', 'H', ""));
	SAYS(guest, "/health", "peers full\n");
	say(member, announce('a', 'H', ",\"event\":\"stopped\""));
	say(member, announce('b', 'H', ",\"event\":\"stopped\""));
	SAYS(guest, "/health", "200");
	/* After a connection could not be accepted, the system is asked. */
	program.server->starved = true;
	SAYS(guest, "/health", "200");
	CHECK(getrlimit(RLIMIT_NOFILE, &usual) == 0);
	few = usual;
	/* No further one; and no less, as poll(2) takes no more than there may be. */
	few.rlim_cur = (rlim_t)next_descriptor();
	CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
	SAYS(guest, "/health", "no descriptors\n");
	CHECK(setrlimit(RLIMIT_NOFILE, &usual) == 0);
	END();
}

/* Being asked while ill is no fault of who asks, and no refusal. */
static void test_health_is_no_refusal(void)
{
	struct uwt_options options;
	struct guest *guest, *member;

	program_options(&program, &options);
	options.max_torrents = 1;
	BEGIN_WITH(&options);
	member = visitor();
	say(member, announce('a', 'H', ""));
	guest = visit_plainly(&program);
	program_told(&program);
	request(guest, "/health", "Connection: close\r\n");
	CHECK(strncmp(guest_heard(guest), "503 ", 4) == 0);
	CHECK(strstr(program_told(&program), "warning") == NULL);
	let_go(guest, guest_leave);
	CHECK(count(COUNT_HTTP_503) == 1);
	CHECK(count(COUNT_ENDED_ANSWERED) == 1 && count(COUNT_ENDED_REFUSED) == 0);
	END();
}

/* The last place is there for peers as long as someone can be sent away for them. */
static void test_health_when_full(void)
{
	struct uwt_options options;
	struct guest *guest, *member;

	program_options(&program, &options);
	options.max_connections = 2;
	BEGIN_WITH(&options);
	member = visitor();
	say(member, announce('a', 'H', ""));
	guest = visit_plainly(&program);
	SAYS(guest, "/health", "200");
	say(visitor(), announce('b', 'H', ""));
	CHECK(guest_ended(guest));
	CHECK(count(COUNT_ENDED_PLACE) == 1);
	guest = visit_plainly(&program);
	SAYS(guest, "/health", "503 text/plain; charset=utf-8 connections full\n");
	CHECK(guest_ended(guest));
	CHECK(count(COUNT_REFUSED_CONNECTIONS) == 1);
	END();
}

/* A request that was being sent when the server closes is told so. */
static void test_health_when_closing(void)
{
	struct guest *guest;

	BEGIN();
	guest = visit_plainly(&program);
	guest_write(guest, "GET /health HT", 14);
	pump();
	uwt_server_close(program.server, 1000);
	pump();
	guest_write(guest, "TP/1.1\r\nHost: x\r\n\r\n", 19);
	pump();
	CHECK(strncmp(guest_heard(guest), "503 text/plain; charset=utf-8 shutting down\n", 44) == 0);
	END();
}

/* -- whose doing an end was ----------------------------------------------------------------- */

static void test_ends(void)
{
	static const char close[] = { 3, (char)0xe8 };
	struct guest *guest;

	BEGIN();
	guest_frame(visitor(), GUEST_CLOSE, close, 2);
	pump();
	CHECK(count(COUNT_ENDED_PEER) == 1);
	let_go(visitor(), guest_leave);
	CHECK(count(COUNT_ENDED_PEER) == 2);
	let_go(visitor(), guest_break);
	CHECK(count(COUNT_ENDED_PEER) + count(COUNT_ENDED_NETWORK) == 3);
	guest = visitor();
	guest_frame(guest, GUEST_TEXT, "\xff", 1);
	pump();
	let_go(guest, guest_leave);
	CHECK(count(COUNT_ENDED_PROTOCOL) == 1);
	guest = visit_plainly(&program);
	request(guest, "/", "Connection: close\r\n");
	let_go(guest, guest_leave);
	CHECK(count(COUNT_ENDED_ANSWERED) == 1 && count(COUNT_HTTP_200) == 1);
	guest = visit_plainly(&program);
	guest_write(guest, "GET", 3);
	pump();
	pass(12000);
	let_go(guest, guest_leave);
	CHECK(count(COUNT_ENDED_SILENT) == 1 && count(COUNT_HTTP_408) == 1);
	guest = visit_plainly(&program);
	request(guest, "bad path", "");
	let_go(guest, guest_leave);
	CHECK(count(COUNT_ENDED_PROTOCOL) == 2 && count(COUNT_HTTP_400) == 1);
	guest = visitor();
	uwt_server_end(program.server, program.connection);
	pump();
	let_go(guest, guest_leave);
	CHECK(count(COUNT_ENDED_PROGRAM) == 1);
	CHECK(count(COUNT_ACCEPTED) == 8 && count(COUNT_UPGRADED) == 5);
	END();
}

/* Have somebody send the beginning of a request. */
static void begin_request(size_t length)
{
	char text[8192] = "GET /";

	memset(text + 5, 'a', length - 5);
	guest_write(visit_plainly(&program), text, length);
	pump();
}

/* Who ends for want of buffers was refused them: the largest holders, and who would be the largest. */
static void test_buffers(void)
{
	struct uwt_options options;
	int i;

	program_options(&program, &options);
	options.buffer_memory = 16 * 1024;
	BEGIN_WITH(&options);
	for (i = 0; i < 8; i++)
		begin_request(3000);
	CHECK(count(COUNT_ENDED_BUFFERS) > 0);
	CHECK(count(COUNT_REFUSED_BUFFERS) == count(COUNT_ENDED_BUFFERS));
	END();
	BEGIN_WITH(&options);
	for (i = 0; i < 15; i++)
		begin_request(200);
	CHECK(count(COUNT_REFUSED_BUFFERS) == 0);
	begin_request(7000);
	CHECK(count(COUNT_ENDED_BUFFERS) == 1 && count(COUNT_REFUSED_BUFFERS) == 1);
	END();
}

static void test_bytes(void)
{
	struct guest *guest;
	uint64_t in, out;

	BEGIN();
	guest = visitor();
	in = count(COUNT_BYTES_IN);
	out = count(COUNT_BYTES_OUT);
	guest_frame(guest, GUEST_PING, "1234", 4);
	pump();
	CHECK(count(COUNT_PINGS) == 1);
	if (!program_secure) {
		CHECK(count(COUNT_BYTES_IN) - in == 10);
		CHECK(count(COUNT_BYTES_OUT) - out == 6);
	} else {
		CHECK(count(COUNT_BYTES_IN) - in > 10);
		CHECK(count(COUNT_BYTES_OUT) - out > 6);
	}
	pass(46000);
	CHECK(count(COUNT_OUT_PINGS) == 1);
	END();
}

static void test_all(void)
{
	RUN(test_history);
	RUN(test_every_minute);
	RUN(test_gap);
	RUN(test_last_minute);
	RUN(test_kept);
	RUN(test_kept_torrents);
	RUN(test_public_metrics);
	RUN(test_monitor_port);
	RUN(test_monitor_port_wrong);
	RUN(test_turns);
	RUN(test_turns_before_waiting);
	RUN(test_health);
	RUN(test_health_is_no_refusal);
	RUN(test_health_when_full);
	RUN(test_health_when_closing);
	RUN(test_ends);
	RUN(test_buffers);
	RUN(test_bytes);
}

int main(void)
{
	test_all();
	program_secure = uwt_has_tls();
	if (program_secure)
		test_all();
	return test_end();
}
