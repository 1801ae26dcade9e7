/*
 * test_swarm.c - swarm.h against plain arrays and linear search, its samples against chance,
 * its memory page by page.
 */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../swarm.h"
#include "guard.h"

static const struct hash_secret secret = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

/* The next word of SplitMix64. */
static uint32_t word(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32);
}

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((uint64_t)word(state) * n >> 32);
}

/* The id of a number: mostly NULs, and different in the last bytes or in the first ones only. */
static const uint8_t *name(uint32_t number, uint8_t id[static SWARM_ID_SIZE])
{
	size_t at = number % 2 == 0 ? 0 : SWARM_ID_SIZE - sizeof number;

	memset(id, 0, SWARM_ID_SIZE);
	memcpy(id + at, &number, sizeof number);
	return id;
}

/* swarm_join of numbered ids; *member is as before unless it joins. */
static enum swarm_result join(struct swarm *swarm, uint32_t hash, uint32_t id, uint32_t link,
    uint32_t now, uint32_t *member)
{
	uint8_t info_hash[SWARM_ID_SIZE], peer_id[SWARM_ID_SIZE];

	return swarm_join(swarm, name(hash, info_hash), name(id, peer_id), link,
	    (enum swarm_family)(id % 3), (uint16_t)(id % SWARM_CLIENTS_MAX), now, member);
}

static uint32_t torrent_of(const struct swarm *swarm, uint32_t hash)
{
	uint8_t info_hash[SWARM_ID_SIZE];

	return swarm_torrent(swarm, name(hash, info_hash));
}

static uint32_t peer_of(const struct swarm *swarm, uint32_t id)
{
	uint8_t peer_id[SWARM_ID_SIZE];

	return swarm_peer(swarm, name(id, peer_id));
}

/* -- the model ---------------------------------------------------------------------- */

#define HASHES 40
#define IDS 60
#define MEMBERS 200
#define ANY 0xffffffffu

/* A membership; hashes and ids are numbered from 0, links from 1. */
struct known {
	uint32_t hash, id, link;
	enum swarm_family family;
	bool seeder;
	uint32_t seen;
	uint32_t joined;            /* which step it was */
	uint32_t number;            /* what the swarm calls it */
};

struct model {
	struct swarm *swarm;
	struct swarm_limits limits;
	uint32_t hashes, ids;       /* of them, in use by the test */
	struct known member[MEMBERS];       /* earliest time first */
	uint32_t count;
	uint32_t torrent[HASHES];   /* what the swarm calls it, while it has members */
	uint32_t came[HASHES];      /* at which step */
	uint32_t downloads[HASHES];
	uint32_t peer[IDS];
	uint16_t client[IDS];
	uint32_t now, step;
	uint32_t met[SWARM_SAME_FULL + 1];  /* how often swarm_join came to what */
	uint32_t emptied, expired, most;    /* most: downloads had come to their most */
	uint64_t random;
};

static void model_start(struct model *model, const struct swarm_limits *limits, uint32_t hashes,
    uint32_t ids)
{
	*model = (struct model){ .limits = *limits, .hashes = hashes, .ids = ids,
		.random = 1 + limits->members };
	model->swarm = swarm_init(guard_alloc(swarm_size(limits)), limits, &secret);
}

static void model_end(struct model *model)
{
	guard_free(model->swarm, swarm_size(&model->limits));
}

static uint32_t pick(struct model *model, uint32_t n)
{
	return below(&model->random, n);
}

/* The first from `from` on with these three (each may be ANY), or count. */
static uint32_t find(const struct model *model, uint32_t from, uint32_t hash, uint32_t id,
    uint32_t link)
{
	const struct known *at = &model->member[from];

	for (; from < model->count; from++, at++) {
		if ((hash == ANY || at->hash == hash) && (id == ANY || at->id == id) &&
		    (link == ANY || at->link == link))
			break;
	}
	return from;
}

static uint32_t find_number(const struct model *model, uint32_t number)
{
	uint32_t at = 0;

	while (at < model->count && model->member[at].number != number)
		at++;
	return at;
}

static uint32_t count(const struct model *model, uint32_t hash, uint32_t id, uint32_t link)
{
	uint32_t at = 0, found = 0;

	while ((at = find(model, at, hash, id, link)) < model->count) {
		at++;
		found++;
	}
	return found;
}

static void take_out(struct model *model, uint32_t at)
{
	memmove(&model->member[at], &model->member[at + 1],
	    (--model->count - at) * sizeof model->member[0]);
}

/* -- comparing ---------------------------------------------------------------------- */

static struct swarm_totals expected_totals(const struct model *model)
{
	struct swarm_totals totals = { .members = model->count };
	bool known[HASHES] = { false };
	unsigned is[IDS] = { 0 };
	uint32_t i;

	for (i = 0; i < model->count; i++) {
		const struct known *at = &model->member[i];

		known[at->hash] = true;
		is[at->id] |= at->seeder ? 1 : 2;
		is[at->id] |= at->family == SWARM_IPV4 ? 4 : at->family == SWARM_IPV6 ? 8 : 0;
	}
	for (i = 0; i < model->hashes; i++)
		totals.torrents += known[i];
	for (i = 0; i < model->ids; i++) {
		totals.peers += is[i] != 0;
		totals.seeders_only += (is[i] & 3) == 1;
		totals.leechers_only += (is[i] & 3) == 2;
		totals.seeders_and_leechers += (is[i] & 3) == 3;
		totals.ipv4 += (is[i] & 4) != 0;
		totals.ipv6 += (is[i] & 8) != 0;
	}
	return totals;
}

static void compare_totals(const struct model *model)
{
	struct swarm_totals expected = expected_totals(model);

	CHECK(memcmp(swarm_totals(model->swarm), &expected, sizeof expected) == 0);
	CHECK(swarm_oldest(model->swarm) == (model->count > 0 ? model->member[0].number : 0));
}

