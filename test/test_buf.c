/* test_buf.c - chains against plain arrays, with a pool that ends at a guard page. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "../buf.h"
#include "guard.h"

#define COUNT(array) (sizeof (array) / sizeof (array)[0])
#define PIECES 4096

/* A pool in memory that, against expectation, is not zeros. */
static struct buf_pool *pool_new(size_t memory)
{
	size_t size = buf_pool_size(memory);
	void *place = guard_alloc(size);

	memset(place, 0xa5, size);
	return buf_pool_init(place, memory);
}

static void pool_free(struct buf_pool *pool, size_t memory)
{
	guard_free(pool, buf_pool_size(memory));
}

static bool is_empty(const struct buf_chain *chain)
{
	return chain->head == 0 && chain->tail == 0 && chain->length == 0;
}

/* Fill bytes that tell where they belong. */
static void pattern(uint8_t *bytes, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)((i + seed) * 2654435761u >> 13);
}

/* Is this the chain's content, by copy and by pieces? Adds to *buffers how many it takes. */
static bool holds(const struct buf_pool *pool, const struct buf_chain *chain, const uint8_t *bytes,
    size_t length, uint32_t *buffers)
{
	static struct iovec pieces[PIECES];
	uint8_t *copy = guard_alloc(length);
	size_t at = 0;
	int count, i;
	bool same;

	buf_copy(pool, chain, copy);
	same = chain->length == length && memcmp(copy, bytes, length) == 0;
	guard_free(copy, length);
	count = buf_pieces(pool, chain, pieces, PIECES);
	for (i = 0; i < count; at += pieces[i++].iov_len)
		same = same && pieces[i].iov_len > 0 && pieces[i].iov_len <= length - at &&
		    memcmp(pieces[i].iov_base, bytes + at, pieces[i].iov_len) == 0;
	*buffers += (uint32_t)count;
	return same && at == length && (length > 0 ? count > 0 : count == 0 && is_empty(chain));
}

static void sizes(void)
{
	static const size_t memories[] = { 0, 1, BUF_SIZE - 1, BUF_SIZE, BUF_SIZE + 1, 65536,
		1000000 };
	struct buf_pool *pool;

	for (size_t i = 0; i < COUNT(memories); i++) {
		size_t buffers = (memories[i] + BUF_SIZE - 1) / BUF_SIZE;

		CHECK(buf_pool_size(memories[i]) == buf_pool_size(0) + buffers * BUF_SIZE);
		pool = pool_new(memories[i]);
		CHECK(buf_pool_total(pool) == buffers && buf_pool_used(pool) == 0);
		pool_free(pool, memories[i]);
	}
	CHECK(buf_pool_size(0) <= BUF_SIZE);
}

/* Output may not take the last eighth, input may; to the byte. */
static void reserve(void)
{
	static uint8_t bytes[64 * BUF_DATA];

	for (uint32_t total = 0; total <= 40; total++) {
		struct buf_chain output = { 0 }, input = { 0 };
		struct buf_pool *pool = pool_new(total * BUF_SIZE);
		uint32_t most = total - (total + 7) / 8, used = 0;

		CHECK(buf_room(pool, &output, most * BUF_DATA, BUF_OUTPUT));
		CHECK(!buf_room(pool, &output, most * BUF_DATA + 1, BUF_OUTPUT));
		CHECK(!buf_append(pool, &output, bytes, most * BUF_DATA + 1, BUF_OUTPUT));
		CHECK(is_empty(&output) && buf_pool_used(pool) == 0);
		CHECK(buf_append(pool, &output, bytes, most * BUF_DATA, BUF_OUTPUT));
		CHECK(buf_pool_used(pool) == most);
		CHECK(!buf_append(pool, &output, bytes, 1, BUF_OUTPUT));
		CHECK(buf_append(pool, &output, bytes, 0, BUF_OUTPUT));
		CHECK(!buf_append(pool, &input, bytes, (total - most) * BUF_DATA + 1, BUF_INPUT));
		CHECK(buf_append(pool, &input, bytes, (total - most) * BUF_DATA, BUF_INPUT));
		CHECK(buf_pool_used(pool) == total);
		CHECK(!buf_append(pool, &input, bytes, 1, BUF_INPUT));
		CHECK(holds(pool, &output, bytes, most * BUF_DATA, &used));
		CHECK(holds(pool, &input, bytes, (total - most) * BUF_DATA, &used));
		CHECK(used == total);
		pool_free(pool, total * BUF_SIZE);
	}
}

