/* sha1.c - SHA-1; names as in FIPS 180-4 section 6.1. */
#include "sha1.h"

#include <string.h>

static uint32_t rotate_left(uint32_t word, unsigned bits)
{
	return word << bits | word >> (32 - bits);
}

static uint32_t word_load(const uint8_t bytes[static 4])
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

static void word_store(uint8_t bytes[static 4], uint32_t word)
{
	bytes[0] = (uint8_t)(word >> 24);
	bytes[1] = (uint8_t)(word >> 16);
	bytes[2] = (uint8_t)(word >> 8);
	bytes[3] = (uint8_t)word;
}

/* f(t) plus K(t) of 4.1.1 and 4.2.1 */
static uint32_t round_function(unsigned t, uint32_t b, uint32_t c, uint32_t d)
{
	if (t < 20)
		return ((b & c) ^ (~b & d)) + 0x5A827999;
	if (t < 40)
		return (b ^ c ^ d) + 0x6ED9EBA1;
	if (t < 60)
		return ((b & c) ^ (b & d) ^ (c & d)) + 0x8F1BBCDC;
	return (b ^ c ^ d) + 0xCA62C1D6;
}

static void block_hash(uint32_t state[static 5], const uint8_t block[static 64])
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
	uint32_t schedule[80];
	unsigned t;

	for (t = 0; t < 16; t++)
		schedule[t] = word_load(block + 4 * t);
	for (; t < 80; t++)
		schedule[t] = rotate_left(schedule[t - 3] ^ schedule[t - 8] ^
		    schedule[t - 14] ^ schedule[t - 16], 1);
	for (t = 0; t < 80; t++) {
		uint32_t next = rotate_left(a, 5) + round_function(t, b, c, d) + e + schedule[t];

		e = d;
		d = c;
		c = rotate_left(b, 30);
		b = a;
		a = next;
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
}

void sha1_init(struct sha1 *sha1)
{
	static const uint32_t start[5] = {
		0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0
	};

	memcpy(sha1->state, start, sizeof start);
	sha1->length = 0;
}

void sha1_update(struct sha1 *sha1, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t held = sha1->length % sizeof sha1->block;

	sha1->length += len;
	while (len > 0) {
		size_t take = sizeof sha1->block - held;

		if (take > len)
			take = len;
		memcpy(sha1->block + held, at, take);
		held += take;
		at += take;
		len -= take;
		if (held == sizeof sha1->block) {
			block_hash(sha1->state, sha1->block);
			held = 0;
		}
	}
}

void sha1_final(struct sha1 *sha1, uint8_t digest[static SHA1_SIZE])
{
	static const uint8_t padding[64] = {0x80};
	uint64_t bits = sha1->length * 8;
	size_t held = sha1->length % 64;
	uint8_t length[8];
	unsigned i;

	/* The length fills the last 8 bytes of a block, after at least one byte of padding. */
	sha1_update(sha1, padding, held < 56 ? 56 - held : 120 - held);
	word_store(length, (uint32_t)(bits >> 32));
	word_store(length + 4, (uint32_t)bits);
	sha1_update(sha1, length, sizeof length);
	for (i = 0; i < 5; i++)
		word_store(digest + 4 * i, sha1->state[i]);
}
