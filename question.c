/* question.c - see question.h */
#include "question.h"

#include <string.h>

#include "ws.h"

#define UNKNOWN 0xfffd          /* the replacement character */

/* -- writing -------------------------------------------------------------------------------- */

/* The next code point of any bytes; UNKNOWN for one that is not part of UTF-8. */
static uint32_t point_take(const uint8_t **at, const uint8_t *end)
{
	size_t size;

	for (size = 1; size <= 4 && size <= (size_t)(end - *at); size++) {
		if (ws_utf8_valid(*at, size))
			return json_point_raw(at, *at + size);
	}
	++*at;
	return UNKNOWN;
}

static uint32_t lower(uint32_t point)
{
	return point >= 'A' && point <= 'Z' ? point - 'A' + 'a' : point;
}

static void add_point(struct text *line, uint32_t point)
{
	static const char digits[] = "0123456789abcdef";
	char control[6] = { '\\', 'u', '0', '0', digits[point >> 4 & 15], digits[point & 15] };
	char out[JSON_POINT_MAX];

	/* JSON itself has no objection to these. */
	if (point >= 0x7f && point <= 0x9f)
		text_add_bytes(line, control, sizeof control);
	else
		text_add_bytes(line, out, json_point_write(point, out));
}

/* Add bytes as the inside of a JSON string. */
static void add_bytes(struct text *line, struct json_slice bytes, bool lowered)
{
	const uint8_t *at = (const uint8_t *)bytes.text, *end = at + bytes.len;
	uint32_t point;

	while (at < end && !line->full) {
		point = point_take(&at, end);
		add_point(line, lowered ? lower(point) : point);
	}
}

static void add_key(struct text *line, const char *key)
{
	text_add(line, ",\"");
	text_add(line, key);
	text_add(line, "\":");
}

/* Add a string of two parts, the second after a `?`. */
static void add_parts(struct text *line, const char *key, struct json_slice value,
    struct json_slice more)
{
	if (value.text == NULL)
		return;
	add_key(line, key);
	text_add(line, "\"");
	add_bytes(line, value, false);
	if (more.text != NULL) {
		text_add(line, "?");
		add_bytes(line, more, false);
	}
	text_add(line, "\"");
}

static void add_string(struct text *line, const char *key, struct json_slice value)
{
	add_parts(line, key, value, (struct json_slice){ NULL, 0 });
}

/* Add the text of a JSON value, if it is a number that is not too long. */
static void add_number(struct text *line, const char *key, struct json_slice value)
{
	if (value.text == NULL || value.len == 0 || value.len > QUESTION_LEFT_MAX ||
	    (*value.text != '-' && (*value.text < '0' || *value.text > '9')))
		return;
	add_key(line, key);
	text_add_bytes(line, value.text, value.len);
}

static void add_id(struct text *line, const char *key, const uint8_t *id)
{
	if (id == NULL)
		return;
	add_key(line, key);
	text_add(line, "\"");
	text_add_hex(line, id, QUESTION_ID_SIZE);
	text_add(line, "\"");
}

static bool same_name(const struct question_header *one, const struct question_header *other)
{
	size_t i;

	if (one->name.len != other->name.len)
		return false;
	for (i = 0; i < one->name.len; i++) {
		if (lower((uint8_t)one->name.text[i]) != lower((uint8_t)other->name.text[i]))
			return false;
	}
	return true;
}

/* Add a header with the values of those that repeat it. */
static void add_header(struct text *line, const struct question_header *header,
    const struct question_header *end)
{
	const struct question_header *other;

	text_add(line, "\"");
	add_bytes(line, header->name, true);
	text_add(line, "\":\"");
	add_bytes(line, header->value, false);
	for (other = header + 1; other < end; other++) {
		if (same_name(header, other)) {
			text_add(line, ", ");
			add_bytes(line, other->value, false);
		}
	}
	text_add(line, "\"");
}

static void add_headers(struct text *line, const struct question_header *headers, size_t count)
{
	bool first = true;
	size_t i, before;

	text_add(line, ",\"headers\":{");
	for (i = 0; i < count; i++) {
		for (before = 0; before < i && !same_name(&headers[before], &headers[i]); before++)
			continue;
		if (before < i)
			continue;
		if (!first)
			text_add(line, ",");
		first = false;
		add_header(line, &headers[i], headers + count);
	}
	text_add(line, "}");
}

bool question_write(struct text *line, const struct question *question)
{
	text_add(line, "{\"id\":");
	text_add_number(line, question->id);
	text_add(line, ",\"action\":\"");
	text_add_json(line, question->action);
	text_add(line, "\"");
	add_id(line, "info_hash", question->info_hash);
	add_id(line, "peer_id", question->peer_id);
	add_string(line, "address", question->address);
	add_parts(line, "path", question->path, question->query);
	add_headers(line, question->headers, question->header_count);
	if (question->event != NULL) {
		text_add(line, ",\"event\":\"");
		text_add_json(line, question->event);
		text_add(line, "\"");
	}
	add_number(line, "left", question->left);
	text_add(line, "}");
	return !line->full;
}

