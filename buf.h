/*
 * buf.h - the fixed pool that partial input and unsent output live in.
 *
 * A pool cuts the memory it was given into buffers of BUF_SIZE bytes. A chain is a queue of bytes
 * kept in such buffers; an empty chain owns none. All zeros is an empty chain. Operations take all
 * or nothing: an append that does not find room changes nothing. Buffers are reused last in, first
 * out, so only as much memory is touched as was once in use.
 */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define BUF_SIZE 1024       /* bytes of a buffer, with its head */
#define BUF_DATA 1016       /* bytes of content */

struct buf_chain {
	uint32_t head, tail;    /* buffers, 0: none */
	uint32_t length;        /* bytes in the chain */
};

struct buf_pool;

/* What an append is for: input may use the whole pool, output leaves an eighth of it to input. */
enum buf_use { BUF_INPUT, BUF_OUTPUT };

/* Bytes of memory for a pool whose buffers take `memory` bytes (rounded up to a whole buffer). */
size_t buf_pool_size(size_t memory);

/* Set up a pool in buf_pool_size(memory) bytes, which stay the caller's. */
struct buf_pool *buf_pool_init(void *place, size_t memory);

/* Buffers that are in chains now, and buffers in all. */
uint32_t buf_pool_used(const struct buf_pool *pool);
uint32_t buf_pool_total(const struct buf_pool *pool);

/* Would appending `more` bytes to the chain find room? If so an append (or several, of as much
 * in all) right after does not fail. */
bool buf_room(const struct buf_pool *pool, const struct buf_chain *chain, size_t more,
    enum buf_use use);

/* Could a chain of so many bytes be kept if nobody else used the pool? */
bool buf_fits(const struct buf_pool *pool, size_t length, enum buf_use use);

/* Append bytes. Returns false, changing nothing, if the pool has no room. */
bool buf_append(struct buf_pool *pool, struct buf_chain *chain, const void *data, size_t length,
    enum buf_use use);

/* Describe the content from the front in up to max pieces. Returns how many. */
int buf_pieces(const struct buf_pool *pool, const struct buf_chain *chain, struct iovec *pieces,
    int max);

/* Copy the whole content to out (chain->length bytes). */
void buf_copy(const struct buf_pool *pool, const struct buf_chain *chain, uint8_t *out);

/* Take the first `length` bytes (at most chain->length) out; buffers emptied by that go back. */
void buf_consume(struct buf_pool *pool, struct buf_chain *chain, size_t length);

/* Give everything back; the chain is empty. */
void buf_clear(struct buf_pool *pool, struct buf_chain *chain);

#endif
