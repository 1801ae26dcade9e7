/* swarm.c - see swarm.h */
#include "swarm.h"

#include <string.h>

#include "pages.h"
#include "rank.h"

struct torrent {
	uint8_t info_hash[SWARM_ID_SIZE];
	uint32_t by_hash;           /* chain of swarm->torrent_table, or of free torrents */
	uint32_t members;           /* their ordinals are 0 to members - 1 */
	uint32_t complete;          /* of them, seeders */
	uint32_t downloads;
	uint32_t before, after;     /* torrents in the order they came */
};

struct peer {
	uint8_t id[SWARM_ID_SIZE];
	uint32_t by_id;             /* chain of swarm->peer_table, or of free peers */
	uint32_t seeding;           /* memberships by what they do */
	uint32_t leeching;
	uint32_t ipv4;              /* and by how they are reached */
	uint32_t ipv6;
	uint16_t client;
};

#define MEMBER_SEEDS 1u
#define MEMBER_FAMILY 1         /* bits to shift enum swarm_family by */

struct member {
	uint32_t torrent;
	uint32_t peer;
	uint32_t link;
	uint32_t ordinal : 29;      /* in its torrent */
	uint32_t flags : 3;
	uint32_t by_ordinal;        /* chain of swarm->ordinal_table, or of free members */
	uint32_t by_peer;           /* chain of swarm->same_table */
	uint32_t link_before, link_after;   /* memberships of the link */
	uint32_t age_before, age_after;     /* all memberships, earliest time first */
	uint32_t seen;              /* s */
};

struct link {
	uint32_t first;             /* newest membership */
	uint32_t count;
};

/* Entries of one size: those never used lie past `used`, those given back are chained. */
struct store {
	uint32_t free;
	uint32_t used;
	uint32_t capacity;
	uint32_t live;
};

struct swarm {
	struct hash_secret secret;
	struct swarm_limits limits;
	struct swarm_totals totals;
	uint64_t random;            /* state of random_below */
	struct store torrents, peers, members;
	struct torrent *torrent;
	struct peer *peer;
	struct member *member;
	struct link *link;
	struct hash_table torrent_table;    /* info_hash */
	struct hash_table peer_table;       /* peer_id */
	struct hash_table ordinal_table;    /* torrent and ordinal */
	struct hash_table same_table;       /* torrent and peer */
	uint32_t first_torrent, last_torrent;
	uint32_t oldest, newest;
	struct rank *orders[SWARM_ORDERS];  /* of torrents, if limits.ranked */
};

/* -- memory ------------------------------------------------------------------------- */

_Static_assert(sizeof(struct torrent) <= 64, "memory budget of a torrent");
_Static_assert(sizeof(struct peer) <= 48, "memory budget of a peer");
_Static_assert(sizeof(struct member) <= 48, "memory budget of a membership");

static size_t array_size(uint32_t entries, size_t entry)
{
	return pages_round(((size_t)entries + 1) * entry);
}

/* Members are the sum of peers, of seeders and leechers at most; downloads have no bound. */
static uint32_t order_sum(const struct swarm_limits *limits, enum swarm_order order)
{
	return order == SWARM_BY_DOWNLOADS ? RANK_ANY_SUM : limits->members;
}

static size_t orders_size(const struct swarm_limits *limits)
{
	enum swarm_order order;
	size_t size = 0;

	for (order = 0; limits->ranked && order < SWARM_ORDERS; order++)
		size += pages_round(rank_size(limits->torrents, order_sum(limits, order)));
	return size;
}

size_t swarm_size(const struct swarm_limits *limits)
{
	return orders_size(limits) + pages_round(sizeof(struct swarm)) +
	    array_size(limits->torrents, sizeof(struct torrent)) +
	    array_size(limits->members, sizeof(struct peer)) +
	    array_size(limits->members, sizeof(struct member)) +
	    array_size(limits->links, sizeof(struct link)) +
	    pages_round(hash_table_size(limits->torrents)) +
	    3 * pages_round(hash_table_size(limits->members));
}

static void *take(uint8_t **memory, size_t bytes)
{
	void *taken = *memory;

	*memory += pages_round(bytes);
	return taken;
}

static hash_entry_key torrent_key, peer_key, ordinal_key, same_key;

