/* test_history.c - what was, over time: against a plain array of samples; its JSON, its files. */
#include "test.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../history.h"
#include "../json.h"
#include "../sha1.h"
#include "guard.h"

#define NOW 29000000            /* minutes: 2025-02-20, 21:20 */
#define MODEL_MINUTES 100000

static const enum history_range ranges[] = { HISTORY_HOUR, HISTORY_DAY, HISTORY_MONTH };

static struct history *make(void)
{
	return history_init(guard_alloc(history_size()));
}

static void drop(struct history *history)
{
	guard_free(history, history_size());
}

/* A sample whose values follow from one number. */
static struct history_sample sample(uint64_t value, uint32_t seconds)
{
	struct history_sample made = { .seconds = seconds };
	int i;

	for (i = 0; i < HISTORY_SERIES; i++)
		made.of[i] = value * (unsigned)(i + 1);
	return made;
}

static void add(struct history *history, int64_t minute, uint64_t value, uint32_t seconds)
{
	struct history_sample one = sample(value, seconds);

	history_add(history, minute, &one);
}

/* The newest steps of a range, put together. */
static struct history_point last(const struct history *history, enum history_range range,
    int64_t minute, unsigned steps)
{
	return history_read(history, range, minute, history_steps(range) - steps, steps);
}

/* Has each series the value that follows from one number of thousandths? */
static bool is(struct history_point point, uint64_t mean, uint64_t rate)
{
	int i;

	for (i = 0; i < HISTORY_SERIES; i++) {
		if (point.of[i] != (i < HISTORY_RATES ? mean : rate) * (unsigned)(i + 1))
			return false;
	}
	return point.known;
}

static bool is_unknown(struct history_point point)
{
	int i;

	for (i = 0; i < HISTORY_SERIES; i++) {
		if (point.of[i] != 0)
			return false;
	}
	return !point.known;
}

/* -- samples -------------------------------------------------------------------------------- */

static void shape(void)
{
	struct history *history = make();
	int i;

	CHECK(history_steps(HISTORY_HOUR) == 60 && history_minutes(HISTORY_HOUR) == 1);
	CHECK(history_steps(HISTORY_DAY) == 288 && history_minutes(HISTORY_DAY) == 5);
	CHECK(history_steps(HISTORY_MONTH) == 720 && history_minutes(HISTORY_MONTH) == 60);
	for (i = 0; i < HISTORY_RANGES; i++) {
		unsigned steps = history_steps(ranges[i]), minutes = history_minutes(ranges[i]);
		struct history_point all = history_read(history, ranges[i], NOW + 3, 0, steps);

		CHECK(steps <= HISTORY_STEPS_MAX);
		CHECK(is_unknown(all));
		CHECK(all.to - all.from == (int64_t)steps * minutes);
		/* The last step is the one that the minute is in. */
		CHECK(all.to > NOW + 3 && all.to - minutes <= NOW + 3 && all.to % minutes == 0);
	}
	drop(history);
}

static void one_sample(void)
{
	struct history *history = make();
	struct history_point point;
	int i;

	add(history, NOW, 120, 60);
	for (i = 0; i < HISTORY_RANGES; i++) {
		unsigned steps = history_steps(ranges[i]);

		CHECK(is(last(history, ranges[i], NOW, 1), 120000, 2000));
		CHECK(is(history_read(history, ranges[i], NOW, 0, steps), 120000, 2000));
		CHECK(is_unknown(history_read(history, ranges[i], NOW, 0, steps - 1)));
	}
	point = last(history, HISTORY_HOUR, NOW, 1);
	CHECK(point.from == NOW && point.to == NOW + 1);
	point = last(history, HISTORY_DAY, NOW + 4, 2);
	CHECK(point.from == NOW - 5 && point.to == NOW + 5);
	CHECK(is(point, 120000, 2000));
	point = last(history, HISTORY_MONTH, NOW, 1);
	CHECK(point.from == NOW - NOW % 60 && point.to == point.from + 60);
	drop(history);
}

