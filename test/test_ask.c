/* test_ask.c - questions to the program, by a server and its peers in one process */
#include "test.h"

#include <string.h>

#include "../inside.h"
#include "program.h"

static struct program program;

static const struct uwt_verdict allow = { UWT_ALLOW, NULL, 0 };
static const struct uwt_verdict refuse = { UWT_REFUSE, NULL, 0 };
static const struct uwt_verdict later = { UWT_LATER, NULL, 0 };

#define LOCAL " 127.0.0.1\n"

#define BEGIN_WITH(options) \
	do { \
		bool begun = program_begin(&program, options); \
\
		CHECK(begun); \
		if (!begun) \
			return; \
	} while (0)
#define BEGIN(how) \
	do { \
		BEGIN_WITH(NULL); \
		program.verdict = (how); \
	} while (0)

#define END() CHECK(ended_well())
#define HEARD(guest, text) CHECK(hears(guest, text, ""))
#define HEARD_TWO(guest, first, second) CHECK(hears(guest, first, second))
#define TOLD(text) CHECK(told(&program, text))

static bool ended_well(void)
{
	const char *fault = program_end(&program);

	if (fault != NULL)
		printf("%s\n", fault);
	return fault == NULL;
}

static struct uwt_counts counts(void)
{
	return uwt_server_counts(program.server);
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

/* -- at once -------------------------------------------------------------------------------- */

static void test_allow(void)
{
	struct guest *guest;

	BEGIN(allow);
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	HEARD(guest, reply(0, 1, 'H'));
	TOLD("start a H" LOCAL);
	CHECK(program.asked_count == 1);
	/* Who is in is not asked about again. */
	say(guest, announce('a', 'H', ""));
	say(guest, announce('a', 'H', ",\"event\":\"completed\",\"left\":0"));
	CHECK(program.asked_count == 1);
	TOLD("update a H" LOCAL "complete a H" LOCAL);
	/* In another torrent, or under another id, it is. */
	say(guest, announce('a', 'I', ""));
	say(guest, announce('b', 'H', ""));
	CHECK(program.asked_count == 3);
	CHECK(program_asked(&program, 1)->torrent == 'I');
	CHECK(program_asked(&program, 0)->peer == 'b');
	END();
}

static void test_refuse(void)
{
	struct guest *guest;

	BEGIN(refuse);
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	HEARD(guest, failure('H', "disallowed info_hash"));
	TOLD("warning disallowed info_hash\n");
	CHECK(counts().torrents == 0 && counts().members == 0 && counts().peers == 0);
	CHECK(tracker_clients(program.server->tracker) != NULL);
	/* It may try again, and is asked about again. */
	program.verdict = allow;
	say(guest, announce('a', 'H', ""));
	HEARD(guest, reply(0, 1, 'H'));
	TOLD("update a H" LOCAL);
	CHECK(program.asked_count == 2);
	END();
}

static void test_reasons(void)
{
	char longest[300], cut[UWT_REASON_MAX];
	struct guest *guest;

	BEGIN(refuse);
	guest = visitor();
	program.verdict.reason = "your key is unknown";
	say(guest, announce('a', 'H', ""));
	HEARD(guest, failure('H', "your key is unknown"));
	TOLD("warning your key is unknown\n");
	/* What does not fit into JSON and onto terminals as it is. */
	program.verdict.reason = "a \"b\" \\ c\n\x1b[2J \xc3\xa9";
	say(guest, announce('a', 'H', ""));
	HEARD(guest, failure('H', "a ?b? ? c??[2J ??"));
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	program.verdict.reason = longest;
	say(guest, announce('\x01', '\x02', ""));
	CHECK(strstr(guest_heard(guest), "invalid JSON") != NULL);
	say(guest, announce('a', 'H', ""));
	memcpy(cut, longest, sizeof cut - 1);
	cut[sizeof cut - 1] = '\0';
	HEARD(guest, failure('H', cut));
	program.verdict.reason = "";
	say(guest, announce('a', 'H', ""));
	HEARD(guest, failure('H', ""));
	END();
}

/* The longest failure: all characters of the ids are escaped. */
static void test_longest_failure(void)
{
	char text[400] = "{\"action\":\"announce\",\"info_hash\":\"", longest[UWT_REASON_MAX];
	struct guest *guest;
	const char *heard;
	int i;

	BEGIN(refuse);
	guest = visitor();
	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	program.verdict.reason = longest;
	for (i = 0; i < 20; i++)
		strcat(text, "\\u0001");
	strcat(text, "\",\"peer_id\":\"aaaaaaaaaaaaaaaaaaaa\"}");
	say(guest, text);
	heard = guest_heard(guest);
	CHECK(strstr(heard, longest) != NULL);
	CHECK(strcmp(heard + strlen(heard) - 10, "1\\u0001\"}\n") == 0);
	END();
}

/* What is not about becoming a member is not asked. */
static void test_not_asked(void)
{
	struct guest *guest;

	BEGIN(refuse);
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	HEARD(guest, reply(0, 0, 'H'));
	say(guest, "{\"action\":\"scrape\",\"info_hash\":[]}");
	say(guest, "{}");
	say(guest, "{\"action\":\"announce\"}");
	say(guest, announce('a', 'H', ",\"answer\":5"));
	CHECK(program.asked_count == 0);
	guest_heard(guest);
	END();
}

#define ANSWER ",\"answer\":{\"type\":\"answer\",\"sdp\":\"x\"},\"offer_id\":\"1\"," \
	"\"to_peer_id\":\"bbbbbbbbbbbbbbbbbbbb\""
#define RELAYED "{\"action\":\"announce\",\"answer\":{\"type\":\"answer\",\"sdp\":\"x\"}," \
	"\"offer_id\":\"1\",\"peer_id\":\"aaaaaaaaaaaaaaaaaaaa\"," \
	"\"info_hash\":\"HHHHHHHHHHHHHHHHHHHH\"}\n"

/* An answer makes its sender a member too. */
static void test_answers(void)
{
	struct guest *from, *to;

	BEGIN(allow);
	to = visitor();
	from = visitor();
	say(to, announce('b', 'H', ""));
	HEARD(to, reply(0, 1, 'H'));
	program_told(&program);
	program.verdict = refuse;
	say(from, announce('a', 'H', ANSWER));
	CHECK(program_asked(&program, 0)->answer && !program_asked(&program, 0)->again);
	/* It has no reply, so no failure either. */
	HEARD(from, "");
	HEARD(to, "");
	TOLD("warning disallowed info_hash\n");
	program.verdict = later;
	say(from, announce('a', 'H', ANSWER));
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	HEARD(to, RELAYED);
	TOLD("update a H" LOCAL);
	say(from, announce('a', 'H', ANSWER));
	HEARD(to, RELAYED);
	CHECK(program.asked_count == 3);
	END();
}

/* -- what a question says ------------------------------------------------------------------- */

static void test_contents(void)
{
	const struct asked *asked;
	struct guest *guest;
	const char *text;

	BEGIN(allow);
	guest = visit(&program, "/way/to?key=1%20&x", "X-Key:  first \r\nX-Key: second\r\n"
	    "X-Empty:\r\n");
	text = announce('a', 'H', ",\"event\":\"started\",\"left\":1.50e3");
	say(guest, text);
	asked = program_asked(&program, 0);
	CHECK(same(asked->method, "GET"));
	CHECK(same(asked->target, "/way/to?key=1%20&x"));
	CHECK(same(asked->path, "/way/to"));
	CHECK(same(asked->query, "key=1%20&x"));
	CHECK(same(asked->key, "first"));
	CHECK(same(asked->address, "127.0.0.1"));
	CHECK(same(asked->message, text));
	CHECK(same(asked->left, "1.50e3"));
	CHECK(same(asked->headers, "Host=localhost;Upgrade=websocket;Connection=Upgrade;"
	    "Sec-WebSocket-Version=13;Sec-WebSocket-Key=dGhlIHNhbXBsZSBub25jZQ==;X-Key=first;"
	    "X-Key=second;X-Empty=;"));
	CHECK(asked->event == UWT_START && !asked->again && !asked->answer);
	CHECK(asked->peer == 'a' && asked->torrent == 'H');
	CHECK(asked->secure == program_secure);
	CHECK(asked->number > 0 && asked->number < (uint64_t)1 << 53);
	CHECK(asked->connection == program.connection);
	END();
}

static void test_contents_less(void)
{
	const struct asked *asked;
	struct guest *guest;

	BEGIN(refuse);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	asked = program_asked(&program, 0);
	CHECK(same(asked->path, "/") && same(asked->query, "none"));
	CHECK(same(asked->key, "none") && same(asked->left, "none"));
	CHECK(asked->event == UWT_UPDATE);
	say(guest, announce('a', 'H', ",\"event\":\"completed\",\"left\":\"0\""));
	CHECK(program_asked(&program, 0)->event == UWT_COMPLETE);
	CHECK(same(program_asked(&program, 0)->left, "\"0\""));
	say(guest, announce('a', 'H', ",\"event\":\"paused\",\"left\":{\"a\":[1, 2]}"));
	CHECK(program_asked(&program, 0)->event == UWT_UPDATE);
	CHECK(same(program_asked(&program, 0)->left, "{\"a\":[1, 2]}"));
	say(guest, announce('a', 'H', ",\"left\":null"));
	CHECK(same(program_asked(&program, 0)->left, "null"));
	/* Each has its own number. */
	CHECK(program_asked(&program, 0)->number != program_asked(&program, 1)->number);
	CHECK(program_asked(&program, 0)->connection == program_asked(&program, 1)->connection);
	END();
}

/* The longest head there is is kept whole. */
static void test_long_head(void)
{
	char headers[8100] = "X-Long: ";
	struct guest *guest;

	BEGIN(allow);
	memset(headers + 8, 'y', 7900);
	strcpy(headers + 7908, "\r\nX-Key: end\r\n");
	guest = visit(&program, "/", headers);
	HEARD(guest, "101\n");
	CHECK(buf_pool_used(program.server->pool) > 0);
	say(guest, announce('a', 'H', ""));
	CHECK(same(program_asked(&program, 0)->key, "end"));
	END();
}

/* Without what they were opened by. */
static void test_without_heads(void)
{
	const struct asked *asked;
	struct uwt_options options;
	struct guest *guest;

	program_options(&program, &options);
	options.keep_requests = false;
	BEGIN_WITH(&options);
	guest = visit(&program, "/?key=1", "X-Key: 1\r\n");
	CHECK(buf_pool_used(program.server->pool) == 0);
	say(guest, announce('a', 'H', ""));
	asked = program_asked(&program, 0);
	CHECK(same(asked->address, "127.0.0.1") && asked->connection == program.connection);
	CHECK(asked->secure == program_secure && same(asked->key, "none"));
	CHECK(same(asked->target, "none") && same(asked->path, "none"));
	CHECK(same(asked->method, "none") && same(asked->headers, ""));
	END();
}

/* Heads that there is no room for. */
static void test_no_room_for_heads(void)
{
	struct uwt_options options;
	struct guest *guests[24];
	char headers[8100] = "X-Long: ";
	unsigned refused = 0, opened = 0, i;

	program_options(&program, &options);
	options.buffer_memory = 64 * 1024;
	options.max_message = 16 * 1024;
	BEGIN_WITH(&options);
	memset(headers + 8, 'y', 4000);
	strcpy(headers + 4008, "\r\n");
	for (i = 0; i < 24; i++) {
		guests[i] = visit(&program, "/", headers);
		if (guest_ended(guests[i]))
			continue;
		opened += strcmp(guest_heard(guests[i]), "101\n") == 0;
	}
	for (i = 0; i < 24; i++)
		refused += strncmp(guest_heard(guests[i]), "503 text/", 9) == 0;
	CHECK(opened > 0 && refused > 0 && opened + refused == 24);
	/* No head drives out another. */
	CHECK(program.opened == opened && program.closed == 0);
	CHECK(strstr(program_told(&program), "warning HTTP request refused: ") != NULL);
	END();
}

/* -- later ---------------------------------------------------------------------------------- */

static void test_later(void)
{
	struct guest *guest;

	BEGIN(later);
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	pass(5000);
	HEARD(guest, "");
	TOLD("");
	CHECK(counts().members == 0 && counts().torrents == 0);
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	TOLD("");       /* nothing happens but in a turn */
	CHECK(uwt_server_wait(program.server) == 0);
	pump();
	HEARD(guest, reply(0, 1, 'H'));
	TOLD("start a H" LOCAL);
	CHECK(program.asked_count == 1);
	say(guest, announce('a', 'I', ""));
	program_answer(&program, program_asked(&program, 0)->number, "not today");
	pump();
	HEARD(guest, failure('I', "not today"));
	TOLD("warning not today\n");
	CHECK(counts().torrents == 1);
	END();
}

/* What one connection says waits and keeps its order; others go on. */
static void test_order(void)
{
	const char *second = announce('a', 'J', "");
	struct guest *guest, *other;

	BEGIN(later);
	guest = visitor();
	other = visitor();
	guest_say(guest, announce('a', 'H', ""));
	guest_frame(guest, GUEST_PING, "one", 3);
	guest_say(guest, announce('a', 'I', ""));
	guest_frame(guest, GUEST_FIRST, second, 30);
	guest_frame(guest, GUEST_PING, "two", 3);
	guest_frame(guest, GUEST_LAST, second + 30, strlen(second) - 30);
	say(guest, announce('a', 'H', ",\"event\":\"stopped\""));
	HEARD(guest, "");
	CHECK(program.asked_count == 1);
	program.verdict = allow;
	say(other, announce('b', 'H', ""));
	HEARD(other, reply(0, 1, 'H'));
	program.verdict = later;
	program_answer(&program, program_asked(&program, 1)->number, NULL);
	pump();
	HEARD_TWO(guest, reply(0, 2, 'H'), "pong one\n");
	CHECK(program_asked(&program, 0)->torrent == 'I');
	program_answer(&program, program_asked(&program, 0)->number, "no");
	pump();
	HEARD_TWO(guest, failure('I', "no"), "pong two\n");
	CHECK(program_asked(&program, 0)->torrent == 'J');
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	HEARD_TWO(guest, reply(0, 1, 'J'), reply(0, 1, 'H'));
	TOLD("update b H" LOCAL "update a H" LOCAL "warning no\nupdate a J" LOCAL "stop a H" LOCAL);
	END();
}

/* All that fits into sockets behind a question comes later, and comes whole. */
static void test_much_waits(void)
{
	struct guest *guest;
	char text[300];
	unsigned i, lines = 0;
	const char *at;

	BEGIN(later);
	guest = visitor();
	guest_say(guest, announce('a', 'H', ""));
	for (i = 0; i < 2000; i++) {
		snprintf(text, sizeof text, "%4u%.*s", i, (int)(i % 110),
		    "--------------------------------------------------------------"
		    "------------------------------------------------------------");
		guest_frame(guest, GUEST_PING, text, strlen(text));
	}
	pump();
	HEARD(guest, "");
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	at = guest_heard(guest);
	CHECK(strncmp(at, "{\"complete\"", 11) == 0);
	for (at = strchr(at, '\n') + 1; *at != '\0'; at = strchr(at, '\n') + 1) {
		snprintf(text, sizeof text, "pong %4u", lines);
		CHECK(strncmp(at, text, strlen(text)) == 0);
		lines++;
	}
	CHECK(lines == 2000);
	END();
}

static void test_no_verdict(void)
{
	struct guest *guest;
	uint64_t number;

	BEGIN(later);
	guest = visitor();
	guest_say(guest, announce('a', 'H', ""));
	say(guest, announce('a', 'I', ""));
	number = program_asked(&program, 0)->number;
	CHECK(uwt_server_wait(program.server) == UWT_ANSWER_TIME);
	pass(UWT_ANSWER_TIME - 1);
	HEARD(guest, "");
	program.verdict = allow;
	pass(1);
	HEARD_TWO(guest, failure('H', "the filter did not answer"),
	    reply(0, 1, 'I'));
	TOLD("warning the filter did not answer\nupdate a I" LOCAL);
	/* Too late. */
	program_answer(&program, number, NULL);
	pump();
	HEARD(guest, "");
	CHECK(counts().members == 1);
	/* The connection is as good as before: it is pinged after its time, and lives. */
	pass(45000);
	HEARD(guest, "ping\n");
	END();
}

/* One that comes just in time counts, though the turn after it is late. */
static void test_last_moment(void)
{
	struct guest *guest;

	BEGIN(later);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	clock_pass(UWT_ANSWER_TIME - 1);
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	clock_pass(2);
	pump();
	HEARD(guest, reply(0, 1, 'H'));
	TOLD("update a H" LOCAL);
	END();
}

static void test_odd_answers(void)
{
	struct uwt_server *server;
	struct guest *guest;
	uint64_t number;

	BEGIN(later);
	server = program.server;
	guest = visitor();
	program_answer(&program, 1, NULL);      /* there was no question yet */
	say(guest, announce('a', 'H', ""));
	number = program_asked(&program, 0)->number;
	program_answer(&program, 0, NULL);
	program_answer(&program, UINT64_MAX, NULL);
	program_answer(&program, number + 1, NULL);
	program_answer(&program, number + ((uint64_t)1 << 25), NULL);
	uwt_server_answer(server, number, &later);
	pump();
	HEARD(guest, "");
	/* The first counts. */
	program_answer(&program, number, "no");
	program_answer(&program, number, NULL);
	pump();
	program_answer(&program, number, NULL);
	pump();
	HEARD(guest, failure('H', "no"));
	/* An old number does not answer a new question. */
	say(guest, announce('a', 'H', ""));
	program_answer(&program, number, "old");
	pump();
	HEARD(guest, "");
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	HEARD(guest, reply(0, 1, 'H'));
	END();
}

/* One verdict for all that wait; what was said before stays said. */
static void test_answer_all(void)
{
	struct guest *guests[3];
	int i;

	BEGIN(later);
	uwt_server_answer_all(program.server, &refuse);
	for (i = 0; i < 3; i++) {
		guests[i] = visitor();
		say(guests[i], announce((char)('a' + i), 'H', ""));
	}
	uwt_server_answer_all(program.server, &later);
	pump();
	HEARD(guests[0], "");
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	uwt_server_answer_all(program.server, &refuse);
	uwt_server_answer_all(program.server, &allow);
	CHECK(uwt_server_wait(program.server) == 0);
	pump();
	HEARD(guests[0], failure('H', "disallowed info_hash"));
	HEARD(guests[1], failure('H', "disallowed info_hash"));
	HEARD(guests[2], reply(0, 1, 'H'));
	uwt_server_answer_all(program.server, &refuse);
	pump();
	HEARD(guests[2], "");
	END();
}

static void answer_within(struct program *asking, const char *callback)
{
	if (strcmp(callback, "filter") == 0)
		program_answer(asking, program_asked(asking, asking->meddled)->number, NULL);
}

/* An answer from within the callback, to the question itself and to the one before. */
static void test_answer_within(void)
{
	struct guest *guest, *other;

	BEGIN(later);
	guest = visitor();
	other = visitor();
	program.meddle = answer_within;
	say(guest, announce('a', 'H', ""));
	HEARD(guest, reply(0, 1, 'H'));
	/* What is said at last counts. */
	program.verdict = refuse;
	say(guest, announce('a', 'I', ""));
	HEARD(guest, failure('I', "disallowed info_hash"));
	program.verdict = later;
	program.meddle = NULL;
	say(guest, announce('a', 'J', ""));
	program.meddle = answer_within;
	program.meddled = 1;
	say(other, announce('b', 'K', ""));
	HEARD(guest, reply(0, 1, 'J'));
	HEARD(other, "");
	/* And back: this one is asked while the other's answer is worked on. */
	guest_say(other, announce('b', 'L', ""));
	say(guest, announce('a', 'K', ""));
	HEARD(other, reply(0, 1, 'K'));
	HEARD(guest, reply(0, 2, 'K'));
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	HEARD(other, reply(0, 1, 'L'));
	END();
}

/* -- goings --------------------------------------------------------------------------------- */

static void test_gone_while_asked(void)
{
	struct guest *guest;
	uint64_t number;

	BEGIN(later);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	number = program_asked(&program, 0)->number;
	let_go(guest, guest_break);
	TOLD("closed\n");
	CHECK(counts().connections == 0);
	program_answer(&program, number, NULL);
	pump();
	TOLD("");
	/* Its place is another's now, which no old answer reaches. */
	guest = visitor();
	say(guest, announce('b', 'I', ""));
	program_answer(&program, number, NULL);
	pump();
	HEARD(guest, "");
	CHECK(counts().members == 0);
	END();
}

/* One that has said its last is still answered; and then is gone. */
static void test_finished_while_asked(void)
{
	struct guest *guest;

	BEGIN(later);
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	guest_finish(guest);
	pass(1000);
	TOLD("");
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	CHECK(strncmp(guest_heard(guest), reply(0, 1, 'H'), 60) == 0);
	TOLD("start a H" LOCAL "stop a H" LOCAL "closed\n");
	CHECK(counts().connections == 0);
	END();
}

/* A close frame is a later message too. */
static void test_closed_while_asked(void)
{
	struct guest *guest;

	BEGIN(later);
	guest = visitor();
	guest_say(guest, announce('a', 'H', ""));
	guest_frame(guest, GUEST_CLOSE, "\x03\xe8", 2);
	pump();
	TOLD("");
	HEARD(guest, "");
	pass(UWT_ANSWER_TIME);
	HEARD_TWO(guest, failure('H', "the filter did not answer"),
	    "close 1000\nend\n");
	TOLD("warning the filter did not answer\nclosed\n");
	END();
}

static void test_server_closes(void)
{
	struct guest *guest, *deaf;
	uint64_t number;

	BEGIN(later);
	guest = visitor();
	deaf = visitor();
	guest_say(deaf, announce('b', 'H', ""));
	guest_say(guest, announce('a', 'H', ""));
	say(guest, announce('a', 'I', ""));
	number = program_asked(&program, 0)->number;
	uwt_server_close(program.server, 1000);
	program_answer(&program, number, NULL);
	pump();
	HEARD(guest, "close 1001\nend\n");
	TOLD("");
	/* What it still says is thrown away, its end is noticed. */
	say(guest, announce('a', 'J', ""));
	let_go(guest, guest_leave);
	TOLD("closed\n");
	CHECK(uwt_server_turn(program.server, 0));
	pass(1000);
	CHECK(!uwt_server_turn(program.server, 0));
	TOLD("closed\n");
	CHECK(program.asked_count == 2);
	END();
}

/* The program ends one that it was asked about. */
static void test_ended_while_asked(void)
{
	struct guest *guest;

	BEGIN(later);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	CHECK(uwt_server_end(program.server, program.connection));
	program_answer(&program, program_asked(&program, 0)->number, NULL);
	pump();
	CHECK(strstr(guest_heard(guest), "close 1008\n") != NULL);
	guest_finish(guest);
	pump();
	CHECK(strstr(program_told(&program), "closed\n") != NULL);
	CHECK(counts().connections == 0);
	END();
}

static void end_asker(struct program *asked, const char *callback)
{
	if (strcmp(callback, "filter") == 0)
		asked->meddled += uwt_server_end(asked->server, asked->connection);
}

/* From within the callback, whatever it then says. */
static void test_ended_by_filter(void)
{
	struct uwt_verdict verdicts[] = { allow, refuse, later };
	struct guest *guest;
	size_t i;

	BEGIN(allow);
	program.meddle = end_asker;
	for (i = 0; i < 3; i++) {
		guest = visitor();
		program.verdict = verdicts[i];
		say(guest, announce('a', 'H', ""));
		CHECK(program.meddled == i + 1);
		CHECK(strstr(guest_heard(guest), "close 1008\nend\n") != NULL);
		CHECK(counts().members == 0);
		let_go(guest, guest_leave);
		CHECK(counts().connections == 0);
	}
	END();
}

/* A server that is freed while questions wait. */
static void test_freed_while_asked(void)
{
	struct guest *guest;

	BEGIN(later);
	guest = visitor();
	guest_say(guest, announce('a', 'H', ""));
	say(guest, announce('a', 'I', ""));
	CHECK(program.asked_count == 1);
	uwt_server_free(program.server);
	TOLD("closed\n");
	program.server = NULL;
	program_forget(&program);
}

/* -- again ---------------------------------------------------------------------------------- */

static void test_again(void)
{
	const struct uwt_verdict minute = { UWT_ALLOW, NULL, 60 };
	struct guest *guest;

	BEGIN(minute);
	guest = visitor();
	say(guest, announce('a', 'H', ",\"event\":\"started\""));
	pass(30000);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 1);
	/* Half of it is over: that did not begin anew. */
	pass(30000);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 2);
	CHECK(program_asked(&program, 0)->again && program_asked(&program, 0)->event == UWT_UPDATE);
	pass(59000);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 2);
	program_told(&program);
	guest_heard(guest);
	program.verdict = refuse;
	pass(1000);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 3);
	HEARD(guest, failure('H', "disallowed info_hash"));
	TOLD("stop a H" LOCAL "warning disallowed info_hash\n");
	CHECK(counts().members == 0 && counts().torrents == 0);
	END();
}

