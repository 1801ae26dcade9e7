/*
 * test_rank.c - rank.h against an array that is kept sorted naively; as many counts that differ as
 * there can be; memory to the byte and page by page.
 */
#include "test.h"

#include <stdbool.h>
#include <string.h>

#include "../rank.h"
#include "guard.h"

#define THINGS 127

/* The next word of SplitMix64. */
static uint32_t word(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(x >> 32);
}

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((uint64_t)word(state) * n >> 32);
}

/* -- the model ---------------------------------------------------------------------- */

struct model {
	struct rank *rank;
	uint32_t capacity, limit;       /* limit: of the sum */
	uint32_t count[THINGS + 1];
	uint32_t order[THINGS], listed;
	uint32_t sum;
	uint64_t random;
	uint32_t full, emptied, removed;        /* how often that came about */
};

/* Capacities are odd, so that the memory can end at the guard and begin aligned. */
static void model_start(struct model *model, uint32_t capacity, uint32_t limit)
{
	*model = (struct model){ .capacity = capacity, .limit = limit, .random = limit };
	model->rank = rank_init(guard_alloc(rank_size(capacity, limit)), capacity, limit);
}

static void model_end(struct model *model)
{
	guard_free(model->rank, rank_size(model->capacity, model->limit));
}

/* Give a thing a count, and its place before all that have no more. */
static void model_set(struct model *model, uint32_t thing, uint32_t count)
{
	uint32_t *order = model->order, at = 0;

	while (at < model->listed && order[at] != thing)
		at++;
	if (at < model->listed)
		memmove(&order[at], &order[at + 1], (--model->listed - at) * sizeof order[0]);
	model->sum += count - model->count[thing];
	model->count[thing] = count;
	if (count == 0)
		return;
	for (at = 0; at < model->listed && model->count[order[at]] > count; at++)
		;
	memmove(&order[at + 1], &order[at], (model->listed++ - at) * sizeof order[0]);
	order[at] = thing;
}

static void compare(const struct model *model)
{
	uint32_t at = 0, i;

	for (i = 0; i < model->listed; i++) {
		at = rank_next(model->rank, at);
		CHECK(at == model->order[i]);
		if (at != model->order[i])
			return;
	}
	CHECK(rank_next(model->rank, at) == 0);
	for (i = 1; i <= model->capacity; i++) {
		CHECK(rank_count(model->rank, i) == model->count[i]);
		CHECK(model->count[i] > 0 || rank_next(model->rank, i) == 0);
	}
}

static void up(struct model *model, uint32_t thing)
{
	rank_up(model->rank, thing);
	model_set(model, thing, model->count[thing] + 1);
	model->full += model->sum == model->limit;
}

static void down(struct model *model, uint32_t thing)
{
	rank_down(model->rank, thing);
	model_set(model, thing, model->count[thing] - 1);
	model->emptied += model->sum == 0;
}

static void take_out(struct model *model, uint32_t thing)
{
	rank_remove(model->rank, thing);
	model->removed += model->count[thing] > 0;
	model_set(model, thing, 0);
	model->emptied += model->sum == 0;
}

/* -- by hand ------------------------------------------------------------------------ */

static void nothing(void)
{
	struct model model;

	model_start(&model, 3, 9);
	compare(&model);
	take_out(&model, 2);
	compare(&model);
	CHECK(model.removed == 0);
	model_end(&model);
}

