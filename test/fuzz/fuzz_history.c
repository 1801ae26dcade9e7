/*
 * fuzz_history.c - files of any bytes behind a digest that is right, and samples at any time.
 *
 * The first byte says whether the head of a file is put before the input's, and whether the JSON,
 * which takes most of the time, is looked at; two say how long the file is. Then come samples: each
 * moves the clock, has two bytes of values and one of seconds.
 */
#include "fuzz.h"

#include "../../history.h"
#include "../../sha1.h"
#include "tree.h"

#define SAMPLES_MAX 400
#define START 29000000          /* minutes */
#define FAR ((int64_t)1 << 40)
#define EXACT (1u << 31)        /* thousandths, of which no 720 sums in 2^32 s are too large */

static struct history *make(void)
{
	void *memory = calloc(1, history_size());

	if (memory == NULL)
		abort();
	return history_init(memory);
}

/* -- reading -------------------------------------------------------------------------------- */

/* Steps put together are known if one of them is, and their values between the least and the most
 * of theirs, unless the sums are too large. */
static void check_parts(const struct history *history, enum history_range range, int64_t minute,
    unsigned first, unsigned steps)
{
	struct history_point whole = history_read(history, range, minute, first, steps);
	uint64_t least[HISTORY_SERIES], most[HISTORY_SERIES] = { 0 };
	bool known = false;
	unsigned at, i;

	memset(least, 0xff, sizeof least);
	for (at = first; at < first + steps; at++) {
		struct history_point point = history_read(history, range, minute, at, 1);

		MUST(point.to - point.from == history_minutes(range));
		MUST(at != first || point.from == whole.from);
		MUST(at != first + steps - 1 || point.to == whole.to);
		known |= point.known;
		for (i = 0; i < HISTORY_SERIES; i++) {
			MUST(point.known || point.of[i] == 0);
			most[i] = point.of[i] > most[i] ? point.of[i] : most[i];
			if (point.known && point.of[i] < least[i])
				least[i] = point.of[i];
		}
	}
	MUST(whole.known == known);
	for (i = 0; i < HISTORY_SERIES; i++) {
		MUST(whole.of[i] <= most[i]);
		MUST(!known || whole.of[i] >= least[i] || most[i] > EXACT);
	}
}

/* A value of JSON is a point's, to a tenth below 100 and else whole. */
static void check_value(const struct tree *value, const struct history_point *point, unsigned i)
{
	char *text;
	double shown, is = (double)point->of[i] / 1000;

	if (!point->known) {
		MUST(value->kind == TREE_NULL);
		return;
	}
	MUST(value->kind == TREE_NUMBER);
	text = text_copy(value->text, value->length);
	shown = strtod(text, NULL);
	MUST(shown >= 100 || (shown - is <= 0.0501 && is - shown <= 0.0501));
	MUST(shown - is <= 0.501 + is * 1e-15 && is - shown <= 0.501 + is * 1e-15);
	MUST(shown < 100 || strchr(text, '.') == NULL);
	free(text);
}

static void check_range(const struct tree *json, const struct history *history,
    enum history_range range, int64_t minute)
{
	static const char *const names[] = { "hour", "day", "month" };
	const struct tree *of = tree_member(json, names[range]), *value;
	static struct history_point points[HISTORY_STEPS_MAX];
	unsigned steps = history_steps(range), i, at;

	MUST(of != NULL);
	for (at = 0; at < steps; at++)
		points[at] = history_read(history, range, minute, at, 1);
	value = tree_member(of, "from");
	MUST(value != NULL && strtoll(value->text, NULL, 10) == points[0].from * 60);
	for (i = 0; i < HISTORY_SERIES; i++) {
		value = tree_member(of, history_name((enum history_series)i));
		MUST(value != NULL && value->kind == TREE_ARRAY);
		value = value->child;
		for (at = 0; at < steps; at++) {
			MUST(value != NULL);
			check_value(value, &points[at], i);
			value = value->next;
		}
		MUST(value == NULL);
	}
}

static void check_json(const struct history *history, int64_t minute)
{
	char *text = malloc(HISTORY_TEXT_MAX);
	struct tree *json;
	size_t length;
	int range;

	if (text == NULL)
		abort();
	length = history_json(history, minute, text);
	MUST(length <= HISTORY_TEXT_MAX);
	json = tree_read(text, length);
	MUST(json != NULL && json->kind == TREE_OBJECT);
	for (range = 0; range < HISTORY_RANGES; range++)
		check_range(json, history, (enum history_range)range, minute);
	tree_free(json);
	free(text);
}

/* -- files ---------------------------------------------------------------------------------- */

static void check_same(const struct history *history, const uint8_t *data, size_t length)
{
	uint8_t *again = malloc(HISTORY_FILE_MAX);

	if (again == NULL)
		abort();
	MUST(history_save(history, again) == length && memcmp(again, data, length) == 0);
	free(again);
}