static void init_tables(struct swarm *swarm, uint8_t *memory)
{
	uint32_t torrents = swarm->limits.torrents, members = swarm->limits.members;

	hash_table_init(&swarm->torrent_table, take(&memory, hash_table_size(torrents)), torrents,
	    &swarm->torrent->by_hash, sizeof(struct torrent), torrent_key, swarm);
	hash_table_init(&swarm->peer_table, take(&memory, hash_table_size(members)), members,
	    &swarm->peer->by_id, sizeof(struct peer), peer_key, swarm);
	hash_table_init(&swarm->ordinal_table, take(&memory, hash_table_size(members)), members,
	    &swarm->member->by_ordinal, sizeof(struct member), ordinal_key, swarm);
	hash_table_init(&swarm->same_table, take(&memory, hash_table_size(members)), members,
	    &swarm->member->by_peer, sizeof(struct member), same_key, swarm);
}

static void init_orders(struct swarm *swarm, uint8_t *memory)
{
	const struct swarm_limits *limits = &swarm->limits;
	enum swarm_order order;

	for (order = 0; limits->ranked && order < SWARM_ORDERS; order++) {
		uint32_t sum = order_sum(limits, order);

		swarm->orders[order] = rank_init(take(&memory, rank_size(limits->torrents, sum)),
		    limits->torrents, sum);
	}
}

struct swarm *swarm_init(void *memory, const struct swarm_limits *limits,
    const struct hash_secret *secret)
{
	uint8_t *at = memory;
	struct swarm *swarm = take(&at, sizeof *swarm);

	*swarm = (struct swarm){ .secret = *secret, .limits = *limits,
		.random = hash_bytes(secret, "sample", 6) };
	swarm->torrents.capacity = limits->torrents;
	swarm->peers.capacity = swarm->members.capacity = limits->members;
	swarm->torrent = take(&at, array_size(limits->torrents, sizeof(struct torrent)));
	swarm->peer = take(&at, array_size(limits->members, sizeof(struct peer)));
	swarm->member = take(&at, array_size(limits->members, sizeof(struct member)));
	swarm->link = take(&at, array_size(limits->links, sizeof(struct link)));
	init_orders(swarm, at);
	init_tables(swarm, at + orders_size(limits));
	return swarm;
}

static bool store_full(const struct store *store)
{
	return store->live == store->capacity;
}

/* An entry of a store that is not full. The free ones are chained by the table's links. */
static uint32_t store_take(struct store *store, const struct hash_table *table)
{
	uint32_t entry = store->free;

	store->live++;
	if (entry == 0)
		return ++store->used;
	store->free = hash_table_next(table, entry);
	return entry;
}

/* -- keys --------------------------------------------------------------------------- */

static uint32_t id_hash(const struct swarm *swarm, const uint8_t *id)
{
	return (uint32_t)hash_bytes(&swarm->secret, id, SWARM_ID_SIZE);
}

static uint32_t torrent_key(const void *context, uint32_t entry)
{
	const struct swarm *swarm = context;

	return id_hash(swarm, swarm->torrent[entry].info_hash);
}

static uint32_t peer_key(const void *context, uint32_t entry)
{
	const struct swarm *swarm = context;

	return id_hash(swarm, swarm->peer[entry].id);
}

static uint32_t ordinal_key(const void *context, uint32_t entry)
{
	const struct swarm *swarm = context;
	const struct member *member = &swarm->member[entry];

	return hash_pair(&swarm->secret, member->torrent, member->ordinal);
}

static uint32_t same_key(const void *context, uint32_t entry)
{
	const struct swarm *swarm = context;
	const struct member *member = &swarm->member[entry];

	return hash_pair(&swarm->secret, member->torrent, member->peer);
}

/* -- looking up --------------------------------------------------------------------- */

const struct swarm_totals *swarm_totals(const struct swarm *swarm)
{
	return &swarm->totals;
}

static uint32_t torrent_find(const struct swarm *swarm, const uint8_t *info_hash, uint32_t hash)
{
	uint32_t at = hash_table_first(&swarm->torrent_table, hash);

	while (at != 0 && memcmp(swarm->torrent[at].info_hash, info_hash, SWARM_ID_SIZE) != 0)
		at = swarm->torrent[at].by_hash;
	return at;
}

uint32_t swarm_torrent(const struct swarm *swarm, const uint8_t info_hash[static SWARM_ID_SIZE])
{
	return torrent_find(swarm, info_hash, id_hash(swarm, info_hash));
}

uint32_t swarm_torrent_next(const struct swarm *swarm, uint32_t torrent)
{
	return torrent == 0 ? swarm->first_torrent : swarm->torrent[torrent].after;
}

