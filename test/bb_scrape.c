/* bb_scrape.c - scrapes. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

/* The reply to a scrape of these hashes, counts all 0, in whatever order. */
static void check_zeros(struct client *client, const struct id *hashes, size_t count)
{
	static const char start[] = "{\"action\":\"scrape\",\"files\":{";
	static const char end[] = "},\"flags\":{\"min_request_interval\":120}}";
	char *message = HEAR(client), *entry = NULL;
	size_t i, len = sizeof(start) - 1 + sizeof(end) - 1;

	CHECK(strncmp(message, start, sizeof(start) - 1) == 0);
	for (i = 0; i < count; i++) {
		entry = format_text("'%s':{'complete':0,'incomplete':0,'downloaded':0}",
		    hashes[i].text);
		CHECK_CONTAINS(message, entry);
		len += strlen(entry) + (i != 0);
	}
	CHECK_NUMBER(strlen(message), len);
	CHECK_TEXT(message + strlen(message) - (sizeof(end) - 1), end);
}

static char *hashes_list(const struct id *hashes, size_t count)
{
	struct text text = { NULL, 0, 0 };
	size_t i;

	text_add(&text, "[", 1);
	for (i = 0; i < count; i++)
		text_format(&text, "%s'%s'", i == 0 ? "" : ",", hashes[i].text);
	text_add(&text, "]", 1);
	return text.bytes;
}

static void scrape_one(struct client *client, struct id hash, const char *counts)
{
	EXPECT(client, "{'action':'scrape','files':{'%s':{%s}},"
	    "'flags':{'min_request_interval':120}}",
	    hash.text, text_quoted(counts));
}

static void scrape_counts(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server), *other = client_open(server);
	struct id hash = id_hash(), id = id_peer();

	SCRAPED(client, hash, 0, 0, 0);
	JOIN(other, hash, id, "");
	SCRAPED(client, hash, 0, 1, 0);
	JOIN(other, hash, id_peer(), ",'left':0");
	SCRAPED(client, hash, 1, 1, 0);
	JOIN(other, hash, id, ",'event':'completed'");
	SCRAPED(client, hash, 2, 0, 1);
	client_say(client, "{'info_hash':['%s'],'peer_id':5,'action':'scrape','x':[]}", hash.text);
	scrape_one(client, hash, "'complete':2,'incomplete':0,'downloaded':1");
	client_close(other);
	server_turn(server);
	SCRAPED(client, hash, 0, 0, 0);
	SILENT(client);
}

/* A scrape makes no torrent and no peer. */
static void scrape_makes_nothing(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hash = id_hash();

	client_say(client, "{'action':'scrape','info_hash':'%s','peer_id':'%s','event':'started',"
	    "'offers':[],'answer':{},'left':0}", hash.text, id_peer().text);
	scrape_one(client, hash, "'complete':0,'incomplete':0,'downloaded':0");
	CHECK_STAT(server, "torrents", 0);
	CHECK_STAT(server, "peersAll", 0);
	CHECK_TEXT(server_event(server, 0), "none");
}

static void scrape_several(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct id hashes[3] = { id_hash(), id_hash(), id_hash() }, twice[5];
	char *message;

	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 3));
	check_zeros(client, hashes, 3);
	twice[0] = twice[2] = twice[3] = hashes[1];
	twice[1] = twice[4] = hashes[0];
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(twice, 5));
	check_zeros(client, hashes, 2);
	JOIN(client, hashes[2], id_peer(), ",'left':0");
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 3));
	message = HEAR(client);
	CHECK_CONTAINS(message, format_text("'%s':{'complete':1,'incomplete':0,'downloaded':0}",
	    hashes[2].text));
	CHECK_CONTAINS(message, format_text("'%s':{'complete':0,'incomplete':0,'downloaded':0}",
	    hashes[0].text));
	client_say(client, "{'action':'scrape','info_hash':['\\u00ff%s','\xc3\xbf%s']}",
	    "aaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaa");   /* one hash written in two ways */
	EXPECT(client, "{'action':'scrape','files':{'\xc3\xbf%s':{'complete':0,'incomplete':0,"
	    "'downloaded':0}},'flags':{'min_request_interval':120}}", "aaaaaaaaaaaaaaaaaaa");
}

static void scrape_empty(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);

	client_say(client, "{'action':'scrape','info_hash':[]}");
	EXPECT(client, "{'action':'scrape','files':{},'flags':{'min_request_interval':120}}");
	client_say(client, "{'action':'scrape','info_hash':[ ]}");
	EXPECT(client, "{'action':'scrape','files':{},'flags':{'min_request_interval':120}}");
}

static void scrape_invalid(void)
{
	static const char *const values[] = {
		"5", "[5]", "true", "{}", "''", "'short'", "[null]", "[[]]",
		"['aaaaaaaaaaaaaaaaaaaa',5]", "[5,'aaaaaaaaaaaaaaaaaaaa']",
		"['aaaaaaaaaaaaaaaaaaaa','']", "[['aaaaaaaaaaaaaaaaaaaa']]",
		"'aaaaaaaaaaaaaaaaaaaaa'", "'aaaaaaaaaaaaaaaaaaa\\u0100'",
		"'aaaaaaaaaaaaaaaaaaa\\ud800'", "{'0':'aaaaaaaaaaaaaaaaaaaa'}"
	};
	struct server *server = server_start(OPTIONS("--full-scrape"));
	struct client *client = client_open(server);
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		test_case("%s", values[i]);
		client_say(client, "{'action':'scrape','info_hash':%s}", text_quoted(values[i]));
		EXPECT(client, "{'action':'scrape','failure reason':'invalid info_hash'}");
	}
	SILENT(client);
}