/* What is saved is the same once it was loaded; with a byte changed it is refused. */
static void check_saved(const struct history *history, unsigned at)
{
	uint8_t *data = malloc(HISTORY_FILE_MAX), *exact;
	struct history *other = make();
	size_t length;

	if (data == NULL)
		abort();
	length = history_save(history, data);
	MUST(length <= HISTORY_FILE_MAX);
	exact = exact_copy(data, length);
	exact[at % length] ^= (uint8_t)(1 << at % 8);
	MUST(history_load(other, exact, length) != NULL);
	exact[at % length] ^= (uint8_t)(1 << at % 8);
	MUST(history_load(other, exact, length - 1) != NULL);
	MUST(history_load(other, exact, length) == NULL);
	check_same(other, data, length);
	free(exact);
	free(data);
	free(other);
}

/* Load bytes, with a head or as they are, and a digest. What is taken is all that is saved then;
 * what is not leaves no trace. */
static void load(struct history *history, struct input file, bool head)
{
	static const char magic[] = "uwt history\n\1\0\0";     /* and a 0 of its end */
	size_t before = head ? sizeof magic : 0, length = before + file.left;
	uint8_t *data = malloc(length + SHA1_SIZE), *empty = malloc(HISTORY_FILE_MAX);
	struct sha1 sha1;
	size_t empty_length;

	if (data == NULL || empty == NULL)
		abort();
	memcpy(data, magic, before);
	if (file.left > 0)
		memcpy(data + before, file.at, file.left);
	sha1_init(&sha1);
	sha1_update(&sha1, data, length);
	sha1_final(&sha1, data + length);
	empty_length = history_save(history, empty);
	if (history_load(history, data, length + SHA1_SIZE) == NULL)
		check_same(history, data, length + SHA1_SIZE);
	else
		check_same(history, empty, empty_length);
	free(data);
	free(empty);
}

/* -- samples -------------------------------------------------------------------------------- */

static int64_t move(int64_t now, struct input *input)
{
	static const int64_t places[] = { -1, 0, 1, 43199, UINT32_MAX, (int64_t)UINT32_MAX + 1,
		INT64_MIN, INT64_MAX };
	uint8_t how = input_byte(input);

	if (now < -FAR || now > FAR)
		now = START;
	if (how < 128)
		return now + how;
	if (how < 192)
		return now + (how - 128) * 60 * 12;
	if (how < 248)
		return now - (how - 192) * (how - 192);
	return places[how - 248];
}

/* The newest minute is what was added last, and longer steps know it. */
static void check_newest(const struct history *history, int64_t minute,
    const struct history_sample *sample)
{
	uint64_t by = sample->seconds > 0 ? sample->seconds : 1;
	struct history_point point;
	int range, i;

	for (range = 0; range < HISTORY_RANGES; range++) {
		point = history_read(history, (enum history_range)range, minute,
		    history_steps((enum history_range)range) - 1, 1);
		MUST(point.known);
	}
	point = history_read(history, HISTORY_HOUR, minute, 59, 1);
	for (i = 0; i < HISTORY_SERIES; i++) {
		uint64_t value = sample->of[i], divisor = i < HISTORY_RATES ? 1 : by;

		if (value > UINT32_MAX && i < HISTORY_BYTES_IN)
			value = UINT32_MAX;
		MUST(point.of[i] / 1000 == value / divisor || point.of[i] == UINT64_MAX);
		MUST(point.of[i] < UINT64_MAX || value / divisor >= UINT64_MAX / 1000);
	}
}

static int64_t add(struct history *history, int64_t now, struct input *input)
{
	static const uint32_t seconds[] = { 60, 59, 61, 1, 0, 90000, 1u << 31, UINT32_MAX };
	struct history_sample sample = { 0 };
	uint64_t value;
	int i;

	now = move(now, input);
	value = (uint64_t)input_byte(input) << input_byte(input) % 64;
	sample.seconds = seconds[input_byte(input) % 8];
	for (i = 0; i < HISTORY_SERIES; i++)
		sample.of[i] = value >> i * 2;
	if (value % 2 == 1)
		sample.of[HISTORY_PEERS] = sample.of[HISTORY_BYTES_IN] = UINT64_MAX - value;
	history_add(history, now, &sample);
	check_newest(history, now, &sample);
	return now;
}

int fuzz_history(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	uint8_t how = input_byte(&input);
	struct input file = input_part(&input, input_two(&input));
	struct history *history = make();
	int64_t now = START;
	int count, range;

	load(history, file, how % 2 == 0);
	for (count = 0; count < SAMPLES_MAX && input.left > 0; count++)
		now = add(history, now, &input);
	for (range = 0; range < HISTORY_RANGES; range++) {
		unsigned steps = history_steps((enum history_range)range);
		unsigned first = (unsigned)(size % steps);

		check_parts(history, (enum history_range)range, now, 0, steps);
		check_parts(history, (enum history_range)range, now, first, (steps - first) / 2);
		check_parts(history, (enum history_range)range, START, first, 1);
	}
	if (how & 2)
		check_json(history, now);
	check_saved(history, (unsigned)size * 7919);
	free(history);
	return 0;
}
