/* test_conns.c - numbers that come and go, lists against arrays. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "../conns.h"
#include "guard.h"

static struct conns conns_new(uint32_t capacity)
{
	struct conns conns;

	memset(&conns, 0x5a, sizeof conns);
	conns_init(&conns, guard_alloc(conns_size(capacity)), capacity);
	return conns;
}

static void conns_free(struct conns *conns)
{
	guard_free(conns->at, conns_size(conns->capacity));
}

static bool is_zero(const void *memory, size_t size)
{
	const uint8_t *bytes = memory;

	while (size > 0 && bytes[size - 1] == 0)
		size--;
	return size == 0;
}

/* All zeros but for the generation; bytes between the fields do not matter. */
static bool is_fresh(const struct conn *conn)
{
	return conn->fd == 0 && conn->state == CONN_FREE && conn->flags == 0 && conn->timer == 0 &&
	    conn->hold == 0 && conn->find_state == 0 && conn->opcode == 0 && conn->since == 0 &&
	    conn->need == 0 && conn->next_dirty == 0 && is_zero(&conn->raw, sizeof conn->raw) &&
	    is_zero(&conn->message, sizeof conn->message) &&
	    is_zero(&conn->out, sizeof conn->out) && is_zero(conn->links, sizeof conn->links) &&
	    is_zero(&conn->address, sizeof conn->address);
}

/* All numbers are given away once, then none is left; nothing is written past the table. */
static void every_number(void)
{
	for (uint32_t capacity = 0; capacity < 20; capacity++) {
		struct conns conns = conns_new(capacity);
		bool taken[21] = { false };

		CHECK(conns_size(capacity) == (capacity + 1) * sizeof(struct conn));
		for (uint32_t i = 0; i < capacity; i++) {
			uint32_t number = conns_take(&conns);

			CHECK(number >= 1 && number <= capacity && !taken[number]);
			taken[number] = true;
			CHECK(conns.live == i + 1);
			CHECK(is_fresh(&conns.at[number]));
		}
		CHECK(conns_take(&conns) == 0 && conns_take(&conns) == 0);
		CHECK(conns.live == capacity);
		conns_free(&conns);
	}
}

/* Whatever the former holder left behind is gone, and its generation does not come back. */
static void numbers_come_back(void)
{
	struct conns conns = conns_new(3);
	uint32_t last[4] = { 0 }, number, given;

	for (int i = 0; i < 3; i++)
		conns_take(&conns);
	for (number = 1; number <= 3; number++)
		last[number] = conns.at[number].generation;
	for (int round = 0; round < 1000; round++) {
		number = (uint32_t)round % 3 + 1;
		memset(&conns.at[number], 0xff, sizeof conns.at[number]);
		conns.at[number].generation = last[number];
		conns_give(&conns, number);
		CHECK(conns.at[number].state == CONN_FREE);
		CHECK(conns.at[number].generation != last[number]);
		CHECK(conns.live == 2);
		given = conns_take(&conns);
		CHECK(given == number && is_fresh(&conns.at[given]));
		CHECK(conns.at[given].generation != last[given]);
		last[given] = conns.at[given].generation;
		CHECK(conns_take(&conns) == 0);
	}
	conns_free(&conns);
}

static void numbers_at_random(void)
{
	struct conns conns = conns_new(50);
	bool taken[51] = { false };
	uint32_t live = 0, number;
	unsigned random = 1;

	for (int step = 0; step < 20000; step++) {
		random = random * 1103515245 + 12345;
		number = (random >> 16) % 50 + 1;
		if (taken[number]) {
			conns_give(&conns, number);
			taken[number] = false;
			live--;
		} else {
			number = conns_take(&conns);
			CHECK(number != 0 && number <= 50 && !taken[number]);
			taken[number] = true;
			live++;
		}
		CHECK(conns.live == live);
		for (number = 1; number <= conns.used; number++)
			CHECK((conns.at[number].state == CONN_FREE) || taken[number]);
	}
	conns_free(&conns);
}

