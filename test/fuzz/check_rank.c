/* check_rank.c - rank.c, and a look at all of its lists; see check.h */
#include "../../rank.c"

#include "check.h"
#include "fuzz.h"

UNNOTICED_BEGIN

/* The things of a node: how many there are. */
static uint32_t check_list(const struct rank *rank, uint32_t node, uint32_t capacity)
{
	uint32_t before = 0, listed = 0, at;

	for (at = rank->node[node].first; at != 0; at = rank->thing[at].after) {
		MUST(at <= capacity && listed < capacity);
		MUST(rank->thing[at].node == node && rank->thing[at].before == before);
		before = at;
		listed++;
	}
	return listed;
}

static uint32_t check_free_nodes(const struct rank *rank)
{
	uint32_t count = 0, at;

	for (at = rank->free; at != 0; at = rank->node[at].above) {
		MUST(at <= rank->used && count < rank->used);
		MUST(rank->node[at].first == 0);
		count++;
	}
	return count;
}

void check_rank(const struct rank *rank, uint32_t capacity, uint32_t sum)
{
	uint32_t nodes = 0, listed = 0, below = 0, with = 0, at, things;
	uint64_t total = 0;

	MUST(rank->node[0].first == 0 && rank->node[0].count == 0);
	for (at = rank->node[0].above; at != 0; at = rank->node[at].above) {
		MUST(at <= rank->used && ++nodes <= rank->used);
		MUST(rank->node[at].below == below);
		MUST(rank->node[at].count > rank->node[below].count);
		things = check_list(rank, at, capacity);
		MUST(things > 0);
		listed += things;
		total += (uint64_t)things * rank->node[at].count;
		below = at;
	}
	MUST(rank->node[0].below == below);
	MUST(nodes + check_free_nodes(rank) == rank->used);
	MUST(rank->used <= nodes_most(capacity, sum) && (sum == RANK_ANY_SUM || total <= sum));
	for (at = 1; at <= capacity; at++) {
		with += rank->thing[at].node != 0;
		MUST(rank->thing[at].node != 0 || rank->thing[at].after == 0);
	}
	MUST(with == listed);
}

struct rank *check_rank_guard(unsigned place, uint32_t capacity, uint32_t sum)
{
	struct rank *rank = place_zeros(place, sizeof *rank);

	rank->node = place_zeros(place + 1,
	    ((size_t)nodes_most(capacity, sum) + 1) * sizeof(struct node));
	rank->thing = place_zeros(place + 2, ((size_t)capacity + 1) * sizeof(struct thing));
	return rank;
}

UNNOTICED_END
