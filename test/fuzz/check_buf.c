/* check_buf.c - buf.c, and a look at all chains; see check.h */
#include "../../buf.c"

#include "check.h"
#include "fuzz.h"

UNNOTICED_BEGIN

#define MARKS 65536

static uint8_t marks[MARKS];
static uint32_t marked;

void check_pool_begin(const struct buf_pool *pool)
{
	MUST(pool->total < MARKS && pool->used <= pool->total);
	MUST(pool->fresh >= 1 && pool->fresh <= pool->total + 1);
	memset(marks, 0, pool->fresh);
	marked = 0;
}

void check_pool_chain(struct buf_pool *pool, const struct buf_chain *chain)
{
	uint32_t number, last = 0;
	size_t length = 0;

	MUST((chain->head == 0) == (chain->length == 0));
	for (number = chain->head; number != 0; number = buf_at(pool, number)->next) {
		const struct buf *buf;

		MUST(number < pool->fresh && !marks[number]);
		buf = buf_at(pool, number);
		MUST(buf->start < buf->end && buf->end <= BUF_DATA);
		/* Only the ends of a chain are not full. */
		MUST(number == chain->head || buf->start == 0);
		MUST(number == chain->tail || buf->end == BUF_DATA);
		marks[number] = 1;
		marked++;
		length += (size_t)(buf->end - buf->start);
		last = number;
	}
	MUST(length == chain->length && last == chain->tail);
}

void check_pool_end(struct buf_pool *pool)
{
	uint32_t number;

	MUST(marked == pool->used);
	for (number = pool->free; number != 0; number = buf_at(pool, number)->next) {
		MUST(number < pool->fresh && !marks[number]);
		marks[number] = 1;
		marked++;
		memset(buf_at(pool, number)->data, 0xa5, BUF_DATA);
	}
	MUST(marked == pool->fresh - 1);
}

UNNOTICED_END