/* Means are of samples, rates of seconds, both rounded down to a thousandth. */
static void means(void)
{
	struct history *history = make();

	add(history, NOW, 10, 60);
	add(history, NOW + 1, 0, 59);
	add(history, NOW + 2, 1, 61);
	CHECK(last(history, HISTORY_HOUR, NOW + 2, 1).of[HISTORY_SEEDERS] == 2000);
	CHECK(last(history, HISTORY_HOUR, NOW + 2, 1).of[HISTORY_ANNOUNCES] == 6000 / 61);
	/* (10 + 0 + 1) / 3, 66 and 121 things in 180 s */
	CHECK(last(history, HISTORY_DAY, NOW + 2, 1).of[HISTORY_PEERS] == 3666);
	CHECK(last(history, HISTORY_HOUR, NOW + 2, 3).of[HISTORY_CONNECTIONS] == 18333);
	CHECK(last(history, HISTORY_MONTH, NOW + 2, 1).of[HISTORY_ANNOUNCES] == 366);
	CHECK(last(history, HISTORY_MONTH, NOW + 2, 9).of[HISTORY_BYTES_OUT] == 672);
	drop(history);
}

/* What a program that was stopped for days did since is spread over them. */
static void long_sample(void)
{
	struct history *history = make();

	add(history, NOW, 864000, 3 * 86400);
	CHECK(last(history, HISTORY_DAY, NOW, 1).of[HISTORY_ANNOUNCES] == 20000);
	add(history, NOW + 1, UINT32_MAX, UINT32_MAX);
	CHECK(last(history, HISTORY_DAY, NOW + 1, 1).of[HISTORY_BYTES_IN] == 10002);
	drop(history);
}

/* No time is taken for a second. */
static void no_time(void)
{
	struct history *history = make();

	add(history, NOW, 6, 0);
	add(history, NOW + 1, 8, 0);
	CHECK(is(last(history, HISTORY_HOUR, NOW, 1), 6000, 6000));
	CHECK(is(last(history, HISTORY_DAY, NOW + 1, 1), 7000, 7000));
	drop(history);
}

static void gaps(void)
{
	struct history *history = make();

	add(history, NOW, 60, 60);
	add(history, NOW + 10, 180, 60);
	CHECK(is_unknown(last(history, HISTORY_HOUR, NOW + 9, 9)));
	CHECK(is_unknown(last(history, HISTORY_DAY, NOW + 5, 1)));
	CHECK(is(last(history, HISTORY_HOUR, NOW + 10, 11), 120000, 2000));
	CHECK(is(last(history, HISTORY_HOUR, NOW + 10, 10), 180000, 3000));
	CHECK(is(last(history, HISTORY_DAY, NOW + 10, 3), 120000, 2000));
	/* Zeros are known. */
	add(history, NOW + 11, 0, 60);
	CHECK(is(last(history, HISTORY_HOUR, NOW + 11, 1), 0, 0));
	drop(history);
}

/* -- clocks --------------------------------------------------------------------------------- */

/* Just before a place is used again its step is there, and then not any more. */
static void around(void)
{
	int i;

	for (i = 0; i < HISTORY_RANGES; i++) {
		struct history *history = make();
		unsigned steps = history_steps(ranges[i]), minutes = history_minutes(ranges[i]);
		int64_t start = NOW - NOW % minutes, end = start + (int64_t)(steps - 1) * minutes;

		add(history, start, 60, 60);
		CHECK(is(history_read(history, ranges[i], end, 0, 1), 60000, 1000));
		CHECK(is_unknown(history_read(history, ranges[i], end + minutes, 0, steps)));
		add(history, end + minutes, 120, 60);
		CHECK(is(last(history, ranges[i], end + minutes, steps), 120000, 2000));
		CHECK(is_unknown(history_read(history, ranges[i], end, 0, steps)));
		drop(history);
	}
}