static void compare_torrent(const struct model *model, uint32_t hash)
{
	uint32_t torrent = torrent_of(model->swarm, hash);
	struct swarm_counts counts = swarm_counts(model->swarm, torrent);
	uint32_t at = 0, members = 0, seeders = 0;
	uint8_t info_hash[SWARM_ID_SIZE];

	for (; (at = find(model, at, hash, ANY, ANY)) < model->count; at++) {
		members++;
		seeders += model->member[at].seeder;
	}
	CHECK(torrent == (members > 0 ? model->torrent[hash] : 0));
	CHECK(torrent <= model->limits.torrents);
	CHECK(counts.complete == seeders && counts.incomplete == members - seeders);
	CHECK(counts.downloads == (members > 0 ? model->downloads[hash] : 0));
	CHECK(torrent == 0 || memcmp(swarm_torrent_hash(model->swarm, torrent),
	    name(hash, info_hash), SWARM_ID_SIZE) == 0);
}

static void compare_peer(const struct model *model, uint32_t id)
{
	uint32_t peer = peer_of(model->swarm, id);

	CHECK(peer == (count(model, ANY, id, ANY) > 0 ? model->peer[id] : 0));
	CHECK(peer <= model->limits.members);
}

static void compare_link(const struct model *model, uint32_t link)
{
	const struct known *newest = NULL;
	uint32_t at = 0;

	for (; (at = find(model, at, ANY, ANY, link)) < model->count; at++) {
		if (newest == NULL || model->member[at].joined > newest->joined)
			newest = &model->member[at];
	}
	CHECK(swarm_link_count(model->swarm, link) == count(model, ANY, ANY, link));
	CHECK(swarm_link_member(model->swarm, link) == (newest != NULL ? newest->number : 0));
}

static void compare_member(const struct model *model, uint32_t at)
{
	const struct known *known = &model->member[at];
	const struct swarm *swarm = model->swarm;
	uint32_t number = known->number;
	uint8_t id[SWARM_ID_SIZE];

	CHECK(number >= 1 && number <= model->limits.members);
	CHECK(find_number(model, number) == at);
	CHECK(swarm_member(swarm, torrent_of(swarm, known->hash), peer_of(swarm, known->id),
	    known->link) == number);
	CHECK(swarm_seen(swarm, number) == known->seen);
	CHECK(swarm_link(swarm, number) == known->link);
	CHECK(swarm_is_seeder(swarm, number) == known->seeder);
	CHECK(memcmp(swarm_member_id(swarm, number), name(known->id, id), sizeof id) == 0);
	CHECK(memcmp(swarm_member_hash(swarm, number), name(known->hash, id), sizeof id) == 0);
}

/* swarm_torrent_next gives each torrent once, in the order in which they came. */
static void compare_order(const struct model *model)
{
	uint32_t torrent = 0, found = 0, last = 0, hash;

	while ((torrent = swarm_torrent_next(model->swarm, torrent)) != 0) {
		for (hash = 0; hash < model->hashes && model->torrent[hash] != torrent; hash++)
			;
		CHECK(hash < model->hashes);
		if (hash == model->hashes || ++found > model->hashes)
			break;
		CHECK(model->came[hash] > last);
		last = model->came[hash];
	}
	CHECK(found == swarm_totals(model->swarm)->torrents);
}

/* How many of a torrent's members are of this order; or its downloads. */
static uint32_t count_in_order(const struct model *model, enum swarm_order order, uint32_t hash)
{
	uint32_t at = 0, members = 0, seeders = 0;

	for (; (at = find(model, at, hash, ANY, ANY)) < model->count; at++) {
		members++;
		seeders += model->member[at].seeder;
	}
	if (order == SWARM_BY_DOWNLOADS)
		return members > 0 ? model->downloads[hash] : 0;
	return order == SWARM_BY_PEERS ? members : order == SWARM_BY_SEEDERS ? seeders :
	    members - seeders;
}

/* swarm_ranked gives each torrent that has some once, the most first; without orders none. */
static void compare_ranked(const struct model *model, enum swarm_order order)
{
	uint32_t expected[HASHES], hash, torrent = 0, most = ANY, left = 0;

	for (hash = 0; hash < model->hashes; hash++) {
		expected[hash] = model->limits.ranked ? count_in_order(model, order, hash) : 0;
		left += expected[hash] > 0;
	}
	while ((torrent = swarm_ranked(model->swarm, order, torrent)) != 0) {
		for (hash = 0; hash < model->hashes && model->torrent[hash] != torrent; hash++)
			;
		CHECK(hash < model->hashes && expected[hash] > 0 && expected[hash] <= most);
		if (hash == model->hashes || left-- == 0)
			return;
		most = expected[hash];
		expected[hash] = 0;
	}
	CHECK(left == 0);
}

static void compare_all(const struct model *model)
{
	enum swarm_order order;
	const char *wrong = swarm_check(model->swarm);
	uint32_t i;

	CHECK(wrong == NULL);
	if (wrong != NULL)
		printf("step %u: %s\n", model->step, wrong);
	compare_totals(model);
	compare_order(model);
	for (order = 0; order < SWARM_ORDERS; order++)
		compare_ranked(model, order);
	for (i = 0; i < model->hashes; i++)
		compare_torrent(model, i);
	for (i = 0; i < model->ids; i++)
		compare_peer(model, i);
	for (i = 1; i <= model->limits.links; i++)
		compare_link(model, i);
	for (i = 0; i < model->count; i++)
		compare_member(model, i);
	CHECK(swarm_torrent(model->swarm, (const uint8_t *)"nobody has this hash") == 0);
	CHECK(swarm_peer(model->swarm, (const uint8_t *)"nobody has such an id") == 0);
}