/* While it is not known whether a member may stay, it is one. */
/* A refusal that is meant for those who come does not end a membership, and is asked again. */
static void test_refuse_new(void)
{
	const struct uwt_verdict minute = { UWT_ALLOW, NULL, 60 },
	    new = { UWT_REFUSE_NEW, "not now", 60 };
	struct guest *guest, *other;

	BEGIN(minute);
	guest = visitor();
	other = visitor();
	say(guest, announce('a', 'H', ""));
	HEARD(guest, reply(0, 1, 'H'));
	pass(60000);
	guest_heard(guest);
	guest_heard(other);
	program.verdict = new;
	say(guest, announce('a', 'H', ""));
	CHECK(program_asked(&program, 0)->again);
	HEARD(guest, reply(0, 1, 'H'));
	say(other, announce('b', 'H', ""));
	HEARD(other, failure('H', "not now"));
	pass(59000);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 3);
	pass(1000);
	program.verdict = later;
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 4);
	uwt_server_answer_all(program.server, &new);
	pump();
	CHECK(counts().members == 1);
	END();
}

/* Of verdicts that come together a turn acts on some. */
static void test_many_at_once(void)
{
	enum { GUESTS = 200 };
	struct guest *guests[GUESTS];
	unsigned i;

	BEGIN(later);
	for (i = 0; i < GUESTS; i++) {
		guests[i] = visitor();
		guest_say(guests[i], announce((char)('a' + i % 20), 'H', ""));
	}
	pump();
	CHECK(program.asked_count == GUESTS && counts().members == 0);
	uwt_server_answer_all(program.server, &allow);
	CHECK(uwt_server_wait(program.server) == 0);
	uwt_server_turn(program.server, 0);
	CHECK(counts().members > 0 && counts().members <= GUESTS / 2);
	pump();
	CHECK(uwt_server_wait(program.server) != 0);
	END();
}

