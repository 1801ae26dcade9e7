/* test_torrents.c - what /stats/torrents.json is asked, and answers. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "../torrents.h"
#include "guard.h"

#define HEX "0123456789abcdefABCDEF000102030405060708"

static const struct hash_secret secret = { { 5, 6 } };

/* A table of so many torrents at most. */
struct world {
	struct swarm_limits limits;
	struct swarm *swarm;
	uint32_t link;
};

static void world_open(struct world *world, uint32_t torrents)
{
	world->limits = (struct swarm_limits){ .links = 4096, .torrents = torrents,
		.members = 4096, .per_link = 100, .ranked = true };
	world->swarm = swarm_init(guard_alloc(swarm_size(&world->limits)), &world->limits,
	    &secret);
	world->link = 0;
}

static void world_close(struct world *world)
{
	CHECK(swarm_check(world->swarm) == NULL);
	guard_free(world->swarm, swarm_size(&world->limits));
}

/* A further peer of a torrent. */
static uint32_t join(struct world *world, unsigned torrent, bool seeds)
{
	uint8_t info_hash[SWARM_ID_SIZE] = { (uint8_t)(torrent >> 8), (uint8_t)torrent };
	uint8_t peer_id[SWARM_ID_SIZE] = { 0 };
	uint32_t member = 0;

	world->link++;
	memcpy(peer_id, &world->link, sizeof world->link);
	CHECK(swarm_join(world->swarm, info_hash, peer_id, world->link, SWARM_IPV4, 0, 1,
	    &member) == SWARM_JOINED);
	if (seeds)
		swarm_seed(world->swarm, member);
	return member;
}

static bool understood(const char *text, struct torrents_query *query)
{
	char *copy = guard_copy(text, strlen(text));
	bool good = torrents_query(copy, strlen(text), query);

	guard_free(copy, strlen(text));
	return good;
}

static void queries(void)
{
	struct torrents_query query;

	CHECK(torrents_query(NULL, 0, &query));
	CHECK(!query.one && query.order == SWARM_BY_PEERS && query.limit == TORRENTS_USUAL);
	CHECK(understood("limit=7&sort=seeders", &query));
	CHECK(!query.one && query.order == SWARM_BY_SEEDERS && query.limit == 7);
	CHECK(understood("sort=leechers&&x=1&limit=1000&", &query));
	CHECK(query.order == SWARM_BY_LEECHERS && query.limit == 1000);
	CHECK(understood("sort=downloads", &query) && query.order == SWARM_BY_DOWNLOADS);
	CHECK(understood("sort=peers", &query) && query.order == SWARM_BY_PEERS);
	CHECK(understood("info_hash=" HEX, &query) && query.one);
	CHECK(memcmp(query.info_hash, "\x01\x23\x45\x67\x89\xab\xcd\xef\xab\xcd\xef\x00\x01\x02\x03"
	    "\x04\x05\x06\x07\x08", 20) == 0);
}

static void wrong_queries(void)
{
	static const char *const texts[] = {
		"limit=", "limit=0", "limit=1001", "limit=-1", "limit=1x", "limit= 1",
		"limit=99999999999999999999999", "limit=4294967297", "sort=", "sort=peer",
		"sort=peersx", "sort=PEERS", "info_hash=", "info_hash=" HEX "0",
		"info_hash=012345678", "info_hash=g123456789abcdefABCDEF000102030405060708",
		"info_hash=012345678%61bcdefABCDEF000102030405060", "limit=1&sort=x"
	};
	struct torrents_query query;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		CHECK(!understood(texts[i], &query));
	CHECK(strstr(torrents_usage(), "info_hash") != NULL);
}

/* Is this the answer? */
static bool answers(const struct world *world, const char *text, const char *expected)
{
	char *out = guard_alloc(TORRENTS_TEXT_MAX);
	struct torrents_query query;
	size_t length;
	bool same;

	CHECK(understood(text, &query));
	length = torrents_json(world->swarm, &query, out);
	same = length == strlen(expected) && memcmp(out, expected, length) == 0;
	if (!same)
		printf("%.*s\ninstead of\n%s\n", (int)length, out, expected);
	guard_free(out, TORRENTS_TEXT_MAX);
	return same;
}

