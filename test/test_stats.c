/* test_stats.c - counting clients, and what is shown of them, to the byte or by a reader. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../stats.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static const struct hash_secret secret = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

/* Rounded up, so that it ends at the guard page or a few bytes before. */
static size_t clients_room(void)
{
	return (stats_clients_size() + 7) / 8 * 8;
}

static struct stats_clients *clients_new(void)
{
	return stats_clients_init(guard_alloc(clients_room()), &secret);
}

static void clients_free(struct stats_clients *clients)
{
	guard_free(clients, clients_room());
}

static uint16_t join(struct stats_clients *clients, const char *id)
{
	return stats_client_join(clients, (const uint8_t *)id);
}

/* An id of an unknown client with a version of its own, below 1,679,616. */
static void odd_id(char id[PEERID_SIZE + 1], unsigned number)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	strcpy(id, "zzzz0000............");
	for (int i = 7; i > 3; i--, number /= 36)
		id[i] = digits[number % 36];
}

typedef size_t renders(const struct stats_numbers *numbers, char *out);

/* What a function writes, terminated; it has no more room than the header promises. */
static char *rendered(renders *render, const struct stats_numbers *numbers)
{
	char *room = guard_alloc(STATS_TEXT_MAX), *text;
	size_t length;

	memset(room, 0x5a, STATS_TEXT_MAX);
	length = render(numbers, room);
	CHECK(length <= STATS_TEXT_MAX);
	text = malloc(length + 1);
	memcpy(text, room, length);
	text[length] = '\0';
	CHECK(strlen(text) == length);
	guard_free(room, STATS_TEXT_MAX);
	return text;
}

static bool renders_as(renders *render, const struct stats_numbers *numbers, const char *expected)
{
	char *text = rendered(render, numbers);
	bool same = strcmp(text, expected) == 0;

	if (!same)
		printf("%s\ninstead of\n%s\n", text, expected);
	free(text);
	return same;
}

static bool renders_with(renders *render, const struct stats_numbers *numbers, const char *part)
{
	char *text = rendered(render, numbers);
	bool found = strstr(text, part) != NULL;

	if (!found)
		printf("%s\nlacks\n%s\n", text, part);
	free(text);
	return found;
}

/* How often is this in the text? */
static unsigned times(const char *text, const char *part)
{
	unsigned count = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		count++;
	return count;
}

/* -- a reader of JSON: objects, strings of ASCII and numbers only ----------------------- */

struct json {
	const char *at;
	bool bad;
	unsigned pairs;         /* numbers at the third level */
	uint64_t peers;         /* what they come to */
};

static void json_take(struct json *json, char byte)
{
	if (*json->at == byte)
		json->at++;
	else
		json->bad = true;
}

/* A string; returns it with its quotes, as it stands in the text. */
static const char *json_string(struct json *json)
{
	const char *start = json->at;

	json_take(json, '"');
	while (!json->bad && *json->at != '"') {
		if (*json->at == '\\')
			json->at++;
		json->bad |= *json->at < ' ' || *json->at > '~';
		json->at++;
	}
	json_take(json, '"');
	return start;
}

/* Were keys of this object like the one from `key` to `end` met before it? */
static bool json_repeats(const char *const *keys, size_t count, const char *key, const char *end)
{
	for (size_t i = 0; i < count; i++) {
		if (strncmp(keys[i], key, (size_t)(end - key)) == 0)
			return true;
	}
	return false;
}

static void json_value(struct json *json, int level);

static void json_object(struct json *json, int level)
{
	static const char *keys[3][STATS_PAIRS_MAX + 2];
	size_t count = 0;

	json_take(json, '{');
	while (!json->bad && level < 3 && *json->at != '}') {
		if (count > 0)
			json_take(json, ',');
		keys[level][count] = json_string(json);
		json->bad |= json_repeats(keys[level], count, keys[level][count], json->at);
		json->bad |= ++count == COUNT(keys[0]);
		json_take(json, ':');
		if (!json->bad)
			json_value(json, level + 1);
	}
	json_take(json, '}');
}

static void json_value(struct json *json, int level)
{
	char *end;
	unsigned long long number;

	if (*json->at == '{') {
		json_object(json, level);
		return;
	}
	if (*json->at == '"') {
		json_string(json);
		return;
	}
	number = strtoull(json->at, &end, 10);
	json->bad |= *json->at < '0' || *json->at > '9' || (*json->at == '0' && end > json->at + 1);
	json->at = end;
	json->pairs += level == 3;
	json->peers += level == 3 ? number : 0;
}

