/* hash.c - see hash.h */
#include "hash.h"

#include <string.h>

static uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

/* Eight bytes, the lowest first; compilers make one load of it. */
static uint64_t load_word(const uint8_t *bytes)
{
	return (uint64_t)bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16 |
	    (uint64_t)bytes[3] << 24 | (uint64_t)bytes[4] << 32 | (uint64_t)bytes[5] << 40 |
	    (uint64_t)bytes[6] << 48 | (uint64_t)bytes[7] << 56;
}

/* Fewer than eight. */
static uint64_t load_rest(const uint8_t *bytes, size_t len)
{
	uint64_t word = 0;

	while (len > 0)
		word = word << 8 | bytes[--len];
	return word;
}

static void sip_rounds(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32) + v[3];
		v[2] += v[1];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t hash_bytes(const struct hash_secret *secret, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t v[4] = {
		secret->key[0] ^ 0x736f6d6570736575, secret->key[1] ^ 0x646f72616e646f6d,
		secret->key[0] ^ 0x6c7967656e657261, secret->key[1] ^ 0x7465646279746573
	};
	size_t at;

	for (at = 0; at + 8 <= len; at += 8)
		sip_word(v, load_word(bytes + at));
	sip_word(v, (uint64_t)len << 56 | load_rest(bytes + at, len - at));
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t hash_pair(const struct hash_secret *secret, uint32_t a, uint32_t b)
{
	uint64_t x = ((uint64_t)a << 32 | b) ^ secret->key[0];

	x = (x ^ x >> 32) * 0x9e3779b97f4a7c15;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9;
	return (uint32_t)(x >> 32);
}

size_t hash_table_size(uint32_t capacity)
{
	return (size_t)capacity * sizeof(uint32_t);
}

void hash_table_init(struct hash_table *table, void *buckets, uint32_t capacity, void *links,
    size_t stride, hash_entry_key *key, const void *context)
{
	*table = (struct hash_table){ .bucket = buckets, .size = 1, .capacity = capacity,
		.links = links, .stride = stride, .key = key, .context = context };
}

static uint32_t *link_of(const struct hash_table *table, uint32_t entry)
{
	return (uint32_t *)(void *)(table->links + entry * table->stride);
}

static uint32_t *bucket_of(const struct hash_table *table, uint32_t hash)
{
	uint32_t at = hash & table->mask;

	if (at >= table->size)
		at &= table->mask >> 1;
	return &table->bucket[at];
}

uint32_t hash_table_first(const struct hash_table *table, uint32_t hash)
{
	return *bucket_of(table, hash);
}

uint32_t hash_table_next(const struct hash_table *table, uint32_t entry)
{
	return *link_of(table, entry);
}

/* Put one more bucket into use: the entries that belong there come from exactly one other. */
static void split_bucket(struct hash_table *table)
{
	uint32_t fresh = table->size;
	uint32_t *from, *to = &table->bucket[fresh];

	if (fresh > table->mask)
		table->mask = table->mask * 2 + 1;
	from = &table->bucket[fresh & table->mask >> 1];
	table->size++;
	while (*from != 0) {
		uint32_t entry = *from;
		uint32_t *next = link_of(table, entry);

		if ((table->key(table->context, entry) & table->mask) != fresh) {
			from = next;
			continue;
		}
		*from = *next;
		*next = *to;
		*to = entry;
	}
}

void hash_table_insert(struct hash_table *table, uint32_t entry, uint32_t hash)
{
	uint32_t *bucket;

	if (++table->count > table->size && table->size < table->capacity)
		split_bucket(table);
	bucket = bucket_of(table, hash);
	*link_of(table, entry) = *bucket;
	*bucket = entry;
}

void hash_table_remove(struct hash_table *table, uint32_t entry, uint32_t hash)
{
	uint32_t *at = bucket_of(table, hash);

	while (*at != entry)
		at = link_of(table, *at);
	*at = *link_of(table, entry);
	table->count--;
}