/* swarm_same gives each membership of the two once, and swarm_member the link's own. */
static void compare_same(const struct model *model, uint32_t hash, uint32_t id, uint32_t link)
{
	uint32_t torrent = torrent_of(model->swarm, hash), peer = peer_of(model->swarm, id);
	uint32_t member = 0, before = 0, found = 0;
	uint32_t at = find(model, 0, hash, id, link);

	while ((member = swarm_same(model->swarm, torrent, peer, member)) != 0) {
		uint32_t found_at = find_number(model, member);

		CHECK(find(model, found_at, hash, id, ANY) == found_at && found_at < model->count);
		CHECK(member != before);
		before = member;
		if (++found > SWARM_SAME_MAX)
			break;
	}
	CHECK(found == count(model, hash, id, ANY));
	CHECK(swarm_member(model->swarm, torrent, peer, link) ==
	    (at < model->count ? model->member[at].number : 0));
	CHECK(swarm_member(model->swarm, 0, peer, link) == 0);
	CHECK(swarm_member(model->swarm, torrent, 0, link) == 0);
}

/* -- operations on both ------------------------------------------------------------- */

/* The limits that a new membership of these three would pass, a bit each. */
static unsigned limits_met(const struct model *model, uint32_t hash, uint32_t id, uint32_t link)
{
	uint32_t i, torrents = 0;
	unsigned met = 0;

	for (i = 0; i < model->hashes; i++)
		torrents += model->torrent[i] != 0;
	if (model->torrent[hash] == 0 && torrents == model->limits.torrents)
		met |= 1u << SWARM_TORRENTS_FULL;
	if (model->count == model->limits.members)
		met |= 1u << SWARM_MEMBERS_FULL;
	if (count(model, ANY, ANY, link) == model->limits.per_link)
		met |= 1u << SWARM_LINK_FULL;
	if (count(model, hash, id, ANY) == SWARM_SAME_MAX)
		met |= 1u << SWARM_SAME_FULL;
	return met == 0 ? 1u << SWARM_JOINED : met;
}

static void note_joined(struct model *model, const struct known *made)
{
	uint32_t torrent = torrent_of(model->swarm, made->hash);
	uint32_t peer = peer_of(model->swarm, made->id);

	if (count(model, made->hash, ANY, ANY) == 0) {
		model->torrent[made->hash] = torrent;
		model->came[made->hash] = model->step;
		model->downloads[made->hash] = 0;
	}
	if (count(model, ANY, made->id, ANY) == 0)
		model->peer[made->id] = peer;
	CHECK(find_number(model, made->number) == model->count);
	model->member[model->count++] = *made;
	compare_member(model, model->count - 1);
}

static void op_join(struct model *model, uint32_t hash, uint32_t id, uint32_t link)
{
	struct known made = { .hash = hash, .id = id, .link = link, .seen = model->now,
		.joined = model->step, .number = ANY, .family = (enum swarm_family)pick(model, 3) };
	uint32_t torrent = torrent_of(model->swarm, hash), peer = peer_of(model->swarm, id);
	enum swarm_result room = swarm_room(model->swarm, torrent, peer, link), result;
	unsigned expected = limits_met(model, hash, id, link);
	uint16_t client = (uint16_t)pick(model, SWARM_CLIENTS_MAX);
	uint8_t info_hash[SWARM_ID_SIZE], peer_id[SWARM_ID_SIZE];

	if (peer == 0)
		model->client[id] = client;
	result = swarm_join(model->swarm, name(hash, info_hash), name(id, peer_id), link,
	    made.family, client, model->now, &made.number);
	CHECK((expected >> result & 1) == 1);
	CHECK(room == result);
	model->met[result]++;
	if (result == SWARM_JOINED)
		note_joined(model, &made);
	else
		CHECK(made.number == ANY);
}

static void op_leave(struct model *model, uint32_t at)
{
	struct known known = model->member[at];
	uint16_t client = 0xffff;
	bool last = swarm_leave(model->swarm, known.number, &client);

	take_out(model, at);
	CHECK(last == (count(model, ANY, known.id, ANY) == 0));
	CHECK(!last || client == model->client[known.id]);
	if (count(model, known.hash, ANY, ANY) == 0) {
		model->torrent[known.hash] = 0;
		CHECK(torrent_of(model->swarm, known.hash) == 0);
	}
	if (last)
		CHECK(peer_of(model->swarm, known.id) == 0);
	CHECK(find(model, 0, known.hash, known.id, known.link) == model->count);
	compare_same(model, known.hash, known.id, known.link);
	model->emptied += model->count == 0;
}

static void op_refresh(struct model *model, uint32_t at)
{
	struct known known = model->member[at];

	swarm_refresh(model->swarm, known.number, model->now);
	take_out(model, at);
	known.seen = model->now;
	model->member[model->count++] = known;
	CHECK(swarm_seen(model->swarm, known.number) == model->now);
}

static void op_seed(struct model *model, uint32_t at)
{
	swarm_seed(model->swarm, model->member[at].number);
	model->member[at].seeder = true;
	CHECK(swarm_is_seeder(model->swarm, model->member[at].number));
}

static void op_completed(struct model *model, uint32_t at)
{
	swarm_completed(model->swarm, model->member[at].number);
	if (model->downloads[model->member[at].hash] < SWARM_DOWNLOADS_MAX)
		model->downloads[model->member[at].hash]++;
	else
		model->most++;
}

static void op_end_link(struct model *model, uint32_t link)
{
	uint32_t member;

	while ((member = swarm_link_member(model->swarm, link)) != 0) {
		uint32_t at = find_number(model, member);

		CHECK(at < model->count && model->member[at].link == link);
		if (at == model->count)
			return;
		op_leave(model, at);
		compare_link(model, link);
	}
}

static void op_expire(struct model *model)
{
	uint32_t age = pick(model, 400), member;

	while ((member = swarm_oldest(model->swarm)) != 0 &&
	    swarm_seen(model->swarm, member) + age < model->now) {
		CHECK(model->member[0].number == member);
		if (model->member[0].number != member)
			return;
		op_leave(model, 0);
		model->expired++;
	}
	CHECK(model->count == 0 || model->member[0].seen + age >= model->now);
}

