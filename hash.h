/*
 * hash.h - keyed hashing, and hash tables that grow one bucket at a time.
 *
 * Tables use linear hashing: the bucket array stands in space reserved for its largest size, and
 * each insertion past one entry a bucket splits one bucket. So nothing is ever rehashed whole, and
 * a nearly empty table touches few pages. Entries are numbers from 1 (0 is "none"); they live in
 * the caller's array, which also holds the links of the chains. Nothing allocates or fails.
 */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

/* A secret of 128 random bits: strangers choose the keys, and must not know which collide. */
struct hash_secret {
	uint64_t key[2];
};

/* SipHash-2-4 of len bytes. */
uint64_t hash_bytes(const struct hash_secret *secret, const void *data, size_t len);

/* A cheap keyed mix of two table indices, which no stranger chooses. */
uint32_t hash_pair(const struct hash_secret *secret, uint32_t a, uint32_t b);

/* The hash of an entry's key; context is the table's. */
typedef uint32_t hash_entry_key(const void *context, uint32_t entry);

struct hash_table {
	uint32_t *bucket;       /* first entry of each chain, 0: empty; starts as zeros */
	uint32_t size;          /* buckets in use, at least 1 */
	uint32_t mask;          /* the power of two >= size, minus 1 */
	uint32_t capacity;      /* buckets there is room for: size never passes it */
	uint32_t count;         /* entries */
	uint8_t *links;         /* where entry 0's link (a uint32_t) is */
	size_t stride;          /* bytes from one entry's link to the next one's */
	hash_entry_key *key;
	const void *context;
};

/* Bytes of zeroed memory for the buckets of a table of at most `capacity` (at least 1) entries. */
size_t hash_table_size(uint32_t capacity);

/* Set up an empty table; the memory for buckets and links stays the caller's. */
void hash_table_init(struct hash_table *table, void *buckets, uint32_t capacity, void *links,
    size_t stride, hash_entry_key *key, const void *context);

/* The first entry of the chain in which entries of this hash stand, and the one after entry. The
 * caller compares keys: others stand in the chain too. 0 at the end. */
uint32_t hash_table_first(const struct hash_table *table, uint32_t hash);
uint32_t hash_table_next(const struct hash_table *table, uint32_t entry);

/* Insert an entry that is not in the table; remove one that is. */
void hash_table_insert(struct hash_table *table, uint32_t entry, uint32_t hash);
void hash_table_remove(struct hash_table *table, uint32_t entry, uint32_t hash);

#endif