/* Read the JSON of numbers. */
static struct json json_read(const struct stats_numbers *numbers)
{
	char *text = rendered(stats_json, numbers);
	struct json json = { .at = text };

	json_object(&json, 0);
	json_take(&json, '\n');
	json.bad |= *json.at != '\0';
	if (json.bad)
		printf("%.300s\n", text);
	free(text);
	return json;
}

static bool json_holds(const struct stats_clients *clients, unsigned pairs, uint64_t peers)
{
	const struct stats_numbers numbers = { .server = "uwt", .version = "1",
		.clients = clients };
	struct json json = json_read(&numbers);

	if (json.pairs != pairs || json.peers != peers)
		printf("%u pairs, %llu peers\n", json.pairs, (unsigned long long)json.peers);
	return !json.bad && json.pairs == pairs && json.peers == peers;
}

/* -- exactly --------------------------------------------------------------------------- */

static const char empty_json[] =
	"{\"torrents\":0,\"activeTorrents\":0,\"peersAll\":0,\"peersSeederOnly\":0,"
	"\"peersLeecherOnly\":0,\"peersSeederAndLeecher\":0,\"peersIPv4\":0,\"peersIPv6\":0,"
	"\"clients\":{},\"memberships\":0,\"connections\":0,\"buffersInUse\":0,"
	"\"server\":\"uwt\",\"serverVersion\":\"4.0.0\"}\n";

static const char empty_lines[] =
	"<h1>0 active torrents</h1>\n"
	"<h2>Connected Peers: 0</h2>\n"
	"<h3>Peers Seeding Only: 0</h3>\n"
	"<h3>Peers Leeching Only: 0</h3>\n"
	"<h3>Peers Seeding & Leeching: 0</h3>\n"
	"<h3>IPv4 Peers: 0</h3>\n"
	"<h3>IPv6 Peers: 0</h3>\n"
	"<h3>Clients:</h3>\n"
	"<ul>\n"
	"</ul>\n";

static void nobody(void)
{
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = { .server = "uwt", .version = "4.0.0", .clients = clients };

	CHECK(renders_as(stats_json, &numbers, empty_json));
	CHECK(renders_as(stats_lines, &numbers, empty_lines));
	clients_free(clients);
}

/* Numbers that all differ, so that none stands in another's place. */
static struct stats_numbers some_numbers(const struct stats_clients *clients)
{
	return (struct stats_numbers){ .server = "uwt", .version = "4.0.0", .torrents = 101,
		.peers = 202, .seeders_only = 303, .leechers_only = 404,
		.seeders_and_leechers = 505, .ipv4 = 606, .ipv6 = 707, .memberships = 808,
		.connections = 4294967295, .buffers_in_use = 909, .clients = clients };
}

static void somebody(void)
{
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = some_numbers(clients);

	CHECK(join(clients, "-WW0102-abcdefghijkl") == join(clients, "-WW0102-bcdefghijklm"));
	CHECK(join(clients, "-qB4250-abcdefghijkl") < 65535);
	CHECK(renders_as(stats_json, &numbers,
	    "{\"torrents\":101,\"activeTorrents\":101,\"peersAll\":202,\"peersSeederOnly\":303,"
	    "\"peersLeecherOnly\":404,\"peersSeederAndLeecher\":505,\"peersIPv4\":606,"
	    "\"peersIPv6\":707,\"clients\":{\"WebTorrent\":{\"1.2\":2},\"qBittorrent\":"
	    "{\"4.2.5\":1}},\"memberships\":808,\"connections\":4294967295,\"buffersInUse\":909,"
	    "\"server\":\"uwt\",\"serverVersion\":\"4.0.0\"}\n"));
	CHECK(renders_as(stats_lines, &numbers,
	    "<h1>101 active torrents</h1>\n<h2>Connected Peers: 202</h2>\n"
	    "<h3>Peers Seeding Only: 303</h3>\n<h3>Peers Leeching Only: 404</h3>\n"
	    "<h3>Peers Seeding & Leeching: 505</h3>\n<h3>IPv4 Peers: 606</h3>\n"
	    "<h3>IPv6 Peers: 707</h3>\n<h3>Clients:</h3>\n<ul>\n"
	    "<li><strong>WebTorrent</strong> 1.2 : 2</li>\n"
	    "<li><strong>qBittorrent</strong> 4.2.5 : 1</li>\n</ul>\n"));
	clients_free(clients);
}