static void op_sample(struct model *model, uint32_t hash, uint32_t id)
{
	uint32_t torrent = torrent_of(model->swarm, hash), peer = peer_of(model->swarm, id);
	uint32_t others = count(model, hash, ANY, ANY) - count(model, hash, id, ANY);
	unsigned k = pick(model, SWARM_SAMPLE_MAX + 1), i, j;
	uint32_t members[SWARM_SAMPLE_MAX];
	unsigned given = swarm_sample(model->swarm, torrent, peer, k, members);

	CHECK(given == (k < others ? k : others));
	for (i = 0; i < given; i++) {
		uint32_t at = find_number(model, members[i]);

		CHECK(at < model->count && model->member[at].hash == hash);
		CHECK(at < model->count && model->member[at].id != id);
		for (j = 0; j < i; j++)
			CHECK(members[j] != members[i]);
	}
}

/* Something to a membership there is. */
static void op_known(struct model *model, uint32_t at)
{
	switch (pick(model, 8)) {
	case 0: op_refresh(model, at); break;
	case 1: op_seed(model, at); break;
	case 2: op_completed(model, at); break;
	default: op_leave(model, at); break;
	}
}

/* One operation; `joins` of 100 put somebody in. */
static void step(struct model *model, uint32_t joins)
{
	uint32_t hash = pick(model, model->hashes), id = pick(model, model->ids);
	uint32_t link = pick(model, model->limits.links) + 1;
	uint32_t roll = pick(model, 100), at;

	/* A few are met often, or a link or an id would hardly ever come to its limit. */
	if (pick(model, 3) == 0) {
		hash %= 2;
		id %= 2;
	}
	if (pick(model, 4) == 0)
		link = 1 + (link - 1) % 2;
	model->step++;
	model->now += pick(model, 4) == 0;
	at = find(model, 0, hash, id, link);
	if (roll < joins && at == model->count)
		op_join(model, hash, id, link);
	else if (roll < joins)
		op_refresh(model, at);
	else if (roll < 92 && model->count > 0)
		op_known(model, pick(model, model->count));
	else if (roll < 98)
		op_sample(model, hash, id);
	else if (roll < 99)
		op_end_link(model, link);
	else
		op_expire(model);
	compare_totals(model);
	compare_torrent(model, hash);
	compare_same(model, hash, id, link);
}

/* Steps in which the swarm fills, stays about as it is, and empties, in turn. */
static void run_steps(struct model *model, uint32_t steps, uint32_t phase, uint32_t check_every)
{
	static const uint32_t joins[3] = { 85, 60, 20 };
	int bad = test_bad;
	uint32_t i;

	for (i = 0; i < steps && test_bad == bad; i++) {
		step(model, joins[i / phase % 3]);
		if (i % check_every == 0)
			compare_all(model);
	}
	while (model->count > 0 && test_bad == bad)
		op_leave(model, pick(model, model->count));
	compare_all(model);
}

static void million_operations(void)
{
	static const struct swarm_limits limits = { .links = 30, .torrents = 25,
		.members = MEMBERS, .per_link = 20, .ranked = true };
	struct model model;
	enum swarm_result result;

	model_start(&model, &limits, HASHES, IDS);
	run_steps(&model, 1000000, 4000, 1000);
	for (result = SWARM_JOINED; result <= SWARM_SAME_FULL; result++)
		CHECK(model.met[result] > 1000);
	CHECK(model.emptied > 20 && model.expired > 10000);
	CHECK(SWARM_DOWNLOADS_MAX > 100 || model.most > 1000);
	model_end(&model);
}

/* Every small set of limits, all of it compared after each operation. */
static void tiny_tables(void)
{
	uint32_t met[SWARM_SAME_FULL + 1] = { 0 }, i;
	struct model model;

	for (i = 0; i < 81; i++) {
		struct swarm_limits limits = { .links = 1 + i % 3 * 3, .torrents = 1 + i / 3 % 3,
			.members = 1 + i / 9 % 3 * 3, .per_link = 1 + i / 27,
			.ranked = i % 4 < 2 };
		enum swarm_result result;

		model_start(&model, &limits, limits.torrents + 1, i % 2 == 0 ? 1 : 4);
		run_steps(&model, 900, 100, 1);
		for (result = SWARM_JOINED; result <= SWARM_SAME_FULL; result++)
			met[result] += model.met[result];
		model_end(&model);
	}
	for (i = 0; i <= SWARM_SAME_FULL; i++)
		CHECK(met[i] > 100);
}

/* A swarm that has never had a member, and what is asked of number 0. */
static void nothing(void)
{
	static const struct swarm_limits limits = { 1, 1, 1, 1, true };
	struct swarm_counts counts;
	uint32_t members[SWARM_SAMPLE_MAX];
	struct model model;

	model_start(&model, &limits, 1, 1);
	compare_all(&model);
	counts = swarm_counts(model.swarm, 0);
	CHECK(counts.complete == 0 && counts.incomplete == 0 && counts.downloads == 0);
	CHECK(swarm_torrent_next(model.swarm, 0) == 0);
	CHECK(swarm_same(model.swarm, 0, 0, 0) == 0);
	CHECK(swarm_sample(model.swarm, 0, 0, SWARM_SAMPLE_MAX, members) == 0);
	CHECK(swarm_room(model.swarm, 0, 0, 1) == SWARM_JOINED);
	model_end(&model);
}

