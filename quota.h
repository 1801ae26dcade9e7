/*
 * quota.h - how many connections each address has, and whether it may have another.
 *
 * IPv4 addresses count one by one, those of IPv6 by their first 64 bits, which one household has;
 * what came by a Unix-domain socket may always enter. Pure; the memory is the caller's.
 */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "hash.h"

struct quota;

/* Bytes for so many connections in all; set it up in as many zeros. */
size_t quota_size(uint32_t connections);
struct quota *quota_init(void *memory, uint32_t connections, uint32_t most,
    const struct hash_secret *secret);

/* Count a connection. False, and nothing is counted, if its address has as many as it may. */
bool quota_enter(struct quota *quota, const struct address *address);

/* One that was counted is gone. */
void quota_leave(struct quota *quota, const struct address *address);

#endif
