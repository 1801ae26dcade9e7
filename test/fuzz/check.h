/*
 * check.h - looking through tables whose insides no header shows.
 *
 * check_NOUN.c includes NOUN.c, stands for it, and ends the program if a table is not what it
 * should be. Tables made by check_..._guard have the sanitizer's guards around each part, so that
 * one byte past a part is seen; their memory is used again for the next input.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../buf.h"
#include "../../quota.h"
#include "../../rank.h"
#include "../../server.h"
#include "../../stats.h"
#include "../../swarm.h"
#include "../../tracker.h"

/* Between these two the fuzzer takes no notice of what is executed. */
#ifdef __clang__
#define UNNOTICED_BEGIN \
    _Pragma("clang attribute push(__attribute__((no_sanitize(\"coverage\"))), apply_to = function)")
#define UNNOTICED_END _Pragma("clang attribute pop")
#else
#define UNNOTICED_BEGIN
#define UNNOTICED_END
#endif

#define CHECK_RANK_PLACES 3     /* that check_rank_guard needs */

/* Memory by a number of the caller's, the same for a size that is the same: zeros, or not. */
enum { PLACE_INPUT, PLACE_PAGE, PLACE_CONNS, PLACE_POOL, PLACE_PLAIN, PLACE_CIPHER, PLACE_LINKS,
	PLACE_TLS, PLACE_TRACKER, PLACE_CLIENTS, PLACE_TEXT, PLACE_SCRATCH, PLACE_SWARM,
	PLACE_QUOTA, PLACE_TORRENTS, PLACE_PEERS, PLACE_MEMBERS, PLACE_SWARM_LINKS, PLACE_TABLES,
	PLACE_RANKS, PLACE_RANKS_END = PLACE_RANKS + CHECK_RANK_PLACES * SWARM_ORDERS, PLACES };
void *place_zeros(unsigned number, size_t size);
void *place_garbage(unsigned number, size_t size);

/* Everything in a swarm: recounted, each entry in exactly one list of each kind, no free entry
 * named by anything, every entry found where it is looked up. */
void check_swarm(const struct swarm *swarm);

/* Everything in an order of things numbered 1 to capacity: each in the list of its count or,
 * without one, in none; the lists in a ring; those in use and those given back are all that there
 * were. */
void check_rank(const struct rank *rank, uint32_t capacity, uint32_t sum);

/* An order whose parts are guarded, in CHECK_RANK_PLACES places. */
struct rank *check_rank_guard(unsigned place, uint32_t capacity, uint32_t sum);

/* Is some peer other than this one a member of the torrent by that link? */
bool check_swarm_other(const struct swarm *swarm, uint32_t torrent, uint32_t peer, uint32_t link);

/* A swarm whose arrays are guarded. */
struct swarm *check_swarm_guard(const struct swarm_limits *limits,
    const struct hash_secret *secret);

/* The chains of a pool, of which all have to be told: first this, then each chain, then that. Free
 * buffers are filled with garbage. */
void check_pool_begin(const struct buf_pool *pool);
void check_pool_chain(struct buf_pool *pool, const struct buf_chain *chain);
void check_pool_end(struct buf_pool *pool);

/* Clients: counts and lists; in all they are so many peers. */
void check_clients(const struct stats_clients *clients, uint32_t peers);

/* Connections by address: first this, then each that is counted, then that. */
void check_quota_begin(void);
void check_quota_conn(const struct address *address);
void check_quota_end(const struct quota *quota);

/* A tracker with guarded parts in place of one that was never used; its swarm. */
struct tracker *check_tracker_guard(const struct tracker *tracker);
const struct swarm *check_tracker_swarm(const struct tracker *tracker);

/* The same for a server, which is given no keys yet. */
void check_server_guard(struct uwt_server *server);

/* Everything in a server, between two turns. */
void check_server(struct uwt_server *server);

#endif
