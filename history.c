/* history.c - see history.h */
#include "history.h"

#include <string.h>

#include "sha1.h"
#include "text.h"

#define FILE_MAGIC "uwt history\n"
#define FILE_VERSION 1
#define MAGIC_SIZE (sizeof FILE_MAGIC - 1)
#define NARROW HISTORY_BYTES_IN         /* series before it are kept in 32 bits */
#define WIDE (HISTORY_SERIES - NARROW)
#define RECORD_SIZE (4 + 4 + 4 + 4 * NARROW + 8 * WIDE)     /* bytes of a step in a file */
#define STEPS_ALL 1068                  /* of all ranges */
#define NARROW_TEXT_MAX 11              /* bytes of JSON for a value, with its comma */
#define WIDE_TEXT_MAX 18

/* A step: sums of its samples, which stay at the largest number rather than begin anew. */
struct step {
	uint32_t number;                /* since 1970, in steps of its range */
	uint32_t seconds;
	uint32_t samples;               /* 0: none */
	uint32_t narrow[NARROW];
	uint64_t wide[WIDE];
};

struct history {
	struct step steps[STEPS_ALL];
};

static const struct ring {
	unsigned first, count;          /* among the steps */
	unsigned minutes;
	const char *name;
} rings[HISTORY_RANGES] = {
	[HISTORY_HOUR] = { 0, 60, 1, "hour" },
	[HISTORY_DAY] = { 60, 288, 5, "day" },
	[HISTORY_MONTH] = { 348, 720, 60, "month" }
};

_Static_assert(348 + 720 == STEPS_ALL, "the rings must fit");
_Static_assert(sizeof(struct history) <= 128 * 1024, "the memory of all rings");
_Static_assert(MAGIC_SIZE + 4 + 4 * HISTORY_RANGES + STEPS_ALL * RECORD_SIZE + SHA1_SIZE <=
    HISTORY_FILE_MAX, "a file must fit");
_Static_assert(STEPS_ALL * (NARROW * NARROW_TEXT_MAX + WIDE * WIDE_TEXT_MAX) + 2048 <=
    HISTORY_TEXT_MAX, "the values and their names must fit");

size_t history_size(void)
{
	return sizeof(struct history);
}

struct history *history_init(void *memory)
{
	return memory;
}

unsigned history_steps(enum history_range range)
{
	return rings[range].count;
}

unsigned history_minutes(enum history_range range)
{
	return rings[range].minutes;
}

/* -- samples ------------------------------------------------------------------------------- */

/* A clock before 1970, or thousands of years after, is none. */
static uint32_t minute_of(int64_t minute)
{
	return minute < 0 ? 0 : minute > UINT32_MAX ? UINT32_MAX : (uint32_t)minute;
}

static uint64_t sum(uint64_t a, uint64_t b, uint64_t most)
{
	return b < most - a ? a + b : most;
}

static void step_add(struct step *step, uint32_t number, const struct history_sample *sample)
{
	int i;

	if (step->number != number)
		*step = (struct step){ .number = number };
	step->samples = (uint32_t)sum(step->samples, 1, UINT32_MAX);
	step->seconds = (uint32_t)sum(step->seconds, sample->seconds > 0 ? sample->seconds : 1,
	    UINT32_MAX);
	for (i = 0; i < NARROW; i++)
		step->narrow[i] = (uint32_t)sum(step->narrow[i], sample->of[i], UINT32_MAX);
	for (i = 0; i < WIDE; i++)
		step->wide[i] = sum(step->wide[i], sample->of[NARROW + i], UINT64_MAX);
}

void history_add(struct history *history, int64_t minute, const struct history_sample *sample)
{
	int range;

	for (range = 0; range < HISTORY_RANGES; range++) {
		const struct ring *ring = &rings[range];
		uint32_t number = minute_of(minute) / ring->minutes;
		struct step *step = &history->steps[ring->first + number % ring->count];

		/* A minute has one sample: if the clock goes back, the later one. */
		if (range == HISTORY_HOUR)
			*step = (struct step){ .number = number };
		step_add(step, number, sample);
	}
}

/* -- reading ------------------------------------------------------------------------------- */

/* NULL if there is no sample, as before 1970. */
static const struct step *step_at(const struct history *history, const struct ring *ring,
    int64_t number)
{
	const struct step *step = &history->steps[ring->first + (uint64_t)number % ring->count];

	return step->number == number && step->samples > 0 ? step : NULL;
}

static uint64_t step_sum(const struct step *step, int series)
{
	return series < NARROW ? step->narrow[series] : step->wide[series - NARROW];
}

