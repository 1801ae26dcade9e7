/*
 * json.h - JSON (RFC 8259): the grammar in one pass, and what values mean.
 *
 * Pure: no socket, no clock, no allocation. json_scan checks a whole text and notes where each
 * value is; from then on a value is the number of its token, and all that is taken out of the text
 * are slices of it. Escapes are decoded only where something is compared or read. UTF-8 is the
 * caller's word: what is not UTF-8 may mean anything, but reads nothing outside of the text.
 *
 * What sees every byte is here as inline functions.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_DEPTH_MAX 32           /* nesting; the outermost object is level 1 */
#define JSON_POINT_MAX 6            /* bytes that a code point takes, written */
#define JSON_NO_POINT UINT32_MAX    /* half of a surrogate pair, or no UTF-8 */
#define JSON_NO_NUMBER UINT32_MAX   /* less than 0, or more than a uint32_t holds */

/* Optimisation for size would leave these functions. */
#define JSON_INLINE inline __attribute__((always_inline))

struct json_slice {
	const char *text;           /* not terminated */
	size_t len;
};

/* A text to compare with. */
struct json_word {
	const char *text;           /* ASCII letters, digits and `_` only, at least one */
	size_t len;
};

#define JSON_WORD(text) { text, sizeof(text) - 1 }

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_PRIMITIVE };

/* A value or a key. They stand in the order in which they begin: a key before its value, an object
 * or array before all that is in it. */
struct json_token {
	uint32_t start, end;        /* of its text; of a string's inside */
	uint32_t after;             /* the first token behind it and all that is in it */
	uint8_t kind;               /* enum json_kind */
	bool escaped;               /* a string with a backslash in it */
};

/* A text that json_scan has found right. Value 0 is all of it; where a member may be absent, 0
 * means that it is. */
struct json {
	const char *text;
	const struct json_token *tokens;
};

/*
 * Check len bytes (at most UINT32_MAX) and find their tokens. Returns how many there are: 0 if the
 * text is not exactly one JSON object with blanks around it, is nested over JSON_DEPTH_MAX or has
 * over max tokens. Only as many tokens are touched as there are.
 */
uint32_t json_scan(const char *text, size_t len, struct json_token *tokens, uint32_t max);

/* ---- Values ---- */

/* The text of a value; of a string its inside. */
static inline struct json_slice json_text(const struct json *json, uint32_t value)
{
	const struct json_token *token = &json->tokens[value];

	return (struct json_slice){ json->text + token->start, token->end - token->start };
}

/* The text of a value; of a string with its quotes. */
static inline struct json_slice json_whole(const struct json *json, uint32_t value)
{
	struct json_slice slice = json_text(json, value);

	if (json->tokens[value].kind == JSON_STRING) {
		slice.text--;
		slice.len += 2;
	}
	return slice;
}

/* Is there such a member, of this kind? */
static inline bool json_is(const struct json *json, uint32_t value, enum json_kind kind)
{
	return value != 0 && json->tokens[value].kind == kind;
}

static inline bool json_is_null(const struct json *json, uint32_t value)
{
	return json_is(json, value, JSON_PRIMITIVE) && *json_text(json, value).text == 'n';
}

static inline bool json_is_true(const struct json *json, uint32_t value)
{
	return json_is(json, value, JSON_PRIMITIVE) && *json_text(json, value).text == 't';
}

static inline bool json_is_false(const struct json *json, uint32_t value)
{
	return json_is(json, value, JSON_PRIMITIVE) && *json_text(json, value).text == 'f';
}

static inline bool json_is_number(const struct json *json, uint32_t value)
{
	char first;

	if (!json_is(json, value, JSON_PRIMITIVE))
		return false;
	first = *json_text(json, value).text;
	return first == '-' || (first >= '0' && first <= '9');
}

/* Does the inside of a string, which has escapes, mean this word? */
bool json_escaped_is(struct json_slice string, const struct json_word *word);

/* Which of the words does a string or a key mean? Returns count if none. */
static JSON_INLINE size_t json_string_word(const struct json *json, uint32_t string,
    const struct json_word *words, size_t count)
{
	struct json_slice text = json_text(json, string);
	size_t i;

	for (i = 0; i < count; i++) {
		if (text.len == words[i].len && *text.text == *words[i].text
		    && memcmp(text.text, words[i].text, text.len) == 0)
			return i;
	}
	if (!json->tokens[string].escaped)
		return count;
	for (i = 0; i < count && !json_escaped_is(text, &words[i]); i++)
		;
	return i;
}

/* The same of a value of any kind. */
static inline size_t json_word(const struct json *json, uint32_t value,
    const struct json_word *words, size_t count)
{
	return json_is(json, value, JSON_STRING) ?
	    json_string_word(json, value, words, count) : count;
}

/* How many elements an array has. */
uint32_t json_elements(const struct json *json, uint32_t array);

/* Find an object's members by their names, the last of each. values[i] becomes the value of
 * names[i], 0 if there is none. values has one element more than names, for all others. */
static inline void json_members(const struct json *json, uint32_t object,
    const struct json_word *names, size_t count, uint32_t *values)
{
	uint32_t end = json->tokens[object].after, at;

	memset(values, 0, (count + 1) * sizeof *values);
	for (at = object + 1; at < end; at = json->tokens[at + 1].after)
		values[json_string_word(json, at, names, count)] = at + 1;
}

/* ---- Numbers: the text of a value that is one ---- */

bool json_number_is_zero(struct json_slice number);

/* The integer part, exactly; JSON_NO_NUMBER if the number is less than 0 (-0 is not) or the
 * integer part not below that. */
uint32_t json_number_floor(struct json_slice number);

/* ---- Code points of a string's inside: *at is before end, and moves past what is read ---- */

/* The one behind a backslash at *at. */
uint32_t json_point_escaped(const uint8_t **at, const uint8_t *end);

/* The next one, in UTF-8; a backslash is a backslash. */
uint32_t json_point_raw(const uint8_t **at, const uint8_t *end);

static inline uint32_t json_point(const uint8_t **at, const uint8_t *end)
{
	if (**at < 0x80 && **at != '\\')
		return *(*at)++;
	return **at == '\\' ? json_point_escaped(at, end) : json_point_raw(at, end);
}

/* Write a code point of a string: `"`, `\` and U+0000 to U+001F escaped, the rest as UTF-8.
 * Returns how many bytes. */
size_t json_point_write(uint32_t point, char out[static JSON_POINT_MAX]);

/* ---- Eight bytes at a time ---- */

#define JSON_ONES UINT64_C(0x0101010101010101)

/* The next 8 bytes, the first lowest: one load, on most machines. */
static JSON_INLINE uint64_t json_bytes_load(const uint8_t *at)
{
	return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16
	    | (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40
	    | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* Of such bytes, mark with 0x80 the first (here the lowest) that is a quote, a backslash or
 * below 0x20. 0 if there is none. Above the first mark there may be false ones, made by the borrows
 * of the subtractions; a byte that gets no mark borrows nothing. */
static JSON_INLINE uint64_t json_bytes_stops(uint64_t bytes)
{
	/* `"` becomes 0x20, 0x20 becomes `"` */
	uint64_t low = (bytes ^ (JSON_ONES * 2)) - JSON_ONES * 0x21;
	uint64_t backslash = (bytes ^ (JSON_ONES * '\\')) - JSON_ONES;

	return (low | backslash) & ~bytes & (JSON_ONES * 0x80);
}

#endif