static void clock_jumps(void)
{
	struct history *history = make();
	int64_t later = NOW + 60 * 24 * 365 * 7;
	int i;

	add(history, NOW, 60, 60);
	add(history, later, 120, 60);
	for (i = 0; i < HISTORY_RANGES; i++)
		CHECK(is(last(history, ranges[i], later, history_steps(ranges[i])), 120000, 2000));
	/* Back again: what was measured in the future is not shown. */
	add(history, NOW + 1, 180, 60);
	CHECK(is(last(history, HISTORY_HOUR, NOW + 1, 1), 180000, 3000));
	/* 7 years are whole days and take the same place in the day, but are no whole months. */
	CHECK(is(last(history, HISTORY_DAY, NOW + 1, 288), 180000, 3000));
	CHECK(is(last(history, HISTORY_MONTH, NOW + 1, 720), 120000, 2000));
	drop(history);
}

/* A minute that comes twice has the later sample, in longer steps both. */
static void clock_back(void)
{
	struct history *history = make();

	add(history, NOW, 60, 60);
	add(history, NOW + 1, 60, 60);
	add(history, NOW, 240, 60);
	CHECK(is(last(history, HISTORY_HOUR, NOW, 1), 240000, 4000));
	CHECK(is(last(history, HISTORY_HOUR, NOW + 1, 1), 60000, 1000));
	CHECK(is(last(history, HISTORY_DAY, NOW, 1), 120000, 2000));
	drop(history);
}

/* Without a clock that is right a sample stands somewhere, and nothing else is harmed. */
static void no_clock(void)
{
	static const int64_t before[] = { -1, -60, INT64_MIN }, after[] = { UINT32_MAX,
		(int64_t)UINT32_MAX + 1, INT64_MAX };
	int i, k;

	for (i = 0; i < 3; i++) {
		struct history *history = make();
		char *text = guard_alloc(HISTORY_TEXT_MAX);

		CHECK(is_unknown(last(history, HISTORY_MONTH, before[i], 720)));
		add(history, NOW, 60, 60);
		add(history, before[i], 120, 60);
		add(history, after[i], 180, 60);
		for (k = 0; k < HISTORY_RANGES; k++) {
			struct history_point point = last(history, ranges[k], before[i], 1);

			CHECK(is(point, 120000, 2000) && point.from == 0);
			CHECK(is(last(history, ranges[k], 0, history_steps(ranges[k])), 120000,
			    2000));
			CHECK(is(last(history, ranges[k], after[i], 3), 180000, 3000));
		}
		CHECK(is(last(history, HISTORY_HOUR, NOW, 60), 60000, 1000));
		CHECK(history_json(history, INT64_MIN, text) <= HISTORY_TEXT_MAX);
		CHECK(strncmp(text, "{\"now\":0,", 9) == 0);
		CHECK(history_json(history, INT64_MAX, text) <= HISTORY_TEXT_MAX);
		CHECK(strncmp(text, "{\"now\":257698037700,", 20) == 0);
		guard_free(text, HISTORY_TEXT_MAX);
		drop(history);
	}
}

/* -- sums ----------------------------------------------------------------------------------- */

static void fill(struct history *history, int64_t end, uint64_t value, uint32_t seconds)
{
	struct history_sample full = { .seconds = seconds };
	int64_t minute;
	int i;

	for (i = 0; i < HISTORY_SERIES; i++)
		full.of[i] = value;
	for (minute = end - 720 * 60 + 1; minute <= end; minute++)
		history_add(history, minute, &full);
}