/* The room in a chain's last buffer is its own, whoever has taken all others. */
static void own_room(void)
{
	struct buf_pool *pool = pool_new(8 * BUF_SIZE);
	struct buf_chain output = { 0 }, input = { 0 };
	static uint8_t bytes[8 * BUF_DATA];
	uint32_t used = 0;

	pattern(bytes, sizeof bytes, 3);
	CHECK(buf_append(pool, &output, bytes, 10, BUF_OUTPUT));
	CHECK(buf_append(pool, &input, bytes, 7 * BUF_DATA, BUF_INPUT));
	CHECK(buf_pool_used(pool) == 8);
	CHECK(buf_room(pool, &output, BUF_DATA - 10, BUF_OUTPUT));
	CHECK(!buf_room(pool, &output, BUF_DATA - 9, BUF_OUTPUT));
	CHECK(!buf_append(pool, &output, bytes + 10, BUF_DATA - 9, BUF_OUTPUT));
	CHECK(buf_append(pool, &output, bytes + 10, BUF_DATA - 10, BUF_OUTPUT));
	CHECK(holds(pool, &output, bytes, BUF_DATA, &used));
	CHECK(holds(pool, &input, bytes, 7 * BUF_DATA, &used));
	pool_free(pool, 8 * BUF_SIZE);
}

/* What buf_room says of a pool of 5 buffers holds for one append, and for two of as much in all. */
static bool room_is_true(struct buf_pool *pool, size_t first, size_t more, size_t cut)
{
	static const uint8_t bytes[6 * BUF_DATA];
	struct buf_chain chain = { 0 };
	bool right, room;

	right = buf_append(pool, &chain, bytes, first, BUF_INPUT);
	room = buf_room(pool, &chain, more, BUF_OUTPUT);
	right = right && room == (first + more <= 4 * BUF_DATA);
	if (room)
		right = right && buf_append(pool, &chain, bytes, cut, BUF_OUTPUT) &&
		    buf_append(pool, &chain, bytes, more - cut, BUF_OUTPUT);
	else
		right = right && !buf_append(pool, &chain, bytes, more, BUF_OUTPUT);
	right = right && chain.length == first + (room ? more : 0);
	buf_clear(pool, &chain);
	return right;
}

static void room(void)
{
	struct buf_pool *pool = pool_new(5 * BUF_SIZE);

	for (size_t first = 0; first < 3 * BUF_DATA; first += 127) {
		for (size_t more = 0; more < 6 * BUF_DATA; more += 127) {
			for (size_t cut = 0; cut <= more; cut += 381)
				CHECK(room_is_true(pool, first, more, cut));
		}
	}
	for (size_t first = 0; first < BUF_DATA; first++)       /* to the byte */
		CHECK(room_is_true(pool, first, 4 * BUF_DATA - first, BUF_DATA - first) &&
		    room_is_true(pool, first, 4 * BUF_DATA - first + 1, 0));
	pool_free(pool, 5 * BUF_SIZE);
}

/* Every length taken out of every length. */
static void consumes(void)
{
	static const size_t lengths[] = { 1, 2, BUF_DATA - 1, BUF_DATA, BUF_DATA + 1,
		2 * BUF_DATA - 1, 2 * BUF_DATA, 2 * BUF_DATA + 1, 3 * BUF_DATA };
	static uint8_t bytes[3 * BUF_DATA + 3];
	struct buf_pool *pool = pool_new(8 * BUF_SIZE);
	uint32_t used;

	pattern(bytes, sizeof bytes, 1);
	for (size_t i = 0; i < COUNT(lengths); i++) {
		for (size_t part = 0; part <= lengths[i]; part++) {
			struct buf_chain chain = { 0 };

			CHECK(buf_append(pool, &chain, bytes, lengths[i], BUF_INPUT));
			buf_consume(pool, &chain, part);
			CHECK(chain.length == lengths[i] - part);
			CHECK(buf_append(pool, &chain, bytes + lengths[i], 3, BUF_INPUT));
			used = 0;
			CHECK(holds(pool, &chain, bytes + part, lengths[i] + 3 - part, &used));
			CHECK(used == buf_pool_used(pool));
			buf_consume(pool, &chain, chain.length);
			CHECK(is_empty(&chain) && buf_pool_used(pool) == 0);
		}
	}
	pool_free(pool, 8 * BUF_SIZE);
}

static void pieces_at_most(void)
{
	static uint8_t bytes[5 * BUF_DATA];
	struct buf_pool *pool = pool_new(8 * BUF_SIZE);
	struct buf_chain chain = { 0 };

	pattern(bytes, sizeof bytes, 2);
	CHECK(buf_append(pool, &chain, bytes, sizeof bytes, BUF_INPUT));
	buf_consume(pool, &chain, 16);
	for (int max = 0; max < 8; max++) {
		struct iovec *pieces = guard_alloc((size_t)max * sizeof *pieces);
		int count = buf_pieces(pool, &chain, pieces, max);
		const uint8_t *at = bytes + 16;

		CHECK(count == (max < 5 ? max : 5));
		for (int i = 0; i < count; at += pieces[i++].iov_len)
			CHECK(memcmp(pieces[i].iov_base, at, pieces[i].iov_len) == 0);
		CHECK(count == 0 || at == bytes + (size_t)count * BUF_DATA);
		guard_free(pieces, (size_t)max * sizeof *pieces);
	}
	pool_free(pool, 8 * BUF_SIZE);
}