const uint8_t *swarm_torrent_hash(const struct swarm *swarm, uint32_t torrent)
{
	return swarm->torrent[torrent].info_hash;
}

struct swarm_counts swarm_counts(const struct swarm *swarm, uint32_t torrent)
{
	const struct torrent *at = &swarm->torrent[torrent];

	return (struct swarm_counts){ .complete = at->complete,
		.incomplete = at->members - at->complete, .downloads = at->downloads };
}

uint32_t swarm_ranked(const struct swarm *swarm, enum swarm_order order, uint32_t torrent)
{
	return swarm->limits.ranked ? rank_next(swarm->orders[order], torrent) : 0;
}

static uint32_t peer_find(const struct swarm *swarm, const uint8_t *peer_id, uint32_t hash)
{
	uint32_t at = hash_table_first(&swarm->peer_table, hash);

	while (at != 0 && memcmp(swarm->peer[at].id, peer_id, SWARM_ID_SIZE) != 0)
		at = swarm->peer[at].by_id;
	return at;
}

uint32_t swarm_peer(const struct swarm *swarm, const uint8_t peer_id[static SWARM_ID_SIZE])
{
	return peer_find(swarm, peer_id, id_hash(swarm, peer_id));
}

uint32_t swarm_same(const struct swarm *swarm, uint32_t torrent, uint32_t peer, uint32_t member)
{
	uint32_t at;

	if (torrent == 0 || peer == 0)
		return 0;
	if (member == 0)
		at = hash_table_first(&swarm->same_table, hash_pair(&swarm->secret, torrent, peer));
	else
		at = swarm->member[member].by_peer;
	while (at != 0 && (swarm->member[at].torrent != torrent || swarm->member[at].peer != peer))
		at = swarm->member[at].by_peer;
	return at;
}

uint32_t swarm_member(const struct swarm *swarm, uint32_t torrent, uint32_t peer, uint32_t link)
{
	uint32_t at = 0;

	do
		at = swarm_same(swarm, torrent, peer, at);
	while (at != 0 && swarm->member[at].link != link);
	return at;
}

/* A function that does nothing but fetch has no effect that gcc 12 knows: it drops the calls. */
#define FETCHING inline __attribute__((always_inline))

/* An entry may lie in two lines of the cache. */
static FETCHING void fetch(const void *entry, size_t size)
{
	__builtin_prefetch(entry);
	__builtin_prefetch((const char *)entry + size - 1);
}

/* All that an announce will touch, in one wait for memory instead of five. */
static FETCHING void fetch_around(const struct swarm *swarm, const struct member *member)
{
	fetch(&swarm->torrent[member->torrent], sizeof(struct torrent));
	fetch(&swarm->peer[member->peer], SWARM_ID_SIZE);
	__builtin_prefetch(&swarm->member[member->age_before].age_after, 1);
	__builtin_prefetch(&swarm->member[member->age_after].age_before, 1);
}

void swarm_expect(const struct swarm *swarm, uint32_t link, unsigned ahead)
{
	if (ahead == SWARM_AHEAD)
		__builtin_prefetch(&swarm->link[link]);
	else if (ahead == 1)
		fetch_around(swarm, &swarm->member[swarm->link[link].first]);
	else
		fetch(&swarm->member[swarm->link[link].first], sizeof(struct member));
}

uint32_t swarm_recent(const struct swarm *swarm, uint32_t link,
    const uint8_t info_hash[static SWARM_ID_SIZE], const uint8_t peer_id[static SWARM_ID_SIZE])
{
	uint32_t at = swarm->link[link].first;
	const struct member *member = &swarm->member[at];

	fetch_around(swarm, member);
	if (at == 0 || memcmp(swarm->torrent[member->torrent].info_hash, info_hash,
	    SWARM_ID_SIZE) != 0 || memcmp(swarm->peer[member->peer].id, peer_id,
	    SWARM_ID_SIZE) != 0)
		return 0;
	return at;
}

uint32_t swarm_oldest(const struct swarm *swarm)
{
	return swarm->oldest;
}

uint32_t swarm_seen(const struct swarm *swarm, uint32_t member)
{
	return swarm->member[member].seen;
}

uint32_t swarm_link(const struct swarm *swarm, uint32_t member)
{
	return swarm->member[member].link;
}

bool swarm_is_seeder(const struct swarm *swarm, uint32_t member)
{
	return swarm->member[member].flags & MEMBER_SEEDS;
}