/* A table of a million touches what it gives away, no more: here is but one page of memory. */
static void touches_little(void)
{
	size_t page = guard_pages(0);
	struct conns conns;
	uint32_t fits = (uint32_t)(page / sizeof(struct conn)) - 1;

	conns_init(&conns, guard_alloc(page), 1000000);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < fits; i++)
			CHECK(conns_take(&conns) <= fits);
		for (uint32_t i = 1; i <= fits; i++)
			conns_give(&conns, i);
	}
	CHECK(conns.live == 0 && conns.used == fits);
	guard_free(conns.at, page);
}

/* -- lists ----------------------------------------------------------------------------- */

#define NUMBERS 30
#define LISTS 3         /* of each chain */

struct model {
	struct conns conns;
	struct conn_list lists[CHAINS][LISTS];
	uint32_t order[CHAINS][LISTS][NUMBERS];
	size_t lengths[CHAINS][LISTS];
	int in[CHAINS][NUMBERS + 1];    /* which list a number stands in, -1: none */
};

/* Does a list hold these, in this order, from either end? */
static bool list_is(const struct model *model, enum conn_chain chain, const struct conn_list *list,
    const uint32_t *order, size_t length)
{
	uint32_t at = list->first;

	for (size_t i = 0; i < length; i++) {
		if (at != order[i])
			return false;
		at = model->conns.at[at].links[chain].after;
	}
	if (at != 0)
		return false;
	at = list->last;
	for (size_t i = length; i > 0; i--) {
		if (at != order[i - 1])
			return false;
		at = model->conns.at[at].links[chain].before;
	}
	return at == 0 && (length > 0 || (list->first == 0 && list->last == 0));
}

static void model_append(struct model *model, enum conn_chain chain, int list, uint32_t number)
{
	conns_append(&model->conns, &model->lists[chain][list], chain, number);
	model->order[chain][list][model->lengths[chain][list]++] = number;
	model->in[chain][number] = list;
}

static void model_remove(struct model *model, enum conn_chain chain, uint32_t number)
{
	int list = model->in[chain][number];
	uint32_t *order = model->order[chain][list];
	size_t at = 0;

	conns_remove(&model->conns, &model->lists[chain][list], chain, number);
	while (order[at] != number)
		at++;
	memmove(order + at, order + at + 1, (--model->lengths[chain][list] - at) * sizeof *order);
	model->in[chain][number] = -1;
}

static void lists(void)
{
	struct model *model = calloc(1, sizeof *model);
	unsigned random = 7;

	model->conns = conns_new(NUMBERS);
	for (int i = 0; i < NUMBERS; i++)
		conns_take(&model->conns);
	memset(model->in, 0xff, sizeof model->in);
	for (int step = 0; step < 30000; step++) {
		enum conn_chain chain;
		uint32_t number;

		random = random * 1103515245 + 12345;
		chain = (enum conn_chain)((random >> 16) % CHAINS);
		number = (random >> 18) % NUMBERS + 1;
		if (model->in[chain][number] >= 0)
			model_remove(model, chain, number);
		else
			model_append(model, chain, (int)(random >> 28) % LISTS, number);
		for (int list = 0; list < LISTS; list++)
			CHECK(list_is(model, chain, &model->lists[chain][list],
			    model->order[chain][list], model->lengths[chain][list]));
	}
	for (int chain = 0; chain < CHAINS; chain++) {
		for (uint32_t number = 1; number <= NUMBERS; number++) {
			if (model->in[chain][number] >= 0)
				model_remove(model, (enum conn_chain)chain, number);
		}
		for (int list = 0; list < LISTS; list++)
			CHECK(list_is(model, (enum conn_chain)chain, &model->lists[chain][list],
			    NULL, 0));
	}
	conns_free(&model->conns);
	free(model);
}

int main(void)
{
	RUN(every_number);
	RUN(numbers_come_back);
	RUN(numbers_at_random);
	RUN(touches_little);
	RUN(lists);
	return test_end();
}
