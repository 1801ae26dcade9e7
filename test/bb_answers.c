/* bb_answers.c - answers: to whom, in which bytes, and what is dropped. */
#include "harness.h"

#include <string.h>

/* Three clients; the first two share a swarm, the third is alone in another. */
struct trio {
	struct server *server;
	struct client *a, *b, *c;
	struct id hash, other_hash;
	struct id a_id, b_id, c_id;
};

static struct trio trio_make(void)
{
	struct trio trio = {
		.server = server_start(NULL), .hash = id_hash(), .other_hash = id_hash(),
		.a_id = id_peer(), .b_id = id_peer(), .c_id = id_peer()
	};

	trio.a = client_open(trio.server);
	trio.b = client_open(trio.server);
	trio.c = client_open(trio.server);
	JOIN(trio.a, trio.hash, trio.a_id, "");
	JOIN(trio.b, trio.hash, trio.b_id, "");
	JOIN(trio.c, trio.other_hash, trio.c_id, "");
	return trio;
}

static void trio_silent(struct trio *trio)
{
	SILENT(trio->a);
	SILENT(trio->b);
	SILENT(trio->c);
}

static void answers_relay(void)
{
	struct trio trio = trio_make();

	client_announce(trio.b, trio.hash, trio.b_id, answer_made(trio.a_id));
	ANSWERED(trio.a, trio.b_id, trio.hash);
	trio_silent(&trio);   /* no reply to the one who answers */
}

static void answers_verbatim(void)
{
	static const char *const answers[] = {
		"{\"sdp\":\"\"}", "{ \"sdp\":\"a\\u00e9\" ,\n\"x\":[ 1,2 ] }",
		"{\"sdp\":1,\"sdp\":\"\xc3\xa9\"}",
		"{\"type\":\"answer\",\"sdp\":\"v=0\\r\\n\\ud800\"}"
	};
	struct trio trio = trio_make();
	size_t i;

	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		test_case("%s", answers[i]);
		client_say(trio.b, "{'answer':%s,'offer_id':'\\u0041\\/\xc3\xbf','to_peer_id':'%s',"
		    "'peer_id':'%s','info_hash':'%s','action':'announce'}", answers[i],
		    trio.a_id.text,
		    trio.b_id.text, trio.hash.text);
		EXPECT(trio.a, "{'action':'announce','answer':%s,'offer_id':'\\u0041\\/\xc3\xbf',"
		    "'peer_id':'%s','info_hash':'%s'}", answers[i], trio.b_id.text, trio.hash.text);
	}
	trio_silent(&trio);
}

/* Also who was not in the swarm becomes a member by its answer. */
static void answers_register(void)
{
	struct trio trio = trio_make();

	client_announce(trio.c, trio.hash, trio.c_id, answer_made(trio.a_id));
	ANSWERED(trio.a, trio.c_id, trio.hash);
	SCRAPED(trio.a, trio.hash, 0, 3, 0);
	client_announce(trio.c, trio.hash, trio.c_id, format_text(",'left':0%s",
	    answer_made(trio.a_id)));
	ANSWERED(trio.a, trio.c_id, trio.hash);
	SCRAPED(trio.a, trio.hash, 1, 2, 0);
	trio_silent(&trio);
}

/* To whom nobody is: someone who left, who never was, a member of another swarm, oneself. */
static void answers_nobody(void)
{
	struct trio trio = trio_make();

	client_announce(trio.b, trio.hash, trio.b_id, answer_made(id_peer()));
	trio_silent(&trio);
	client_announce(trio.b, trio.hash, trio.b_id, answer_made(trio.c_id));
	trio_silent(&trio);
	client_announce(trio.b, trio.hash, trio.b_id, answer_made(trio.b_id));
	trio_silent(&trio);
	client_close(trio.a);
	server_turn(trio.server);
	client_announce(trio.b, trio.hash, trio.b_id, answer_made(trio.a_id));
	SILENT(trio.b);
	SILENT(trio.c);
	SCRAPED(trio.b, trio.hash, 0, 1, 0);
	client_announce(trio.b, trio.hash, trio.b_id, "");
	REPLY(trio.b, 0, 1, trio.hash);
}

