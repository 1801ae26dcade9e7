/* check_quota.c - quota.c, and a recount; see check.h */
#include "../../quota.c"

#include "check.h"
#include "fuzz.h"

UNNOTICED_BEGIN

#define COUNTED_MAX 64

static uint64_t counted[COUNTED_MAX];
static uint32_t counted_length;

void check_quota_begin(void)
{
	counted_length = 0;
}

void check_quota_conn(const struct address *address)
{
	MUST(counted_length < COUNTED_MAX);
	if (address_kind(address) != ADDRESS_UNIX)
		counted[counted_length++] = key_of(address);
}

void check_quota_end(const struct quota *quota)
{
	uint32_t entries = 0, connections = 0, free_entries = 0, bucket, at, i, count;

	for (bucket = 0; bucket < quota->table.size; bucket++) {
		for (at = quota->table.bucket[bucket]; at != 0; at = quota->entry[at].next) {
			MUST(at <= quota->used && ++entries <= quota->used);
			MUST(find(quota, quota->entry[at].key) == at);
			for (count = i = 0; i < counted_length; i++)
				count += counted[i] == quota->entry[at].key;
			MUST(count > 0 && count == quota->entry[at].count && count <= quota->most);
			connections += count;
		}
	}
	MUST(connections == counted_length && entries == quota->table.count);
	for (at = quota->free; at != 0; at = quota->entry[at].next)
		MUST(at <= quota->used && ++free_entries <= quota->used);
	MUST(entries + free_entries == quota->used);
}

UNNOTICED_END
