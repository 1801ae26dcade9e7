/* test_server.c - the server as an object, by a program and its peers in one process; questions are
 * in test_ask.c */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../history.h"
#include "../inside.h"
#include "program.h"

static struct program program, second;

#define LOCAL " 127.0.0.1\n"

#define BEGIN_THAT(running, options) \
	do { \
		bool begun = program_begin(running, options); \
\
		CHECK(begun); \
		if (!begun) \
			return; \
	} while (0)
#define BEGIN_WITH(options) BEGIN_THAT(&program, options)
#define BEGIN() BEGIN_WITH(NULL)
#define END() CHECK(ended_well(&program))
#define HEARD(guest, text) CHECK(hears(guest, text, ""))
#define HEARD_TWO(guest, first, next) CHECK(hears(guest, first, next))
#define TOLD(text) CHECK(told(&program, text))

static bool ended_well(struct program *ended)
{
	const char *fault = program_end(ended);

	if (fault != NULL)
		printf("%s\n", fault);
	return fault == NULL;
}

static struct uwt_counts counts(void)
{
	return uwt_server_counts(program.server);
}

static const uint8_t *hash(char torrent)
{
	static uint8_t bytes[UWT_ID_SIZE];

	memset(bytes, torrent, sizeof bytes);
	return bytes;
}

/* A WebSocket whose opening has been noted. */
static struct guest *visitor(void)
{
	struct guest *guest = visit(&program, "/", "");

	HEARD(guest, "101\n");
	program_told(&program);
	return guest;
}

static void say(struct guest *guest, const char *text)
{
	guest_say(guest, text);
	pump();
}

static void request(struct guest *guest, const char *line, const char *headers)
{
	char text[600];
	int length = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", line,
	    headers);

	guest_write(guest, text, (size_t)length);
	pump();
}

/* -- events --------------------------------------------------------------------------------- */

/* Each announce is told once, as what it says; a membership's end as a stop. */
static void test_events(void)
{
	struct guest *guest;

	BEGIN();
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	TOLD("start a H" LOCAL);
	say(guest, announce('a', 'H', ""));
	say(guest, announce('a', 'H', ",\"event\":\"empty\""));
	TOLD("update a H" LOCAL "update a H" LOCAL);
	say(guest, announce('a', 'H', ",\"event\":\"completed\",\"left\":0"));
	TOLD("complete a H" LOCAL);
	CHECK(program.connection != 0);
	say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	TOLD("stop a H" LOCAL);
	/* Who is not there cannot stop. */
	say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	TOLD("");
	say(guest, announce('a', 'H', ""));
	say(guest, announce('b', 'I', ",\"event\":\"started\""));
	TOLD("update a H" LOCAL "start b I" LOCAL);
	let_go(guest, guest_leave);
	TOLD("stop b I" LOCAL "stop a H" LOCAL "closed\n");
	END();
}

/* What is sent is sent after the program was told of the turn. */
static void test_turn_is_told(void)
{
	struct guest *guest;
	unsigned before;

	BEGIN();
	guest = visitor();
	before = program.turns;
	say(guest, announce('a', 'H', ""));
	HEARD(guest, reply(0, 1, 'H'));
	CHECK(program.turns > before);
	END();
}

static void test_warnings(void)
{
	struct guest *guest;

	BEGIN();
	guest = visitor();
	say(guest, "{");
	say(guest, "{\"action\":\"\\u001b[2J\",\"info_hash\":\"HHHHHHHHHHHHHHHHHHHH\"}");
	CHECK(strncmp(program_told(&program), "warning invalid JSON\n"
	    "warning invalid action in WS request: ", 59) == 0);
	guest_heard(guest);
	say(guest, "\xff");
	HEARD(guest, "close 1007\nend\n");
	TOLD("warning WebSocket closed with 1007: a message is not UTF-8\n");
	guest = visit_plainly(&program);
	request(guest, "PUT /", "");
	CHECK(strncmp(guest_heard(guest), "405 ", 4) == 0);
	CHECK(strstr(program_told(&program), "warning HTTP request refused: Method Not Allowed\n")
	    != NULL);
	END();
}

/* -- what the machine lacks ----------------------------------------------------------------- */

static void test_error(void)
{
	struct rlimit before, tight;
	struct guest *guest;
	int fillers[256], count = 0;
	char text[200];

	BEGIN();
	getrlimit(RLIMIT_NOFILE, &before);
	tight = before;
	tight.rlim_cur = 200;
	setrlimit(RLIMIT_NOFILE, &tight);
	guest = guest_connect(program.port, program_secure);
	while (count < 256 && (fillers[count] = open("/dev/null", O_RDONLY)) >= 0)
		count++;
	CHECK(guest != NULL && count > 0 && count < 256);
	pass(1000);
	snprintf(text, sizeof text, "error connections wait to be accepted: %s\n",
	    strerror(EMFILE));
	TOLD(text);
	pass(1000);
	TOLD("");       /* once is enough */
	CHECK(counts().connections == 0);
	while (count > 0)
		close(fillers[--count]);
	pass(1000);
	CHECK(counts().connections == 1);
	setrlimit(RLIMIT_NOFILE, &before);
	guest_leave(guest);
	END();
}