/* An answer that cannot be used does nothing at all: no reply, no relay, no membership. */
static void answers_unusable(void)
{
	static const char *const values[] = {
		"'answer':5,'offer_id':'x'", "'answer':'x','offer_id':'x'",
		"'answer':[],'offer_id':'x'", "'answer':true,'offer_id':'x'",
		"'answer':false,'offer_id':'x'", "'answer':0,'offer_id':'x'",
		"'answer':'','offer_id':'x'", "'answer':{},'offer_id':'x'",
		"'answer':{'type':'answer'},'offer_id':'x'", "'answer':{'sdp':5},'offer_id':'x'",
		"'answer':{'sdp':null},'offer_id':'x'",
		"'answer':{'sdp':'x','sdp':[]},'offer_id':'x'", "'answer':{'sdp':'x'}",
		"'answer':{'sdp':'x'},'offer_id':5", "'answer':{'sdp':'x'},'offer_id':null",
		"'answer':{'sdp':'x'},'offer_id':{}", "'answer':{'sdp':'x'},'offer_id':'\\ud800'",
		"'answer':{'sdp':'x'},'offer_id':'x\\udfff'",
		"'answer':{'sdp':'x'},'offer_id':'x','offer_id':7"
	};
	struct trio trio = trio_make();
	struct client *fresh = client_open(trio.server);
	struct id id = id_peer();
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		test_case("%s", values[i]);
		client_announce(fresh, trio.hash, id, format_text(",'to_peer_id':'%s',%s",
		    trio.a_id.text, text_quoted(values[i])));
		SILENT(fresh);
		trio_silent(&trio);
	}
	SCRAPED(fresh, trio.hash, 0, 2, 0);
	CHECK_STAT(trio.server, "peersAll", 3);
	client_announce(trio.a, trio.hash, trio.a_id, format_text(",'event':'stopped','answer':5,"
	    "'offer_id':'x','to_peer_id':'%s'", trio.b_id.text));
	SILENT(trio.a);
	SCRAPED(fresh, trio.hash, 0, 2, 0);   /* it did not leave either */
}

static void answers_id_long(void)
{
	static const size_t lengths[] = { 128, 129, 10240 };
	struct trio trio = trio_make();
	char *id;
	size_t i;

	for (i = 0; i < 3; i++) {
		test_case("%zu", lengths[i]);
		id = text_repeat("\xc3\xbf", lengths[i]);
		client_announce(trio.b, trio.hash, trio.b_id, format_text(",'to_peer_id':'%s',"
		    "'offer_id':'%s','answer':{'sdp':'x'}", trio.a_id.text, id));
		if (i == 0)
			EXPECT(trio.a, "{'action':'announce','answer':{'sdp':'x'},'offer_id':'%s',"
			    "'peer_id':'%s','info_hash':'%s'}", id, trio.b_id.text, trio.hash.text);
		trio_silent(&trio);
	}
}

static void answers_null(void)
{
	struct trio trio = trio_make();

	client_announce(trio.b, trio.hash, trio.b_id,
	    format_text(",'answer':null,'to_peer_id':null,"
	    "'offer_id':'x'%s", offers_made(1)));
	REPLY(trio.b, 0, 2, trio.hash);
	RELAYED(trio.a, 0, trio.b_id, trio.hash);
	trio_silent(&trio);
}

static void answers_stopped(void)
{
	struct trio trio = trio_make();

	client_announce(trio.b, trio.hash, trio.b_id, format_text(",'event':'stopped'%s",
	    answer_made(trio.a_id)));
	ANSWERED(trio.a, trio.b_id, trio.hash);
	trio_silent(&trio);
	SCRAPED(trio.a, trio.hash, 0, 1, 0);
}

/* An offer's whole way: A offers, B answers, on one socket with other swarms. */
static void answers_exchange(void)
{
	struct trio trio = trio_make();
	int i;

	JOIN(trio.a, trio.other_hash, trio.a_id, "");
	for (i = 0; i < 50; i++) {
		client_announce(trio.a, trio.hash, trio.a_id, offers_made(1));
		REPLY(trio.a, 0, 2, trio.hash);
		RELAYED(trio.b, 0, trio.a_id, trio.hash);
		client_announce(trio.b, trio.hash, trio.b_id, answer_made(trio.a_id));
		ANSWERED(trio.a, trio.b_id, trio.hash);
	}
	trio_silent(&trio);
}

/* Answers are events of their sender: `update` lines. */
static void answers_lines(void)
{
	struct trio trio = trio_make();
	int i;

	for (i = 0; i < 3; i++)
		CHECK(strcmp(server_event(trio.server, 1), "none") != 0);
	client_announce(trio.b, trio.hash, trio.b_id, answer_made(trio.a_id));
	ANSWERED(trio.a, trio.b_id, trio.hash);
	CHECK_TEXT(server_event(trio.server, 1), format_text("update: %s", id_hex(trio.b_id)));
	/* who left: normal */
	client_announce(trio.b, trio.hash, trio.b_id, answer_made(id_peer()));
	client_announce(trio.b, trio.hash, trio.b_id, format_text(",'answer':{},'to_peer_id':'%s'",
	    trio.a_id.text));
	SILENT(trio.b);
	CHECK_TEXT(server_event(trio.server, 0), format_text("update: %s", id_hex(trio.b_id)));
	CHECK_TEXT(server_event(trio.server, 0), "none");
}

const struct bb_test bb_answers[] = {
	TEST(answers_relay, FITS, 0), TEST(answers_verbatim, FITS, 0),
	TEST(answers_register, FITS, 0), TEST(answers_nobody, FITS, 0),
	TEST(answers_unusable, FITS, 0), TEST(answers_id_long, LARGE, 0),
	TEST(answers_null, FITS, 0), TEST(answers_stopped, FITS, 0),
	TEST(answers_exchange, FITS, 0), TEST(answers_lines, FITS, 0), TESTS_END
};