/* One name with versions, and two names, one of them without a version. */
static void grouped(void)
{
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = some_numbers(clients);

	join(clients, "-WW0102-abcdefghijkl");
	join(clients, "-WD0102-abcdefghijkl");
	join(clients, "-WW0091-abcdefghijkl");
	join(clients, "-WW0102-abcdefghijkl");
	join(clients, "\1\2\3\1\2\3\1\2\3\1\2\3\1\2\3\1\2\3\1\2");
	CHECK(json_holds(clients, 4, 5));
	CHECK(renders_with(stats_json, &numbers, "\"WebTorrent Desktop\":{\"1.2\":1}"));
	CHECK(renders_with(stats_json, &numbers, "\"WebTorrent\":{\"0.91\":1,\"1.2\":2}"));
	CHECK(renders_with(stats_json, &numbers, "\"unknown\":{\"\":1}"));
	clients_free(clients);
}

/* -- strangers ------------------------------------------------------------------------- */

static void hostile(void)
{
	static const char *const ids[] = {
		"<b>\"&'..............", "</li><script>......", "\\\"\\\"\\\\\"\"............",
		"'\"><img>............", "<!--\0\r\n-->..........."
	};
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = { .server = "uwt", .version = "1", .clients = clients };
	char id[PEERID_SIZE], *text;

	for (size_t i = 0; i < COUNT(ids); i++) {
		memset(id, '.', sizeof id);
		memcpy(id, ids[i], 15);
		join(clients, id);
	}
	CHECK(json_holds(clients, COUNT(ids), COUNT(ids)));
	CHECK(renders_with(stats_json, &numbers, "\"<b>\\\"&'..\":1"));
	CHECK(renders_with(stats_json, &numbers, "\"\\\\\\\"\\\\\\\"\\\\\\\\\\\"\\\"\":1"));
	CHECK(renders_with(stats_lines, &numbers, "&lt;b&gt;&quot;&amp;&#39;.."));
	CHECK(renders_with(stats_lines, &numbers, "&lt;!----&gt;."));
	text = rendered(stats_lines, &numbers);
	CHECK(times(text, "<b>") == 0 && times(text, "<img") == 0);
	CHECK(times(text, "<!--") == 0 && times(text, "<scr") == 0);
	CHECK(times(text, "\"&'") == 0);
	CHECK(times(text, "</li>") == COUNT(ids));
	free(text);
	clients_free(clients);
}

/* The program's own name is text too. */
static void own_name(void)
{
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = { .server = "a\"\\<b>", .version = "&'",
		.clients = clients };

	CHECK(renders_with(stats_json, &numbers,
	    "\"server\":\"a\\\"\\\\<b>\",\"serverVersion\":\"&'\""));
	clients_free(clients);
}

/* Names are the keys of one object, so they must differ, from `other` too. */
static void names_differ(void)
{
	for (uint16_t i = 0; i < peerid_names(); i++) {
		CHECK(strcmp(peerid_name(i), "other") != 0);
		for (uint16_t j = 0; j < i; j++)
			CHECK(strcmp(peerid_name(i), peerid_name(j)) != 0);
	}
}

/* -- counting -------------------------------------------------------------------------- */