/* Pings keep a member, but not one whose allowance is over. */
static void test_again_pinged(void)
{
	const struct uwt_verdict second = { UWT_ALLOW, NULL, 1 };
	struct guest *guests[2];
	int i, each;

	BEGIN(allow);
	guests[0] = visitor();
	guests[1] = visitor();
	say(guests[0], announce('a', 'H', ""));
	program.verdict = second;
	say(guests[1], announce('b', 'H', ""));
	CHECK(counts().members == 2);
	for (i = 0; i < 50; i++) {
		for (each = 0; each < 2; each++)
			guest_frame(guests[each], GUEST_PING, "", 0);
		pass(30000);
	}
	CHECK(counts().members == 1 && counts().connections == 2);
	END();
}

static void test_again_later(void)
{
	const struct uwt_verdict minute = { UWT_ALLOW, NULL, 60 }, ever = { UWT_ALLOW, NULL, 0 };
	struct guest *guest;

	BEGIN(minute);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	pass(40000);
	say(guest, "{}");
	pass(21000);
	program.verdict = later;
	program_told(&program);
	guest_heard(guest);
	say(guest, announce('a', 'H', ""));
	CHECK(program_asked(&program, 0)->again && counts().members == 1);
	uwt_server_answer(program.server, program_asked(&program, 0)->number, &ever);
	pump();
	HEARD(guest, reply(0, 1, 'H'));
	TOLD("update a H" LOCAL);
	/* For good now, as long as it is there. */
	pass(600000 / 5);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 2);
	END();
}