/* Orders from their first torrent to their last: of equals the latest comer is first. */
static void orders(void)
{
	static const struct swarm_limits limits = { 9, 4, 8, 8, true };
	static const uint32_t hashes[6] = { 1, 2, 2, 3, 3, 3 };
	struct swarm *swarm = swarm_init(guard_alloc(swarm_size(&limits)), &limits, &secret);
	uint32_t member[6], torrent[4] = { 0 }, i;
	uint16_t client;

	for (i = 0; i < 6; i++)
		CHECK(join(swarm, hashes[i], i, i + 1, 0, &member[i]) == SWARM_JOINED);
	for (i = 1; i <= 3; i++) {
		torrent[i] = torrent_of(swarm, i);
		CHECK(swarm_ranked(swarm, SWARM_BY_PEERS, torrent[i]) == torrent[i - 1]);
	}
	CHECK(swarm_ranked(swarm, SWARM_BY_PEERS, 0) == torrent[3]);
	CHECK(swarm_ranked(swarm, SWARM_BY_SEEDERS, 0) == 0);
	CHECK(swarm_ranked(swarm, SWARM_BY_DOWNLOADS, 0) == 0);
	swarm_completed(swarm, member[1]);
	swarm_seed(swarm, member[0]);
	swarm_seed(swarm, member[0]);
	CHECK(swarm_ranked(swarm, SWARM_BY_SEEDERS, 0) == torrent[1]);
	CHECK(swarm_ranked(swarm, SWARM_BY_SEEDERS, torrent[1]) == 0);
	CHECK(swarm_ranked(swarm, SWARM_BY_LEECHERS, torrent[2]) == 0);
	CHECK(swarm_ranked(swarm, SWARM_BY_DOWNLOADS, 0) == torrent[2]);
	swarm_leave(swarm, member[5], &client);
	CHECK(swarm_ranked(swarm, SWARM_BY_PEERS, 0) == torrent[3]);
	CHECK(swarm_ranked(swarm, SWARM_BY_PEERS, torrent[3]) == torrent[2]);
	swarm_leave(swarm, member[1], &client);
	swarm_leave(swarm, member[2], &client);
	CHECK(swarm_ranked(swarm, SWARM_BY_DOWNLOADS, 0) == 0);
	CHECK(swarm_ranked(swarm, SWARM_BY_PEERS, torrent[3]) == torrent[1]);
	CHECK(swarm_check(swarm) == NULL);
	guard_free(swarm, swarm_size(&limits));
}

/* Downloads add up to far more than there are members, and may differ in every torrent. */
static void orders_downloads(void)
{
	static const struct swarm_limits limits = { 40, 40, 40, 1, true };
	struct swarm *swarm = swarm_init(guard_alloc(swarm_size(&limits)), &limits, &secret);
	uint32_t member, torrent = 0, i, j;

	for (i = 1; i <= 40; i++) {
		CHECK(join(swarm, i, i, i, 0, &member) == SWARM_JOINED);
		for (j = 0; j < i * 100; j++)
			swarm_completed(swarm, member);
	}
	CHECK(swarm_check(swarm) == NULL);
	for (i = 40; i >= 1; i--) {
		torrent = swarm_ranked(swarm, SWARM_BY_DOWNLOADS, torrent);
		CHECK(torrent == torrent_of(swarm, i));
		CHECK(swarm_counts(swarm, torrent).downloads ==
		    (i * 100 < SWARM_DOWNLOADS_MAX ? i * 100 : SWARM_DOWNLOADS_MAX));
	}
	CHECK(swarm_ranked(swarm, SWARM_BY_DOWNLOADS, torrent) == 0);
	guard_free(swarm, swarm_size(&limits));
}

/* A client is counted under what it came with first, until its last membership ends. */
static void client_given_back(void)
{
	static const struct swarm_limits limits = { 4, 4, 8, 8, false };
	struct model model;
	uint8_t id[SWARM_ID_SIZE];
	uint32_t first = 0, second = 0;
	uint16_t client = 0xffff;

	model_start(&model, &limits, 1, 1);
	name(1, id);
	CHECK(swarm_join(model.swarm, id, id, 1, SWARM_IPV4, 0, 1, &first) == SWARM_JOINED);
	CHECK(swarm_join(model.swarm, id, id, 2, SWARM_IPV6, 65534, 1, &second) == SWARM_JOINED);
	CHECK(!swarm_leave(model.swarm, first, &client));
	CHECK(swarm_leave(model.swarm, second, &client) && client == 0);
	CHECK(swarm_join(model.swarm, id, id, 1, SWARM_IPV4, 65534, 1, &first) == SWARM_JOINED);
	CHECK(swarm_leave(model.swarm, first, &client) && client == 65534);
	model_end(&model);
}

/* Only a link's newest membership is told at once. */
static void recent(void)
{
	static const struct swarm_limits limits = { 4, 4, 8, 8, false };
	struct model model;
	uint8_t one[SWARM_ID_SIZE], two[SWARM_ID_SIZE];
	uint32_t first = 0, second = 0;
	uint16_t client;

	model_start(&model, &limits, 1, 1);
	name(1, one);
	name(2, two);
	CHECK(swarm_recent(model.swarm, 1, one, one) == 0);
	CHECK(swarm_join(model.swarm, one, two, 1, SWARM_IPV4, 0, 1, &first) == SWARM_JOINED);
	CHECK(swarm_recent(model.swarm, 1, one, two) == first);
	CHECK(swarm_recent(model.swarm, 2, one, two) == 0);
	CHECK(swarm_recent(model.swarm, 1, two, two) == 0);
	CHECK(swarm_recent(model.swarm, 1, one, one) == 0);
	CHECK(swarm_join(model.swarm, two, two, 1, SWARM_IPV4, 0, 1, &second) == SWARM_JOINED);
	CHECK(swarm_recent(model.swarm, 1, two, two) == second);
	CHECK(swarm_recent(model.swarm, 1, one, two) == 0);
	CHECK(!swarm_leave(model.swarm, second, &client));
	CHECK(swarm_recent(model.swarm, 1, two, two) == 0);
	CHECK(swarm_recent(model.swarm, 1, one, two) == first);
	CHECK(swarm_leave(model.swarm, first, &client));
	model_end(&model);
}

/* -- expiry ------------------------------------------------------------------------- */