uint32_t swarm_member_torrent(const struct swarm *swarm, uint32_t member)
{
	return swarm->member[member].torrent;
}

uint32_t swarm_member_peer(const struct swarm *swarm, uint32_t member)
{
	return swarm->member[member].peer;
}

const uint8_t *swarm_member_id(const struct swarm *swarm, uint32_t member)
{
	return swarm->peer[swarm->member[member].peer].id;
}

const uint8_t *swarm_member_hash(const struct swarm *swarm, uint32_t member)
{
	return swarm->torrent[swarm->member[member].torrent].info_hash;
}

uint32_t swarm_link_member(const struct swarm *swarm, uint32_t link)
{
	return swarm->link[link].first;
}

uint32_t swarm_link_count(const struct swarm *swarm, uint32_t link)
{
	return swarm->link[link].count;
}

/* -- counting ----------------------------------------------------------------------- */

/* Count a peer in (sign 1) or out (-1, as the unsigned number that subtracts) of the totals. */
static void count_peer(struct swarm_totals *totals, const struct peer *peer, uint32_t sign)
{
	totals->seeders_only += peer->seeding > 0 && peer->leeching == 0 ? sign : 0;
	totals->leechers_only += peer->seeding == 0 && peer->leeching > 0 ? sign : 0;
	totals->seeders_and_leechers += peer->seeding > 0 && peer->leeching > 0 ? sign : 0;
	totals->ipv4 += peer->ipv4 > 0 ? sign : 0;
	totals->ipv6 += peer->ipv6 > 0 ? sign : 0;
}

#define COUNT_IN ((uint32_t)1)
#define COUNT_OUT ((uint32_t)-1)

/* Add a membership to its peer's counts, or take it out of them. */
static void count_member(struct swarm *swarm, const struct member *member, uint32_t sign)
{
	struct peer *peer = &swarm->peer[member->peer];
	enum swarm_family family = (enum swarm_family)(member->flags >> MEMBER_FAMILY);

	count_peer(&swarm->totals, peer, COUNT_OUT);
	if (member->flags & MEMBER_SEEDS)
		peer->seeding += sign;
	else
		peer->leeching += sign;
	peer->ipv4 += family == SWARM_IPV4 ? sign : 0;
	peer->ipv6 += family == SWARM_IPV6 ? sign : 0;
	count_peer(&swarm->totals, peer, COUNT_IN);
}

/* -- orders ------------------------------------------------------------------------- */

static void orders_join(struct swarm *swarm, uint32_t torrent)
{
	rank_up(swarm->orders[SWARM_BY_PEERS], torrent);
	rank_up(swarm->orders[SWARM_BY_LEECHERS], torrent);
}

/* A membership has ended; a torrent without members goes. */
static void orders_leave(struct swarm *swarm, uint32_t torrent, bool seeds)
{
	rank_down(swarm->orders[SWARM_BY_PEERS], torrent);
	rank_down(swarm->orders[seeds ? SWARM_BY_SEEDERS : SWARM_BY_LEECHERS], torrent);
	if (swarm->torrent[torrent].members == 0)
		rank_remove(swarm->orders[SWARM_BY_DOWNLOADS], torrent);
}

static void orders_seed(struct swarm *swarm, uint32_t torrent)
{
	rank_down(swarm->orders[SWARM_BY_LEECHERS], torrent);
	rank_up(swarm->orders[SWARM_BY_SEEDERS], torrent);
}

/* -- lists -------------------------------------------------------------------------- */

static void age_append(struct swarm *swarm, uint32_t entry, uint32_t now)
{
	struct member *member = &swarm->member[entry];

	member->seen = now;
	member->age_after = 0;
	member->age_before = swarm->newest;
	if (swarm->newest != 0)
		swarm->member[swarm->newest].age_after = entry;
	else
		swarm->oldest = entry;
	swarm->newest = entry;
}

static void age_remove(struct swarm *swarm, const struct member *member)
{
	if (member->age_before != 0)
		swarm->member[member->age_before].age_after = member->age_after;
	else
		swarm->oldest = member->age_after;
	if (member->age_after != 0)
		swarm->member[member->age_after].age_before = member->age_before;
	else
		swarm->newest = member->age_before;
}

void swarm_refresh(struct swarm *swarm, uint32_t member, uint32_t now)
{
	age_remove(swarm, &swarm->member[member]);
	age_append(swarm, member, now);
}

