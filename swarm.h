/*
 * swarm.h - who is in which torrent: torrents, peers and memberships, in fixed tables.
 *
 * A torrent is an info_hash with at least one member. A peer is a peer_id with at least one
 * membership, however many it has. A membership is (info_hash, peer_id, link); a link is the number
 * that the caller gives a connection. Several links may be in one torrent under the same peer_id.
 *
 * Everything is named by a number from 1; 0 is "none". A number is good until what it names is
 * gone, and is then used again. Nothing here allocates, reads a clock or knows a wire format: the
 * caller gives the memory (swarm_size bytes of zeros, of which only what is used is touched) and
 * the time. All operations are O(1), swarm_sample is O(k) for k members asked.
 */
#ifndef SWARM_H
#define SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"

#define SWARM_ID_SIZE 20            /* info_hash and peer_id: bytes */
#define SWARM_SAMPLE_MAX 32         /* the most members that swarm_sample gives */
#define SWARM_CLIENTS_MAX 65535     /* client numbers are below this */
#define SWARM_SAME_MAX 4            /* memberships of one peer_id in one torrent */
#ifndef SWARM_DOWNLOADS_MAX
#define SWARM_DOWNLOADS_MAX UINT32_MAX
#endif

/* Each at least 1. */
struct swarm_limits {
	uint32_t links;             /* link numbers are 1 to links */
	uint32_t torrents;
	uint32_t members;           /* memberships, at most 2^28; peers are at most as many */
	uint32_t per_link;          /* memberships of one link, at most 65,535 */
	bool ranked;                /* keep torrents in order, for swarm_ranked */
};

/* How a membership's peer is reached. */
enum swarm_family { SWARM_IPV4, SWARM_IPV6, SWARM_LOCAL };

enum swarm_result {
	SWARM_JOINED,
	SWARM_TORRENTS_FULL,        /* no room for a further torrent */
	SWARM_MEMBERS_FULL,         /* none for a further membership or peer */
	SWARM_LINK_FULL,            /* the link has per_link memberships */
	SWARM_SAME_FULL             /* SWARM_SAME_MAX links have this peer_id in this torrent */
};

/* What torrents are in order of; the counts of struct swarm_counts, peers being all members. */
enum swarm_order { SWARM_BY_PEERS, SWARM_BY_SEEDERS, SWARM_BY_LEECHERS, SWARM_BY_DOWNLOADS,
	SWARM_ORDERS };

/* What is counted as it changes. */
struct swarm_totals {
	uint32_t torrents;
	uint32_t members;
	uint32_t peers;             /* distinct peer_ids */
	uint32_t seeders_only;      /* of them, those that seed wherever they are */
	uint32_t leechers_only;
	uint32_t seeders_and_leechers;
	uint32_t ipv4;              /* of them, those reached over IPv4 by some membership */
	uint32_t ipv6;              /* a peer reached both ways is in both */
};

struct swarm_counts {
	uint32_t complete;          /* members that are seeders */
	uint32_t incomplete;
	uint32_t downloads;         /* swarm_completed since the torrent came; it stops at
	                             * SWARM_DOWNLOADS_MAX */
};

struct swarm;

/* Bytes of memory for the tables, which should start on a page; set them up in it. */
size_t swarm_size(const struct swarm_limits *limits);
struct swarm *swarm_init(void *memory, const struct swarm_limits *limits,
    const struct hash_secret *secret);

const struct swarm_totals *swarm_totals(const struct swarm *swarm);

/* Torrents: by info_hash (0: unknown); the one after `torrent` in the order they came (0: the
 * first; returns 0 at the end); its counts (all 0 for torrent 0). */
uint32_t swarm_torrent(const struct swarm *swarm, const uint8_t info_hash[static SWARM_ID_SIZE]);
uint32_t swarm_torrent_next(const struct swarm *swarm, uint32_t torrent);
const uint8_t *swarm_torrent_hash(const struct swarm *swarm, uint32_t torrent);
struct swarm_counts swarm_counts(const struct swarm *swarm, uint32_t torrent);

/* The torrent that has the most of something (torrent 0), and the one after it in order; 0 at the
 * end, and always where limits.ranked is not set. A torrent with none of it is not listed. Of
 * equals the one that came to its count last is first. Any change of the swarm may change it. */
uint32_t swarm_ranked(const struct swarm *swarm, enum swarm_order order, uint32_t torrent);