/* Who was not heard of for longest goes first, by a clock that only the test moves. */
static void expiry_order(void)
{
	static const struct swarm_limits limits = { 100, 10, 100, 10, false };
	struct swarm *swarm = swarm_init(guard_alloc(swarm_size(&limits)), &limits, &secret);
	uint32_t member[100], i, due;
	uint16_t client;

	CHECK(swarm_oldest(swarm) == 0);
	for (i = 0; i < 100; i++)
		CHECK(join(swarm, i % 7, i, i + 1, 1000 + i, &member[i]) == SWARM_JOINED);
	/* Every fifth is heard of again, the last first, at 2000 and then a second apart. */
	for (i = 0; i < 20; i++)
		swarm_refresh(swarm, member[95 - 5 * i], 2000 + i);
	for (i = 0; i < 100; i++) {
		if (i % 5 == 0)
			continue;
		CHECK(swarm_oldest(swarm) == member[i]);
		CHECK(swarm_seen(swarm, swarm_oldest(swarm)) == 1000 + i);
		swarm_leave(swarm, swarm_oldest(swarm), &client);
	}
	for (due = 2000; due < 2020; due++) {
		CHECK(swarm_seen(swarm, swarm_oldest(swarm)) == due);
		CHECK(swarm_oldest(swarm) == member[95 - 5 * (due - 2000)]);
		swarm_leave(swarm, swarm_oldest(swarm), &client);
	}
	CHECK(swarm_oldest(swarm) == 0);
	guard_free(swarm, swarm_size(&limits));
}

/* -- sampling ----------------------------------------------------------------------- */

#define CROWD 320
#define MY_ID 5000u
#define MY_HASH 77u

/* A torrent of which some memberships are one's own; the others are numbered from 0. */
struct crowd {
	struct swarm *swarm;
	struct swarm_limits limits;
	uint32_t torrent, me;
	uint32_t others, own;
	uint32_t which[2 * CROWD];  /* of the others; ANY: one's own, or in another torrent */
	uint64_t random;
};

static void crowd_join(struct crowd *crowd, uint32_t hash, uint32_t id, uint32_t link,
    uint32_t which)
{
	uint32_t member = 0;

	CHECK(join(crowd->swarm, hash, id, link, 0, &member) == SWARM_JOINED);
	crowd->which[member] = which;
}

/* Own memberships stand anywhere among the others', who are in other torrents too. */
static void crowd_start(struct crowd *crowd, uint32_t others, uint32_t own)
{
	uint32_t i, mine = 0, theirs = 0;

	*crowd = (struct crowd){ .limits = { 2 * CROWD, 16, 2 * CROWD - 1, 8, true }, .own = own,
		.others = others, .random = others * 8 + own };
	memset(crowd->which, 0xff, sizeof crowd->which);
	crowd->swarm = swarm_init(guard_alloc(swarm_size(&crowd->limits)), &crowd->limits,
	    &(struct hash_secret){ { others, own } });
	for (i = 0; i < others + own; i++) {
		if (below(&crowd->random, others + own - i) < own - mine) {
			crowd_join(crowd, MY_HASH, MY_ID, ++mine, ANY);
			continue;
		}
		/* Every third of the others has the id of the one before, on another link. */
		crowd_join(crowd, MY_HASH, theirs - (theirs % 3 == 2), 10 + theirs, theirs);
		if (theirs++ % 2 == 0)
			crowd_join(crowd, theirs % 9, theirs, 10 + theirs, ANY);
	}
	crowd_join(crowd, 3, MY_ID, 6, ANY);
	crowd->torrent = torrent_of(crowd->swarm, MY_HASH);
	crowd->me = peer_of(crowd->swarm, MY_ID);
}

static void crowd_end(struct crowd *crowd)
{
	CHECK(swarm_check(crowd->swarm) == NULL);
	guard_free(crowd->swarm, swarm_size(&crowd->limits));
}

/* A sample of k as the numbers of the others; what must hold for each one is checked. */
static bool crowd_sample(struct crowd *crowd, unsigned k, uint32_t which[static SWARM_SAMPLE_MAX])
{
	uint64_t seen[CROWD / 64] = { 0 };
	uint32_t expected = k < crowd->others ? k : crowd->others;
	unsigned given = swarm_sample(crowd->swarm, crowd->torrent, crowd->me, k, which), i;
	bool good = given == expected;

	for (i = 0; i < given && good; i++) {
		which[i] = crowd->which[which[i]];
		good = which[i] < crowd->others && (seen[which[i] / 64] >> which[i] % 64 & 1) == 0;
		if (good)
			seen[which[i] / 64] |= (uint64_t)1 << which[i] % 64;
	}
	CHECK(good);
	return good;
}

/* Chi-square of counts that should all be the same. */
static double chi_square(const uint32_t *counts, uint32_t cells, double expected)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < cells; i++)
		sum += (counts[i] - expected) * (counts[i] - expected) / expected;
	return sum;
}

/*
 * Can chance have brought this chi-square about? False for too much and for too little (a list
 * gone through in turn), either with a probability below e^-22 (Laurent and Massart 2000, lemma
 * 1), so that the 1,000 questions asked here raise a false alarm less than once in a million.
 */
static bool plausible(double square, double freedom)
{
	const double x = 22;
	double off = square - freedom;

	if (off > 0)
		off = off > 2 * x ? off - 2 * x : 0;
	return off * off <= 4 * freedom * x;
}

/* Every one of the others is chosen as often as any, and comes at each place as often as any. */
static void check_uniform(uint32_t others, uint32_t own, unsigned k, uint32_t trials)
{
	static uint32_t chosen[CROWD], place[SWARM_SAMPLE_MAX][CROWD];
	uint32_t which[SWARM_SAMPLE_MAX], given = k < others ? k : others, trial, i;
	double share = (double)given / others, mean = trials * share;
	struct crowd crowd;

	memset(chosen, 0, sizeof chosen);
	memset(place, 0, sizeof place);
	crowd_start(&crowd, others, own);
	for (trial = 0; trial < trials && crowd_sample(&crowd, k, which); trial++) {
		for (i = 0; i < given; i++) {
			chosen[which[i]]++;
			place[i][which[i]]++;
		}
	}
	for (i = 0; i < given; i++)
		CHECK(plausible(chi_square(place[i], others, (double)trials / others), others - 1));
	/* Drawing without putting back spreads the counts less; this is a chi-square again. */
	if (given < others)
		CHECK(plausible(chi_square(chosen, others, mean) * (others - 1) /
		    (others * (1 - share)), others - 1));
	for (i = 0; i < others && given == others; i++)
		CHECK(chosen[i] == trials);
	crowd_end(&crowd);
}