static void scrape_thousand(void)
{
	static struct id hashes[10000];
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	size_t i;

	for (i = 0; i < 10000; i++)
		hashes[i] = id_hash();
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 1000));
	check_zeros(client, hashes, 1000);
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 1001));
	EXPECT(client, "{'action':'scrape','failure reason':'too many info_hashes'}");
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 10000));
	EXPECT(client, "{'action':'scrape','failure reason':'too many info_hashes'}");
	for (i = 0; i < 1001; i++)
		hashes[i] = hashes[0];   /* entries count, not different hashes */
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 1001));
	EXPECT(client, "{'action':'scrape','failure reason':'too many info_hashes'}");
	client_say(client, "{'action':'scrape','info_hash':%s}", hashes_list(hashes, 1000));
	check_zeros(client, hashes, 1);
}

/* Replies of one turn that come to more than a connection's cap, if its socket takes them. */
static void scrape_together(void)
{
	static struct id hashes[1000];
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);
	struct text text = { NULL, 0, 0 };
	char *message;
	size_t i;

	for (i = 0; i < 1000; i++)
		hashes[i] = id_hash();
	message = format_text("{'action':'scrape','info_hash':%s}", hashes_list(hashes, 1000));
	for (i = 0; i < 4; i++)
		frame_add(&text, FIN | TEXT, message, strlen(message));
	client_write(client, text.bytes, text.len);
	for (i = 0; i < 4; i++)
		check_zeros(client, hashes, 1000);
	SILENT(client);
}

static void scrape_all_refused(void)
{
	struct server *server = server_start(NULL);
	struct client *client = client_open(server);

	client_say(client, "{'action':'scrape'}");
	EXPECT(client, "{'action':'scrape','failure reason':'full scrape is not allowed'}");
	client_say(client, "{'action':'scrape','info_hash':null}");
	EXPECT(client, "{'action':'scrape','failure reason':'full scrape is not allowed'}");
}

static void scrape_all(void)
{
	struct server *server = server_start(OPTIONS("--full-scrape"));
	struct client *client = client_open(server);
	struct id hashes[3] = { id_hash(), id_hash(), id_hash() };
	char *message;
	int i;

	client_say(client, "{'action':'scrape'}");
	EXPECT(client, "{'action':'scrape','files':{},'flags':{'min_request_interval':120}}");
	JOIN(client, hashes[0], id_peer(), "");
	client_say(client, "{'action':'scrape'}");
	scrape_one(client, hashes[0], "'complete':0,'incomplete':1,'downloaded':0");
	JOIN(client, hashes[1], id_peer(), ",'left':0");
	JOIN(client, hashes[2], id_peer(), "");
	for (i = 0; i < 2; i++) {
		client_say(client, i == 0 ? "{'action':'scrape'}" :
		    "{'action':'scrape','info_hash':null}");
		message = HEAR(client);
		CHECK_CONTAINS(message, format_text("'%s':{'complete':0,'incomplete':1,"
		    "'downloaded':0}", hashes[0].text));
		CHECK_CONTAINS(message, format_text("'%s':{'complete':1,'incomplete':0,"
		    "'downloaded':0}", hashes[1].text));
		CHECK_CONTAINS(message, format_text("'%s':{'complete':0,'incomplete':1,"
		    "'downloaded':0}", hashes[2].text));
	}
}

/* More torrents than fit a message: as many as do, in one message. */
static void scrape_all_large(void)
{
	struct server *server = server_start(OPTIONS("--full-scrape"));
	struct client *clients[2] = { client_open(server), client_open(server) };
	struct id id = id_peer();
	size_t len, entries = 0;
	char *message, *at;
	int i, j;

	for (i = 0; i < 5000; i += 100) {
		for (j = 0; j < 100; j++)
			client_announce(clients[i / 2500], id_hash(), id, "");
		for (j = 0; j < 100; j++)
			CHECK_CONTAINS(HEAR(clients[i / 2500]), "\"interval\"");
	}
	client_say(clients[0], "{'action':'scrape'}");
	message = HEAR(clients[0]);
	len = strlen(message);
	for (at = message; (at = strstr(at, "\"incomplete\":1")) != NULL; at++)
		entries++;
	CHECK_BETWEEN((double)len, 256 * 1024 - 1000, 256 * 1024);
	CHECK_BETWEEN((double)entries, 3000, 4999);
	CHECK_CONTAINS(message, "},\"flags\":{\"min_request_interval\":120}}");
	SILENT(clients[0]);
}

const struct bb_test bb_scrape[] = {
	TEST(scrape_counts, FITS, 0), TEST(scrape_makes_nothing, FITS, 0),
	TEST(scrape_several, FITS, 0), TEST(scrape_empty, FITS, 0), TEST(scrape_invalid, FITS, 0),
	TEST(scrape_thousand, LARGE, 0), TEST(scrape_together, LARGE, 0),
	TEST(scrape_all_refused, FITS, 0),
	TEST(scrape_all, FITS, 0), TEST(scrape_all_large, LARGE, 0), TESTS_END
};