/* Only as many buffers are ever touched as were once in use. */
static void touches_little(void)
{
	static uint8_t bytes[2 * BUF_DATA];
	size_t memory = 64 * BUF_SIZE, size = buf_pool_size(memory);
	struct buf_pool *pool = pool_new(memory);
	const uint8_t *rest = (const uint8_t *)pool + buf_pool_size(3 * BUF_SIZE);
	struct buf_chain one = { 0 }, two = { 0 };

	for (int i = 0; i < 1000; i++) {
		CHECK(buf_append(pool, &one, bytes, 1, BUF_OUTPUT));
		CHECK(buf_append(pool, &two, bytes, BUF_DATA + 1, BUF_INPUT));
		CHECK(buf_pool_used(pool) == 3);
		buf_clear(pool, i % 2 == 0 ? &one : &two);
		buf_clear(pool, i % 2 == 0 ? &two : &one);
		CHECK(buf_pool_used(pool) == 0 && is_empty(&one) && is_empty(&two));
		buf_clear(pool, &one);
	}
	for (; rest < (const uint8_t *)pool + size; rest++)
		CHECK(*rest == 0xa5);
	pool_free(pool, memory);
}

/* -- many chains ----------------------------------------------------------------------- */

#define CHAINS 12
#define LONGEST (20 * BUF_DATA)

struct model {
	struct buf_pool *pool;
	struct buf_chain chains[CHAINS];
	uint8_t *bytes[CHAINS];         /* what each holds */
	size_t lengths[CHAINS];
	uint64_t random;
	unsigned refused;
};

static uint32_t below(struct model *model, uint32_t n)
{
	model->random = model->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((model->random >> 33) % n);
}

static void model_append(struct model *model, uint32_t at)
{
	enum buf_use use = below(model, 2) == 0 ? BUF_INPUT : BUF_OUTPUT;
	size_t length = below(model, 3) == 0 ? below(model, 4 * BUF_DATA) : below(model, 40);
	struct buf_chain before = model->chains[at];
	uint32_t used = buf_pool_used(model->pool);
	uint8_t *end = model->bytes[at] + model->lengths[at];
	bool room;

	if (model->lengths[at] + length > LONGEST)
		return;
	pattern(end, length, below(model, 1000));
	room = buf_room(model->pool, &model->chains[at], length, use);
	CHECK(buf_append(model->pool, &model->chains[at], end, length, use) == room);
	if (room) {
		model->lengths[at] += length;
	} else {
		model->refused++;
		CHECK(memcmp(&before, &model->chains[at], sizeof before) == 0);
		CHECK(used == buf_pool_used(model->pool));
	}
}

static void model_consume(struct model *model, uint32_t at)
{
	size_t length = below(model, (uint32_t)model->lengths[at] + 1);

	buf_consume(model->pool, &model->chains[at], length);
	model->lengths[at] -= length;
	memmove(model->bytes[at], model->bytes[at] + length, model->lengths[at]);
}

static void model_compare(const struct model *model)
{
	uint32_t used = 0;

	for (int i = 0; i < CHAINS; i++)
		CHECK(holds(model->pool, &model->chains[i], model->bytes[i], model->lengths[i],
		    &used));
	CHECK(used == buf_pool_used(model->pool));
	CHECK(used <= buf_pool_total(model->pool));
}

static void many_chains(void)
{
	struct model model = { .pool = pool_new(40 * BUF_SIZE), .random = 1 };

	for (int i = 0; i < CHAINS; i++)
		model.bytes[i] = malloc(LONGEST);
	for (int step = 0; step < 30000; step++) {
		uint32_t at = below(&model, CHAINS);

		if (below(&model, 5) < 3) {
			model_append(&model, at);
		} else if (below(&model, 8) > 0) {
			model_consume(&model, at);
		} else {
			buf_clear(model.pool, &model.chains[at]);
			model.lengths[at] = 0;
		}
		if (step % 64 == 0)
			model_compare(&model);
	}
	CHECK(model.refused > 100);     /* the pool was full now and then */
	for (int i = 0; i < CHAINS; i++) {
		buf_clear(model.pool, &model.chains[i]);
		free(model.bytes[i]);
	}
	CHECK(buf_pool_used(model.pool) == 0);
	pool_free(model.pool, 40 * BUF_SIZE);
}

int main(void)
{
	RUN(sizes);
	RUN(reserve);
	RUN(own_room);
	RUN(room);
	RUN(consumes);
	RUN(pieces_at_most);
	RUN(touches_little);
	RUN(many_chains);
	return test_end();
}
