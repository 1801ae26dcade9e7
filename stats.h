/*
 * stats.h - counters to what people and programs read: the page and its JSON.
 *
 * Client names are counted as peers come and go; rendering looks at counters only, never at a peer.
 * At most STATS_PAIRS_MAX pairs of name and version are kept apart, because strangers choose them;
 * further ones are counted as `other`. Rendering writes to the caller's memory, of which
 * STATS_TEXT_MAX bytes suffice for anything.
 */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "peerid.h"

#define STATS_PAIRS_MAX 1024
#define STATS_TEXT_MAX (256 * 1024)

/* Peers by client. */
struct stats_clients;

/* Bytes of zeroed memory for it; the object, empty. */
size_t stats_clients_size(void);
struct stats_clients *stats_clients_init(void *memory, const struct hash_secret *secret);

/* Count a new peer. Returns the number (below 65,535) to give to stats_client_leave when it
 * goes. */
uint16_t stats_client_join(struct stats_clients *clients,
    const uint8_t peer_id[static PEERID_SIZE]);
void stats_client_leave(struct stats_clients *clients, uint16_t client);

/* TLS, when it is on. */
struct stats_tls {
	bool on;
	int64_t now, not_after;             /* s since 1970; the first certificate to end */
	uint32_t connections;
	uint64_t handshakes, resumptions, failures;
};

/* What is counted, at one moment. Peers are distinct peer_ids. */
struct stats_numbers {
	const char *server, *version;       /* name and version of this program; plain text */
	uint32_t torrents;
	uint32_t peers;
	uint32_t seeders_only, leechers_only, seeders_and_leechers;
	uint32_t ipv4, ipv6;
	uint32_t memberships;               /* peers, counted once per torrent and socket */
	uint32_t connections;
	uint32_t buffers_in_use;
	const struct stats_clients *clients;
	struct stats_tls tls;
};

/* /stats.json. All three write at most STATS_TEXT_MAX bytes, not terminated, and return how
 * many. */
size_t stats_json(const struct stats_numbers *numbers, char *out);

/* /stats for scripts: uwt-js's lines. */
size_t stats_lines(const struct stats_numbers *numbers, char *out);

/* /stats for browsers: a page without scripts. Its Content-Security-Policy is stats_page_policy. */
size_t stats_page(const struct stats_numbers *numbers, char *out);

/* A whole header line, with CRLF. */
const char *stats_page_policy(void);

#endif
