/* check_swarm.c - swarm.c, and a look at all of its tables; see check.h */
#include "../../swarm.c"

#include "check.h"
#include "fuzz.h"

UNNOTICED_BEGIN

/* How often an entry was met, by number; entry 0 is none. */
struct marks {
	uint8_t *at;
	uint32_t used, count;
};

static struct marks marks_new(const struct store *store)
{
	struct marks marks = { calloc((size_t)store->used + 1, 1), store->used, 0 };

	if (marks.at == NULL)
		abort();
	return marks;
}

/* An entry is met, which must have been met `times` times. */
static void mark(struct marks *marks, uint32_t entry, uint8_t times)
{
	MUST(entry != 0 && entry <= marks->used && marks->at[entry] == times);
	marks->at[entry]++;
	marks->count++;
}

/* Every chain of a table holds what hashes there and nothing else, each once. */
static void check_table(const struct hash_table *table, struct marks *marks, uint8_t times)
{
	uint32_t count = marks->count, bucket, at, home;

	MUST(table->size >= 1 && table->size <= table->capacity);
	MUST((table->mask & (table->mask + 1)) == 0 && table->size <= table->mask + 1 &&
	    table->size > table->mask / 2);
	for (bucket = 0; bucket < table->size; bucket++) {
		for (at = table->bucket[bucket]; at != 0; at = hash_table_next(table, at)) {
			mark(marks, at, times);
			home = table->key(table->context, at) & table->mask;
			home = home >= table->size ? home & table->mask >> 1 : home;
			MUST(home == bucket);
		}
	}
	MUST(marks->count - count == table->count);
}

/* What is not in use is in the list of free entries, and all of that is. */
static void check_free(const struct store *store, const struct hash_table *table,
    struct marks *marks)
{
	uint32_t at, i;

	MUST(store->used <= store->capacity && store->live <= store->used);
	for (at = store->free; at != 0; at = hash_table_next(table, at))
		mark(marks, at, 0);
	for (i = 1; i <= store->used; i++)
		MUST(marks->at[i] > 0);
	free(marks->at);
}

static void check_all_torrents(const struct swarm *swarm)
{
	struct marks marks = marks_new(&swarm->torrents);
	uint32_t before = 0, at;

	check_table(&swarm->torrent_table, &marks, 0);
	MUST(marks.count == swarm->torrents.live && marks.count == swarm->totals.torrents);
	for (at = swarm->first_torrent; at != 0; at = swarm->torrent[at].after) {
		mark(&marks, at, 1);
		MUST(swarm->torrent[at].before == before);
		before = at;
	}
	MUST(before == swarm->last_torrent && marks.count == 2 * swarm->torrents.live);
	check_free(&swarm->torrents, &swarm->torrent_table, &marks);
}

static void check_all_peers(const struct swarm *swarm)
{
	struct marks marks = marks_new(&swarm->peers);

	check_table(&swarm->peer_table, &marks, 0);
	MUST(marks.count == swarm->peers.live && marks.count == swarm->totals.peers);
	check_free(&swarm->peers, &swarm->peer_table, &marks);
}

static void check_ages_and_links(const struct swarm *swarm, struct marks *marks)
{
	uint32_t live = swarm->members.live, before = 0, seen = 0, count, link, at;

	for (at = swarm->oldest; at != 0; at = swarm->member[at].age_after) {
		mark(marks, at, 2);
		MUST(swarm->member[at].age_before == before && swarm->member[at].seen >= seen);
		before = at;
		seen = swarm->member[at].seen;
	}
	MUST(before == swarm->newest && marks->count == 3 * live);
	for (link = 1; link <= swarm->limits.links; link++) {
		count = before = 0;
		for (at = swarm->link[link].first; at != 0; at = swarm->member[at].link_after) {
			mark(marks, at, 3);
			MUST(swarm->member[at].link == link);
			MUST(swarm->member[at].link_before == before);
			before = at;
			count++;
		}
		MUST(count == swarm->link[link].count && count <= swarm->limits.per_link);
	}
	MUST(marks->count == 4 * live);
}

static void check_all_members(const struct swarm *swarm)
{
	struct marks marks = marks_new(&swarm->members);

	check_table(&swarm->ordinal_table, &marks, 0);
	check_table(&swarm->same_table, &marks, 1);
	MUST(marks.count == 2 * swarm->members.live);
	MUST(swarm->members.live == swarm->totals.members);
	check_ages_and_links(swarm, &marks);
	check_free(&swarm->members, &swarm->ordinal_table, &marks);
}

