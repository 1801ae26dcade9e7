/* test_hash.c - SipHash against its published vectors, the table against a naive model. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../hash.h"
#include "guard.h"

/* SipHash-2-4 with key 00 to 0f of the inputs "", 00, 00 01, ...: the authors' 64 vectors. */
static const uint64_t vectors[64] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
	0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
	0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
	0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
	0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
	0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
	0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
	0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
	0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
	0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
	0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
	0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572
};

static const struct hash_secret secret = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

/* The next word of SplitMix64. */
static uint32_t word(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32);
}

static struct hash_secret fresh_secret(uint64_t *state)
{
	uint64_t high = word(state);

	return (struct hash_secret){ { high << 32 | word(state) } };
}

/* -- hashing ------------------------------------------------------------------------ */

static void sip_vectors(void)
{
	size_t len, i;

	for (len = 0; len < 64; len++) {
		uint8_t *data = guard_alloc(len);

		for (i = 0; i < len; i++)
			data[i] = (uint8_t)i;
		CHECK(hash_bytes(&secret, data, len) == vectors[len]);
		guard_free(data, len);
	}
}

/* Neither where the bytes lie nor what lies around them counts. */
static void sip_alignment(void)
{
	uint8_t memory[96];
	size_t at, len, i;

	for (at = 0; at < 16; at++) {
		for (len = 0; len < 64; len++) {
			memset(memory, (int)(0x5a + at), sizeof memory);
			for (i = 0; i < len; i++)
				memory[at + i] = (uint8_t)i;
			CHECK(hash_bytes(&secret, memory + at, len) == vectors[len]);
		}
	}
}