/* A very long time is not a short one. */
static void test_again_never(void)
{
	const struct uwt_verdict age = { UWT_ALLOW, NULL, UINT32_MAX };
	struct guest *guest;

	BEGIN(age);
	guest = visitor();
	pass(20000);
	say(guest, announce('a', 'H', ""));
	pass(20000);
	say(guest, announce('a', 'H', ""));
	CHECK(program.asked_count == 1);
	END();
}

/* The torrent goes while its member waits to be allowed again. */
static void test_dropped_while_asked(void)
{
	const struct uwt_verdict second = { UWT_ALLOW, NULL, 1 };
	uint8_t info_hash[UWT_ID_SIZE];
	struct guest *guest;

	BEGIN(second);
	memset(info_hash, 'H', sizeof info_hash);
	guest = visitor();
	say(guest, announce('a', 'H', ""));
	pass(2000);
	program.verdict = later;
	say(guest, announce('a', 'H', ""));
	program_told(&program);
	guest_heard(guest);
	uwt_torrent_drop(program.server, info_hash);
	TOLD("stop a H" LOCAL);
	program_answer(&program, program_asked(&program, 0)->number, "gone");
	pump();
	HEARD(guest, failure('H', "gone"));
	TOLD("warning gone\n");
	END();
}

/* -- many ----------------------------------------------------------------------------------- */