#define ENTRY(number, complete, incomplete, downloaded) \
	"\n{\"info_hash\":\"" number "000000000000000000000000000000000000\",\"complete\":" \
	complete ",\"incomplete\":" incomplete ",\"downloaded\":" downloaded "}"

static void orders(void)
{
	struct world world;

	world_open(&world, 100);
	CHECK(answers(&world, "", "{\"torrents\":0,\"list\":[]}\n"));
	join(&world, 1, true);
	join(&world, 2, false);
	join(&world, 2, false);
	join(&world, 2, false);
	join(&world, 3, true);
	swarm_completed(world.swarm, join(&world, 3, true));
	CHECK(answers(&world, "sort=peers", "{\"torrents\":3,\"list\":[" ENTRY("0002", "0", "3", "0")
	    "," ENTRY("0003", "2", "0", "1") "," ENTRY("0001", "1", "0", "0") "]}\n"));
	CHECK(answers(&world, "sort=seeders&limit=1", "{\"torrents\":3,\"list\":["
	    ENTRY("0003", "2", "0", "1") "]}\n"));
	CHECK(answers(&world, "sort=leechers", "{\"torrents\":3,\"list\":["
	    ENTRY("0002", "0", "3", "0") "]}\n"));
	CHECK(answers(&world, "sort=downloads", "{\"torrents\":3,\"list\":["
	    ENTRY("0003", "2", "0", "1") "]}\n"));
	CHECK(answers(&world, "info_hash=0001000000000000000000000000000000000000",
	    "{\"torrents\":3,\"list\":[" ENTRY("0001", "1", "0", "0") "]}\n"));
	CHECK(answers(&world, "info_hash=0004000000000000000000000000000000000000",
	    "{\"torrents\":3,\"list\":[]}\n"));
	world_close(&world);
}

/* The longest answer is whole. */
static void longest(void)
{
	char *out = guard_alloc(TORRENTS_TEXT_MAX);
	struct torrents_query query;
	struct world world;
	unsigned i, count = 0;
	size_t length, at;

	world_open(&world, 2000);
	for (i = 0; i < 1500; i++)
		join(&world, i, i % 2 == 0);
	CHECK(understood("limit=1000", &query));
	length = torrents_json(world.swarm, &query, out);
	for (at = 0; at < length; at++)
		count += out[at] == '{';
	CHECK(count == 1001);
	CHECK(memcmp(out + length - 4, "}]}\n", 4) == 0);
	/* Each number could have nine digits more. */
	CHECK(length + 3 * 9 * (TORRENTS_MAX + 1) < TORRENTS_TEXT_MAX);
	guard_free(out, TORRENTS_TEXT_MAX);
	world_close(&world);
}

/* Whether what `limit` gives is the beginning of a longer list. */
static void shorter(void)
{
	char *all = guard_alloc(TORRENTS_TEXT_MAX), *some = guard_alloc(TORRENTS_TEXT_MAX);
	char *cut = guard_alloc(TORRENTS_TEXT_MAX), *copy;
	static const unsigned limits[] = { 1, 2, 29, 30, 31, TORRENTS_MAX };
	struct torrents_query query = { .order = SWARM_BY_PEERS, .limit = TORRENTS_MAX };
	struct world world;
	unsigned i, count;
	size_t length, wanted;

	world_open(&world, 100);
	for (count = 0; count <= 30; count += 30) {
		for (i = 0; i < count; i++)
			join(&world, i, i % 2 == 0);
		query.limit = TORRENTS_MAX;
		length = torrents_json(world.swarm, &query, all);
		copy = guard_copy(all, length);
		for (i = 0; i < sizeof limits / sizeof limits[0]; i++) {
			query.limit = limits[i];
			wanted = torrents_json(world.swarm, &query, some);
			CHECK(torrents_first(copy, length, limits[i], cut) == wanted);
			CHECK(memcmp(cut, some, wanted) == 0);
		}
		guard_free(copy, length);
	}
	guard_free(all, TORRENTS_TEXT_MAX);
	guard_free(some, TORRENTS_TEXT_MAX);
	guard_free(cut, TORRENTS_TEXT_MAX);
	world_close(&world);
}

int main(void)
{
	RUN(queries);
	RUN(wrong_queries);
	RUN(orders);
	RUN(longest);
	RUN(shorter);
	return test_end();
}
