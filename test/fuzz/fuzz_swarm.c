/*
 * fuzz_swarm.c - swarm.c by its operations, against a plain array of memberships; between them all
 * of its tables are looked through.
 *
 * The first byte chooses the limits, and whether torrents are kept in order; then each operation is
 * a byte and what it needs.
 */
#include "fuzz.h"

#include "../../swarm.h"
#include "check.h"

#define MEMBERS_MAX 600
#define OPERATIONS_MAX 1500
#define CHECKED 64              /* after each of so many; later after one of 8 */

struct plain {
	uint8_t torrent, peer;
	bool seeds;
	enum swarm_family family;
	uint32_t link, seen, member;
};

static struct plain plain[MEMBERS_MAX];         /* in order of time */
static uint32_t count, now;
static uint32_t downloads[256];
static struct swarm *swarm;
static struct swarm_limits limits;

/* -- looking -------------------------------------------------------------------------------- */

static void make_id(uint8_t id[SWARM_ID_SIZE], char kind, uint8_t number)
{
	memset(id, kind, SWARM_ID_SIZE);
	id[SWARM_ID_SIZE - 1] = number;
}

static uint32_t torrent_of(uint8_t number)
{
	uint8_t id[SWARM_ID_SIZE];

	make_id(id, 't', number);
	return swarm_torrent(swarm, id);
}

static uint32_t peer_of(uint8_t number)
{
	uint8_t id[SWARM_ID_SIZE];

	make_id(id, 'p', number);
	return swarm_peer(swarm, id);
}

static bool is_in(const struct plain *at, int torrent, int peer)
{
	return (torrent < 0 || at->torrent == torrent) && (peer < 0 || at->peer == peer);
}

/* How many memberships there are of a torrent and of a peer, or (-1) of any. */
static uint32_t count_of(int torrent, int peer)
{
	uint32_t found = 0, i;

	for (i = 0; i < count; i++)
		found += is_in(&plain[i], torrent, peer);
	return found;
}

static void check_torrent(uint8_t number)
{
	struct swarm_counts counts = swarm_counts(swarm, torrent_of(number));
	uint32_t complete = 0, i;

	for (i = 0; i < count; i++)
		complete += plain[i].torrent == number && plain[i].seeds;
	MUST(counts.complete == complete);
	MUST(counts.incomplete == count_of(number, -1) - complete);
	MUST(counts.downloads == downloads[number]);
	MUST((torrent_of(number) != 0) == (count_of(number, -1) > 0));
}

static void check_member(uint32_t i)
{
	const struct plain *at = &plain[i];
	uint8_t id[SWARM_ID_SIZE], hash[SWARM_ID_SIZE];

	make_id(id, 'p', at->peer);
	make_id(hash, 't', at->torrent);
	MUST(swarm_member(swarm, torrent_of(at->torrent), peer_of(at->peer), at->link) ==
	    at->member);
	MUST(swarm_link(swarm, at->member) == at->link);
	MUST(swarm_seen(swarm, at->member) == at->seen);
	MUST(swarm_is_seeder(swarm, at->member) == at->seeds);
	MUST(memcmp(swarm_member_id(swarm, at->member), id, sizeof id) == 0);
	MUST(memcmp(swarm_member_hash(swarm, at->member), hash, sizeof hash) == 0);
}

/* The largest torrent, and only where there are orders. */
static void check_largest(void)
{
	uint32_t largest = swarm_ranked(swarm, SWARM_BY_PEERS, 0), most = 0, i;
	struct swarm_counts counts = swarm_counts(swarm, largest);
	uint32_t members[256] = { 0 };

	MUST((largest != 0) == (limits.ranked && count > 0));
	for (i = 0; i < count && limits.ranked; i++) {
		if (++members[plain[i].torrent] > most)
			most++;
	}
	MUST(counts.complete + counts.incomplete == most);
}

static void check(void)
{
	uint32_t i;

	check_swarm(swarm);
	MUST(swarm_totals(swarm)->members == count);
	MUST(swarm_oldest(swarm) == (count > 0 ? plain[0].member : 0));
	check_largest();
	for (i = 0; i < count; i++)
		check_member(i);
	for (i = 0; i < count && i < 4; i++)
		check_torrent(plain[i].torrent);
}

/* -- operations ------------------------------------------------------------------------------ */

static enum swarm_result plain_room(uint8_t torrent, uint8_t peer, uint32_t link)
{
	bool torrents[256] = { false };
	uint32_t of_link = 0, different = 0, i;

	for (i = 0; i < count; i++) {
		of_link += plain[i].link == link;
		different += !torrents[plain[i].torrent];
		torrents[plain[i].torrent] = true;
	}
	if (of_link >= limits.per_link)
		return SWARM_LINK_FULL;
	if (count_of(torrent, peer) >= SWARM_SAME_MAX)
		return SWARM_SAME_FULL;
	if (!torrents[torrent] && different >= limits.torrents)
		return SWARM_TORRENTS_FULL;
	return count >= limits.members ? SWARM_MEMBERS_FULL : SWARM_JOINED;
}