/* The largest sums stay what they are, and do not begin anew. */
static void largest(void)
{
	struct history *history = make();
	struct history_point point;
	int i, k;

	fill(history, NOW, UINT64_MAX, 1);
	point = last(history, HISTORY_HOUR, NOW, 1);
	for (i = 0; i < HISTORY_SERIES; i++)
		CHECK(point.of[i] == (i < HISTORY_BYTES_IN ? UINT32_MAX * (uint64_t)1000 :
		    UINT64_MAX));
	drop(history);
	history = make();
	fill(history, NOW, (uint64_t)1 << 63, 1);
	for (k = 0; k < HISTORY_RANGES; k++) {
		unsigned steps = history_steps(ranges[k]);

		/* The last but one is whole; then that and the one before. */
		point = history_read(history, ranges[k], NOW, steps - 2, 1);
		CHECK(point.of[HISTORY_BYTES_IN] == UINT64_MAX);
		point = history_read(history, ranges[k], NOW, steps - 3, 2);
		CHECK(point.of[HISTORY_BYTES_IN] == UINT64_MAX);
	}
	drop(history);
	history = make();
	fill(history, NOW, UINT32_MAX, UINT32_MAX);
	point = last(history, HISTORY_MONTH, NOW - NOW % 60 - 1, 1);
	CHECK(point.of[HISTORY_PEERS] == UINT32_MAX * (uint64_t)1000 / 60);
	CHECK(point.of[HISTORY_ANNOUNCES] == 1000);
	CHECK(point.of[HISTORY_BYTES_IN] == 60 * 1000);
	drop(history);
}

/* Thousandths that are just not too many, and just so. */
static void largest_rate(void)
{
	const uint64_t most = UINT64_MAX / 1000;
	struct history_sample one = { .seconds = 60 };
	struct history *history = make();

	one.of[HISTORY_BYTES_IN] = most * 60 - 1;
	one.of[HISTORY_BYTES_OUT] = most * 60 + 59;
	history_add(history, NOW, &one);
	CHECK(last(history, HISTORY_DAY, NOW, 1).of[HISTORY_BYTES_IN] == most * 1000 - 17);
	CHECK(last(history, HISTORY_DAY, NOW, 1).of[HISTORY_BYTES_OUT] == UINT64_MAX);
	drop(history);
}

/* A clock that stands still: samples of one step without end. */
static void still_clock(void)
{
	struct history *history = make();
	int i;

	for (i = 0; i < 70000; i++)
		add(history, NOW, 60, 60);
	for (i = 0; i < HISTORY_RANGES; i++)
		CHECK(is(last(history, ranges[i], NOW, 1), 60000, 1000));
	drop(history);
}

/* -- against a plain array -------------------------------------------------------------------- */

struct plain {
	bool there;
	uint32_t value, seconds;
};

static bool matches(const struct plain *plain, const struct history *history,
    enum history_range range, int64_t minute, unsigned first, unsigned steps)
{
	struct history_point point = history_read(history, range, NOW + minute, first, steps);
	uint64_t samples = 0, seconds = 0, sum = 0;
	int64_t at;
	int i;

	for (at = point.from - NOW; at < point.to - NOW && at <= minute; at++) {
		if (at < 0 || !plain[at].there)
			continue;
		samples++;
		seconds += plain[at].seconds;
		sum += plain[at].value;
	}
	if (point.known != (samples > 0) || (!point.known && !is_unknown(point)))
		return false;
	for (i = 0; point.known && i < HISTORY_SERIES; i++) {
		uint64_t by = i < HISTORY_RATES ? samples : seconds;

		if (point.of[i] != sum * (unsigned)(i + 1) * 1000 / by)
			return false;
	}
	return true;
}

static uint32_t chance(uint32_t below)
{
	static uint32_t state = 1;

	state = state * 1103515245 + 12345;
	return state / 65536 % below;
}

/* Minutes with and without samples, hours and days without any, and any part of any range. */
static void model(void)
{
	static struct plain plain[MODEL_MINUTES];
	struct history *history = make();
	int64_t minute = 0;
	unsigned looks = 0, wrong = 0;

	while (minute < MODEL_MINUTES) {
		enum history_range range = ranges[chance(HISTORY_RANGES)];
		unsigned first = chance(history_steps(range));
		unsigned steps = chance(history_steps(range) - first) + 1;

		plain[minute] = (struct plain){ true, chance(30000), chance(60) + 30 };
		add(history, NOW + minute, plain[minute].value, plain[minute].seconds);
		looks++;
		wrong += !matches(plain, history, range, minute, first, steps);
		minute += chance(50) > 0 ? 1 : chance(40) > 0 ? chance(90) + 1 : chance(3000) + 1;
	}
	CHECK(looks > 10000 && wrong == 0);
	drop(history);
}

