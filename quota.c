/* quota.c - see quota.h */
#include "quota.h"

#include <string.h>

#include "pages.h"

struct entry {
	uint64_t key;
	uint32_t count;
	uint32_t next;          /* chain of the table, or of free entries */
};

struct quota {
	struct hash_secret secret;
	struct hash_table table;
	struct entry *entry;    /* by number, from 1 */
	uint32_t capacity, most;
	uint32_t used, free;    /* numbers that were ever taken, the first given back */
};

static size_t entries_size(uint32_t connections)
{
	return pages_round(((size_t)connections + 1) * sizeof(struct entry));
}

size_t quota_size(uint32_t connections)
{
	return pages_round(sizeof(struct quota)) + entries_size(connections) +
	    pages_round(hash_table_size(connections));
}

static uint32_t key_hash(const struct quota *quota, uint64_t key)
{
	return (uint32_t)hash_bytes(&quota->secret, &key, sizeof key);
}

static uint32_t entry_hash(const void *context, uint32_t entry)
{
	const struct quota *quota = context;

	return key_hash(quota, quota->entry[entry].key);
}

struct quota *quota_init(void *memory, uint32_t connections, uint32_t most,
    const struct hash_secret *secret)
{
	struct quota *quota = memory;
	uint8_t *at = memory;

	quota->secret = *secret;
	quota->capacity = connections;
	quota->most = most;
	at += pages_round(sizeof(struct quota));
	quota->entry = (struct entry *)(void *)at;
	at += entries_size(connections);
	hash_table_init(&quota->table, at, connections, &quota->entry->next, sizeof(struct entry),
	    entry_hash, quota);
	return quota;
}

/* The first 64 bits of an IPv6 address; of an IPv4 address those of the prefix ffff:ffff::/32,
 * which is nobody's, with the address. */
static uint64_t key_of(const struct address *address)
{
	bool ipv4 = address_kind(address) == ADDRESS_IPV4;
	uint64_t key;

	memcpy(&key, address->bytes, sizeof key);
	if (ipv4) {
		memset(&key, 0xff, sizeof key);
		memcpy((uint8_t *)&key + 4, address->bytes + 12, 4);
	}
	return key;
}

static uint32_t find(const struct quota *quota, uint64_t key)
{
	uint32_t at = hash_table_first(&quota->table, key_hash(quota, key));

	while (at != 0 && quota->entry[at].key != key)
		at = quota->entry[at].next;
	return at;
}

static uint32_t entry_new(struct quota *quota, uint64_t key)
{
	uint32_t at = quota->free;

	if (at != 0)
		quota->free = quota->entry[at].next;
	else if (quota->used < quota->capacity)
		at = ++quota->used;
	else
		return 0;
	quota->entry[at] = (struct entry){ .key = key };
	hash_table_insert(&quota->table, at, key_hash(quota, key));
	return at;
}

bool quota_enter(struct quota *quota, const struct address *address)
{
	uint64_t key = key_of(address);
	uint32_t at;

	if (address_kind(address) == ADDRESS_UNIX)
		return true;
	at = find(quota, key);
	if (at == 0)
		at = entry_new(quota, key);
	if (at == 0 || quota->entry[at].count == quota->most)
		return false;
	quota->entry[at].count++;
	return true;
}

void quota_leave(struct quota *quota, const struct address *address)
{
	uint64_t key = key_of(address);
	uint32_t at;

	if (address_kind(address) == ADDRESS_UNIX)
		return;
	at = find(quota, key);
	if (at == 0 || --quota->entry[at].count > 0)
		return;
	hash_table_remove(&quota->table, at, key_hash(quota, key));
	quota->entry[at].next = quota->free;
	quota->free = at;
}
