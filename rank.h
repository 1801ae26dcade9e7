/*
 * rank.h - things in order of a count that changes by one at a time.
 *
 * A thing is named by a number from 1 to the capacity. Those with equal counts stand in one list,
 * and the lists in order: so a change is O(1), and so is each step down the order. Nothing
 * allocates; the memory (zeros, aligned for a pointer, touched as numbers come into use) is the
 * caller's.
 *
 * There are never more lists than counts that differ: no more than things, and no more than the
 * root of twice the sum of all counts. So 2^28 counts need 23,169 lists at most. Where the sum
 * grows without bound there is room for a list for each thing, touched only as counts differ.
 */
#ifndef RANK_H
#define RANK_H

#include <stddef.h>
#include <stdint.h>

#define RANK_ANY_SUM UINT32_MAX     /* the sum of all counts is not bounded */

struct rank;

/* Memory for things numbered 1 to `capacity` whose counts add up to `sum` at most. A count is below
 * 2^32 whatever the sum. */
size_t rank_size(uint32_t capacity, uint32_t sum);
struct rank *rank_init(void *memory, uint32_t capacity, uint32_t sum);

/* Count one more for a thing, or one less for one that has a count. All begin with 0, and are in no
 * order then. */
void rank_up(struct rank *rank, uint32_t thing);
void rank_down(struct rank *rank, uint32_t thing);

/* Set a thing's count to 0 whatever it is. */
void rank_remove(struct rank *rank, uint32_t thing);

uint32_t rank_count(const struct rank *rank, uint32_t thing);

/* The thing with the most (thing 0), and the one after it in order; 0 at the end, and after a thing
 * whose count is 0. Of equals the one that came to its count last is first. */
uint32_t rank_next(const struct rank *rank, uint32_t thing);

#endif
