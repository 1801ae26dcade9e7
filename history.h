/*
 * history.h - what was, over time: the last hour by the minute, the last day by 5 minutes and the
 * last 30 days by the hour.
 *
 * A sample is what one minute came to, and goes into all three rings at once. Minutes are counted
 * since 1970, by a clock that may be set: a step stands where its time puts it, and a later sample
 * of the same place takes it over, so that time without samples shows as a gap and a clock that went
 * back does no harm. Pure; the memory (zeros, touched as it fills) is the caller's.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum history_range { HISTORY_HOUR, HISTORY_DAY, HISTORY_MONTH, HISTORY_RANGES };

#define HISTORY_STEPS_MAX 720       /* of any range */

/* The first ones are counts of what there is, of which a point has the mean; the others of what
 * happened, of which it has the rate. */
enum history_series {
	HISTORY_PEERS,              /* different peer_ids */
	HISTORY_SEEDERS,            /* of them, those that seed somewhere */
	HISTORY_LEECHERS,           /* and those that leech somewhere; one can do both */
	HISTORY_TORRENTS,
	HISTORY_CONNECTIONS,
	HISTORY_ANNOUNCES,
	HISTORY_OFFERS,
	HISTORY_ANSWERS,
	HISTORY_REFUSALS,
	HISTORY_BYTES_IN,
	HISTORY_BYTES_OUT,
	HISTORY_SERIES
};
#define HISTORY_RATES HISTORY_ANNOUNCES     /* the first of which there is a rate */

/* What a minute came to: of the first series the number at its end, of the others how much
 * happened in the seconds since the sample before. */
struct history_sample {
	uint32_t seconds;           /* 0 is taken for 1 */
	uint64_t of[HISTORY_SERIES];
};

struct history;

size_t history_size(void);
struct history *history_init(void *memory);

/* Add the sample of a minute. */
void history_add(struct history *history, int64_t minute, const struct history_sample *sample);

/* How many steps a range has, and how many minutes a step. */
unsigned history_steps(enum history_range range);
unsigned history_minutes(enum history_range range);

/*
 * Some steps of a range, put together. Step 0 is the oldest, the last is the one that `minute` is
 * in, which may not be over. Values are in thousandths: of a mean, or of how much happened in a
 * second.
 */
struct history_point {
	int64_t from, to;           /* minutes since 1970; `to` is the first after it */
	bool known;                 /* there is a sample; if not all values are 0 */
	uint64_t of[HISTORY_SERIES];
};

struct history_point history_read(const struct history *history, enum history_range range,
    int64_t minute, unsigned first, unsigned steps);

/* The name of a series as programs know it: "peers", "bytesIn". */
const char *history_name(enum history_series series);

/* /stats/history.json. Writes at most HISTORY_TEXT_MAX bytes, not terminated, and returns how
 * many. */
#define HISTORY_TEXT_MAX (192 * 1024)
size_t history_json(const struct history *history, int64_t minute, char *out);

/* All of it as bytes that any machine can read, at most HISTORY_FILE_MAX; returns how many. */
#define HISTORY_FILE_MAX (96 * 1024)
size_t history_save(const struct history *history, uint8_t *out);

/* Put in what was saved, each step into its place; what is in others stays. Returns NULL, or, with
 * nothing changed, what is wrong with it: a damaged file, or one of a version that is not known. */
const char *history_load(struct history *history, const uint8_t *data, size_t length);

#endif