/* -- JSON ----------------------------------------------------------------------------------- */

/* Two samples, of 60 and of 40 s, and what they are shown as: each, and both in one step. */
static const struct {
	uint64_t a, b;
	const char *show_a, *show_b, *show_both;
} shown[HISTORY_SERIES] = {
	[HISTORY_PEERS] = { 7, 8, "7", "8", "7.5" },
	[HISTORY_SEEDERS] = { 0, 1, "0", "1", "0.5" },
	[HISTORY_LEECHERS] = { 99, 100, "99", "100", "99.5" },
	[HISTORY_TORRENTS] = { 100, 101, "100", "101", "101" },
	[HISTORY_CONNECTIONS] = { 0, 0, "0", "0", "0" },
	[HISTORY_ANNOUNCES] = { 6, 3, "0.1", "0.1", "0.1" },
	[HISTORY_OFFERS] = { 2, 2, "0", "0.1", "0" },
	[HISTORY_ANSWERS] = { 5997, 3997, "100", "99.9", "99.9" },
	[HISTORY_REFUSALS] = { 6060, 0, "101", "0", "60.6" },
	[HISTORY_BYTES_IN] = { 60000000000, 40, "1000000000", "1", "600000000" },
	[HISTORY_BYTES_OUT] = { UINT64_MAX, 0, "18446744073709552", "0", "18446744073709552" }
};

static void put(char *out, const char *text)
{
	memcpy(out + strlen(out), text, strlen(text) + 1);
}

/* A range with these steps known, the newest ones. */
static void put_range(char *out, const char *begin, enum history_range range, bool both)
{
	unsigned nulls = history_steps(range) - (both ? 1 : 2), i;
	int series;

	put(out, begin);
	for (series = 0; series < HISTORY_SERIES; series++) {
		put(out, ",\"");
		put(out, history_name((enum history_series)series));
		put(out, "\":[");
		for (i = 0; i < nulls; i++)
			put(out, "null,");
		put(out, both ? shown[series].show_both : shown[series].show_a);
		put(out, both ? "" : ",");
		put(out, both ? "" : shown[series].show_b);
		put(out, "]");
	}
	put(out, "}");
}

static void json_bytes(void)
{
	struct history_sample a = { .seconds = 60 }, b = { .seconds = 40 };
	struct history *history = make();
	char *want = calloc(1, HISTORY_TEXT_MAX), *got = guard_alloc(HISTORY_TEXT_MAX);
	size_t length;
	int i;

	for (i = 0; i < HISTORY_SERIES; i++) {
		a.of[i] = shown[i].a;
		b.of[i] = shown[i].b;
	}
	history_add(history, NOW, &a);
	history_add(history, NOW + 1, &b);
	put(want, "{\"now\":1740000060");
	put_range(want, ",\"hour\":{\"step\":60,\"from\":1739996520", HISTORY_HOUR, false);
	put_range(want, ",\"day\":{\"step\":300,\"from\":1739913900", HISTORY_DAY, true);
	put_range(want, ",\"month\":{\"step\":3600,\"from\":1737410400", HISTORY_MONTH, true);
	put(want, "}\n");
	length = history_json(history, NOW + 1, got);
	CHECK(length == strlen(want) && memcmp(got, want, length) == 0);
	free(want);
	guard_free(got, HISTORY_TEXT_MAX);
	drop(history);
}

static bool is_json(const char *text, size_t length)
{
	static struct json_token tokens[16384];

	return length > 0 && length <= HISTORY_TEXT_MAX && text[length - 1] == '\n' &&
	    json_scan(text, length, tokens, 16384) > (60 + 288 + 720) * HISTORY_SERIES;
}