bool question_event(struct text *line, const char *event,
    const uint8_t info_hash[static QUESTION_ID_SIZE],
    const uint8_t peer_id[static QUESTION_ID_SIZE], struct json_slice address, uint64_t dropped)
{
	text_add(line, "{\"event\":\"");
	text_add_json(line, event);
	text_add(line, "\"");
	add_id(line, "info_hash", info_hash);
	add_id(line, "peer_id", peer_id);
	add_string(line, "address", address);
	if (dropped > 0) {
		add_key(line, "dropped");
		text_add_number(line, dropped);
	}
	text_add(line, "}");
	return !line->full;
}

/* -- answers -------------------------------------------------------------------------------- */

/* Code points from 0x80 that are not seen, or change how what is around them is: controls, marks of
 * direction, line ends, variation, halves of pairs, private use, tags, and none at all. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{ 0x80, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c }, { 0x180e, 0x180e }, { 0x200b, 0x200f },
	{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xd800, 0xf8ff }, { 0xfdd0, 0xfdef },
	{ 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff }, { 0xfff0, 0xfffc }, { 0xfffe, 0xffff },
	{ 0xe0000, UINT32_MAX }
};

/* What is put in the place of a code point of a reason. */
static uint32_t point_printed(uint32_t point)
{
	size_t i;

	switch (point) {
	case '"': return '\'';
	case '\\': return '/';
	case '\t': case '\n': case '\r': return ' ';
	}
	if (point < ' ' || point == 0x7f)
		return '?';
	for (i = 0; i < sizeof unseen / sizeof unseen[0]; i++) {
		if (point >= unseen[i].first && point <= unseen[i].last)
			return '?';
	}
	return point;
}

static void reason_read(struct json_slice string, char out[static QUESTION_REASON_MAX])
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	struct text reason = { .start = out, .max = QUESTION_REASON_MAX - 1 };
	char bytes[JSON_POINT_MAX];

	while (at < end && !reason.full)
		text_add_bytes(&reason, bytes, json_point_write(point_printed(json_point(&at, end)),
		    bytes));
	out[reason.length] = '\0';
}

/* A number as questions have it, 0 if it is none. */
static uint64_t id_read(const struct json *json, uint32_t value)
{
	struct json_slice text;
	uint64_t id = 0;
	size_t i;

	if (!json_is_number(json, value))
		return 0;
	text = json_text(json, value);
	for (i = 0; i < text.len; i++) {
		if (text.text[i] < '0' || text.text[i] > '9')
			return 0;
		id = id * 10 + (uint64_t)(text.text[i] - '0');
		if (id > QUESTION_NUMBER_MAX)
			return 0;
	}
	return id;
}

static bool is_absent(const struct json *json, uint32_t value)
{
	return value == 0 || json_is_null(json, value);
}

static const char *members_read(const struct json *json, const uint32_t *values,
    struct question_answer *answer)
{
	uint32_t allow = values[1], reason = values[2], ttl = values[3];
	bool negative;

	answer->id = id_read(json, values[0]);
	if (answer->id == 0)
		return "its id is none of a question";
	answer->allow = json_is_true(json, allow);
	if (!answer->allow && !json_is_false(json, allow))
		return "its allow is neither true nor false";
	if (!is_absent(json, reason)) {
		if (!json_is(json, reason, JSON_STRING))
			return "its reason is no string";
		reason_read(json_text(json, reason), answer->reason);
	}
	if (!is_absent(json, ttl)) {
		negative = *json_text(json, ttl).text == '-';
		if (!json_is_number(json, ttl) ||
		    (negative && !json_number_is_zero(json_text(json, ttl))))
			return "its ttl is no number from 0";
		answer->ttl = json_number_floor(json_text(json, ttl));
		if (answer->ttl > QUESTION_TTL_MAX)
			answer->ttl = QUESTION_TTL_MAX;
	}
	return NULL;
}

const char *question_answer(const char *line, size_t length, struct question_answer *answer)
{
	static const struct json_word names[] = { JSON_WORD("id"), JSON_WORD("allow"),
		JSON_WORD("reason"), JSON_WORD("ttl") };
	struct json_token tokens[QUESTION_TOKENS_MAX];
	struct json json = { line, tokens };
	uint32_t values[5];

	*answer = (struct question_answer){ 0 };
	if (length > UINT32_MAX || json_scan(line, length, tokens, QUESTION_TOKENS_MAX) == 0)
		return "it is not one JSON object";
	json_members(&json, 0, names, 4, values);
	return members_read(&json, values, answer);
}