/* Count torrents' and peers' memberships by going through all of them. */
static void recount(const struct swarm *swarm, struct torrent *torrents, struct peer *peers)
{
	uint32_t at;

	for (at = swarm->oldest; at != 0; at = swarm->member[at].age_after) {
		const struct member *member = &swarm->member[at];
		unsigned family = member->flags >> MEMBER_FAMILY;
		bool seeds = member->flags & MEMBER_SEEDS;

		MUST(member->torrent != 0 && member->torrent <= swarm->torrents.used);
		MUST(member->peer != 0 && member->peer <= swarm->peers.used);
		MUST(member->ordinal < swarm->torrent[member->torrent].members);
		torrents[member->torrent].members++;
		torrents[member->torrent].complete += seeds;
		peers[member->peer].seeding += seeds;
		peers[member->peer].leeching += !seeds;
		peers[member->peer].ipv4 += family == SWARM_IPV4;
		peers[member->peer].ipv6 += family == SWARM_IPV6;
	}
}

static void check_counts(const struct swarm *swarm)
{
	struct torrent *torrents = calloc((size_t)swarm->torrents.used + 1, sizeof *torrents);
	struct peer *peers = calloc((size_t)swarm->peers.used + 1, sizeof *peers);
	uint32_t at;

	if (torrents == NULL || peers == NULL)
		abort();
	recount(swarm, torrents, peers);
	for (at = swarm->first_torrent; at != 0; at = swarm->torrent[at].after) {
		MUST(torrents[at].members > 0);
		MUST(torrents[at].members == swarm->torrent[at].members);
		MUST(torrents[at].complete == swarm->torrent[at].complete);
		torrents[at].members = 0;
	}
	for (at = 1; at <= swarm->torrents.used; at++)
		MUST(torrents[at].members == 0);
	for (at = 1; at <= swarm->peers.used; at++) {
		const struct peer *peer = &swarm->peer[at];
		bool met = peers[at].seeding + peers[at].leeching > 0;

		MUST(met == (swarm_peer(swarm, peer->id) == at));
		MUST(!met || (peers[at].seeding == peer->seeding &&
		    peers[at].leeching == peer->leeching && peers[at].ipv4 == peer->ipv4 &&
		    peers[at].ipv6 == peer->ipv6));
	}
	free(torrents);
	free(peers);
}

static void check_all_orders(const struct swarm *swarm)
{
	const struct swarm_limits *limits = &swarm->limits;
	enum swarm_order order;

	for (order = 0; order < SWARM_ORDERS; order++) {
		MUST(limits->ranked == (swarm->orders[order] != NULL));
		if (limits->ranked)
			check_rank(swarm->orders[order], limits->torrents,
			    order_sum(limits, order));
		else
			MUST(swarm_ranked(swarm, order, 0) == 0);
	}
}

void check_swarm(const struct swarm *swarm)
{
	const char *wrong;

	check_all_torrents(swarm);
	check_all_peers(swarm);
	check_all_members(swarm);
	check_counts(swarm);
	check_all_orders(swarm);
	wrong = swarm_check(swarm);
	if (wrong != NULL)
		fuzz_fail(__FILE__, __LINE__, __func__, wrong);
}

bool check_swarm_other(const struct swarm *swarm, uint32_t torrent, uint32_t peer, uint32_t link)
{
	uint32_t at;

	for (at = swarm->link[link].first; at != 0; at = swarm->member[at].link_after) {
		if (swarm->member[at].torrent == torrent && swarm->member[at].peer != peer)
			return true;
	}
	return false;
}

struct swarm *check_swarm_guard(const struct swarm_limits *limits,
    const struct hash_secret *secret)
{
	size_t torrents = limits->torrents, members = limits->members;
	struct swarm *swarm = swarm_init(place_zeros(PLACE_SWARM, swarm_size(limits)), limits,
	    secret);
	size_t tables = pages_round(hash_table_size(limits->torrents)) +
	    3 * pages_round(hash_table_size(limits->members));
	enum swarm_order order;

	swarm->torrent = place_zeros(PLACE_TORRENTS, (torrents + 1) * sizeof(struct torrent));
	swarm->peer = place_zeros(PLACE_PEERS, (members + 1) * sizeof(struct peer));
	swarm->member = place_zeros(PLACE_MEMBERS, (members + 1) * sizeof(struct member));
	swarm->link = place_zeros(PLACE_SWARM_LINKS,
	    ((size_t)limits->links + 1) * sizeof(struct link));
	init_tables(swarm, place_zeros(PLACE_TABLES, tables));
	for (order = 0; limits->ranked && order < SWARM_ORDERS; order++)
		swarm->orders[order] = check_rank_guard(PLACE_RANKS + CHECK_RANK_PLACES * order,
		    limits->torrents, order_sum(limits, order));
	return swarm;
}

UNNOTICED_END