/* Valid, whatever there is: nothing, the largest numbers, a clock that is no more than set. */
static void json_limits(void)
{
	static const int64_t times[] = { 0, 1, 43199, NOW, UINT32_MAX, INT64_MIN, INT64_MAX };
	struct history *history = make();
	char *text = guard_alloc(HISTORY_TEXT_MAX);
	struct history_sample most = { .seconds = 1 };
	int64_t minute;
	unsigned i;

	for (i = 0; i < sizeof times / sizeof times[0]; i++)
		CHECK(is_json(text, history_json(history, times[i], text)));
	memset(most.of, 0xff, sizeof most.of);
	/* One sample each is most in the hour; in longer steps the mean of many would be less. */
	for (minute = NOW - 720 * 60 + 1; minute <= NOW; minute++) {
		if (minute % 60 == 0 || (minute > NOW - 288 * 5 && minute % 5 == 0) ||
		    minute > NOW - 60)
			history_add(history, minute, &most);
	}
	CHECK(is_json(text, history_json(history, NOW, text)));
	CHECK(strstr(text, "null") == NULL || (size_t)(strstr(text, "null") - text) >=
	    history_json(history, NOW, text));
	for (i = 0; i < sizeof times / sizeof times[0]; i++)
		CHECK(is_json(text, history_json(history, times[i], text)));
	guard_free(text, HISTORY_TEXT_MAX);
	drop(history);
}

/* In its first month since 1970 a range begins before. */
static void json_before_1970(void)
{
	struct history *history = make();
	char *text = guard_alloc(HISTORY_TEXT_MAX);

	text[history_json(history, 10, text)] = '\0';
	CHECK(strncmp(text, "{\"now\":600,\"hour\":{\"step\":60,\"from\":-2940,", 42) == 0);
	CHECK(strstr(text, "\"month\":{\"step\":3600,\"from\":-2588400,") != NULL);
	CHECK(strstr(text, ",0") == NULL && strstr(text, "[0") == NULL);
	guard_free(text, HISTORY_TEXT_MAX);
	drop(history);
}

/* -- files ---------------------------------------------------------------------------------- */

#define HEAD_SIZE 16            /* the magic, the version */
#define RECORD_SIZE 64
#define EMPTY_SIZE (HEAD_SIZE + 3 * 4 + SHA1_SIZE)

/* Save into memory of just that size; to be freed with guard_free. */
static uint8_t *save(const struct history *history, size_t *length)
{
	static uint8_t room[HISTORY_FILE_MAX];
	uint8_t *exact;

	*length = history_save(history, room);
	exact = guard_alloc(*length);
	CHECK(history_save(history, exact) == *length && memcmp(exact, room, *length) == 0);
	return exact;
}

static bool saves_as(const struct history *history, const uint8_t *data, size_t length)
{
	size_t got;
	uint8_t *again = save(history, &got);
	bool same = got == length && memcmp(again, data, length) == 0;

	guard_free(again, got);
	return same;
}

/* Make the digest right again. */
static void sign(uint8_t *data, size_t length)
{
	struct sha1 sha1;

	sha1_init(&sha1);
	sha1_update(&sha1, data, length - SHA1_SIZE);
	sha1_final(&sha1, data + length - SHA1_SIZE);
}

/* Is it refused for that reason, with nothing changed? */
static bool refuses(const uint8_t *data, size_t length, const char *reason)
{
	struct history *history = make();
	uint8_t *copy = guard_copy(data, length), *before;
	size_t size;
	const char *why;
	bool same;

	add(history, NOW + 7, 5, 60);
	before = save(history, &size);
	why = history_load(history, copy, length);
	same = saves_as(history, before, size);
	guard_free(copy, length);
	guard_free(before, size);
	drop(history);
	return why != NULL && strcmp(why, reason) == 0 && same;
}