/* Of equals the one that came last is first, from below, from above or from nothing. */
static void equals(void)
{
	struct rank *rank = rank_init(guard_alloc(rank_size(5, 20)), 5, 20);

	rank_up(rank, 1);
	rank_up(rank, 2);
	CHECK(rank_next(rank, 0) == 2 && rank_next(rank, 2) == 1 && rank_next(rank, 1) == 0);
	rank_up(rank, 1);
	CHECK(rank_next(rank, 0) == 1 && rank_next(rank, 1) == 2 && rank_next(rank, 2) == 0);
	CHECK(rank_count(rank, 1) == 2 && rank_count(rank, 2) == 1 && rank_count(rank, 3) == 0);
	rank_up(rank, 3);
	rank_down(rank, 1);
	CHECK(rank_next(rank, 0) == 1 && rank_next(rank, 1) == 3 && rank_next(rank, 3) == 2);
	CHECK(rank_next(rank, 2) == 0 && rank_next(rank, 4) == 0);
	/* Out of the middle. */
	rank_down(rank, 3);
	CHECK(rank_next(rank, 0) == 1 && rank_next(rank, 1) == 2 && rank_next(rank, 3) == 0);
	rank_remove(rank, 1);
	rank_remove(rank, 2);
	CHECK(rank_next(rank, 0) == 0 && rank_count(rank, 1) == 0);
	guard_free(rank, rank_size(5, 20));
}

/* One thing goes far above the others and comes back; the sum is not bounded. */
static void far(void)
{
	struct model model;
	uint32_t i;

	model_start(&model, 3, RANK_ANY_SUM);
	up(&model, 1);
	up(&model, 2);
	for (i = 0; i < 100000; i++)
		up(&model, 3);
	compare(&model);
	CHECK(rank_count(model.rank, 3) == 100000);
	for (i = 0; i < 99999; i++)
		down(&model, 3);
	compare(&model);
	down(&model, 3);
	compare(&model);
	model_end(&model);
}

/* -- long runs ---------------------------------------------------------------------- */

/* A change; `ups` of 1,000 count one more. */
static void step(struct model *model, uint32_t ups)
{
	uint32_t thing = below(&model->random, model->capacity) + 1;
	uint32_t roll = below(&model->random, 1000);

	/* Few are met often, or they would all have about the same count. */
	if (below(&model->random, 2) == 0)
		thing = (thing - 1) / 8 + 1;
	if (roll < ups && model->sum < model->limit)
		up(model, thing);
	else if (roll == 999)
		take_out(model, thing);
	else if (model->count[thing] > 0)
		down(model, thing);
}

/* The order fills, stays about as it is, and empties, in turn. */
static void run(uint32_t capacity, uint32_t limit, uint32_t steps)
{
	static const uint32_t ups[3] = { 950, 500, 30 };
	uint32_t phase = 40 * capacity + 2 * limit, i;
	int bad = test_bad;
	struct model model;

	model_start(&model, capacity, limit);
	for (i = 0; i < steps && test_bad == bad; i++) {
		step(&model, ups[i / phase % 3]);
		compare(&model);
	}
	CHECK(model.full > 20 && model.emptied > 1 && model.removed > 1);
	model_end(&model);
}

static void long_runs(void)
{
	static const uint32_t limits[] = { 1, 2, 3, 5, 6, 10, 20, 21, 50, 200, 800 };
	uint32_t capacity;
	size_t i;

	for (i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		for (capacity = 1; capacity <= 31; capacity = capacity * 2 + 1)
			run(capacity, limits[i], 100000);
	}
	run(THINGS, 1000, 200000);
}

/* -- as many counts that differ as there can be -------------------------------------- */

static uint32_t triangle(uint32_t k)
{
	return k * (k + 1) / 2;
}

/* Things 1 to k have the counts 1 to k; then those of two neighbours are exchanged, again and
 * again, by which nobody is left without a list of its own for longer than a step. */
static void staircase_of(uint32_t k, bool highest_first)
{
	uint32_t i, j, at;
	struct model model;

	model_start(&model, k, triangle(k));
	for (i = 1; i <= k; i++) {
		at = highest_first ? k + 1 - i : i;
		for (j = 0; j < at; j++)
			up(&model, at);
	}
	compare(&model);
	CHECK(model.listed == k && model.sum == model.limit);
	for (i = 0; i < 3 * k && k > 1; i++) {
		at = model.order[i % (k - 1)];
		j = model.order[i % (k - 1) + 1];
		down(&model, at);
		compare(&model);
		up(&model, j);
		compare(&model);
	}
	for (i = 1; i <= k; i++) {
		take_out(&model, highest_first ? i : k + 1 - i);
		compare(&model);
	}
	model_end(&model);
}

