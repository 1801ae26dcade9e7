/* conns.c - see conns.h */
#include "conns.h"

/* 8 bytes more per connection are the swarm's; the two come to 112. */
_Static_assert(sizeof(struct conn) <= 112, "memory budget of a connection");

size_t conns_size(uint32_t capacity)
{
	return ((size_t)capacity + 1) * sizeof(struct conn);
}

void conns_init(struct conns *conns, void *memory, uint32_t capacity)
{
	*conns = (struct conns){ .at = memory, .capacity = capacity };
}

uint32_t conns_take(struct conns *conns)
{
	uint32_t number = conns->free;
	uint32_t generation;

	if (number != 0)
		conns->free = conns->at[number].next_dirty;
	else if (conns->used < conns->capacity)
		number = ++conns->used;
	else
		return 0;
	generation = conns->at[number].generation + 1;
	conns->at[number] = (struct conn){ .generation = generation };
	conns->live++;
	return number;
}

void conns_give(struct conns *conns, uint32_t number)
{
	struct conn *conn = &conns->at[number];

	conn->state = CONN_FREE;
	conn->generation++;
	conn->next_dirty = conns->free;
	conns->free = number;
	conns->live--;
}

void conns_append(struct conns *conns, struct conn_list *list, enum conn_chain chain,
    uint32_t number)
{
	struct conn_links *links = &conns->at[number].links[chain];

	links->before = list->last;
	links->after = 0;
	if (list->last != 0)
		conns->at[list->last].links[chain].after = number;
	else
		list->first = number;
	list->last = number;
}

void conns_remove(struct conns *conns, struct conn_list *list, enum conn_chain chain,
    uint32_t number)
{
	const struct conn_links *links = &conns->at[number].links[chain];

	if (links->before != 0)
		conns->at[links->before].links[chain].after = links->after;
	else
		list->first = links->after;
	if (links->after != 0)
		conns->at[links->after].links[chain].before = links->before;
	else
		list->last = links->before;
}