static void round_trip(void)
{
	struct history *history = make(), *loaded = make();
	char *text = guard_alloc(HISTORY_TEXT_MAX), *same = guard_alloc(HISTORY_TEXT_MAX);
	uint8_t *data;
	size_t length, size;

	data = save(history, &length);
	CHECK(length == EMPTY_SIZE);
	CHECK(history_load(loaded, data, length) == NULL && saves_as(loaded, data, length));
	guard_free(data, length);
	add(history, NOW - 3000, 1000, 60);
	add(history, NOW - 3, 70000, 61);
	add(history, NOW, (uint64_t)1 << 60, 59);
	data = save(history, &length);
	CHECK(length == EMPTY_SIZE + (2 + 3 + 2) * RECORD_SIZE);
	CHECK(history_load(loaded, data, length) == NULL && saves_as(loaded, data, length));
	size = history_json(history, NOW, text);
	CHECK(history_json(loaded, NOW, same) == size && memcmp(text, same, size) == 0);
	guard_free(data, length);
	guard_free(text, HISTORY_TEXT_MAX);
	guard_free(same, HISTORY_TEXT_MAX);
	drop(history);
	drop(loaded);
}

/* What was there in other places stays. */
static void load_into(void)
{
	struct history *history = make(), *other = make();
	uint8_t *data;
	size_t length;

	add(history, NOW, 60, 60);
	data = save(history, &length);
	add(other, NOW, 600, 60);
	add(other, NOW + 1, 120, 60);
	CHECK(history_load(other, data, length) == NULL);
	CHECK(is(last(other, HISTORY_HOUR, NOW, 1), 60000, 1000));
	CHECK(is(last(other, HISTORY_HOUR, NOW + 1, 1), 120000, 2000));
	add(other, NOW + 2, 180, 60);
	CHECK(is(last(other, HISTORY_DAY, NOW + 2, 1), 120000, 2000));
	guard_free(data, length);
	drop(history);
	drop(other);
}

static void damaged(void)
{
	struct history *history = make();
	size_t length, at, kept = 0;
	uint8_t *data;

	add(history, NOW - 3000, 1000, 60);
	add(history, NOW, 70000, 61);
	data = save(history, &length);
	for (at = 0; at < length; at++) {
		const char *reason = at < 12 ? "it is no history of uwt" :
		    at < HEAD_SIZE ? "it is of another version of uwt" : "it is damaged";

		data[at] ^= 0xff;
		kept += !refuses(data, length, reason);
		data[at] ^= 0xfe;
		kept += !refuses(data, length, reason);
		data[at] ^= 0x01;
	}
	CHECK(kept == 0);
	for (at = 0; at < length; at++)
		kept += !refuses(data, at, at < HEAD_SIZE + SHA1_SIZE ? "it is no history of uwt" :
		    "it is damaged");
	CHECK(kept == 0);
	CHECK(history_load(history, data, length) == NULL);
	CHECK(history_load(history, NULL, 0) != NULL);
	guard_free(data, length);
	drop(history);
}

/* Is it refused with a digest that is right? */
static bool refuses_signed(uint8_t *data, size_t length)
{
	sign(data, length);
	return refuses(data, length, "it is damaged");
}

/* What no program has saved, though its digest is right: first, how many records there are. */
static void forged(void)
{
	struct history *history = make();
	uint8_t data[HISTORY_FILE_MAX];
	size_t length, month = HEAD_SIZE + 4 + 3 * RECORD_SIZE + 4;

	add(history, NOW, 1, 60);
	add(history, NOW + 1, 1, 60);
	length = history_save(history, data);
	data[12] = 2;
	sign(data, length);
	CHECK(refuses(data, length, "it is of another version of uwt"));
	data[12] = 1;
	data[HEAD_SIZE] = 3;            /* more than there are */
	CHECK(refuses_signed(data, length));
	data[HEAD_SIZE] = 61;           /* than the range has */
	CHECK(refuses_signed(data, length));
	data[HEAD_SIZE + 3] = 0xff;
	CHECK(refuses_signed(data, length));
	data[HEAD_SIZE + 3] = 0;
	data[HEAD_SIZE] = 1;            /* less */
	CHECK(refuses_signed(data, length));
	data[HEAD_SIZE] = 2;
	data[month] = 2;                /* one of which the digest is a part */
	CHECK(refuses_signed(data, length));
	data[month] = 1;
	CHECK(refuses_signed(data, length + 1));
	sign(data, length);
	CHECK(history_load(history, data, length) == NULL);
	drop(history);
}

