/* rank.c - see rank.h */
#include "rank.h"

#include <stdbool.h>

/* All things of one count. Node 0 stands for the count 0: it closes the ring of nodes, below the
 * least count and above the greatest, and its things stand in no list. */
struct node {
	uint32_t count;
	uint32_t first;             /* thing; 0 in node 0 only */
	uint32_t above, below;      /* nodes of more and of less; `above` chains those given back */
};

struct thing {
	uint32_t node;
	uint32_t before, after;     /* things of the same count */
};

struct rank {
	struct node *node;
	struct thing *thing;
	uint32_t used;              /* nodes past it were never in use */
	uint32_t free;              /* the first of those given back */
};

_Static_assert(sizeof(struct node) <= 16, "memory budget of a count");
_Static_assert(sizeof(struct thing) <= 12, "memory budget of a thing");

/*
 * How many nodes can be in use at once. Their counts differ, are at least 1, and each is that of
 * some thing: so k nodes are of k things at least, whose counts add up to at least 1 + 2 + ... + k.
 * Hence k <= capacity, and k (k + 1) / 2 <= sum. No change needs one more in passing: a node is
 * made only if the one that the thing leaves stays, because it has other things or is node 0; so
 * all nodes there are then are those of the counts after the change.
 */
static uint32_t nodes_most(uint32_t capacity, uint32_t sum)
{
	uint64_t low = 0, high = capacity;

	if (sum == RANK_ANY_SUM)
		return capacity;
	while (low < high) {
		uint64_t middle = (low + high + 1) / 2;

		if (middle * (middle + 1) / 2 <= sum)
			low = middle;
		else
			high = middle - 1;
	}
	return (uint32_t)low;
}

size_t rank_size(uint32_t capacity, uint32_t sum)
{
	return sizeof(struct rank) +
	    ((size_t)nodes_most(capacity, sum) + 1) * sizeof(struct node) +
	    ((size_t)capacity + 1) * sizeof(struct thing);
}

struct rank *rank_init(void *memory, uint32_t capacity, uint32_t sum)
{
	struct rank *rank = memory;

	rank->node = (struct node *)(rank + 1);
	rank->thing = (struct thing *)(rank->node + nodes_most(capacity, sum) + 1);
	return rank;
}

/* -- nodes -------------------------------------------------------------------------- */

/* Make the node of a count, above that of the next lower one. */
static uint32_t node_new(struct rank *rank, uint32_t below, uint32_t count)
{
	uint32_t above = rank->node[below].above, entry = rank->free;

	if (entry != 0)
		rank->free = rank->node[entry].above;
	else
		entry = ++rank->used;
	rank->node[entry] = (struct node){ .count = count, .above = above, .below = below };
	rank->node[below].above = entry;
	rank->node[above].below = entry;
	return entry;
}

static void node_free(struct rank *rank, uint32_t entry)
{
	struct node *node = &rank->node[entry];

	rank->node[node->below].above = node->above;
	rank->node[node->above].below = node->below;
	node->above = rank->free;
	rank->free = entry;
}

/* -- things ------------------------------------------------------------------------- */

static bool is_alone(const struct rank *rank, uint32_t entry)
{
	const struct thing *thing = &rank->thing[entry];

	return rank->node[thing->node].first == entry && thing->after == 0;
}

/* Take a thing out of its node, which goes if there are no others. */
static void thing_leave(struct rank *rank, uint32_t entry)
{
	const struct thing *thing = &rank->thing[entry];
	struct node *node = &rank->node[thing->node];

	if (thing->after != 0)
		rank->thing[thing->after].before = thing->before;
	if (thing->before != 0)
		rank->thing[thing->before].after = thing->after;
	else
		node->first = thing->after;
	if (node->first == 0)
		node_free(rank, thing->node);
}

/* Move a thing from its node to another. */
static void thing_move(struct rank *rank, uint32_t entry, uint32_t to)
{
	struct thing *thing = &rank->thing[entry];
	struct node *node = &rank->node[to];

	if (thing->node != 0)
		thing_leave(rank, entry);
	*thing = (struct thing){ .node = to, .after = node->first };
	if (to == 0)
		return;
	if (node->first != 0)
		rank->thing[node->first].before = entry;
	node->first = entry;
}

void rank_up(struct rank *rank, uint32_t entry)
{
	uint32_t from = rank->thing[entry].node, to = rank->node[from].above;
	uint32_t count = rank->node[from].count + 1;

	if (rank->node[to].count != count) {
		if (is_alone(rank, entry)) {
			rank->node[from].count = count;
			return;
		}
		to = node_new(rank, from, count);
	}
	thing_move(rank, entry, to);
}

void rank_down(struct rank *rank, uint32_t entry)
{
	uint32_t from = rank->thing[entry].node, to = rank->node[from].below;
	uint32_t count = rank->node[from].count - 1;

	if (rank->node[to].count != count) {
		if (is_alone(rank, entry)) {
			rank->node[from].count = count;
			return;
		}
		to = node_new(rank, to, count);
	}
	thing_move(rank, entry, to);
}

void rank_remove(struct rank *rank, uint32_t entry)
{
	if (rank->thing[entry].node != 0)
		thing_move(rank, entry, 0);
}

/* -- looking ------------------------------------------------------------------------ */

uint32_t rank_count(const struct rank *rank, uint32_t entry)
{
	return rank->node[rank->thing[entry].node].count;
}

uint32_t rank_next(const struct rank *rank, uint32_t entry)
{
	const struct thing *thing = &rank->thing[entry];

	if (thing->after != 0)
		return thing->after;
	/* From node 0 the ring goes on with the greatest count: right for thing 0 only. */
	if (entry != 0 && thing->node == 0)
		return 0;
	return rank->node[rank->node[thing->node].below].first;
}