#define CROWD_MAX 200

/* Handshakes take time. */
static unsigned crowd_size(void)
{
	return program_secure ? CROWD_MAX / 5 : CROWD_MAX;
}

static void test_crowd(void)
{
	struct guest *guests[CROWD_MAX];
	unsigned crowd = crowd_size(), i;

	BEGIN(later);
	for (i = 0; i < crowd; i++)
		guests[i] = visit(&program, "/?a-key-of-some-length", "X-Key: 1\r\n");
	for (i = 0; i < crowd; i++) {
		guest_say(guests[i], announce((char)('!' + i % 90 + (i % 90 > 0) + (i % 90 > 57)),
		    'H', ""));
		guest_say(guests[i], announce('z', 'I', ",\"event\":\"stopped\""));
	}
	pump();
	CHECK(program.asked_count == crowd && counts().members == 0);
	/* In the order of their numbers reversed, in some turns. */
	for (i = 0; i < crowd; i++) {
		program_answer(&program, program_asked(&program, i)->number, i % 4 == 3 ? "no" :
		    NULL);
		if (i % 16 == 15)
			pump();
	}
	pump();
	CHECK(counts().members == crowd * 3 / 4);
	for (i = 0; i < crowd; i++)
		CHECK(strstr(guest_heard(guests[i]), reply(0, 0, 'I')) != NULL);
	END();
}

