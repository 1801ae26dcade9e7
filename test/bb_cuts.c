/* bb_cuts.c - messages that arrive in two parts, cut at every byte, and byte by byte. */
#include "harness.h"

#include <string.h>

/* Two clients in one swarm, so that what one sends is also relayed. */
struct pair {
	struct server *server;
	struct client *client, *other;
	struct id hash, id, other_id;
};

static struct pair pair_make(void)
{
	struct pair pair = { .hash = id_hash(), .id = id_peer(), .other_id = id_peer() };

	pair.server = server_start(NULL);
	pair.client = client_open(pair.server);
	pair.other = client_open(pair.server);
	JOIN(pair.other, pair.hash, pair.other_id, "");
	JOIN(pair.client, pair.hash, pair.id, "");
	return pair;
}

/* Send bytes at every cut, then one by one; after each, `check` reads what they bring. */
static void cut_everywhere(struct pair *pair, const struct text *bytes,
    void (*check)(struct pair *))
{
	size_t cut, i;

	for (cut = 1; cut < bytes->len; cut++) {
		test_case("cut at %zu of %zu", cut, bytes->len);
		client_write(pair->client, bytes->bytes, cut);
		server_turn(pair->server);
		client_write(pair->client, bytes->bytes + cut, bytes->len - cut);
		check(pair);
	}
	test_case("byte by byte");
	for (i = 0; i < bytes->len; i++) {
		client_write(pair->client, bytes->bytes + i, 1);
		server_turn(pair->server);
	}
	check(pair);
	SILENT(pair->client);
	SILENT(pair->other);
}

static void check_announce(struct pair *pair)
{
	REPLY(pair->client, 0, 2, pair->hash);
	RELAYED(pair->other, 0, pair->id, pair->hash);
}

static void cuts_announce(void)
{
	struct pair pair = pair_make();
	struct text text = { NULL, 0, 0 };
	char *message = format_text("{'numwant':5,'uploaded':0,'left':null,'event':'started',"
	    "'action':'announce','info_hash':'%s','peer_id':'%s'%s}", pair.hash.text, pair.id.text,
	    offers_made(1));

	frame_add(&text, FIN | TEXT, message, strlen(message));
	cut_everywhere(&pair, &text, check_announce);
}

static void check_answer(struct pair *pair)
{
	ANSWERED(pair->other, pair->id, pair->hash);
}

static void cuts_answer(void)
{
	struct pair pair = pair_make();
	struct text text = { NULL, 0, 0 };
	char *message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'%s}",
	    pair.hash.text, pair.id.text, answer_made(pair.other_id));

	frame_add(&text, FIN | TEXT, message, strlen(message));
	cut_everywhere(&pair, &text, check_answer);
}

static void check_pong_announce(struct pair *pair)
{
	struct frame frame;

	CHECK(client_next(pair->client, &frame, 5) == NEXT_FRAME);
	CHECK_NUMBER(frame.opcode, PONG);
	CHECK_TEXT(frame.payload, "between");
	check_announce(pair);
}

/* Three fragments, a ping and a pong between them, an empty message before them. */
static void cuts_fragments(void)
{
	struct pair pair = pair_make();
	struct text text = { NULL, 0, 0 };
	char *message = format_text("{'action':'announce','x':'\xc3\xbf','info_hash':'%s',"
	    "'peer_id':'%s'%s}", pair.hash.text, pair.id.text, offers_made(1));
	size_t len = strlen(message);

	frame_add(&text, FIN | TEXT, "", 0);
	frame_add(&text, TEXT, message, 27);   /* inside the code point */
	frame_add(&text, FIN | PING, "between", 7);
	frame_add(&text, CONTINUATION, message + 27, 40);
	frame_add(&text, FIN | PONG, "", 0);
	frame_add(&text, FIN | CONTINUATION, message + 67, len - 67);
	cut_everywhere(&pair, &text, check_pong_announce);
}

static void check_two(struct pair *pair)
{
	EXPECT(pair->client, "{'action':'scrape','files':{'%s':{'complete':0,'incomplete':2,"
	    "'downloaded':0}},'flags':{'min_request_interval':120}}", pair->hash.text);
	EXPECT(pair->client, "{'failure reason':'invalid JSON'}");
}