static void sample_uniform(void)
{
	static const struct { uint32_t others; unsigned k; uint32_t trials; } cases[] = {
		{ 1, 1, 100 }, { 1, 5, 100 }, { 2, 1, 20000 }, { 3, 5, 20000 }, { 5, 3, 20000 },
		{ 7, 3, 20000 }, { 12, 12, 10000 }, { 33, 32, 10000 }, { 40, 5, 20000 },
		{ 100, 20, 10000 }, { 300, 10, 20000 }
	};
	uint32_t own;
	size_t i;

	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (own = 0; own <= SWARM_SAME_MAX; own++)
			check_uniform(cases[i].others, own, cases[i].k, cases[i].trials);
	}
}

/* All 120 orders in which 3 of 6 can come are as likely. */
static void sample_orders(void)
{
	const uint32_t trials = 60000;
	uint32_t which[SWARM_SAMPLE_MAX], orders[120], own, trial;
	struct crowd crowd;

	for (own = 0; own <= SWARM_SAME_MAX; own++) {
		memset(orders, 0, sizeof orders);
		crowd_start(&crowd, 6, own);
		for (trial = 0; trial < trials && crowd_sample(&crowd, 3, which); trial++) {
			uint32_t second = which[1] - (which[1] > which[0]);
			uint32_t third = which[2] - (which[2] > which[0]) - (which[2] > which[1]);

			orders[which[0] * 20 + second * 4 + third]++;
		}
		CHECK(plausible(chi_square(orders, 120, trials / 120.0), 119));
		crowd_end(&crowd);
	}
}

/* Whom one sample finds says nothing about the next. */
static void sample_successive(void)
{
	const uint32_t trials = 60000;
	uint32_t which[SWARM_SAMPLE_MAX], pairs[13 * 13], own, trial, before = 0;
	struct crowd crowd;

	for (own = 0; own <= SWARM_SAME_MAX; own++) {
		memset(pairs, 0, sizeof pairs);
		crowd_start(&crowd, 13, own);
		for (trial = 0; trial < trials && crowd_sample(&crowd, 4, which); trial++) {
			pairs[before * 13 + which[1]]++;
			before = which[2];
		}
		CHECK(plausible(chi_square(pairs, 169, trials / 169.0), 168));
		crowd_end(&crowd);
	}
}

/* One whose id is nobody's may find all; no k is too large, and nobody is in torrent 0. */
static void sample_stranger(void)
{
	uint32_t members[SWARM_SAMPLE_MAX], i, j;
	struct crowd crowd;

	crowd_start(&crowd, 20, 4);
	for (i = 0; i <= SWARM_SAMPLE_MAX; i++) {
		CHECK(swarm_sample(crowd.swarm, crowd.torrent, crowd.me, i, members) ==
		    (i < 20 ? i : 20));
		CHECK(swarm_sample(crowd.swarm, 0, crowd.me, i, members) == 0);
	}
	CHECK(swarm_sample(crowd.swarm, crowd.torrent, 0, SWARM_SAMPLE_MAX, members) == 24);
	for (i = 0; i < 24; i++) {
		for (j = 0; j < i; j++)
			CHECK(members[i] != members[j]);
	}
	crowd_end(&crowd);
	crowd_start(&crowd, 300, 0);
	CHECK(swarm_sample(crowd.swarm, crowd.torrent, 0, 1000, members) == SWARM_SAMPLE_MAX);
	crowd_end(&crowd);
}

/* What the samples of a swarm of 200 come to, under a secret. */
static uint64_t samples_of(const struct hash_secret *with)
{
	static const struct swarm_limits limits = { 200, 1, 200, 1, false };
	struct swarm *swarm = swarm_init(guard_alloc(swarm_size(&limits)), &limits, with);
	uint32_t members[SWARM_SAMPLE_MAX] = { 0 }, i;
	uint64_t sum = 0;

	for (i = 0; i < 200; i++)
		CHECK(join(swarm, 1, i, i + 1, 0, &members[0]) == SWARM_JOINED);
	for (i = 1; i <= 200; i++) {
		CHECK(swarm_sample(swarm, 1, i, 32, members) == 32);
		sum = hash_bytes(&(struct hash_secret){ { sum, i } }, members, sizeof members);
	}
	guard_free(swarm, swarm_size(&limits));
	return sum;
}

static void sample_repeats(void)
{
	static const struct hash_secret other = { { 0x0123456789abcdef, 0xfedcba9876543211 } };

	CHECK(samples_of(&secret) == samples_of(&secret));
	CHECK(samples_of(&secret) != samples_of(&other));
}

/* -- memory ------------------------------------------------------------------------- */

#define PAGE ((size_t)4096)

/* Pages with something written in them. */
static size_t pages_written(const struct swarm *swarm, const struct swarm_limits *limits)
{
	static const uint8_t zeros[PAGE];
	const uint8_t *at = (const uint8_t *)swarm;
	size_t left = swarm_size(limits), written = 0, len;

	for (; left > 0; left -= len, at += len) {
		len = left < PAGE ? left : PAGE;
		written += memcmp(at, zeros, len) != 0;
	}
	return written;
}

/*
 * Bytes resident of the mapping that this memory lies in, as Linux tells them; 0 where it does not,
 * and where it made large pages of it: then what was written has to do.
 */