/* Up to 1,024 pairs and past them; who is counted as `other` stays there until it leaves. */
static void many_pairs(void)
{
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = some_numbers(clients);
	uint16_t joined[1500];
	char id[PEERID_SIZE + 1];
	unsigned i, pairs;

	for (i = 0; i < 1500; i++) {
		odd_id(id, i);
		joined[i] = join(clients, id);
		pairs = i < STATS_PAIRS_MAX ? i + 1 : STATS_PAIRS_MAX + 1;
		if (i % 101 == 0 || (i > 1020 && i < 1030))
			CHECK(json_holds(clients, pairs, i + 1));
	}
	CHECK(renders_with(stats_json, &numbers, "},\"other\":{\"various\":476}},"));
	CHECK(renders_with(stats_lines, &numbers,
	    "<li><strong>other</strong> various : 476</li>\n</ul>\n"));
	odd_id(id, 3);
	CHECK(join(clients, id) == joined[3]);         /* one that is kept is still found */
	stats_client_leave(clients, joined[3]);
	odd_id(id, 1200);
	CHECK(join(clients, id) == joined[1200]);
	stats_client_leave(clients, joined[1200]);
	CHECK(json_holds(clients, 1025, 1500));
	for (i = 0; i < 1024; i++)
		stats_client_leave(clients, joined[i]);
	CHECK(json_holds(clients, 1, 476));
	odd_id(id, 1200);                               /* there is room again */
	CHECK(join(clients, id) != joined[1200]);
	CHECK(json_holds(clients, 2, 477));
	for (i = 1024; i < 1500; i++)
		stats_client_leave(clients, joined[i]);
	CHECK(json_holds(clients, 1, 1));
	clients_free(clients);
}

/* Pairs come and go at random, of names and versions that meet in the same lists. */
static void reuse(void)
{
	struct stats_clients *clients = clients_new();
	static struct { uint16_t number[8]; unsigned count; } held[1400];
	static const char *const heads[] = { "-WW%02u%02u-", "-qB%02u%02u-", "zz%02u%02uzz" };
	unsigned random = 5, kinds = 0, peers = 0, at;
	char id[64];

	memset(held, 0, sizeof held);
	for (int step = 0; step < 60000; step++) {
		random = random * 1103515245 + 12345;
		at = (random >> 12) % (step / 10000 % 2 == 0 ? 1400 : 200);
		if (held[at].count == 8 || (held[at].count > 0 && random >> 31)) {
			stats_client_leave(clients, held[at].number[--held[at].count]);
			peers--;
		} else {
			snprintf(id, sizeof id, heads[at % 3], at / 100 + 1, at % 100);
			strcat(id, "............");
			held[at].number[held[at].count++] = join(clients, id);
			peers++;
		}
		if (step % 3000 == 0) {
			struct json json = json_read(&(struct stats_numbers){ .server = "",
			    .version = "", .clients = clients });

			CHECK(!json.bad && json.peers == peers);
			CHECK(json.pairs <= STATS_PAIRS_MAX + 1);
		}
	}
	for (at = 0; at < COUNT(held); at++) {
		kinds += held[at].count > 0;
		while (held[at].count > 0)
			stats_client_leave(clients, held[at].number[--held[at].count]);
	}
	CHECK(kinds > 100);
	CHECK(json_holds(clients, 0, 0));
	clients_free(clients);
}

/* -- the longest texts ------------------------------------------------------------------ */

static struct stats_numbers longest_numbers(const struct stats_clients *clients)
{
	const uint32_t most = UINT32_MAX;

	return (struct stats_numbers){ .server = "uwt", .version = "4294967295.4294967295",
		.torrents = most, .peers = most, .seeders_only = most, .leechers_only = most,
		.seeders_and_leechers = most, .ipv4 = most, .ipv6 = most, .memberships = most,
		.connections = most, .buffers_in_use = most, .clients = clients };
}

/* 1,024 versions of characters that are long when they are escaped, and `other`. */
static void longest_versions(void)
{
	static const char longest[] = "\"&'<";
	struct stats_clients *clients = clients_new();
	struct stats_numbers numbers = longest_numbers(clients);
	char id[PEERID_SIZE], *text;

	for (unsigned i = 0; i < 1100; i++) {
		for (unsigned at = 0; at < PEERID_SIZE; at++)
			id[at] = at < 6 ? longest[i >> 2 * at & 3] : '"';
		join(clients, id);
		join(clients, id);
	}
	CHECK(json_holds(clients, 1025, 2200));
	text = rendered(stats_json, &numbers);
	CHECK(strcmp(text + strlen(text) - 3, "\"}\n") == 0);
	free(text);
	text = rendered(stats_lines, &numbers);
	CHECK(times(text, "</li>\n") == 1025 && renders_with(stats_lines, &numbers, "</ul>\n"));
	free(text);
	clients_free(clients);
}

int main(void)
{
	RUN(nobody);
	RUN(somebody);
	RUN(grouped);
	RUN(hostile);
	RUN(own_name);
	RUN(names_differ);
	RUN(many_pairs);
	RUN(reuse);
	RUN(longest_versions);
	return test_end();
}