/* -- pages ---------------------------------------------------------------------------------- */

static const struct uwt_page own = { 200, "text/x-own", "hello", 5 };

static void test_pages(void)
{
	struct guest *guest;

	BEGIN();
	program.page = own;
	guest = visit_plainly(&program);
	request(guest, "GET /mine?a=b", "");
	HEARD(guest, "200 text/x-own hello\n");
	TOLD("http GET /mine 127.0.0.1\n");
	/* Before the server's own ones. */
	request(guest, "GET /stats.json", "");
	HEARD(guest, "200 text/x-own hello\n");
	request(guest, "HEAD /mine", "");
	HEARD(guest, "200 text/x-own \n");
	TOLD("http GET /stats.json 127.0.0.1\nhttp HEAD /mine 127.0.0.1\n");
	/* Not the program's: the server's, as if there were no callback. */
	program.page.status = 0;
	request(guest, "GET /stats.json", "");
	CHECK(strncmp(guest_heard(guest), "200 application/json", 20) == 0);
	request(guest, "GET /mine", "");
	CHECK(strncmp(guest_heard(guest), "404 text/", 9) == 0);
	CHECK(!guest_ended(guest));
	/* Any status, no type, no body; not the peer's fault. */
	program_told(&program);
	program.page = (struct uwt_page){ 401, NULL, NULL, 0 };
	request(guest, "DELETE /mine", "");
	HEARD(guest, "401  \n");
	TOLD("http DELETE /mine 127.0.0.1\n");
	CHECK(!guest_ended(guest));
	END();
}

/* A body is not read, so that the connection ends after the answer. */
static void test_page_for_body(void)
{
	struct guest *guest;

	BEGIN();
	program.page = own;
	guest = visit_plainly(&program);
	request(guest, "POST /mine", "Content-Length: 5\r\n");
	guest_write(guest, "GET /", 5);
	pump();
	HEARD_TWO(guest, "200 text/x-own hello\n", "end\n");
	TOLD("http POST /mine 127.0.0.1\n");
	/* The same if it is the server's to answer: with a refusal then. */
	program.page.status = 0;
	guest = visit_plainly(&program);
	request(guest, "POST /mine", "Content-Length: 5\r\n");
	CHECK(strncmp(guest_heard(guest), "405 ", 4) == 0);
	/* A WebSocket is none of its requests. */
	program_told(&program);
	program.page = own;
	visit(&program, "/mine", "");
	TOLD("opened /mine?none\n");
	END();
}