/* value * 1000 / by, for values of any size. */
static uint64_t thousandths(uint64_t value, uint64_t by)
{
	if (by == 0)
		by = 1;
	if (value / by >= UINT64_MAX / 1000)
		return UINT64_MAX;
	return value / by * 1000 + value % by * 1000 / by;
}

/* The number of a range's first step, before 1970 perhaps. */
static int64_t oldest_step(const struct ring *ring, int64_t minute)
{
	return (int64_t)(minute_of(minute) / ring->minutes) - ring->count + 1;
}

struct history_point history_read(const struct history *history, enum history_range range,
    int64_t minute, unsigned first, unsigned steps)
{
	const struct ring *ring = &rings[range];
	int64_t from = oldest_step(ring, minute) + first, at;
	struct history_point point = { .from = from * ring->minutes,
		.to = (from + steps) * ring->minutes };
	uint64_t samples = 0, seconds = 0;
	int i;

	for (at = from; at < from + steps; at++) {
		const struct step *step = step_at(history, ring, at);

		if (step == NULL)
			continue;
		samples += step->samples;
		seconds += step->seconds;
		for (i = 0; i < HISTORY_SERIES; i++)
			point.of[i] = sum(point.of[i], step_sum(step, i), UINT64_MAX);
	}
	point.known = samples > 0;
	for (i = 0; i < HISTORY_SERIES; i++)
		point.of[i] = thousandths(point.of[i], i < HISTORY_RATES ? samples : seconds);
	return point;
}

/* -- JSON ---------------------------------------------------------------------------------- */

const char *history_name(enum history_series series)
{
	static const char *const names[HISTORY_SERIES] = {
		[HISTORY_PEERS] = "peers", [HISTORY_SEEDERS] = "seeders",
		[HISTORY_LEECHERS] = "leechers", [HISTORY_TORRENTS] = "torrents",
		[HISTORY_CONNECTIONS] = "connections", [HISTORY_ANNOUNCES] = "announces",
		[HISTORY_OFFERS] = "offers", [HISTORY_ANSWERS] = "answers",
		[HISTORY_REFUSALS] = "refusals", [HISTORY_BYTES_IN] = "bytesIn",
		[HISTORY_BYTES_OUT] = "bytesOut"
	};

	return names[series];
}

/* A member that is a time, in s; a range may begin before 1970. */
static void json_time(struct text *text, const char *name, int64_t minute)
{
	text_add(text, "\"");
	text_add(text, name);
	text_add(text, minute < 0 ? "\":-" : "\":");
	text_add_number(text, (uint64_t)(minute < 0 ? -minute : minute) * 60);
}

/* To a tenth below 100, else whole: no more can be seen, and it keeps the answer small. */
static void json_value(struct text *text, const struct step *step, int series)
{
	uint64_t value, tenths;

	if (step == NULL) {
		text_add(text, "null");
		return;
	}
	value = thousandths(step_sum(step, series),
	    series < HISTORY_RATES ? step->samples : step->seconds);
	tenths = value / 100 + (value % 100 >= 50);
	if (tenths >= 1000) {
		text_add_number(text, value / 1000 + (value % 1000 >= 500));
		return;
	}
	text_add_number(text, tenths / 10);
	if (tenths % 10 != 0) {
		text_add(text, ".");
		text_add_number(text, tenths % 10);
	}
}

static void json_series(struct text *text, const struct history *history, const struct ring *ring,
    int64_t oldest, int series)
{
	unsigned at;

	text_add(text, ",\"");
	text_add(text, history_name((enum history_series)series));
	text_add(text, "\":[");
	for (at = 0; at < ring->count; at++) {
		text_add(text, at > 0 ? "," : "");
		json_value(text, step_at(history, ring, oldest + at), series);
	}
	text_add(text, "]");
}

static void json_range(struct text *text, const struct history *history, const struct ring *ring,
    int64_t minute)
{
	int64_t oldest = oldest_step(ring, minute);
	int series;

	text_add(text, ",\"");
	text_add(text, ring->name);
	text_add(text, "\":{");
	json_time(text, "step", ring->minutes);
	text_add(text, ",");
	json_time(text, "from", oldest * ring->minutes);
	for (series = 0; series < HISTORY_SERIES; series++)
		json_series(text, history, ring, oldest, series);
	text_add(text, "}");
}

size_t history_json(const struct history *history, int64_t minute, char *out)
{
	struct text text = { .start = out, .max = HISTORY_TEXT_MAX };
	int range;

	text_add(&text, "{");
	json_time(&text, "now", minute_of(minute));
	for (range = 0; range < HISTORY_RANGES; range++)
		json_range(&text, history, &rings[range], minute);
	text_add(&text, "}\n");
	return text.length;
}