/* Every bit of the secret and of an id counts. */
static void sip_every_bit(void)
{
	uint8_t id[20] = { 1 };
	uint64_t before = hash_bytes(&secret, id, sizeof id);
	unsigned bit;

	for (bit = 0; bit < 128; bit++) {
		struct hash_secret other = secret;

		other.key[bit / 64] ^= (uint64_t)1 << bit % 64;
		CHECK(hash_bytes(&other, id, sizeof id) != before);
	}
	for (bit = 0; bit < 8 * sizeof id; bit++) {
		id[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(hash_bytes(&secret, id, sizeof id) != before);
		id[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

#define PAIRS 0x10000u

/* The i-th pair of a pattern such as torrents with ordinals and torrents with peers make. */
static void pair_of(unsigned pattern, uint32_t i, uint32_t *a, uint32_t *b)
{
	*a = *b = i + 1;
	switch (pattern) {
	case 0: *a = 1; break;
	case 1: *b = 0; break;
	case 2: break;
	case 3: *a = i / 50 + 1; *b = i % 50; break;
	case 4: *a = i / 2 + 1; *b = i; break;
	case 5: *a = i % 256 << 12; *b = i / 256 << 12; break;
	case 6: *a = PAIRS - i; break;
	default: *a = 0xfffff; *b = i << 4; break;
	}
}

/*
 * As many pairs as buckets: the pairs that share a bucket must be about as many as by chance
 * (32,768, deviation 181), in the low bits, which the tables use. Fewer is welcome.
 */
static void pair_spread(void)
{
	uint32_t *load = calloc(PAIRS, sizeof *load);
	uint64_t state = 1;
	unsigned pattern, round;
	uint32_t i, a, b;

	for (round = 0; round < 6; round++) {
		struct hash_secret other = fresh_secret(&state);

		for (pattern = 0; pattern < 8; pattern++) {
			uint32_t shared = 0;

			memset(load, 0, PAIRS * sizeof *load);
			for (i = 0; i < PAIRS; i++) {
				pair_of(pattern, i, &a, &b);
				shared += load[hash_pair(&other, a, b) % PAIRS]++;
			}
			CHECK(shared < 32768 + 8 * 181);
		}
	}
	free(load);
}

static void pair_secret(void)
{
	uint64_t state = 2;
	uint32_t i, same_secret = 0, turned = 0;

	for (i = 1; i <= 10000; i++) {
		struct hash_secret other = fresh_secret(&state);

		CHECK(hash_pair(&other, i, 7) == hash_pair(&other, i, 7));
		same_secret += hash_pair(&secret, i, 7) == hash_pair(&other, i, 7);
		turned += hash_pair(&secret, i, i + 7) == hash_pair(&secret, i + 7, i);
	}
	CHECK(same_secret <= 1);
	CHECK(turned <= 1);
}

/* -- the table ---------------------------------------------------------------------- */

/* An entry as a caller's would be: the link stands between other things. */
struct entry {
	uint8_t before[4];
	uint32_t link;
	uint32_t key;
	uint8_t after[12];
};

enum hashing { GOOD, ALL_EQUAL, ALL_ONES, FEW, HIGH_BITS };

/* A table next to its model: which entries are in it, and under what key. */
struct trial {
	struct hash_table table;
	enum hashing hashing;
	uint32_t capacity;
	struct entry *entry;
	uint32_t *bucket;
	uint32_t *key;              /* the model: 0 is "not in the table" */
	uint32_t count, most;
	uint64_t random;
};

static uint32_t hash_of(const struct trial *trial, uint32_t key)
{
	switch (trial->hashing) {
	case GOOD: return hash_pair(&secret, key, 1);
	case ALL_EQUAL: return 5;
	case ALL_ONES: return 0xffffffff;
	case FEW: return key % 7 * 0x11111111;
	default: return key << 20;
	}
}

static uint32_t entry_key(const void *context, uint32_t entry)
{
	const struct trial *trial = context;

	CHECK(trial->key[entry] != 0 && trial->key[entry] == trial->entry[entry].key);
	return hash_of(trial, trial->entry[entry].key);
}

static void trial_start(struct trial *trial, uint32_t capacity, enum hashing hashing)
{
	*trial = (struct trial){ .hashing = hashing, .capacity = capacity, .random = capacity };
	trial->bucket = guard_alloc(hash_table_size(capacity));
	trial->entry = calloc(capacity + 1, sizeof *trial->entry);
	trial->key = calloc(capacity + 1, sizeof *trial->key);
	hash_table_init(&trial->table, trial->bucket, capacity, &trial->entry->link,
	    sizeof *trial->entry, entry_key, trial);
}

static void trial_end(struct trial *trial)
{
	guard_free(trial->bucket, hash_table_size(trial->capacity));
	free(trial->entry);
	free(trial->key);
}

static uint32_t find(const struct trial *trial, uint32_t key)
{
	uint32_t at = hash_table_first(&trial->table, hash_of(trial, key));

	while (at != 0 && trial->entry[at].key != key)
		at = hash_table_next(&trial->table, at);
	return at;
}

static uint32_t find_naively(const struct trial *trial, uint32_t key)
{
	uint32_t at = trial->capacity;

	while (at > 0 && trial->key[at] != key)
		at--;
	return at;
}

static void put(struct trial *trial, uint32_t at, uint32_t key)
{
	trial->entry[at].key = trial->key[at] = key;
	if (++trial->count > trial->most)
		trial->most = trial->count;
	hash_table_insert(&trial->table, at, hash_of(trial, key));
}

static void drop(struct trial *trial, uint32_t at)
{
	hash_table_remove(&trial->table, at, hash_of(trial, trial->key[at]));
	trial->entry[at].key = trial->key[at] = 0;
	trial->count--;
}

/* How large the table is: a bucket for each entry there has ever been, and no more. */
static void check_size(const struct trial *trial)
{
	const struct hash_table *table = &trial->table;

	CHECK(table->count == trial->count);
	CHECK(table->size == (trial->most > 0 ? trial->most : 1));
	CHECK(table->size <= table->capacity && table->capacity == trial->capacity);
	CHECK((table->mask & (table->mask + 1)) == 0);
	CHECK(table->mask >= table->size - 1);
	CHECK(table->mask == 0 || table->mask / 2 + 1 < table->size);
}

/* Every entry is in one chain, once, and can be found; no bucket past the size is touched. */
static void check_chains(const struct trial *trial)
{
	uint32_t i, at, seen = 0;

	for (i = 0; i < trial->table.size; i++) {
		for (at = trial->bucket[i]; at != 0; at = trial->entry[at].link) {
			CHECK(trial->key[at] != 0);
			if (++seen > trial->count)
				break;
		}
	}
	CHECK(seen == trial->count);
	for (; i < trial->capacity; i++)
		CHECK(trial->bucket[i] == 0);
	for (i = 1; i <= trial->capacity; i++)
		CHECK(trial->key[i] == 0 || find(trial, trial->key[i]) == i);
	CHECK(trial->entry[0].link == 0);
}

/* Look a key up, then perhaps take it out, or put it in: in `puts` of 8 cases the latter. */
static void step(struct trial *trial, unsigned puts)
{
	uint32_t key = word(&trial->random) % (trial->capacity * 2) + 1;
	uint32_t at = find(trial, key);

	CHECK(at == find_naively(trial, key));
	if (at != 0) {
		if (word(&trial->random) % 8 >= puts)
			drop(trial, at);
	} else if (word(&trial->random) % 8 < puts && trial->count < trial->capacity) {
		at = word(&trial->random) % trial->capacity + 1;
		while (trial->key[at] != 0)
			at = at % trial->capacity + 1;
		put(trial, at, key);
	}
}

static void run_steps(uint32_t capacity, enum hashing hashing, unsigned steps)
{
	struct trial trial;
	int bad = test_bad;
	unsigned i;

	trial_start(&trial, capacity, hashing);
	for (i = 0; i < steps && test_bad == bad; i++) {
		/* Fill up and run dry in turn. */
		step(&trial, i / (steps / 20) % 2 == 0 ? 7 : 2);
		check_size(&trial);
		if (i % (capacity < 10 ? 1 : 500) == 0)
			check_chains(&trial);
	}
	check_chains(&trial);
	CHECK(trial.most == capacity);
	CHECK(capacity < 4 || trial.count < capacity);
	trial_end(&trial);
}

static void table_random(void)
{
	run_steps(1, GOOD, 100000);
	run_steps(2, GOOD, 100000);
	run_steps(3, GOOD, 100000);
	run_steps(5, GOOD, 100000);
	run_steps(1000, GOOD, 100000);
	run_steps(1024, GOOD, 20000);
}

static void table_bad_hashes(void)
{
	enum hashing hashing;

	for (hashing = ALL_EQUAL; hashing <= HIGH_BITS; hashing++) {
		run_steps(3, hashing, 20000);
		run_steps(130, hashing, 20000);
	}
}

/* After each of many insertions everything is still found, and nothing that is not there. */
static void table_growth(void)
{
	struct trial trial;
	uint32_t i, j, longest = 0, total = 0;

	trial_start(&trial, 1500, GOOD);
	check_size(&trial);
	CHECK(hash_table_first(&trial.table, 0) == 0 && hash_table_first(&trial.table, ~0u) == 0);
	for (i = 1; i <= 1500; i++) {
		put(&trial, i, 3 * i);
		check_size(&trial);
		for (j = 1; j <= i; j++)
			CHECK(find(&trial, 3 * j) == j && find(&trial, 3 * j - 1) == 0);
	}
	for (i = 0; i < 1500; i++) {
		uint32_t at = trial.bucket[i], length = 0;

		for (; at != 0; at = trial.entry[at].link)
			total += ++length;
		longest = length > longest ? length : longest;
	}
	CHECK(longest < 12);
	CHECK(total < 1500 * 2);
	while (i-- > 0) {
		drop(&trial, i + 1);
		CHECK(find(&trial, 3 * (i + 1)) == 0);
	}
	check_chains(&trial);
	trial_end(&trial);
}

/* With more entries than it was made for the chains are longer, and that is all. */
static void table_overfull(void)
{
	struct trial trial;
	uint32_t i;

	trial_start(&trial, 300, GOOD);
	hash_table_init(&trial.table, trial.bucket + 290, 10, &trial.entry->link,
	    sizeof *trial.entry, entry_key, &trial);
	for (i = 1; i <= 300; i++) {
		put(&trial, i, i);
		CHECK(trial.table.size == (i < 10 ? i : 10));
	}
	for (i = 1; i <= 300; i++)
		CHECK(find(&trial, i) == i);
	while (--i > 0)
		drop(&trial, i);
	CHECK(trial.table.count == 0);
	trial_end(&trial);
}

/* Only the links are written: not what stands around them, not what has the number 0. */
static void table_touches(void)
{
	static const struct entry zero;
	struct entry *at;
	struct trial trial;
	uint32_t i;

	trial_start(&trial, 64, GOOD);
	for (at = trial.entry + 1; at <= trial.entry + 64; at++) {
		memset(at->before, 0xee, sizeof at->before);
		memset(at->after, 0xee, sizeof at->after);
	}
	for (i = 1; i <= 64; i++)
		put(&trial, i, i);
	for (i = 1; i <= 64; i += 2)
		drop(&trial, i);
	for (at = trial.entry + 1; at <= trial.entry + 64; at++) {
		for (i = 0; i < sizeof at->before; i++)
			CHECK(at->before[i] == 0xee);
		for (i = 0; i < sizeof at->after; i++)
			CHECK(at->after[i] == 0xee);
	}
	CHECK(memcmp(&trial.entry[0], &zero, sizeof zero) == 0);
	trial_end(&trial);
}

int main(void)
{
	/* A chain that became a ring must not hold up who runs the tests. */
	alarm(120);
	RUN(sip_vectors);
	RUN(sip_alignment);
	RUN(sip_every_bit);
	RUN(pair_spread);
	RUN(pair_secret);
	RUN(table_random);
	RUN(table_bad_hashes);
	RUN(table_growth);
	RUN(table_overfull);
	RUN(table_touches);
	return test_end();
}