static void cuts_two_messages(void)
{
	struct pair pair = pair_make();
	struct text text = { NULL, 0, 0 };
	char *message = format_text("{'action':'scrape','info_hash':['%s']}", pair.hash.text);

	frame_add(&text, FIN | BINARY, message, strlen(message));
	frame_add(&text, FIN | TEXT, "nonsense", 8);
	cut_everywhere(&pair, &text, check_two);
}

/* Heads of 8 and of 14 bytes. */
static void cuts_long_heads(void)
{
	struct pair pair = pair_make();
	struct text text = { NULL, 0, 0 };
	struct frame frame;
	char *message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'%s}%s",
	    pair.hash.text, pair.id.text, offers_made(1), text_repeat(" ", 70000));
	size_t cut;

	frame_add(&text, FIN | TEXT, message, 70000);
	for (cut = 1; cut < 20; cut++) {
		test_case("cut at %zu", cut);
		client_write(pair.client, text.bytes, cut);
		server_turn(pair.server);
		client_write(pair.client, text.bytes + cut, text.len - cut);
		check_announce(&pair);
	}
	for (cut = 1000; cut < text.len; cut += 6553) {
		test_case("cut at %zu", cut);
		client_write(pair.client, text.bytes, cut);
		server_turn(pair.server);
		client_write(pair.client, text.bytes + cut, text.len - cut);
		check_announce(&pair);
	}
	CHECK(client_next(pair.client, &frame, 0) == NEXT_NOTHING);
}

static void cuts_close(void)
{
	struct server *server = server_start(NULL);
	struct text text = { NULL, 0, 0 };
	struct client *client;
	size_t cut;

	frame_add(&text, FIN | CLOSE, "\x03\xe9" "bye", 5);
	for (cut = 1; cut < text.len; cut++) {
		test_case("cut at %zu", cut);
		client = client_open(server);
		client->closing = true;
		client_write(client, text.bytes, cut);
		server_turn(server);
		client_write(client, text.bytes + cut, text.len - cut);
		CLOSED(client, 1001);
		client_close(client);
	}
}

static void check_page(struct pair *pair)
{
	struct reply reply = client_reply(pair->client);

	CHECK_NUMBER(reply.status, 200);
	CHECK_NUMBER(json_number(reply.body, "peersAll"), 0);
}

static void cuts_page(void)
{
	static const char request[] = "GET /stats.json HTTP/1.1\r\nHost: localhost\r\n"
	    "User-Agent: test\r\nAccept: */*\r\n\r\n";
	struct pair pair = { .server = server_start(NULL) };
	size_t cut, len = sizeof(request) - 1;

	pair.client = client_connect(pair.server);
	for (cut = 1; cut < len; cut++) {
		test_case("cut at %zu", cut);
		client_write(pair.client, request, cut);
		server_turn(pair.server);
		client_write(pair.client, request + cut, len - cut);
		check_page(&pair);
	}
	for (cut = 0; cut < len; cut++) {
		client_write(pair.client, request + cut, 1);
		server_turn(pair.server);
	}
	check_page(&pair);
}

/* Whoever leaves in the middle of a message leaves nothing behind. */
static void cuts_left(void)
{
	struct server *server = server_start(NULL);
	struct text text = { NULL, 0, 0 };
	struct id hash = id_hash(), id = id_peer();
	struct client *client;
	char *message = format_text("{'action':'announce','info_hash':'%s','peer_id':'%s'}",
	    hash.text, id.text);
	size_t cut;

	frame_add(&text, TEXT, message, 50);
	frame_add(&text, FIN | CONTINUATION, message + 50, strlen(message) - 50);
	for (cut = 1; cut < text.len; cut++) {
		test_case("cut at %zu", cut);
		client = client_open(server);
		client_write(client, text.bytes, cut);
		if (cut % 3 == 0)
			server_turn(server);
		if (cut % 2 == 0)
			client_reset(client);
		else
			client_close(client);
	}
	server_settle(server);
	CHECK_TEXT(server_event(server, 0), "none");
}

const struct bb_test bb_cuts[] = {
	TEST(cuts_announce, FITS, 0), TEST(cuts_answer, FITS, 0), TEST(cuts_fragments, FITS, 0),
	TEST(cuts_two_messages, FITS, 0), TEST(cuts_long_heads, LARGE, 0),
	TEST(cuts_close, FITS, 0), TEST(cuts_page, FITS, 0), TEST(cuts_left, FITS, 0), TESTS_END
};
