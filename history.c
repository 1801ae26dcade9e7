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
#define RECORD_SIZE (4 + 2 + 2 + 4 * NARROW + 8 * WIDE)     /* bytes of a step in a file */
#define NUMBERS_ALL 1068                /* steps of all ranges */

/* A step: sums of its samples. */
struct step {
	uint32_t number;                /* since 1970, in steps of its range */
	uint16_t samples;               /* 0: none */
	uint16_t seconds;
	uint32_t narrow[NARROW];
	uint64_t wide[WIDE];
};

struct history {
	struct step steps[NUMBERS_ALL];
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

_Static_assert(348 + 720 == NUMBERS_ALL, "the rings must fit");
_Static_assert(sizeof(struct history) <= 128 * 1024, "the memory of all rings");
_Static_assert(MAGIC_SIZE + 4 + 4 * HISTORY_RANGES + NUMBERS_ALL * RECORD_SIZE + SHA1_SIZE <= HISTORY_FILE_MAX,
    "a file must fit");

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

/* A clock before 1970 is none. */
static uint32_t step_number(const struct ring *ring, int64_t minute)
{
	return minute < 0 ? 0 : (uint32_t)((uint64_t)minute / ring->minutes);
}

static uint32_t sum_32(uint32_t a, uint64_t b)
{
	return b < UINT32_MAX - a ? a + (uint32_t)b : UINT32_MAX;
}

static uint16_t sum_16(uint16_t a, uint32_t b)
{
	return b < (uint32_t)(UINT16_MAX - a) ? (uint16_t)(a + b) : UINT16_MAX;
}

static void step_add(struct step *step, uint32_t number, const struct history_sample *sample)
{
	int i;

	if (step->number != number)
		*step = (struct step){ .number = number };
	step->samples = sum_16(step->samples, 1);
	step->seconds = sum_16(step->seconds, sample->seconds);
	for (i = 0; i < NARROW; i++)
		step->narrow[i] = sum_32(step->narrow[i], sample->of[i]);
	for (i = 0; i < WIDE; i++)
		step->wide[i] += sample->of[NARROW + i];
}

void history_add(struct history *history, int64_t minute, const struct history_sample *sample)
{
	int range;

	for (range = 0; range < HISTORY_RANGES; range++) {
		const struct ring *ring = &rings[range];
		uint32_t number = step_number(ring, minute);
		struct step *step = &history->steps[ring->first + number % ring->count];

		/* A minute has one sample: if the clock goes back, the later one. */
		if (range == HISTORY_HOUR)
			*step = (struct step){ .number = number };
		step_add(step, number, sample);
	}
}

/* -- reading ------------------------------------------------------------------------------- */

/* NULL if there is no sample. */
static const struct step *step_at(const struct history *history, const struct ring *ring,
    uint32_t number)
{
	const struct step *step = &history->steps[ring->first + number % ring->count];

	return step->number == number && step->samples > 0 ? step : NULL;
}

/* value * 1000 / by, for values of any size. */
static uint64_t thousandths(uint64_t value, uint64_t by)
{
	return value / by * 1000 + value % by * 1000 / by;
}

struct history_point history_read(const struct history *history, enum history_range range,
    int64_t minute, unsigned first, unsigned steps)
{
	const struct ring *ring = &rings[range];
	int64_t oldest = (int64_t)step_number(ring, minute) - ring->count + 1, at;
	struct history_point point = { .from = (oldest + first) * ring->minutes };
	uint64_t samples = 0, seconds = 0;
	int i;

	point.to = point.from + (int64_t)steps * ring->minutes;
	for (at = oldest + first; at < oldest + first + steps; at++) {
		const struct step *step = at < 0 ? NULL : step_at(history, ring, (uint32_t)at);

		if (step == NULL)
			continue;
		samples += step->samples;
		seconds += step->seconds;
		for (i = 0; i < HISTORY_SERIES; i++)
			point.of[i] += i < NARROW ? step->narrow[i] : step->wide[i - NARROW];
	}
	point.known = samples > 0;
	for (i = 0; point.known && i < HISTORY_SERIES; i++)
		point.of[i] = thousandths(point.of[i], i < HISTORY_RATES ? samples :
		    seconds > 0 ? seconds : 1);
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

static void json_number(struct text *text, const char *name, uint64_t number)
{
	text_add(text, "\"");
	text_add(text, name);
	text_add(text, "\":");
	text_add_number(text, number);
}

/* To a tenth below 100, else whole: no more can be seen, and it keeps the answer small. */
static void json_value(struct text *text, const struct history_point *point,
    enum history_series series)
{
	uint64_t tenths = (point->of[series] + 50) / 100;

	if (!point->known) {
		text_add(text, "null");
		return;
	}
	if (tenths >= 1000) {
		text_add_number(text, (tenths + 5) / 10);
		return;
	}
	text_add_number(text, tenths / 10);
	if (tenths % 10 != 0) {
		text_add(text, ".");
		text_add_number(text, tenths % 10);
	}
}

static void json_range(struct text *text, const struct history *history, enum history_range range,
    int64_t minute)
{
	const struct ring *ring = &rings[range];
	struct history_point oldest = history_read(history, range, minute, 0, 1);
	unsigned series, step;

	text_add(text, ",\"");
	text_add(text, ring->name);
	text_add(text, "\":{");
	json_number(text, "step", ring->minutes * 60);
	text_add(text, ",");
	json_number(text, "from", oldest.from > 0 ? (uint64_t)oldest.from * 60 : 0);
	for (series = 0; series < HISTORY_SERIES; series++) {
		text_add(text, ",\"");
		text_add(text, history_name((enum history_series)series));
		text_add(text, "\":[");
		for (step = 0; step < ring->count; step++) {
			struct history_point point = history_read(history, range, minute, step, 1);

			text_add(text, step > 0 ? "," : "");
			json_value(text, &point, (enum history_series)series);
		}
		text_add(text, "]");
	}
	text_add(text, "}");
}

size_t history_json(const struct history *history, int64_t minute, char *out)
{
	struct text text = { .start = out, .max = HISTORY_TEXT_MAX };
	int range;

	text_add(&text, "{");
	json_number(&text, "now", minute > 0 ? (uint64_t)minute * 60 : 0);
	for (range = 0; range < HISTORY_RANGES; range++)
		json_range(&text, history, (enum history_range)range, minute);
	text_add(&text, "}\n");
	return text.length;
}

/* -- files --------------------------------------------------------------------------------- */

/* The magic and the version (4 bytes); for each range how many records (4 bytes) and the records, each
 * with its step's number; SHA-1 of all that. Numbers are little-endian. */

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
	out = put(out, step->samples, 2);
	out = put(out, step->seconds, 2);
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
	step.samples = (uint16_t)get(at, 2);
	step.seconds = (uint16_t)get(at, 2);
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

/* Go through what a file holds. Returns whether it is as it should be; it is taken over if there is
 * a history. */
static bool read_rings(struct history *history, const uint8_t *at, const uint8_t *end)
{
	int range;

	for (range = 0; range < HISTORY_RANGES; range++) {
		const struct ring *ring = &rings[range];
		uint32_t count;

		if (end - at < 4)
			return false;
		count = (uint32_t)get(&at, 4);
		if (count > ring->count || (size_t)(end - at) < (size_t)count * RECORD_SIZE)
			return false;
		while (count-- > 0) {
			struct step step = get_step(&at);

			if (history != NULL)
				history->steps[ring->first + step.number % ring->count] = step;
		}
	}
	return at == end;
}

const char *history_load(struct history *history, const uint8_t *data, size_t length)
{
	const uint8_t *at = data + MAGIC_SIZE;
	uint8_t digest[SHA1_SIZE];

	if (length < MAGIC_SIZE + 4 + SHA1_SIZE || memcmp(data, FILE_MAGIC, MAGIC_SIZE) != 0)
		return "it is no history of uwt";
	if (get(&at, 4) != FILE_VERSION)
		return "it is of another version of uwt";
	length -= SHA1_SIZE;
	digest_of(data, length, digest);
	if (memcmp(digest, data + length, SHA1_SIZE) != 0 ||
	    !read_rings(NULL, at, data + length))
		return "it is damaged";
	read_rings(history, at, data + length);
	return NULL;
}