static void link_push(struct swarm *swarm, uint32_t entry)
{
	struct member *member = &swarm->member[entry];
	struct link *link = &swarm->link[member->link];

	member->link_before = 0;
	member->link_after = link->first;
	if (link->first != 0)
		swarm->member[link->first].link_before = entry;
	link->first = entry;
	link->count++;
}

static void link_remove(struct swarm *swarm, const struct member *member)
{
	struct link *link = &swarm->link[member->link];

	if (member->link_before != 0)
		swarm->member[member->link_before].link_after = member->link_after;
	else
		link->first = member->link_after;
	if (member->link_after != 0)
		swarm->member[member->link_after].link_before = member->link_before;
	link->count--;
}

/* -- torrents and peers come and go -------------------------------------------------- */

static uint32_t torrent_new(struct swarm *swarm, const uint8_t *info_hash, uint32_t hash)
{
	uint32_t entry = store_take(&swarm->torrents, &swarm->torrent_table);
	struct torrent *torrent = &swarm->torrent[entry];

	*torrent = (struct torrent){ .before = swarm->last_torrent };
	memcpy(torrent->info_hash, info_hash, SWARM_ID_SIZE);
	if (swarm->last_torrent != 0)
		swarm->torrent[swarm->last_torrent].after = entry;
	else
		swarm->first_torrent = entry;
	swarm->last_torrent = entry;
	hash_table_insert(&swarm->torrent_table, entry, hash);
	swarm->totals.torrents++;
	return entry;
}

static void torrent_free(struct swarm *swarm, uint32_t entry)
{
	struct torrent *torrent = &swarm->torrent[entry];

	hash_table_remove(&swarm->torrent_table, entry, torrent_key(swarm, entry));
	if (torrent->before != 0)
		swarm->torrent[torrent->before].after = torrent->after;
	else
		swarm->first_torrent = torrent->after;
	if (torrent->after != 0)
		swarm->torrent[torrent->after].before = torrent->before;
	else
		swarm->last_torrent = torrent->before;
	torrent->by_hash = swarm->torrents.free;
	swarm->torrents.free = entry;
	swarm->torrents.live--;
	swarm->totals.torrents--;
}

static uint32_t peer_new(struct swarm *swarm, const uint8_t *peer_id, uint32_t hash,
    uint16_t client)
{
	uint32_t entry = store_take(&swarm->peers, &swarm->peer_table);
	struct peer *peer = &swarm->peer[entry];

	*peer = (struct peer){ .client = client };
	memcpy(peer->id, peer_id, SWARM_ID_SIZE);
	hash_table_insert(&swarm->peer_table, entry, hash);
	swarm->totals.peers++;
	return entry;
}

static void peer_free(struct swarm *swarm, uint32_t entry)
{
	hash_table_remove(&swarm->peer_table, entry, peer_key(swarm, entry));
	swarm->peer[entry].by_id = swarm->peers.free;
	swarm->peers.free = entry;
	swarm->peers.live--;
	swarm->totals.peers--;
}

uint32_t swarm_member_at(const struct swarm *swarm, uint32_t torrent, uint32_t place)
{
	uint32_t at = hash_table_first(&swarm->ordinal_table,
	    hash_pair(&swarm->secret, torrent, place));

	while (at != 0 && (swarm->member[at].torrent != torrent ||
	    swarm->member[at].ordinal != place))
		at = swarm->member[at].by_ordinal;
	return at;
}

/* -- memberships come and go -------------------------------------------------------- */

enum swarm_result swarm_room(const struct swarm *swarm, uint32_t torrent, uint32_t peer,
    uint32_t link)
{
	unsigned same = 0;
	uint32_t at = 0;

	if (swarm->link[link].count >= swarm->limits.per_link)
		return SWARM_LINK_FULL;
	while ((at = swarm_same(swarm, torrent, peer, at)) != 0)
		same++;
	if (same >= SWARM_SAME_MAX)
		return SWARM_SAME_FULL;
	if (torrent == 0 && store_full(&swarm->torrents))
		return SWARM_TORRENTS_FULL;
	return store_full(&swarm->members) ? SWARM_MEMBERS_FULL : SWARM_JOINED;
}