/* Messages that wait take buffers, and only those there are. */
static void test_waiting_takes_buffers(void)
{
	struct uwt_options options;
	struct guest *guests[100];
	char text[1000] = ",\"padding\":\"";
	unsigned i, ended = 0, kept = 0;

	program_options(&program, &options);
	options.buffer_memory = 64 * 1024;
	options.max_message = 16 * 1024;
	BEGIN_WITH(&options);
	program.verdict = later;
	memset(text + strlen(text), 'x', 900);
	strcat(text, "\"");
	for (i = 0; i < 100; i++)
		guests[i] = visit(&program, "/", "");
	for (i = 0; i < 100; i++)
		say(guests[i], announce((char)('a' + i % 26), 'H', text));
	for (i = 0; i < 100; i++)
		ended += guest_ended(guests[i]);
	CHECK(ended > 0 && ended < 100);
	for (i = 0; i < program.asked_count; i++)
		program_answer(&program, program.asked[i].number, NULL);
	pump();
	for (i = 0; i < 100; i++)
		kept += strstr(guest_heard(guests[i]), "\"interval\":120") != NULL;
	CHECK(kept > 0 && kept + ended <= 100 && kept == counts().members);
	END();
}

/* -- as the trackers before it -------------------------------------------------------------- */

/* bittorrent-tracker, test/filter.js: one torrent is refused, with and without an Error; the other
 * is served after it on the same connection. */