/* The torrent's member of that place, from 0 to all its members less 1. */
uint32_t swarm_member_at(const struct swarm *swarm, uint32_t torrent, uint32_t place);

/* The peer of a peer_id, 0 if it has no membership. */
uint32_t swarm_peer(const struct swarm *swarm, const uint8_t peer_id[static SWARM_ID_SIZE]);

/* The memberships of a peer in a torrent, one after the other, in no order: pass 0 for the first.
 * Either of torrent and peer may be 0; returns 0 at the end. */
uint32_t swarm_same(const struct swarm *swarm, uint32_t torrent, uint32_t peer, uint32_t member);

/* The one of them that belongs to a link, or 0. */
uint32_t swarm_member(const struct swarm *swarm, uint32_t torrent, uint32_t peer, uint32_t link);

#define SWARM_AHEAD 3               /* of how many messages memory is fetched in advance */

/* A message of a link will be looked at after `ahead` (SWARM_AHEAD to 1) others, or 0: now. Fetch
 * the memory that it needs, as far as what that depends on came in the steps before. */
void swarm_expect(const struct swarm *swarm, uint32_t link, unsigned ahead);

/* A link's newest membership, if it is of this torrent and peer, else 0: found without a table. */
uint32_t swarm_recent(const struct swarm *swarm, uint32_t link,
    const uint8_t info_hash[static SWARM_ID_SIZE], const uint8_t peer_id[static SWARM_ID_SIZE]);

/*
 * Make a membership, a leecher. There must be none of the same three. `client` is what to count the
 * peer under if its id is new. Sets *member with SWARM_JOINED; with any other result nothing has
 * changed.
 */
enum swarm_result swarm_join(struct swarm *swarm, const uint8_t info_hash[static SWARM_ID_SIZE],
    const uint8_t peer_id[static SWARM_ID_SIZE], uint32_t link, enum swarm_family family,
    uint16_t client, uint32_t now, uint32_t *member);

/* Why swarm_join would refuse this, SWARM_JOINED if it would not. Of several reasons the first of
 * link, same, torrents, members. */
enum swarm_result swarm_room(const struct swarm *swarm, uint32_t torrent, uint32_t peer,
    uint32_t link);

/* End a membership. When its peer has no other, *client is set to what swarm_join was given for it
 * and true is returned. A torrent without members is gone. */
bool swarm_leave(struct swarm *swarm, uint32_t member, uint16_t *client);

/* Make a membership a seeder, which it stays. */
void swarm_seed(struct swarm *swarm, uint32_t member);

/* Count a download of the membership's torrent. */
void swarm_completed(struct swarm *swarm, uint32_t member);

/* Set a membership's time to now, the latest of all. Times are in seconds and never go back. */
void swarm_refresh(struct swarm *swarm, uint32_t member, uint32_t now);

/* The membership with the earliest time, 0 if there is none. */
uint32_t swarm_oldest(const struct swarm *swarm);

/* What a membership is. */
uint32_t swarm_seen(const struct swarm *swarm, uint32_t member);
uint32_t swarm_link(const struct swarm *swarm, uint32_t member);
bool swarm_is_seeder(const struct swarm *swarm, uint32_t member);
uint32_t swarm_member_torrent(const struct swarm *swarm, uint32_t member);
uint32_t swarm_member_peer(const struct swarm *swarm, uint32_t member);
const uint8_t *swarm_member_id(const struct swarm *swarm, uint32_t member);
const uint8_t *swarm_member_hash(const struct swarm *swarm, uint32_t member);

/* A link's memberships: the newest (0: none), and how many. */
uint32_t swarm_link_member(const struct swarm *swarm, uint32_t link);
uint32_t swarm_link_count(const struct swarm *swarm, uint32_t link);

/*
 * Choose up to k memberships (never more than SWARM_SAMPLE_MAX) of a torrent that are not of this
 * peer: a uniform random sample without repetition, in uniform random order. Returns how many there
 * are in members[].
 */
unsigned swarm_sample(struct swarm *swarm, uint32_t torrent, uint32_t peer, unsigned k,
    uint32_t members[static SWARM_SAMPLE_MAX]);

/* Recount, look everything up and compare: for tests. Returns NULL, or what is wrong. */
const char *swarm_check(const struct swarm *swarm);

#endif