/* -- files --------------------------------------------------------------------------------- */

/* The magic and the version (4 bytes); for each range how many records (4 bytes) and the records,
 * each a step that has samples, in the order of their places; SHA-1 of all that. Numbers are
 * little-endian. */

static uint8_t *put(uint8_t *out, uint64_t value, int size)
{
	while (size-- > 0) {
		*out++ = (uint8_t)value;
		value >>= 8;
	}
	return out;
}

static uint64_t get(const uint8_t **at, int size)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < size; i++)
		value |= (uint64_t)(*at)[i] << (8 * i);
	*at += size;
	return value;
}

static uint8_t *put_step(uint8_t *out, const struct step *step)
{
	int i;

	out = put(out, step->number, 4);
	out = put(out, step->seconds, 4);
	out = put(out, step->samples, 4);
	for (i = 0; i < NARROW; i++)
		out = put(out, step->narrow[i], 4);
	for (i = 0; i < WIDE; i++)
		out = put(out, step->wide[i], 8);
	return out;
}

static struct step get_step(const uint8_t **at)
{
	struct step step;
	int i;

	step.number = (uint32_t)get(at, 4);
	step.seconds = (uint32_t)get(at, 4);
	step.samples = (uint32_t)get(at, 4);
	for (i = 0; i < NARROW; i++)
		step.narrow[i] = (uint32_t)get(at, 4);
	for (i = 0; i < WIDE; i++)
		step.wide[i] = get(at, 8);
	return step;
}

static void digest_of(const uint8_t *data, size_t length, uint8_t digest[static SHA1_SIZE])
{
	struct sha1 sha1;

	sha1_init(&sha1);
	sha1_update(&sha1, data, length);
	sha1_final(&sha1, digest);
}

size_t history_save(const struct history *history, uint8_t *out)
{
	uint8_t *at = out;
	int range;

	memcpy(at, FILE_MAGIC, MAGIC_SIZE);
	at = put(at + MAGIC_SIZE, FILE_VERSION, 4);
	for (range = 0; range < HISTORY_RANGES; range++) {
		const struct step *step = &history->steps[rings[range].first];
		const struct step *end = step + rings[range].count;
		uint8_t *count_at = at;
		uint32_t count = 0;

		at += 4;
		for (; step < end; step++) {
			if (step->samples == 0)
				continue;
			at = put_step(at, step);
			count++;
		}
		put(count_at, count, 4);
	}
	digest_of(out, (size_t)(at - out), at);
	return (size_t)(at - out) + SHA1_SIZE;
}

/* Read a range's steps. Returns where they end, NULL if they are not as they should be; they are
 * taken over if there is a history. */
static const uint8_t *read_ring(struct history *history, const struct ring *ring,
    const uint8_t *at, const uint8_t *end)
{
	uint32_t count, free = 0;

	if (end - at < 4)
		return NULL;
	count = (uint32_t)get(&at, 4);
	if (count > ring->count || (size_t)(end - at) < (size_t)count * RECORD_SIZE)
		return NULL;
	while (count-- > 0) {
		struct step step = get_step(&at);
		uint32_t place = step.number % ring->count;

		if (step.samples == 0 || step.seconds == 0 || place < free)
			return NULL;
		free = place + 1;
		if (history != NULL)
			history->steps[ring->first + place] = step;
	}
	return at;
}

static bool read_rings(struct history *history, const uint8_t *at, const uint8_t *end)
{
	int range;

	for (range = 0; range < HISTORY_RANGES && at != NULL; range++)
		at = read_ring(history, &rings[range], at, end);
	return at == end;
}

const char *history_load(struct history *history, const uint8_t *data, size_t length)
{
	const uint8_t *at, *end;
	uint8_t digest[SHA1_SIZE];

	if (length < MAGIC_SIZE + 4 + SHA1_SIZE || memcmp(data, FILE_MAGIC, MAGIC_SIZE) != 0)
		return "it is no history of uwt";
	at = data + MAGIC_SIZE;
	end = data + length - SHA1_SIZE;
	if (get(&at, 4) != FILE_VERSION)
		return "it is of another version of uwt";
	digest_of(data, (size_t)(end - data), digest);
	if (memcmp(digest, end, SHA1_SIZE) != 0 || !read_rings(NULL, at, end))
		return "it is damaged";
	read_rings(history, at, end);
	return NULL;
}
