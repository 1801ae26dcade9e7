/*
 * stats.h - counters to what people and programs read: the numbers, JSON and uwt-js's lines. The
 * page for browsers is in dashboard.h, that for Prometheus in metrics.h.
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

#include "counters.h"
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

/* A client as it is shown. All zeros at first. Those of one name come together; what is not kept
 * apart comes last, as "other" and "various". */
struct stats_row {
	const char *name, *version;
	uint32_t peers;
	uint16_t pair, name_number;         /* where it stands: not the caller's */
};

/* Step to the next client that has peers. False at the end. */
bool stats_row_next(const struct stats_clients *clients, struct stats_row *row);

/* TLS, when it is on. */
struct stats_tls {
	bool on;
	int64_t not_after;                  /* s since 1970: the first certificate to end */
	uint32_t connections, handshaking;
	uint64_t handshakes, resumptions, failures;
	uint64_t image_bytes;               /* of memory that established connections take */
};

/* How much there can be of what. */
struct stats_limits {
	uint32_t connections, memberships, torrents, buffers;
	uint32_t handshakes;                /* of TLS, at a time */
};

/* What is counted, at one moment. Peers are distinct peer_ids. */
struct stats_numbers {
	const char *server, *version;       /* name and version of this program; plain text */
	const char *backend;                /* how readiness is found */
	int64_t now;                        /* s since 1970 */
	uint64_t uptime;                    /* s */
	uint32_t torrents;
	uint32_t peers;
	uint32_t seeders_only, leechers_only, seeders_and_leechers;
	uint32_t ipv4, ipv6;
	uint32_t memberships;               /* peers, counted once per torrent and socket */
	uint32_t connections, websockets;
	uint32_t buffers_in_use;
	uint32_t buffer_size;               /* bytes of one */
	const struct stats_clients *clients;
	const struct counters *counters;
	struct stats_limits limits;
	struct stats_tls tls;
	const char *sickness;               /* why no peers are taken; NULL: they are */
	bool lists_torrents;                /* there is /stats/torrents.json */
};

/* /stats.json. Both write at most STATS_TEXT_MAX bytes, not terminated, and return how many. */
size_t stats_json(const struct stats_numbers *numbers, char *out);

/* /stats for scripts: uwt-js's lines. */
size_t stats_lines(const struct stats_numbers *numbers, char *out);

#endif
