/* check_stats.c - stats.c, and a look at all pairs; see check.h */
#include "../../stats.c"

#include "check.h"
#include "fuzz.h"

UNNOTICED_BEGIN

void check_clients(const struct stats_clients *clients, uint32_t peers)
{
	static uint8_t marks[STATS_PAIRS_MAX + 1];
	uint32_t counted = clients->pair[OTHER].peers, seen = 0, i;
	uint16_t at, before;

	memset(marks, 0, sizeof marks);
	for (i = 0; i < BUCKETS; i++) {
		for (at = clients->bucket[i]; at != 0; at = clients->pair[at].next) {
			MUST(at <= clients->used && !marks[at] && clients->pair[at].peers > 0);
			marks[at] = 1;
			counted += clients->pair[at].peers;
		}
	}
	MUST(counted == peers);
	for (i = 0; i < peerid_names(); i++) {
		before = 0;
		for (at = clients->first[i]; at != 0; at = clients->pair[at].after) {
			MUST(at <= clients->used && marks[at] == 1);
			MUST(clients->pair[at].name == i && clients->pair[at].before == before);
			marks[at] = 2;
			before = at;
		}
	}
	for (at = clients->free; at != 0; at = clients->pair[at].next) {
		MUST(at <= clients->used && marks[at] == 0);
		marks[at] = 3;
	}
	for (i = 1; i <= clients->used; i++)
		seen += marks[i] >= 2;
	MUST(seen == clients->used);
}

UNNOTICED_END