static void forged_steps(void)
{
	struct history *history = make();
	uint8_t data[HISTORY_FILE_MAX], *first = data + HEAD_SIZE + 4;
	size_t length;

	add(history, NOW, 1, 60);
	add(history, NOW + 1, 1, 60);
	length = history_save(history, data);
	first[0]++;                     /* the same place twice */
	CHECK(refuses_signed(data, length));
	first[0]--;
	first[4] = 0;                   /* no time */
	CHECK(refuses_signed(data, length));
	first[4] = 60;
	first[8] = 0;                   /* no sample */
	CHECK(refuses_signed(data, length));
	first[8] = 1;
	/* Of the largest numbers all that can be said is that there is no more. */
	memset(first + 3 * RECORD_SIZE + 4 + 4 + 4, 0xff, RECORD_SIZE - 4);
	sign(data, length);
	CHECK(history_load(history, data, length) == NULL);
	add(history, NOW, 1, 60);
	CHECK(last(history, HISTORY_MONTH, NOW, 1).of[HISTORY_PEERS] == 1000);
	CHECK(last(history, HISTORY_MONTH, NOW, 1).of[HISTORY_OFFERS] == 1000);
	drop(history);
}

/* With all steps there, each place is in the file once, in its order. */
static void largest_file(void)
{
	struct history *history = make(), *loaded = make();
	uint8_t *data;
	size_t length;

	fill(history, NOW, UINT64_MAX, UINT32_MAX);
	data = save(history, &length);
	CHECK(length == EMPTY_SIZE + (60 + 288 + 720) * RECORD_SIZE);
	CHECK(length <= HISTORY_FILE_MAX);
	CHECK(history_load(loaded, data, length) == NULL && saves_as(loaded, data, length));
	data[length / 2] ^= 1;
	CHECK(refuses(data, length, "it is damaged"));
	guard_free(data, length);
	drop(history);
	drop(loaded);
}

/* A file is the same on any machine. */
static void file_bytes(void)
{
	static const uint8_t want[] = "uwt history\n" "\1\0\0\0" "\1\0\0\0"
	    /* step 29000000, 60 s, 1 sample, 9 numbers of 4 bytes and 2 of 8 */
	    "\x40\x81\xba\x01" "\x3c\0\0\0" "\1\0\0\0"
	    "\4\3\2\1" "\5\0\0\0" "\6\0\0\0" "\7\0\0\0" "\x08\0\0\0"
	    "\x09\0\0\0" "\x0a\0\0\0" "\x0b\0\0\0" "\x0c\0\0\0"
	    "\x18\x17\x16\x15\x14\x13\x12\x11" "\x0d\0\0\0\0\0\0\0" "\1\0\0\0";
	struct history_sample one = { 60, { 0x01020304, 5, 6, 7, 8, 9, 10, 11, 12,
		0x1112131415161718, 13 } };
	struct history *history = make();
	uint8_t data[HISTORY_FILE_MAX];

	history_add(history, NOW, &one);
	CHECK(history_save(history, data) == EMPTY_SIZE + 3 * RECORD_SIZE);
	CHECK(memcmp(data, want, sizeof want - 1) == 0);
	drop(history);
}

int main(void)
{
	RUN(shape);
	RUN(one_sample);
	RUN(means);
	RUN(long_sample);
	RUN(no_time);
	RUN(gaps);
	RUN(around);
	RUN(clock_jumps);
	RUN(clock_back);
	RUN(no_clock);
	RUN(largest);
	RUN(largest_rate);
	RUN(still_clock);
	RUN(model);
	RUN(json_bytes);
	RUN(json_limits);
	RUN(json_before_1970);
	RUN(round_trip);
	RUN(load_into);
	RUN(damaged);
	RUN(forged);
	RUN(forged_steps);
	RUN(largest_file);
	RUN(file_bytes);
	return test_end();
}