enum swarm_result swarm_join(struct swarm *swarm, const uint8_t info_hash[static SWARM_ID_SIZE],
    const uint8_t peer_id[static SWARM_ID_SIZE], uint32_t link, enum swarm_family family,
    uint16_t client, uint32_t now, uint32_t *member)
{
	uint32_t torrent_hash = id_hash(swarm, info_hash), peer_hash = id_hash(swarm, peer_id);
	uint32_t torrent = torrent_find(swarm, info_hash, torrent_hash);
	uint32_t peer = peer_find(swarm, peer_id, peer_hash);
	enum swarm_result room = swarm_room(swarm, torrent, peer, link);
	struct member *made;

	if (room != SWARM_JOINED)
		return room;
	if (torrent == 0)
		torrent = torrent_new(swarm, info_hash, torrent_hash);
	if (peer == 0)
		peer = peer_new(swarm, peer_id, peer_hash, client);
	*member = store_take(&swarm->members, &swarm->ordinal_table);
	made = &swarm->member[*member];
	*made = (struct member){ .torrent = torrent, .peer = peer, .link = link,
		.ordinal = swarm->torrent[torrent].members++ & 0x1fffffff,
		.flags = (unsigned)family << MEMBER_FAMILY & 7 };
	hash_table_insert(&swarm->ordinal_table, *member, ordinal_key(swarm, *member));
	hash_table_insert(&swarm->same_table, *member, same_key(swarm, *member));
	link_push(swarm, *member);
	age_append(swarm, *member, now);
	count_member(swarm, made, COUNT_IN);
	swarm->totals.members++;
	if (swarm->limits.ranked)
		orders_join(swarm, torrent);
	return SWARM_JOINED;
}

/* Take a member's ordinal away; the torrent's last member moves into the gap. */
static void ordinal_release(struct swarm *swarm, uint32_t entry)
{
	struct member *member = &swarm->member[entry];
	uint32_t last = swarm_member_at(swarm, member->torrent,
	    --swarm->torrent[member->torrent].members);

	hash_table_remove(&swarm->ordinal_table, last, ordinal_key(swarm, last));
	if (last == entry)
		return;
	hash_table_remove(&swarm->ordinal_table, entry, ordinal_key(swarm, entry));
	swarm->member[last].ordinal = member->ordinal;
	hash_table_insert(&swarm->ordinal_table, last, ordinal_key(swarm, last));
}

bool swarm_leave(struct swarm *swarm, uint32_t entry, uint16_t *client)
{
	struct member *member = &swarm->member[entry];
	struct torrent *torrent = &swarm->torrent[member->torrent];
	struct peer *peer = &swarm->peer[member->peer];
	bool last;

	ordinal_release(swarm, entry);
	hash_table_remove(&swarm->same_table, entry, same_key(swarm, entry));
	link_remove(swarm, member);
	age_remove(swarm, member);
	count_member(swarm, member, COUNT_OUT);
	torrent->complete -= member->flags & MEMBER_SEEDS;
	if (swarm->limits.ranked)
		orders_leave(swarm, member->torrent, member->flags & MEMBER_SEEDS);
	last = peer->seeding + peer->leeching == 0;
	*client = peer->client;
	if (last)
		peer_free(swarm, member->peer);
	if (torrent->members == 0)
		torrent_free(swarm, member->torrent);
	member->torrent = 0;
	member->by_ordinal = swarm->members.free;
	swarm->members.free = entry;
	swarm->members.live--;
	swarm->totals.members--;
	return last;
}

void swarm_seed(struct swarm *swarm, uint32_t entry)
{
	struct member *member = &swarm->member[entry];

	if (member->flags & MEMBER_SEEDS)
		return;
	count_member(swarm, member, COUNT_OUT);
	member->flags |= MEMBER_SEEDS;
	count_member(swarm, member, COUNT_IN);
	swarm->torrent[member->torrent].complete++;
	if (swarm->limits.ranked)
		orders_seed(swarm, member->torrent);
}

void swarm_completed(struct swarm *swarm, uint32_t member)
{
	uint32_t torrent = swarm->member[member].torrent;

	if (swarm->torrent[torrent].downloads == SWARM_DOWNLOADS_MAX)
		return;
	swarm->torrent[torrent].downloads++;
	if (swarm->limits.ranked)
		rank_up(swarm->orders[SWARM_BY_DOWNLOADS], torrent);
}

/* -- sampling ----------------------------------------------------------------------- */

/* SplitMix64: whom a peer meets is no secret, so its quality is enough. */
static uint32_t random_word(struct swarm *swarm)
{
	uint64_t x = swarm->random += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32);
}

/* A uniform number below n (> 0): multiply and shift, refusing the few words that would favour
 * some. */