/* Larger than any socket takes at once; and pipelined ones, in their order. */
static void test_large_page(void)
{
	static const char requests[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
	    "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
	size_t length = 3 << 20, i;
	char *body = malloc(length);
	struct guest *guest;

	if (body == NULL)
		abort();
	for (i = 0; i < length; i++)
		body[i] = (char)('a' + i % 26);
	BEGIN();
	program.page = (struct uwt_page){ 200, "text/x-large", body, length };
	guest = visit_plainly(&program);
	guest_hear_lengths(guest);
	guest_write(guest, requests, strlen(requests));
	pump();
	HEARD(guest, "200 text/x-large 3145728 bytes, a to n\n"
	    "200 text/x-large 3145728 bytes, a to n\n");
	TOLD("http GET /1 127.0.0.1\nhttp GET /2 127.0.0.1\n");
	END();
	free(body);
}

/* By a proxy's connection come requests of many clients: each is seen as whose it is. */
static void test_pages_by_proxy(void)
{
	struct uwt_options options;
	struct guest *guest;
	char address[UWT_ADDRESS_MAX];

	program_options(&program, &options);
	options.trust_proxy = true;
	BEGIN_WITH(&options);
	guest = visit_plainly(&program);
	request(guest, "GET /1", "X-Forwarded-For: 192.0.2.1\r\n");
	request(guest, "GET /2", "X-Forwarded-For: 192.0.2.2\r\n");
	request(guest, "GET /3", "");
	TOLD("http GET /1 192.0.2.1\nhttp GET /2 192.0.2.2\nhttp GET /3 127.0.0.1\n");
	request(guest, "GET /", "X-Real-IP: 2001:db8::1\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	TOLD("opened /?none\n");
	uwt_server_address(program.server, program.connection, address);
	CHECK(same(address, "2001:db8::1"));
	END();
}

/* -- connections ---------------------------------------------------------------------------- */

static void test_opened_closed(void)
{
	struct guest *guest;
	uint64_t number;

	BEGIN();
	guest = visit(&program, "/a/b?key=x", "");
	TOLD("opened /a/b?key=x\n");
	number = program.connection;
	visit(&program, "/c", "");
	TOLD("opened /c?none\n");
	CHECK(program.connection != number);
	let_go(guest, guest_leave);
	TOLD("closed\n");
	CHECK(program.connection == number);
	/* Its place is taken again, its number is not. */
	visit(&program, "/d", "");
	TOLD("opened /d?none\n");
	CHECK(program.connection != number);
	CHECK(!uwt_server_end(program.server, number));
	END();
	CHECK(program.opened == 3 && program.closed == 3);
}

/* Refused ones, and those that never asked for a WebSocket, are not told. */
static void test_not_opened(void)
{
	struct uwt_options options;
	struct guest *guest;

	program_options(&program, &options);
	options.max_connections = 1;
	BEGIN_WITH(&options);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	program_told(&program);
	guest_heard(visit(&program, "/", ""));
	TOLD("warning HTTP request refused: Service Unavailable\n");
	CHECK(program.opened == 1 && program.closed == 0);
	let_go(guest, guest_leave);
	pass(10000);
	program_told(&program);
	guest = visit_plainly(&program);
	request(guest, "GET /", "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
	CHECK(strncmp(guest_heard(guest), "426 ", 4) == 0);
	END();
	CHECK(program.opened == 1 && program.closed == 1);
}

static void end_it(struct program *ending, const char *callback)
{
	(void)callback;
	ending->meddled += uwt_server_end(ending->server, ending->connection);
}

static void test_ends(void)
{
	struct guest *guest, *other;
	char address[UWT_ADDRESS_MAX];
	uint64_t number;

	BEGIN();
	guest = visitor();
	number = program.connection;
	other = visitor();
	say(guest, announce('a', 'H', ""));
	say(other, announce('b', 'H', ""));
	program_told(&program);
	guest_heard(guest);
	guest_heard(other);
	uwt_server_address(program.server, number, address);
	CHECK(same(address, "127.0.0.1"));
	CHECK(uwt_server_end(program.server, number));
	CHECK(uwt_server_end(program.server, number));
	/* Though nothing happens, the next turn does not wait. */
	CHECK(uwt_server_wait(program.server) == 0);
	uwt_server_turn(program.server, 5000);
	CHECK(counts().members == 1);
	HEARD_TWO(guest, "close 1008\n", "end\n");
	TOLD("stop a H" LOCAL);
	let_go(guest, guest_leave);
	TOLD("closed\n");
	CHECK(!uwt_server_end(program.server, number));
	uwt_server_address(program.server, number, address);
	CHECK(same(address, ""));
	HEARD(other, "");
	CHECK(!uwt_server_end(program.server, 0) && !uwt_server_end(program.server, UINT64_MAX) &&
	    !uwt_server_end(program.server, 500));
	END();
}

/* One by HTTP is ended after its answer. */
static void test_ends_plainly(void)
{
	struct guest *plain;

	BEGIN();
	plain = visit_plainly(&program);
	program.meddle = end_it;
	request(plain, "GET /stats.json", "");
	CHECK(strncmp(guest_heard(plain), "200 ", 4) == 0 && guest_ended(plain));
	END();
}

/* More at once than are noted one by one. */
static void test_end_many(void)
{
	unsigned many = program_secure ? ENDS_MAX + 2 : 3 * ENDS_MAX, i;
	struct guest *guests[3 * ENDS_MAX], *stays;
	uint64_t numbers[3 * ENDS_MAX];

	BEGIN();
	for (i = 0; i < many; i++) {
		guests[i] = visitor();
		numbers[i] = program.connection;
	}
	stays = visitor();
	for (i = 0; i < many; i++)
		CHECK(uwt_server_end(program.server, numbers[i]));
	pump();
	for (i = 0; i < many; i++)
		HEARD_TWO(guests[i], "close 1008\n", "end\n");
	say(stays, announce('a', 'H', ""));
	HEARD(stays, reply(0, 1, 'H'));
	END();
}

/* -- looking -------------------------------------------------------------------------------- */

static void test_look(void)
{
	struct uwt_torrent torrent = { 0, NULL, 0, 0, 0 };
	struct uwt_member member;
	struct guest *guest, *other;
	uint64_t number;

	BEGIN();
	CHECK(!uwt_torrent_find(program.server, hash('H'), &torrent));
	CHECK(!uwt_torrent_next(program.server, &torrent));
	CHECK(!uwt_torrent_member(program.server, &torrent, 0, &member));
	guest = visitor();
	number = program.connection;
	other = visitor();
	say(guest, announce('a', 'H', ""));
	say(guest, announce('a', 'I', ",\"left\":0"));
	say(other, announce('b', 'H', ""));
	say(other, announce('b', 'H', ",\"event\":\"completed\""));
	CHECK(counts().connections == 2 && counts().torrents == 2 && counts().members == 3 &&
	    counts().peers == 2);
	CHECK(uwt_torrent_find(program.server, hash('H'), &torrent));
	CHECK(memcmp(torrent.info_hash, hash('H'), UWT_ID_SIZE) == 0);
	CHECK(torrent.complete == 1 && torrent.incomplete == 1 && torrent.downloads == 1);
	CHECK(uwt_torrent_member(program.server, &torrent, 0, &member));
	CHECK(member.peer_id[19] == 'a' && !member.complete && member.connection == number);
	CHECK(uwt_torrent_member(program.server, &torrent, 1, &member));
	CHECK(member.peer_id[0] == 'b' && member.complete && member.connection != number);
	CHECK(!uwt_torrent_member(program.server, &torrent, 2, &member));
	CHECK(!uwt_torrent_find(program.server, hash('J'), &torrent));
	torrent = (struct uwt_torrent){ 0, NULL, 0, 0, 0 };
	CHECK(uwt_torrent_next(program.server, &torrent) && torrent.info_hash[0] == 'H');
	CHECK(uwt_torrent_next(program.server, &torrent) && torrent.info_hash[0] == 'I');
	CHECK(torrent.complete == 1 && torrent.incomplete == 0 && torrent.downloads == 0);
	CHECK(!uwt_torrent_next(program.server, &torrent));
	END();
}

/* A history with a sample of each of some minutes, as bytes. Returns how many. */
static size_t make_history(uint8_t *bytes, int minutes)
{
	struct history_sample sample = { .seconds = 60, .of = { 7, 3, 4, 2 } };
	void *memory = calloc(1, history_size());
	struct history *history = history_init(memory);
	size_t size;

	while (minutes-- > 0)
		history_add(history, 1000000 + minutes, &sample);
	size = history_save(history, bytes);
	free(memory);
	return size;
}

/* What was saved comes back as it was, into another server too, or not at all. */
static void test_history(void)
{
	static uint8_t wanted[UWT_HISTORY_MAX], got[UWT_HISTORY_MAX];
	size_t size;

	BEGIN();
	size = uwt_server_history(program.server, got);
	CHECK(size >= UWT_HISTORY_MARK && size < 100);
	CHECK(uwt_server_restore(program.server, got, size) == NULL);
	size = make_history(wanted, 1000);
	CHECK(size > 10000 && size <= UWT_HISTORY_MAX);
	CHECK(uwt_server_restore(program.server, wanted, size) == NULL);
	CHECK(uwt_server_history(program.server, got) == size && memcmp(got, wanted, size) == 0);
	wanted[size / 2] ^= 1;
	CHECK(uwt_server_restore(program.server, wanted, size) != NULL);
	CHECK(uwt_server_restore(program.server, wanted, 0) != NULL);
	wanted[size / 2] ^= 1;
	CHECK(uwt_server_history(program.server, got) == size && memcmp(got, wanted, size) == 0);
	END();
}

static void test_drop(void)
{
	struct guest *guest, *other;

	BEGIN();
	guest = visitor();
	other = visitor();
	say(guest, announce('a', 'H', ""));
	say(guest, announce('c', 'H', ""));
	say(guest, announce('a', 'I', ""));
	say(other, announce('b', 'H', ""));
	program_told(&program);
	uwt_torrent_drop(program.server, hash('J'));
	TOLD("");
	uwt_torrent_drop(program.server, hash('H'));
	TOLD("stop b H" LOCAL "stop c H" LOCAL "stop a H" LOCAL);
	CHECK(counts().torrents == 1 && counts().members == 1 && counts().peers == 1);
	/* They may come again. */
	guest_heard(guest);
	say(guest, announce('a', 'H', ""));
	HEARD(guest, reply(0, 1, 'H'));
	uwt_torrent_drop(program.server, hash('H'));
	CHECK(counts().torrents == 1);
	END();
}

/* -- from within callbacks ------------------------------------------------------------------ */

/* Everything that looks. */
static void look_around(struct program *looking, const char *callback)
{
	struct uwt_torrent torrent = { 0, NULL, 0, 0, 0 };
	struct uwt_member member;
	char address[UWT_ADDRESS_MAX];
	struct pollfd fds[4];
	uint32_t torrents = 0, members = 0, place;

	(void)callback;
	while (uwt_torrent_next(looking->server, &torrent)) {
		struct uwt_torrent found;

		torrents++;
		CHECK(uwt_torrent_find(looking->server, torrent.info_hash, &found) &&
		    found.number == torrent.number);
		for (place = 0; uwt_torrent_member(looking->server, &torrent, place, &member);
		    place++)
			uwt_server_address(looking->server, member.connection, address);
		members += place;
		CHECK(place == torrent.complete + torrent.incomplete);
	}
	CHECK(uwt_server_counts(looking->server).torrents == torrents);
	CHECK(uwt_server_counts(looking->server).members == members);
	CHECK(uwt_server_watched(looking->server, fds, 4) > 0);
	(void)uwt_server_wait(looking->server);
	uwt_server_wake(looking->server);
	looking->meddled++;
}

static void close_all(struct program *closing, const char *callback)
{
	(void)callback;
	uwt_server_close(closing->server, 1000);
	closing->meddled++;
}

/* The callback after which it is meddled with, and how. */
static const char *chosen;
static void (*chosen_meddle)(struct program *, const char *);

static void meddle_once(struct program *meddling, const char *callback)
{
	if (strcmp(callback, chosen) != 0 || meddling->meddled > 0)
		return;
	meddling->meddled = 0;
	chosen_meddle(meddling, callback);
}

/* A session in which every callback is called but error. */
static void play(void)
{
	struct guest *guest = visit(&program, "/", ""), *plain = visit_plainly(&program);

	request(plain, "GET /stats.json", "");
	say(guest, "{");
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	say(guest, announce('b', 'H', ",\"event\":\"started\""));
	say(guest, announce('a', 'I', ""));
	say(guest, announce('a', 'H', ",\"event\":\"completed\""));
	say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	let_go(guest, guest_leave);
	let_go(plain, guest_leave);
}

static const char *const callbacks[] = { "opened", "http", "warning", "filter", "start", "update",
	"complete", "stop", "closed", "turn" };
#define CALLBACKS (sizeof callbacks / sizeof callbacks[0])

static void test_look_within(void)
{
	BEGIN();
	program.meddle = look_around;
	play();
	CHECK(program.meddled > 10);
	END();
}

static void test_end_within(void)
{
	size_t i;

	for (i = 0; i < CALLBACKS; i++) {
		BEGIN();
		visitor();
		program.meddle = meddle_once;
		chosen = callbacks[i];
		chosen_meddle = end_it;
		play();
		/* What the callback is told of is there, also when it has just ended. */
		CHECK(program.meddled == 1);
		/* The other is still there. */
		pass(6000);
		CHECK(counts().connections == 1 || strcmp(chosen, "turn") == 0);
		END();
	}
}

static void test_close_within(void)
{
	struct guest *other, *probe;
	size_t i;
	int tries;

	for (i = 0; i < CALLBACKS; i++) {
		BEGIN();
		other = visitor();
		say(other, announce('z', 'H', ""));
		guest_heard(other);
		chosen = callbacks[i];
		chosen_meddle = close_all;
		program.meddle = meddle_once;
		if (strcmp(chosen, "http") == 0) {
			probe = visit_plainly(&program);
			request(probe, "GET /stats.json", "");
		} else if (strcmp(chosen, "closed") == 0 || strcmp(chosen, "stop") == 0) {
			probe = visit(&program, "/", "");
			say(probe, announce('a', 'H', ""));
			let_go(probe, guest_leave);
		} else {
			probe = visit(&program, "/", "");
			guest_say(probe, "{");
			guest_say(probe, announce('a', 'H', ",\"event\":\"started\""));
			guest_say(probe, announce('a', 'H', ""));
			say(probe, announce('a', 'H', ",\"event\":\"completed\""));
		}
		CHECK(program.meddled == 1);
		HEARD_TWO(other, "close 1001\n", "end\n");
		let_go(other, guest_leave);
		for (tries = 0; tries < 3 && uwt_server_turn(program.server, 0); tries++)
			pass(400);
		CHECK(!uwt_server_turn(program.server, 0));
		END();
	}
}

/* Closing from what a drop tells of. */
static void test_close_within_drop(void)
{
	struct guest *guest;

	BEGIN();
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	say(guest, announce('b', 'H', ""));
	say(guest, announce('c', 'H', ""));
	program_told(&program);
	guest_heard(guest);
	program.meddle = close_all;
	uwt_torrent_drop(program.server, hash('H'));
	program.meddle = NULL;
	TOLD("stop c H" LOCAL "stop b H" LOCAL "stop a H" LOCAL);
	CHECK(uwt_server_wait(program.server) == 0);
	pump();
	HEARD_TWO(guest, "close 1001\n", "end\n");
	END();
}

/* And from what freeing tells of. */
static void test_close_within_free(void)
{
	struct guest *guest;

	BEGIN();
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	program_told(&program);
	program.meddle = close_all;
	uwt_server_free(program.server);
	TOLD("stop a H" LOCAL "closed\n");
	program_forget(&program);
}

/* -- a loop of the caller's own ------------------------------------------------------------- */

/* One step of a loop that knows only what uwt_server_watched and uwt_server_wait say. If nothing is
 * ready, the clock is set to when that wants a turn, or all goes on after a moment. */
static void drive(struct program *driven, bool late)
{
	struct pollfd fds[64];
	size_t count = uwt_server_watched(driven->server, fds, 64);
	int wait = uwt_server_wait(driven->server);

	CHECK(count > 0 && count <= 64);
	if (poll(fds, (nfds_t)count, wait == 0 ? 0 : 20) == 0 && wait != 0) {
		if (!late)
			return;
		clock_pass((uint32_t)wait);
	}
	uwt_server_turn(driven->server, 0);
}

static bool drive_until(struct guest *guest, const char *wanted, bool late)
{
	int steps = 0;

	while (guest_heard_length(guest) < strlen(wanted) && steps++ < 200) {
		guest_step(guest);
		drive(&program, late);
		guest_step(guest);
	}
	return same(guest_heard(guest), wanted);
}

static void test_own_loop(void)
{
	struct guest *guest;
	struct pollfd fds[1];
	int steps = 0;

	BEGIN();
	/* Nothing waits but for the next minute. */
	pass((uint32_t)uwt_server_wait(program.server));
	CHECK(uwt_server_wait(program.server) == 60000);
	guest = guest_open(program.port, program_secure, "/", "");
	if (guest == NULL)
		abort();
	CHECK(drive_until(guest, "101\n", false));
	guest_say(guest, announce('a', 'H', ""));
	CHECK(drive_until(guest, reply(0, 1, 'H'), false));
	/* No more are written than there is room for, all are counted. */
	fds[0].fd = -5;
	CHECK(uwt_server_watched(program.server, fds, 0) > 0 && fds[0].fd == -5);
	CHECK(uwt_server_watched(program.server, fds, 1) > 0 && fds[0].fd >= 0);
	/* Time alone: a ping, then the end. */
	CHECK(uwt_server_wait(program.server) == 45000);
	clock_pass(44000);
	CHECK(uwt_server_wait(program.server) == 1000);
	clock_pass(44000);
	CHECK(uwt_server_wait(program.server) == 0);
	CHECK(drive_until(guest, "ping\n", true));
	while (counts().connections > 0 && steps++ < 10)
		drive(&program, true);
	CHECK(counts().connections == 0);
	guest_leave(guest);
	END();
}

/* Closing takes no longer than it has to. */
static void test_own_loop_closes(void)
{
	struct guest *guest;
	int steps = 0;

	BEGIN();
	guest = visitor();
	uwt_server_close(program.server, 3000);
	CHECK(uwt_server_wait(program.server) == 0);
	uwt_server_turn(program.server, 0);
	CHECK(uwt_server_wait(program.server) == 3000);
	HEARD_TWO(guest, "close 1001\n", "end\n");
	let_go(guest, guest_leave);
	while (uwt_server_turn(program.server, 0) && steps++ < 10)
		pump();
	CHECK(steps < 10);
	END();
	/* With nobody there it is over at once, whatever the time it was given. */
	BEGIN();
	uwt_server_close(program.server, 60000);
	CHECK(uwt_server_wait(program.server) == 0);
	CHECK(!uwt_server_turn(program.server, 20000));
	END();
}

static void close_when_stopped(struct program *closing, const char *callback)
{
	if (strcmp(callback, "stop") == 0)
		uwt_server_close(closing->server, 0);
}

static void test_run(void)
{
	struct guest *guest;

	BEGIN();
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	program.meddle = close_when_stopped;
	guest_say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	guest_step(guest);
	uwt_server_run(program.server);
	CHECK(counts().connections == 0);
	CHECK(strcmp(program_told(&program), "update a H" LOCAL "stop a H" LOCAL "closed\n") == 0);
	program.meddle = NULL;
	/* What wakes it wakes it once. */
	END();
	BEGIN();
	uwt_server_wake(program.server);
	CHECK(uwt_server_turn(program.server, 20000));
	CHECK(uwt_server_turn(program.server, 1));
	END();
}

/* -- listening ------------------------------------------------------------------------------ */

static void test_listen(void)
{
	const char *const both[] = { "localhost", "127.0.0.2" }, *const bad[] = { "nowhere" };
	const char *const local[] = { "127.0.0.1" };
	struct uwt_options options;
	struct uwt_server *server, *other;
	char error[UWT_ERROR_MAX] = "";
	const char *single = "";
	uint16_t port = 0, again = 0;

	program_options(&program, &options);
	options.tls = false;
	server = uwt_server_new(&options, error);
	other = uwt_server_new(&options, error);
	CHECK(server != NULL && other != NULL);
	if (server == NULL || other == NULL)
		return;
	CHECK(!uwt_server_listen(server, bad, 1, 0, &port, &single, error) && error[0] != '\0');
	CHECK(uwt_server_listen(server, both, 2, 0, &port, &single, error));
	CHECK(port != 0 && single == NULL);
	error[0] = '\0';
	CHECK(!uwt_server_listen(other, local, 1, port, &again, &single, error));
	CHECK(strstr(error, "127.0.0.1 port ") != NULL);
	uwt_server_free(server);
	/* Free again, and for who was refused before. */
	CHECK(uwt_server_listen(other, local, 1, port, &again, &single, error) && again == port);
	uwt_server_free(other);
	CHECK(uwt_host_valid("::1") && uwt_host_valid("unix:/x") && !uwt_host_valid("a.b"));
	CHECK(uwt_ranges_valid("10.0.0.0/8,::1") && !uwt_ranges_valid("10.0.0.0/33"));
}

static void test_unix(void)
{
	char directory[] = "/tmp/test_server.XXXXXX", path[80], error[UWT_ERROR_MAX];
	const char *addresses[] = { path }, *single;
	struct uwt_options options;
	struct uwt_server *server;
	uint16_t port = 99;

	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof path, "unix:%s/socket", directory);
	program_options(&program, &options);
	server = uwt_server_new(&options, error);
	CHECK(server != NULL && uwt_server_listen(server, addresses, 1, 0, &port, &single, error));
	CHECK(port == 0 && access(path + 5, F_OK) == 0);
	uwt_server_free(server);
	CHECK(access(path + 5, F_OK) != 0 && errno == ENOENT);
	CHECK(rmdir(directory) == 0);
}

/* -- options -------------------------------------------------------------------------------- */

static bool is_refused(const struct uwt_options *options, const char *why)
{
	char error[UWT_ERROR_MAX] = "";
	struct uwt_server *server = uwt_server_new(options, error);
	bool refused = server == NULL && strstr(error, why) != NULL && strchr(error, '\n') == NULL;

	uwt_server_free(server);
	return refused;
}

static void test_wrong_options(void)
{
	struct uwt_options options, wrong;

	uwt_options_init(&options);
	CHECK(is_refused(&options, "max_connections"));
	program_options(&program, &options);
	wrong = options;
	wrong.max_peers = UWT_LIMIT_MAX + 1;
	CHECK(is_refused(&wrong, "max_peers"));
	wrong = options;
	wrong.max_torrents = 0;
	CHECK(is_refused(&wrong, "max_torrents"));
	wrong = options;
	wrong.buffer_memory = 0;
	CHECK(is_refused(&wrong, "buffer_memory"));
	wrong = options;
	wrong.interval = 0;
	CHECK(is_refused(&wrong, "interval"));
	wrong = options;
	wrong.max_swarms = 65536;
	CHECK(is_refused(&wrong, "max_swarms"));
	wrong = options;
	wrong.max_rate = 65536;
	CHECK(is_refused(&wrong, "max_rate"));
	wrong = options;
	wrong.max_message = 0;
	CHECK(is_refused(&wrong, "max_message"));
	wrong = options;
	wrong.trusted = "10.0.0.0/99";
	CHECK(is_refused(&wrong, "10.0.0.0/99"));
	wrong = options;
	wrong.buffer_memory = UINT64_MAX / 4;
	CHECK(is_refused(&wrong, "memory"));
	uwt_server_free(NULL);
}

static void test_fit(void)
{
	struct uwt_options options;
	char error[UWT_ERROR_MAX] = "";
	struct uwt_server *server;
	uint64_t alone, asked;

	uwt_options_init(&options);
	CHECK(!uwt_options_fit(&options, 64 << 20, 10, error) && error[0] != '\0');
	CHECK(uwt_options_fit(&options, 64 << 20, 5000, error));
	CHECK(options.max_connections > 1000 && options.max_connections < 5000);
	CHECK(uwt_options_memory(&options) <= 64 << 20);
	server = uwt_server_new(&options, error);
	CHECK(server != NULL);
	uwt_server_free(server);
	/* A filter costs memory, and is reckoned with. */
	alone = uwt_options_memory(&options);
	program_options(&program, &options);
	options.tls = false;
	asked = uwt_options_memory(&options);
	options.callbacks.filter = NULL;
	CHECK(uwt_options_memory(&options) < asked && alone > 0);
}

/* Keys without TLS in the options; a pair that is none. */
static void test_keys(void)
{
	const struct uwt_pair none = { "", 0, "", 0 };
	struct uwt_doubts doubts;
	char error[UWT_ERROR_MAX] = "";
	size_t wrong = 9;

	BEGIN();
	CHECK(!uwt_server_keys(program.server, &none, 1, &wrong, error));
	CHECK(error[0] != '\0' && wrong == 0);
	CHECK(uwt_server_doubts(program.server, 0, &doubts) == program_secure);
	CHECK(!uwt_server_doubts(program.server, 1, &doubts));
	END();
}

/* -- without callbacks, and two of them ----------------------------------------------------- */

static void test_no_callbacks(void)
{
	struct uwt_options options;
	struct guest *guest, *plain;

	program_options(&program, &options);
	options.callbacks = (struct uwt_callbacks){ .context = NULL };
	BEGIN_WITH(&options);
	guest = visit(&program, "/", "");
	plain = visit_plainly(&program);
	request(plain, "GET /stats.json", "");
	request(plain, "PUT /", "");
	guest_heard(guest);
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	HEARD(guest, reply(0, 1, 'H'));
	say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	say(guest, "{");
	say(guest, "\xff");
	uwt_server_answer(program.server, 1, &(struct uwt_verdict){ UWT_ALLOW, NULL, 0 });
	TOLD("");
	END();
}

static void test_two(void)
{
	struct uwt_options options;
	struct guest *one, *two;

	BEGIN();
	program_options(&second, &options);
	options.interval = 1000000;
	options.max_connections = 5;
	options.max_swarms = 1;
	options.stats = options.landing = false;
	options.callbacks.filter = NULL;
	BEGIN_THAT(&second, &options);
	CHECK(program.port != second.port);
	one = visitor();
	two = visit(&second, "/two", "");
	HEARD(two, "101\n");
	CHECK(told(&second, "opened /two?none\n"));
	program.verdict = (struct uwt_verdict){ UWT_REFUSE, "one says no", 0 };
	guest_say(two, announce('a', 'H', ""));
	guest_say(one, announce('a', 'H', ""));
	guest_say(two, announce('a', 'I', ""));
	pump();
	HEARD(one, failure('H', "one says no"));
	HEARD_TWO(two, "{\"complete\":0,\"incomplete\":1,\"action\":\"announce\",\"interval\":200,"
	    "\"info_hash\":\"HHHHHHHHHHHHHHHHHHHH\"}\n",
	    failure('I', "too many torrents on this connection"));
	TOLD("warning one says no\n");
	CHECK(told(&second, "update a H" LOCAL "warning too many torrents on this connection\n"));
	CHECK(counts().members == 0 && uwt_server_counts(second.server).members == 1);
	let_go(one, guest_leave);
	END();  /* which lets all go */
	visit(&second, "/", "");
	pump();
	CHECK(uwt_server_counts(second.server).connections == 1);
	CHECK(ended_well(&second));
}

/* -- as the trackers before it -------------------------------------------------------------- */

/* uwt-js and bittorrent-tracker tell of each announce once, and their numbers are these after
 * start, complete, update and stop of two peers. */
static void test_as_before(void)
{
	struct uwt_torrent torrent;
	struct guest *leech, *seed, *page;

	BEGIN();
	leech = visitor();
	seed = visitor();
	say(leech, announce('a', 'H', ",\"event\":\"started\",\"left\":1000"));
	say(seed, announce('b', 'H', ",\"event\":\"started\",\"left\":0"));
	HEARD(leech, reply(0, 1, 'H'));
	HEARD(seed, reply(1, 1, 'H'));
	CHECK(uwt_torrent_find(program.server, hash('H'), &torrent));
	CHECK(torrent.complete == 1 && torrent.incomplete == 1);
	say(leech, announce('a', 'H', ",\"event\":\"completed\",\"left\":0"));
	say(seed, announce('b', 'H', ",\"left\":0"));
	HEARD(leech, reply(2, 0, 'H'));
	HEARD(seed, reply(2, 0, 'H'));
	page = visit_plainly(&program);
	request(page, "GET /stats.json", "");
	CHECK(strstr(guest_heard(page), "\"torrents\":1,\"activeTorrents\":1,\"peersAll\":2,"
	    "\"peersSeederOnly\":2,\"peersLeecherOnly\":0,") != NULL);
	say(leech, announce('a', 'H', ",\"event\":\"stopped\""));
	say(seed, announce('b', 'H', ",\"event\":\"stopped\""));
	TOLD("start a H" LOCAL "start b H" LOCAL "complete a H" LOCAL "update b H" LOCAL
	    "http GET /stats.json 127.0.0.1\n" "stop a H" LOCAL "stop b H" LOCAL);
	CHECK(!uwt_torrent_find(program.server, hash('H'), &torrent));
	END();
}

#define PINGS 400
#define PONG "pong x\n"

/* Of what comes at once only a share is worked off in a turn, and nobody waits for the rest. */
static void test_share(void)
{
	struct guest *flood, *other;
	int i;

	BEGIN();
	flood = visitor();
	other = visitor();
	for (i = 0; i < PINGS; i++)
		guest_frame(flood, GUEST_PING, "x", 1);
	while (guest_step(flood))
		continue;
	guest_say(other, announce('a', 'H', ""));
	while (guest_step(other))
		continue;
	for (i = 0; i < 3; i++)
		uwt_server_turn(program.server, 0);
	guest_step(flood);
	guest_step(other);
	CHECK(guest_heard_length(flood) >= strlen(PONG) &&
	    guest_heard_length(flood) <= PINGS / 2 * strlen(PONG));
	CHECK(same(guest_heard(other), reply(0, 1, 'H')));
	pump();
	CHECK(guest_heard_length(flood) == PINGS * strlen(PONG));
	END();
}

/* Some turns in which the first connection gives what its guest has written, and takes nothing. */
static void turn_stuck(struct guest *guest)
{
	struct pollfd there = { .fd = program.server->conns.at[1].fd, .events = POLLIN };
	int i;

	while (guest_step(guest))
		continue;
	CHECK(poll(&there, 1, 5000) == 1);
	program_stuck = true;
	for (i = 0; i < 3; i++)
		uwt_server_turn(program.server, 0);
	program_stuck = false;
}

/* Who does not read yet and sends more than its share has to wait for both, and no more than
 * that. */
static void test_share_unread(void)
{
	struct guest *guest;
	int i;

	BEGIN();
	guest = visitor();
	guest_frame(guest, GUEST_PING, "x", 1);
	turn_stuck(guest);
	for (i = 0; i < PINGS; i++)
		guest_frame(guest, GUEST_PING, "x", 1);
	turn_stuck(guest);
	guest_frame(guest, GUEST_PING, "x", 1);
	turn_stuck(guest);
	CHECK(counts().connections == 1);
	pump();
	CHECK(guest_heard_length(guest) == (PINGS + 2) * strlen(PONG));
	END();
}

static void test_all(void)
{
	RUN(test_share);
	RUN(test_share_unread);
	RUN(test_events);
	RUN(test_turn_is_told);
	RUN(test_warnings);
	RUN(test_error);
	RUN(test_pages);
	RUN(test_page_for_body);
	RUN(test_large_page);
	RUN(test_pages_by_proxy);
	RUN(test_opened_closed);
	RUN(test_not_opened);
	RUN(test_ends);
	RUN(test_ends_plainly);
	RUN(test_end_many);
	RUN(test_look);
	RUN(test_history);
	RUN(test_drop);
	RUN(test_look_within);
	RUN(test_end_within);
	RUN(test_close_within);
	RUN(test_close_within_drop);
	RUN(test_close_within_free);
	RUN(test_own_loop);
	RUN(test_own_loop_closes);
	RUN(test_run);
	RUN(test_keys);
	RUN(test_no_callbacks);
	RUN(test_two);
	RUN(test_as_before);
}

int main(void)
{
	RUN(test_listen);
	RUN(test_unix);
	RUN(test_wrong_options);
	RUN(test_fit);
	test_all();
	program_secure = uwt_has_tls();
	if (program_secure)
		test_all();
	return test_end();
}