static void join(struct input *input)
{
	uint8_t torrent = input_byte(input) % 40, peer = input_byte(input) % 60;
	uint8_t how = input_byte(input), id[SWARM_ID_SIZE], hash[SWARM_ID_SIZE];
	uint32_t link = how % limits.links + 1, member = 0;
	enum swarm_family family = (enum swarm_family)(peer % 3);
	enum swarm_result room = plain_room(torrent, peer, link);

	if (swarm_member(swarm, torrent_of(torrent), peer_of(peer), link) != 0)
		return;
	make_id(id, 'p', peer);
	make_id(hash, 't', torrent);
	MUST(swarm_room(swarm, torrent_of(torrent), peer_of(peer), link) == room);
	if (count_of(torrent, -1) == 0)
		downloads[torrent] = 0;
	MUST(swarm_join(swarm, hash, id, link, family, peer, now, &member) == room);
	if (room != SWARM_JOINED)
		return;
	MUST(member != 0);
	plain[count++] = (struct plain){ .torrent = torrent, .peer = peer, .link = link,
		.family = family, .seen = now, .member = member };
}

static void plain_remove(uint32_t i)
{
	memmove(&plain[i], &plain[i + 1], (--count - i) * sizeof plain[0]);
}

static void leave(uint32_t i)
{
	struct plain gone = plain[i];
	uint16_t client = 999;

	plain_remove(i);
	MUST(swarm_leave(swarm, gone.member, &client) == (count_of(-1, gone.peer) == 0));
	MUST(client == gone.peer || count_of(-1, gone.peer) > 0);
	if (count_of(gone.torrent, -1) == 0)
		downloads[gone.torrent] = 0;
}

static void leave_link(uint32_t link)
{
	uint32_t i;

	for (i = count; i > 0; i--) {
		if (plain[i - 1].link == link)
			leave(i - 1);
	}
	MUST(swarm_link_count(swarm, link) == 0 && swarm_link_member(swarm, link) == 0);
}

static void refresh(uint32_t i)
{
	struct plain again = plain[i];

	swarm_refresh(swarm, again.member, now);
	plain_remove(i);
	again.seen = now;
	plain[count++] = again;
}

static void sample(uint8_t torrent, uint8_t peer, unsigned k)
{
	uint32_t *members = malloc(SWARM_SAMPLE_MAX * sizeof *members), others, i, j;
	unsigned got;

	if (members == NULL)
		abort();
	others = count_of(torrent, -1) - count_of(torrent, peer);
	got = swarm_sample(swarm, torrent_of(torrent), peer_of(peer), k, members);
	k = k < SWARM_SAMPLE_MAX ? k : SWARM_SAMPLE_MAX;
	MUST(got == (k < others ? k : others));
	for (i = 0; i < got; i++) {
		for (j = 0; j < count && plain[j].member != members[i]; j++)
			continue;
		MUST(j < count && plain[j].torrent == torrent && plain[j].peer != peer);
		for (j = 0; j < i; j++)
			MUST(members[j] != members[i]);
	}
	free(members);
}

static void operate(struct input *input)
{
	uint8_t what = input_byte(input);
	uint32_t i;

	if (what % 16 < 6 || count == 0) {
		join(input);
		return;
	}
	i = input_byte(input) % count;
	switch (what % 16) {
	case 6: case 7: leave(i); break;
	case 8: case 9: refresh(i); break;
	case 10:
		plain[i].seeds = true;
		swarm_seed(swarm, plain[i].member);
		break;
	case 11:
		downloads[plain[i].torrent]++;
		swarm_completed(swarm, plain[i].member);
		break;
	case 12: leave_link(plain[i].link); break;
	case 13: now += what; break;
	case 14: sample(plain[i].torrent, plain[i].peer, input_byte(input) % 40); break;
	default:        /* all that are as old as that one */
		while (count > 0 && plain[0].seen + what / 16 < now)
			leave(0);
	}
}

int fuzz_swarm(const uint8_t *data, size_t size)
{
	static const struct swarm_limits all[] = {
		{ 6, 6, 20, 8, false }, { 1, 1, 1, 1, false }, { 3, 2, 5, 3, false },
		{ 9, 40, MEMBERS_MAX, 200, false }, { 200, 20, 100, 2, false },
		{ 30, 40, 300, 65535, false }
	};
	static const struct hash_secret secret = { { 5, 6 } };
	struct input input = { data, size };
	uint8_t which = input_byte(&input);
	int operations = 0;

	limits = all[which % 6];
	limits.ranked = which / 6 % 2 == 1;
	count = 0;
	now = 1;
	memset(downloads, 0, sizeof downloads);
	swarm = check_swarm_guard(&limits, &secret);
	while (input.left > 0 && operations++ < OPERATIONS_MAX) {
		operate(&input);
		if (operations < CHECKED || operations % 8 == 0)
			check();
	}
	while (count > 0)
		leave(count / 2);
	check();
	return 0;
}