static size_t resident(const void *memory)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	size_t at = (size_t)memory, start, end, found = 0, kib, huge = 0;
	bool inside = false;
	char line[512];

	if (maps == NULL)
		return 0;
	while (fgets(line, sizeof line, maps) != NULL) {
		if (sscanf(line, "%zx-%zx ", &start, &end) == 2)
			inside = at >= start && at < end;
		else if (inside && sscanf(line, "Rss: %zu kB", &kib) == 1)
			found = kib * 1024;
		else if (inside && sscanf(line, "AnonHugePages: %zu kB", &kib) == 1)
			huge = kib;
	}
	fclose(maps);
	return huge > 0 ? 0 : found;
}

/* A wave of memberships joins and leaves; `wave` makes them others than before. */
static void wave_in(struct swarm *swarm, uint32_t wave, uint32_t torrents, uint32_t count_in,
    uint32_t *members)
{
	uint32_t i, joined = 0;

	for (i = 0; i < count_in; i++) {
		uint32_t link = wave % 2 == 0 ? i + 1 : count_in - i;

		joined += join(swarm, wave << 28 | i % torrents, wave << 28 | i, link, wave,
		    &members[i]) == SWARM_JOINED;
	}
	CHECK(joined == count_in);
	CHECK(swarm_totals(swarm)->members == count_in);
	CHECK(swarm_totals(swarm)->torrents == torrents);
}

static void wave_out(struct swarm *swarm, uint32_t count_in, const uint32_t *members)
{
	static const struct swarm_totals none;
	uint16_t client;
	uint32_t i;

	/* 7,919 is prime to every count used here: a stride through all of them. */
	for (i = 0; i < count_in; i++)
		swarm_leave(swarm, members[(uint64_t)i * 7919 % count_in], &client);
	CHECK(memcmp(swarm_totals(swarm), &none, sizeof none) == 0);
	CHECK(swarm_check(swarm) == NULL);
}

/* Every entry of every table in use, twice; these sizes end at the guard page to the byte. */
static void memory_full_of(bool ranked)
{
	const struct swarm_limits limits = { 1024, 1024, 1024, 1, ranked };
	struct swarm *swarm = swarm_init(guard_alloc(swarm_size(&limits)), &limits, &secret);
	uint32_t members[1024], member = 0, wave;

	for (wave = 0; wave < 3; wave++) {
		wave_in(swarm, wave, 1024, 1024, members);
		CHECK(swarm_check(swarm) == NULL);
		CHECK(join(swarm, 9999, 9999, 1, 5, &member) == SWARM_LINK_FULL);
		wave_out(swarm, 1024, members);
	}
	guard_free(swarm, swarm_size(&limits));
}

static void memory_full(void)
{
	memory_full_of(false);
	memory_full_of(true);
}

/* Orders cost 64 bytes a torrent, and 16 for each count that members can have at once. */
static void memory_ranked(void)
{
	struct swarm_limits limits = { 100, 1048575, 1048575, 4, false };
	size_t without = swarm_size(&limits);

	limits.ranked = true;
	CHECK(swarm_size(&limits) > without);
	CHECK(swarm_size(&limits) <= without + (size_t)64 * 1048576 + 3 * 16 * 1448 +
	    4 * PAGE);
}

/* A second and a third wave of as many find their entries where the first left them. */
static void memory_again(void)
{
	static const struct swarm_limits limits = { 100000, 100000, 100000, 4, true };
	static uint32_t members[3000];
	struct swarm *swarm = swarm_init(guard_alloc(swarm_size(&limits)), &limits, &secret);
	size_t written, real;
	uint32_t wave;

	wave_in(swarm, 0, 500, 3000, members);
	written = pages_written(swarm, &limits);
	real = resident(swarm);
	for (wave = 1; wave < 4; wave++) {
		wave_out(swarm, 3000, members);
		wave_in(swarm, wave, 500, 3000, members);
		CHECK(pages_written(swarm, &limits) == written);
		CHECK(resident(swarm) <= real + 2 * guard_pages(0));
	}
	guard_free(swarm, swarm_size(&limits));
}

/* A few in tables for a million cost little: a membership at most 150 bytes, all told. */
static void memory_small_of(bool ranked)
{
	const struct swarm_limits limits = { 1048576, 1048576, 1048576, 4096, ranked };
	static uint32_t members[15000];
	void *memory = guard_alloc(swarm_size(&limits));
	size_t before = resident(memory), page = guard_pages(0), real;
	size_t orders_pages = ranked ? SWARM_ORDERS : 0;
	struct swarm *swarm = swarm_init(memory, &limits, &secret);
	uint32_t member;

	CHECK(resident(swarm) <= before + (4 + orders_pages) * page);
	CHECK(join(swarm, 1, 1, 1, 0, &member) == SWARM_JOINED);
	CHECK(resident(swarm) <= before + (16 + 2 * orders_pages) * page);
	swarm_leave(swarm, member, &(uint16_t){ 0 });
	wave_in(swarm, 0, 300, 15000, members);
	real = resident(swarm);
	CHECK(real == 0 || real > before + 15000 * 40);
	CHECK(real <= before + 15000 * 150);
	CHECK(pages_written(swarm, &limits) * PAGE <= 15000 * 150);
	wave_out(swarm, 15000, members);
	guard_free(swarm, swarm_size(&limits));
}

static void memory_small(void)
{
	memory_small_of(false);
	memory_small_of(true);
}

int main(void)
{
	/* A chain that became a ring must not hold up who runs the tests. */
	alarm(120);
	RUN(nothing);
	RUN(orders);
	RUN(orders_downloads);
	RUN(client_given_back);
	RUN(recent);
	RUN(tiny_tables);
	RUN(million_operations);
	RUN(expiry_order);
	RUN(sample_uniform);
	RUN(sample_orders);
	RUN(sample_successive);
	RUN(sample_stranger);
	RUN(sample_repeats);
	RUN(memory_full);
	RUN(memory_ranked);
	RUN(memory_again);
	RUN(memory_small);
	return test_end();
}
