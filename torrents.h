/*
 * torrents.h - /stats/torrents.json: the torrents with most of something, or one.
 *
 * Costs what it returns, however many torrents there are: the tables keep them in order. Pure.
 */
#ifndef TORRENTS_H
#define TORRENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "swarm.h"

#define TORRENTS_MAX 1000           /* in one answer */
#define TORRENTS_USUAL 100
#define TORRENTS_TEXT_MAX (192 * 1024)

/* What is asked for. */
struct torrents_query {
	bool one;                   /* this one; else those that are first: */
	uint8_t info_hash[SWARM_ID_SIZE];
	enum swarm_order order;
	unsigned limit;
};

/*
 * Read what follows the `?` of a request, in any order and all optional: info_hash=HEX,
 * sort=peers|seeders|leechers|downloads, limit=1..1000. Names that are not known are passed over.
 * False if a value is none of these.
 */
bool torrents_query(const char *text, size_t length, struct torrents_query *query);

/* What is wrong then, in words for who asked. */
const char *torrents_usage(void);

/* Writes at most TORRENTS_TEXT_MAX bytes, not terminated, and returns how many. An info_hash that is
 * not known gives an empty list. */
size_t torrents_json(const struct swarm *swarm, const struct torrents_query *query, char *out);

/* The same with a lower limit, made of its bytes. */
size_t torrents_first(const char *json, size_t length, unsigned limit, char *out);

#endif