static void choose(struct program *asked, const char *callback)
{
	if (strcmp(callback, "filter") == 0)
		asked->verdict = (struct uwt_verdict){
			program_asked(asked, 0)->torrent == 'A' ? UWT_ALLOW : UWT_REFUSE,
			program_asked(asked, 0)->torrent == 'C' ? "info_hash is not allowed" : NULL,
			0 };
}

static void test_as_before(void)
{
	struct guest *guest;

	BEGIN(allow);
	program.meddle = choose;
	guest = visitor();
	say(guest, announce('a', 'B', ",\"event\":\"started\""));
	HEARD(guest, "{\"action\":\"announce\",\"failure reason\":\"disallowed info_hash\","
	    "\"info_hash\":\"BBBBBBBBBBBBBBBBBBBB\"}\n");
	TOLD("warning disallowed info_hash\n");
	say(guest, announce('a', 'C', ",\"event\":\"started\""));
	HEARD(guest, failure('C', "info_hash is not allowed"));
	TOLD("warning info_hash is not allowed\n");
	CHECK(counts().torrents == 0);
	say(guest, announce('a', 'A', ",\"event\":\"started\""));
	HEARD(guest, reply(0, 1, 'A'));
	TOLD("start a A" LOCAL);
	CHECK(counts().torrents == 1);
	END();
}