static uint32_t random_below(struct swarm *swarm, uint32_t n)
{
	uint64_t product = (uint64_t)random_word(swarm) * n;

	/* The division is needed for few of them. */
	if ((uint32_t)product < n) {
		while ((uint32_t)product < (0 - n) % n)
			product = (uint64_t)random_word(swarm) * n;
	}
	return (uint32_t)(product >> 32);
}

/* The ordinals of a peer's own memberships in a torrent, in ascending order. */
static unsigned own_ordinals(const struct swarm *swarm, uint32_t torrent, uint32_t peer,
    uint32_t own[SWARM_SAME_MAX])
{
	unsigned count = 0, i;
	uint32_t at = 0;

	while ((at = swarm_same(swarm, torrent, peer, at)) != 0) {
		uint32_t ordinal = swarm->member[at].ordinal;

		for (i = count++; i > 0 && own[i - 1] > ordinal; i--)
			own[i] = own[i - 1];
		own[i] = ordinal;
	}
	return count;
}

static bool contains(const uint32_t *numbers, unsigned count, uint32_t number)
{
	while (count-- > 0) {
		if (numbers[count] == number)
			return true;
	}
	return false;
}

/* Choose k different numbers below n, all sets being as likely (Floyd), then put them in random
 * order. */
static void choose(struct swarm *swarm, uint32_t n, unsigned k, uint32_t *chosen)
{
	unsigned i;

	for (i = 0; i < k; i++) {
		uint32_t top = n - k + i;
		uint32_t number = random_below(swarm, top + 1);

		chosen[i] = contains(chosen, i, number) ? top : number;
	}
	for (i = k; i > 1; i--) {
		uint32_t j = random_below(swarm, i);
		uint32_t swapped = chosen[j];

		chosen[j] = chosen[i - 1];
		chosen[i - 1] = swapped;
	}
}

unsigned swarm_sample(struct swarm *swarm, uint32_t torrent, uint32_t peer, unsigned k,
    uint32_t members[static SWARM_SAMPLE_MAX])
{
	uint32_t own[SWARM_SAME_MAX];
	unsigned skipped = own_ordinals(swarm, torrent, peer, own);
	uint32_t others = swarm->torrent[torrent].members - skipped;
	unsigned i, j;

	if (k > SWARM_SAMPLE_MAX)
		k = SWARM_SAMPLE_MAX;
	if (k > others)
		k = others;
	choose(swarm, others, k, members);
	for (i = 0; i < k; i++) {
		/* The number counts the others only: step over each of its own on the way. */
		for (j = 0; j < skipped && members[i] >= own[j]; j++)
			members[i]++;
		members[i] = swarm_member_at(swarm, torrent, members[i]);
	}
	return k;
}

/* -- checking ----------------------------------------------------------------------- */

static const char *check_torrents(const struct swarm *swarm, uint32_t *members)
{
	uint32_t at = 0, torrents = 0, ordinal;

	while ((at = swarm_torrent_next(swarm, at)) != 0) {
		const struct torrent *torrent = &swarm->torrent[at];
		uint32_t complete = 0;

		if (torrent->members == 0 || swarm_torrent(swarm, torrent->info_hash) != at)
			return "a torrent is empty or cannot be found";
		for (ordinal = 0; ordinal < torrent->members; ordinal++) {
			if (swarm_member_at(swarm, at, ordinal) == 0)
				return "an ordinal has no membership";
			complete += swarm_is_seeder(swarm, swarm_member_at(swarm, at, ordinal));
		}
		if (complete != torrent->complete)
			return "a torrent's count of seeders is wrong";
		*members += torrent->members;
		torrents++;
	}
	if (torrents != swarm->totals.torrents || torrents != swarm->torrents.live)
		return "the count of torrents is wrong";
	return NULL;
}

static const char *check_ages(const struct swarm *swarm, uint32_t *members)
{
	uint32_t at, seen = 0;

	for (at = swarm->oldest; at != 0; at = swarm->member[at].age_after) {
		const struct member *member = &swarm->member[at];

		if (member->seen < seen)
			return "the ages are out of order";
		if (swarm_member(swarm, member->torrent, member->peer, member->link) != at)
			return "a membership cannot be found";
		if (swarm_member_at(swarm, member->torrent, member->ordinal) != at)
			return "a membership does not stand at its ordinal";
		seen = member->seen;
		(*members)++;
	}
	return NULL;
}

