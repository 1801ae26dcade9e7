/* buf.c - see buf.h */
#include "buf.h"

#include <string.h>

struct buf {
	uint32_t next;          /* in its chain, or in the list of free ones */
	uint16_t start, end;    /* content is data[start] to data[end - 1] */
	uint8_t data[BUF_DATA];
};

_Static_assert(sizeof(struct buf) == BUF_SIZE, "BUF_DATA and BUF_SIZE must fit");

struct buf_pool {
	uint32_t total;
	uint32_t used;          /* in chains */
	uint32_t fresh;         /* buffers from this number on were never used */
	uint32_t free;          /* first of those given back */
	struct buf buffers[];   /* number n is at n - 1 */
};

static uint32_t buffers_in(size_t memory)
{
	return (uint32_t)((memory + BUF_SIZE - 1) / BUF_SIZE);
}

size_t buf_pool_size(size_t memory)
{
	return sizeof(struct buf_pool) + (size_t)buffers_in(memory) * sizeof(struct buf);
}

struct buf_pool *buf_pool_init(void *place, size_t memory)
{
	struct buf_pool *pool = place;

	*pool = (struct buf_pool){ .total = buffers_in(memory), .fresh = 1 };
	return pool;
}

uint32_t buf_pool_used(const struct buf_pool *pool)
{
	return pool->used;
}

uint32_t buf_pool_total(const struct buf_pool *pool)
{
	return pool->total;
}

static struct buf *buf_at(struct buf_pool *pool, uint32_t number)
{
	return &pool->buffers[number - 1];
}

static const struct buf *buf_seen(const struct buf_pool *pool, uint32_t number)
{
	return &pool->buffers[number - 1];
}

static size_t tail_room(const struct buf_pool *pool, const struct buf_chain *chain)
{
	return chain->tail == 0 ? 0 : (size_t)BUF_DATA - buf_seen(pool, chain->tail)->end;
}

/* How many buffers may be in use after an append. */
static uint32_t pool_for(const struct buf_pool *pool, enum buf_use use)
{
	return pool->total - (use == BUF_OUTPUT ? (pool->total + 7) / 8 : 0);
}

bool buf_room(const struct buf_pool *pool, const struct buf_chain *chain, size_t more,
    enum buf_use use)
{
	size_t room = tail_room(pool, chain);
	size_t needed = more <= room ? 0 : (more - room + BUF_DATA - 1) / BUF_DATA;

	return needed == 0 || pool->used + needed <= pool_for(pool, use);
}

bool buf_fits(const struct buf_pool *pool, size_t length, enum buf_use use)
{
	return (length + BUF_DATA - 1) / BUF_DATA <= pool_for(pool, use);
}

static uint32_t buf_take(struct buf_pool *pool)
{
	uint32_t number = pool->free;

	pool->used++;
	if (number == 0)
		number = pool->fresh++;
	else
		pool->free = buf_at(pool, number)->next;
	buf_at(pool, number)->next = 0;
	buf_at(pool, number)->start = buf_at(pool, number)->end = 0;
	return number;
}

static void buf_give(struct buf_pool *pool, uint32_t number)
{
	buf_at(pool, number)->next = pool->free;
	pool->free = number;
	pool->used--;
}

static void chain_extend(struct buf_pool *pool, struct buf_chain *chain)
{
	uint32_t number = buf_take(pool);

	if (chain->tail == 0)
		chain->head = number;
	else
		buf_at(pool, chain->tail)->next = number;
	chain->tail = number;
}

bool buf_append(struct buf_pool *pool, struct buf_chain *chain, const void *data, size_t length,
    enum buf_use use)
{
	const uint8_t *from = data;

	if (!buf_room(pool, chain, length, use))
		return false;
	chain->length += (uint32_t)length;
	while (length > 0) {
		size_t part = tail_room(pool, chain);
		struct buf *tail;

		if (part == 0) {
			chain_extend(pool, chain);
			part = BUF_DATA;
		}
		if (part > length)
			part = length;
		tail = buf_at(pool, chain->tail);
		memcpy(tail->data + tail->end, from, part);
		tail->end = (uint16_t)(tail->end + part);
		from += part;
		length -= part;
	}
	return true;
}

int buf_pieces(const struct buf_pool *pool, const struct buf_chain *chain, struct iovec *pieces,
    int max)
{
	uint32_t number;
	int count = 0;

	for (number = chain->head; number != 0 && count < max; count++) {
		const struct buf *buf = buf_seen(pool, number);

		/* iovec has no const, though sending only reads. */
		pieces[count].iov_base = (uint8_t *)(uintptr_t)(buf->data + buf->start);
		pieces[count].iov_len = (size_t)(buf->end - buf->start);
		number = buf->next;
	}
	return count;
}

void buf_copy(const struct buf_pool *pool, const struct buf_chain *chain, uint8_t *out)
{
	uint32_t number;

	for (number = chain->head; number != 0; number = buf_seen(pool, number)->next) {
		const struct buf *buf = buf_seen(pool, number);
		size_t part = (size_t)(buf->end - buf->start);

		memcpy(out, buf->data + buf->start, part);
		out += part;
	}
}

void buf_consume(struct buf_pool *pool, struct buf_chain *chain, size_t length)
{
	chain->length -= (uint32_t)length;
	while (length > 0) {
		struct buf *head = buf_at(pool, chain->head);
		size_t part = (size_t)(head->end - head->start);
		uint32_t next = head->next;

		if (length < part) {
			head->start = (uint16_t)(head->start + length);
			return;
		}
		length -= part;
		buf_give(pool, chain->head);
		chain->head = next;
		if (next == 0)
			chain->tail = 0;
	}
}

void buf_clear(struct buf_pool *pool, struct buf_chain *chain)
{
	buf_consume(pool, chain, chain->length);
}