static void test_all(void)
{
	RUN(test_allow);
	RUN(test_refuse);
	RUN(test_reasons);
	RUN(test_longest_failure);
	RUN(test_not_asked);
	RUN(test_answers);
	RUN(test_contents);
	RUN(test_contents_less);
	RUN(test_long_head);
	RUN(test_without_heads);
	RUN(test_no_room_for_heads);
	RUN(test_later);
	RUN(test_order);
	RUN(test_much_waits);
	RUN(test_no_verdict);
	RUN(test_last_moment);
	RUN(test_odd_answers);
	RUN(test_answer_all);
	RUN(test_answer_within);
	RUN(test_gone_while_asked);
	RUN(test_finished_while_asked);
	RUN(test_closed_while_asked);
	RUN(test_server_closes);
	RUN(test_ended_while_asked);
	RUN(test_ended_by_filter);
	RUN(test_freed_while_asked);
	RUN(test_again);
	RUN(test_again_pinged);
	RUN(test_refuse_new);
	RUN(test_many_at_once);
	RUN(test_again_later);
	RUN(test_again_never);
	RUN(test_dropped_while_asked);
	RUN(test_crowd);
	RUN(test_waiting_takes_buffers);
	RUN(test_as_before);
}

int main(void)
{
	test_all();
	program_secure = uwt_has_tls();
	if (program_secure)
		test_all();
	return test_end();
}