static const char *check_links(const struct swarm *swarm, uint32_t *members)
{
	uint32_t link, at;

	for (link = 1; link <= swarm->limits.links; link++) {
		uint32_t count = 0;

		for (at = swarm->link[link].first; at != 0; at = swarm->member[at].link_after) {
			if (swarm->member[at].link != link)
				return "a membership stands in another link's list";
			count++;
		}
		if (count != swarm->link[link].count)
			return "a link's count is wrong";
		*members += count;
	}
	return NULL;
}

static bool same_totals(const struct swarm_totals *a, const struct swarm_totals *b)
{
	return a->seeders_only == b->seeders_only && a->leechers_only == b->leechers_only &&
	    a->seeders_and_leechers == b->seeders_and_leechers && a->ipv4 == b->ipv4 &&
	    a->ipv6 == b->ipv6 && a->peers == b->peers;
}

/* Peers stand in no list but their table's chains. */
static const char *check_peers(const struct swarm *swarm)
{
	const struct hash_table *table = &swarm->peer_table;
	struct swarm_totals recount = { 0 };
	uint32_t bucket, at, members = 0;

	for (bucket = 0; bucket < table->size; bucket++) {
		for (at = table->bucket[bucket]; at != 0; at = swarm->peer[at].by_id) {
			if (swarm_peer(swarm, swarm->peer[at].id) != at)
				return "a peer cannot be found";
			count_peer(&recount, &swarm->peer[at], COUNT_IN);
			recount.peers++;
			members += swarm->peer[at].seeding + swarm->peer[at].leeching;
		}
	}
	if (!same_totals(&recount, &swarm->totals))
		return "the totals of peers are wrong";
	return members == swarm->totals.members ? NULL : "the memberships of peers are miscounted";
}

static uint32_t order_count(const struct swarm *swarm, enum swarm_order order, uint32_t torrent)
{
	struct swarm_counts counts = swarm_counts(swarm, torrent);

	switch (order) {
	case SWARM_BY_SEEDERS: return counts.complete;
	case SWARM_BY_LEECHERS: return counts.incomplete;
	case SWARM_BY_DOWNLOADS: return counts.downloads;
	default: return counts.complete + counts.incomplete;
	}
}

/* An order lists torrents that there are, by their counts, and as many as have one. */
static const char *check_order(const struct swarm *swarm, enum swarm_order order)
{
	uint32_t at = 0, most = UINT32_MAX, due = 0, listed = 0, count;

	while ((at = swarm_torrent_next(swarm, at)) != 0)
		due += order_count(swarm, order, at) > 0;
	while ((at = swarm_ranked(swarm, order, at)) != 0) {
		count = order_count(swarm, order, at);
		if (++listed > due || count == 0 || count > most)
			return "an order of torrents is wrong";
		if (rank_count(swarm->orders[order], at) != count)
			return "a count in an order of torrents is wrong";
		if (swarm_torrent(swarm, swarm->torrent[at].info_hash) != at)
			return "a torrent that is gone is in an order";
		most = count;
	}
	return listed == due ? NULL : "an order lacks a torrent";
}

static const char *check_orders(const struct swarm *swarm)
{
	const char *wrong = NULL;
	enum swarm_order order;

	for (order = 0; swarm->limits.ranked && order < SWARM_ORDERS && wrong == NULL; order++)
		wrong = check_order(swarm, order);
	return wrong;
}

const char *swarm_check(const struct swarm *swarm)
{
	const struct swarm_totals *totals = &swarm->totals;
	uint32_t by_torrent = 0, by_age = 0, by_link = 0;
	const char *wrong = check_torrents(swarm, &by_torrent);

	if (wrong == NULL)
		wrong = check_ages(swarm, &by_age);
	if (wrong == NULL)
		wrong = check_links(swarm, &by_link);
	if (wrong == NULL)
		wrong = check_peers(swarm);
	if (wrong == NULL)
		wrong = check_orders(swarm);
	if (wrong != NULL)
		return wrong;
	if (by_torrent != totals->members || by_age != by_torrent || by_link != by_torrent ||
	    by_torrent != swarm->members.live || by_torrent != swarm->same_table.count ||
	    by_torrent != swarm->ordinal_table.count)
		return "the lists of memberships differ";
	if (totals->peers != swarm->peers.live || totals->peers != swarm->peer_table.count ||
	    totals->peers != totals->seeders_only + totals->leechers_only +
	    totals->seeders_and_leechers)
		return "the counts of peers differ";
	return NULL;
}