static void staircase(void)
{
	uint32_t k;

	for (k = 1; k <= 65; k += 2) {
		staircase_of(k, false);
		staircase_of(k, true);
	}
}

/* There is room for one list more with each step of the staircase, and with nothing less. */
static void sizes(void)
{
	size_t node = rank_size(100, 1) - rank_size(100, 0);
	uint32_t k;

	CHECK(node > 0 && node <= 16);
	for (k = 1; k <= 100; k++) {
		size_t size = rank_size(100, triangle(k));

		CHECK(size == rank_size(100, 0) + k * node);
		CHECK(size == rank_size(100, triangle(k) - 1) + node);
		CHECK(size == rank_size(k, triangle(k)) + 12 * (100 - k));
		CHECK(rank_size(k, triangle(k)) == rank_size(k, triangle(k + 1)));
		CHECK(rank_size(k, triangle(k)) == rank_size(k, RANK_ANY_SUM));
	}
	CHECK(rank_size(1u << 24, 1u << 28) == rank_size(1u << 24, 0) + 23169 * node);
	CHECK(rank_size(1u << 24, RANK_ANY_SUM) == rank_size(1u << 24, 0) + (node << 24));
}

/* -- memory ------------------------------------------------------------------------- */

#define PAGE ((size_t)4096)

static size_t pages_written(const struct rank *rank, size_t size)
{
	static const uint8_t zeros[PAGE];
	const uint8_t *at = (const uint8_t *)rank;
	size_t written = 0, len;

	for (; size > 0; size -= len, at += len) {
		len = size < PAGE ? size : PAGE;
		written += memcmp(at, zeros, len) != 0;
	}
	return written;
}

/* A few things in an order for a million touch little, and never more than at first. */
static void memory(void)
{
	size_t size = rank_size(1048575, RANK_ANY_SUM), written = 0;
	struct rank *rank = rank_init(guard_alloc(size), 1048575, RANK_ANY_SUM);
	uint32_t wave, thing, i;

	CHECK(pages_written(rank, size) <= 1);
	for (wave = 0; wave < 4; wave++) {
		for (thing = 1; thing <= 300; thing++) {
			for (i = 0; i < (wave % 2 == 0 ? thing : 301 - thing); i++)
				rank_up(rank, thing);
		}
		CHECK(pages_written(rank, size) <= 5);
		CHECK(wave == 0 || pages_written(rank, size) == written);
		written = pages_written(rank, size);
		for (thing = 1; thing <= 300; thing++)
			rank_remove(rank, thing * 11 % 301);
		CHECK(rank_next(rank, 0) == 0);
	}
	guard_free(rank, size);
}

/* The things and the lists of the highest numbers. */
static void memory_end(void)
{
	struct rank *rank = rank_init(guard_alloc(rank_size(99999, 99999)), 99999, 99999);
	uint32_t thing, at;

	for (thing = 1; thing <= 99999; thing++)
		rank_up(rank, thing);
	for (thing = 99999, at = 0; thing > 0; thing--) {
		at = rank_next(rank, at);
		CHECK(at == thing);
	}
	CHECK(rank_next(rank, at) == 0);
	guard_free(rank, rank_size(99999, 99999));
}

int main(void)
{
	/* A list that became a ring must not hold up who runs the tests. */
	alarm(120);
	RUN(nothing);
	RUN(equals);
	RUN(far);
	RUN(long_runs);
	RUN(staircase);
	RUN(sizes);
	RUN(memory);
	RUN(memory_end);
	return test_end();
}
