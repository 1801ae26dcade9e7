/* msg.c - see msg.h. JSON is RFC 8259. */
#include "msg.h"

#include <string.h>

/* ---- The grammar ----
 *
 * One pass checks it and notes where each value is: its tokens, in the order in which they begin. A
 * key is a token too, before its value's. */

enum kind { KIND_OBJECT, KIND_ARRAY, KIND_STRING, KIND_PRIMITIVE };

struct token {
	uint32_t start, end;    /* of its text; of a string's inside */
	uint32_t after;         /* the first token behind it and all that is in it */
	uint8_t kind;
	bool escaped;           /* a string with a backslash in it */
};

struct scan {
	const uint8_t *text;
	const uint8_t *end;
	struct token *tokens;
	uint32_t count;         /* of them; there is room for MSG_TOKENS_MAX */
	uint32_t open;          /* the innermost that is; its `after` is the one around it */
	unsigned depth;
	bool empty;             /* of that one nothing has been read yet */
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* These see every byte, and optimisation for size would leave them functions. */
#define INLINE inline __attribute__((always_inline))

#define ONES UINT64_C(0x0101010101010101)

/* The next 8 bytes, the first lowest: one load, on most machines. */
static INLINE uint64_t word_load(const uint8_t *at)
{
	return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16
	    | (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40
	    | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* Of such a word, mark with 0x80 the first (here the lowest) that is a quote, a backslash or
 * below 0x20. 0 if there is none. Above the first mark there may be false ones, made by the borrows
 * of the subtractions; a byte that gets no mark borrows nothing. */
static INLINE uint64_t word_stops(uint64_t word)
{
	uint64_t low = (word ^ (ONES * 2)) - ONES * 0x21; /* `"` becomes 0x20, 0x20 becomes `"` */
	uint64_t backslash = (word ^ (ONES * '\\')) - ONES;

	return (low | backslash) & ~word & (ONES * 0x80);
}

/* Which byte bears the lowest mark: the bytes up to it are counted by a multiplication. */
static unsigned first_stop(uint64_t stops)
{
	return (unsigned)(((((stops & (0 - stops)) - 1) & ONES) * ONES >> 56) - 1);
}

/* The skip and scan functions return where the thing ends, NULL if it is malformed. */

/* After the backslash. */
static const uint8_t *escape_skip(const uint8_t *at, const uint8_t *end)
{
	if (at == end)
		return NULL;
	switch (*at++) {
	case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
		return at;
	case 'u':
		if (end - at < 4 || !is_hex(at[0]) || !is_hex(at[1]) || !is_hex(at[2])
		    || !is_hex(at[3]))
			return NULL;
		return at + 4;
	default:
		return NULL;
	}
}

/* Over the plain bytes of a string: to a quote, a backslash, a control character or the end. */
static const uint8_t *plain_skip(const uint8_t *at, const uint8_t *end)
{
	uint64_t stops;

	while (end - at >= 8) {
		stops = word_stops(word_load(at));
		if (stops != 0)
			return at + first_stop(stops);
		at += 8;
	}
	while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return at;
}

static const uint8_t *digits_skip(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *start = at;

	while (at < end && is_digit(*at))
		at++;
	return at > start ? at : NULL;
}

static const uint8_t *number_skip(const uint8_t *at, const uint8_t *end)
{
	if (*at == '-')
		at++;
	if (at < end && *at == '0')
		at++;
	else
		at = digits_skip(at, end);
	if (at != NULL && at < end && *at == '.')
		at = digits_skip(at + 1, end);
	if (at != NULL && at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = digits_skip(at, end);
	}
	return at;
}

static const uint8_t *name_skip(const uint8_t *at, const uint8_t *end, const char *name, size_t len)
{
	return (size_t)(end - at) >= len && memcmp(at, name, len) == 0 ? at + len : NULL;
}

static INLINE const uint8_t *blanks_skip(const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* A token that begins at a place; NULL if there are too many. */
static INLINE struct token *scan_token(struct scan *scan, const uint8_t *at, enum kind kind)
{
	struct token *token = &scan->tokens[scan->count];

	if (scan->count == MSG_TOKENS_MAX)
		return NULL;
	token->start = (uint32_t)(at - scan->text);
	token->after = ++scan->count;
	token->kind = (uint8_t)kind;
	return token;
}

static const uint8_t *scan_open(struct scan *scan, const uint8_t *at, enum kind kind)
{
	struct token *token = scan_token(scan, at, kind);

	if (token == NULL || scan->depth == MSG_DEPTH_MAX)
		return NULL;
	token->after = scan->open;
	scan->open = scan->count - 1;
	scan->depth++;
	scan->empty = true;
	return at + 1;
}

static const uint8_t *scan_close(struct scan *scan, const uint8_t *at)
{
	struct token *token = &scan->tokens[scan->open];

	scan->open = token->after;
	token->after = scan->count;
	token->end = (uint32_t)(at + 1 - scan->text);
	scan->depth--;
	scan->empty = false;
	return at + 1;
}

static INLINE const uint8_t *scan_string(struct scan *scan, const uint8_t *at)
{
	struct token *token = scan_token(scan, at + 1, KIND_STRING);
	const uint8_t *end = scan->end;

	if (token == NULL)
		return NULL;
	token->escaped = false;
	for (at = plain_skip(at + 1, end); at < end && *at == '\\'; at = plain_skip(at, end)) {
		token->escaped = true;
		do {    /* most escapes are those of line ends, two at a time */
			at = escape_skip(at + 1, end);
		} while (at != NULL && at < end && *at == '\\');
		if (at == NULL)
			return NULL;
	}
	if (at == end || *at != '"')
		return NULL;
	token->end = (uint32_t)(at - scan->text);
	return at + 1;
}

/* A number, true, false or null. */
static const uint8_t *scan_primitive(struct scan *scan, const uint8_t *at)
{
	struct token *token = scan_token(scan, at, KIND_PRIMITIVE);
	const uint8_t *end = scan->end;

	switch (*at) {
	case 't':
		at = name_skip(at, end, "true", 4);
		break;
	case 'f':
		at = name_skip(at, end, "false", 5);
		break;
	case 'n':
		at = name_skip(at, end, "null", 4);
		break;
	default:
		at = number_skip(at, end);
	}
	if (token == NULL || at == NULL)
		return NULL;
	token->end = (uint32_t)(at - scan->text);
	return at;
}

/* A value; of an object or an array only its bracket. */
static const uint8_t *scan_value(struct scan *scan, const uint8_t *at)
{
	switch (*at) {
	case '"': return scan_string(scan, at);
	case '{': return scan_open(scan, at, KIND_OBJECT);
	case '[': return scan_open(scan, at, KIND_ARRAY);
	default: return scan_primitive(scan, at);
	}
}

/* A key, its colon, and the value. */
static const uint8_t *scan_member(struct scan *scan, const uint8_t *at)
{
	if (*at != '"')
		return NULL;
	at = scan_string(scan, at);
	if (at == NULL)
		return NULL;
	at = blanks_skip(at, scan->end);
	if (at == scan->end || *at != ':')
		return NULL;
	at = blanks_skip(at + 1, scan->end);
	return at < scan->end ? scan_value(scan, at) : NULL;
}

/* What comes next in the innermost object or array: its end, or an entry and the comma before it. */
static const uint8_t *scan_entry(struct scan *scan, const uint8_t *at)
{
	bool object = scan->tokens[scan->open].kind == KIND_OBJECT;

	if (*at == (object ? '}' : ']'))
		return scan_close(scan, at);
	if (!scan->empty) {
		if (*at != ',')
			return NULL;
		at = blanks_skip(at + 1, scan->end);
		if (at == scan->end)
			return NULL;
	}
	scan->empty = false;
	return object ? scan_member(scan, at) : scan_value(scan, at);
}

/* Find the tokens of a text: how many there are, 0 if it is not one JSON object within the limits. */
static uint32_t tokens_find(const char *text, size_t len, struct token *tokens)
{
	struct scan scan = { .text = (const uint8_t *)text, .end = (const uint8_t *)text + len,
		.tokens = tokens };
	const uint8_t *at = blanks_skip(scan.text, scan.end);

	if (at == scan.end || *at != '{')
		return 0;
	at = scan_open(&scan, at, KIND_OBJECT);
	while (at != NULL && scan.depth > 0) {
		at = blanks_skip(at, scan.end);
		if (at == scan.end)
			return 0;
		at = scan_entry(&scan, at);
	}
	return at != NULL && blanks_skip(at, scan.end) == scan.end ? scan.count : 0;
}

/* ---- Code points ----
 *
 * From here on escapes are known to be whole; UTF-8 is the caller's word, which is taken for
 * its meaning but not for where a string ends. */

#define POINT_LONE UINT32_MAX   /* half of a surrogate pair, or no UTF-8 */

static unsigned hex_value(uint8_t c)
{
	return is_digit(c) ? c - 0u - '0' : (c | 0x20u) - 'a' + 10;
}

static uint32_t hex4_value(const uint8_t *at)
{
	return hex_value(at[0]) << 12 | hex_value(at[1]) << 8 | hex_value(at[2]) << 4
	    | hex_value(at[3]);
}

/* *at is at the backslash. */
static uint32_t point_escaped(const uint8_t **at, const uint8_t *end)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	const uint8_t *p = *at;
	const char *letter;
	uint32_t point, low;

	if (p[1] != 'u') {
		*at = p + 2;
		letter = memchr(letters, p[1], sizeof letters - 1);
		return letter != NULL ? (uint8_t)meanings[letter - letters] : p[1];
	}
	*at = p + 6;
	point = hex4_value(p + 2);
	if (point < 0xd800 || point > 0xdfff)
		return point;
	if (point > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return POINT_LONE;
	low = hex4_value(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return POINT_LONE;
	*at = p + 12;
	return 0x10000 + ((point - 0xd800) << 10 | (low - 0xdc00));
}

/* The next code point of UTF-8; a backslash is a backslash. *at is before end. */
static uint32_t point_raw(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *p = *at;
	unsigned more, i;
	uint32_t point;

	if (*p < 0x80) {
		*at = p + 1;
		return *p;
	}
	more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
	if ((size_t)(end - p) <= more) {
		*at = end;
		return POINT_LONE;
	}
	point = *p & (0x3fu >> more);
	for (i = 1; i <= more; i++)
		point = point << 6 | (p[i] & 0x3fu);
	*at = p + more + 1;
	return point;
}

/* The next code point of the inside of a JSON string. *at is before end. */
static inline uint32_t point_next(const uint8_t **at, const uint8_t *end)
{
	if (**at < 0x80 && **at != '\\')
		return *(*at)++;
	return **at == '\\' ? point_escaped(at, end) : point_raw(at, end);
}

struct word {
	const char *text;       /* ASCII letters, digits and `_` only */
	size_t len;
};

#define WORD(text) { text, sizeof(text) - 1 }

/* Does the inside of a JSON string, which has escapes, mean this word? */
static bool escaped_is(struct msg_slice string, const struct word *word)
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	size_t i;

	for (i = 0; i < word->len && at < end; i++) {
		if (point_next(&at, end) != (uint8_t)word->text[i])
			return false;
	}
	return i == word->len && at == end;
}

/* Are these 20 bytes ASCII that JSON need not escape? The words overlap. */
static bool id_is_plain(const uint8_t *at)
{
	uint64_t a = word_load(at), b = word_load(at + 8), c = word_load(at + MSG_ID_SIZE - 8);

	return (word_stops(a) | word_stops(b) | word_stops(c)
	    | ((a | b | c) & (ONES * 0x80))) == 0;
}

static bool id_read(struct msg_slice string, uint8_t id[static MSG_ID_SIZE])
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	uint32_t point;
	size_t i;

	if (string.len == MSG_ID_SIZE && id_is_plain(at)) {
		memcpy(id, at, MSG_ID_SIZE);
		return true;
	}
	for (i = 0; i < MSG_ID_SIZE && at < end; i++) {
		/* Nearly all are ASCII, or the two bytes of U+0080 to U+00FF. */
		if (*at < 0x80 && *at != '\\') {
			id[i] = *at++;
		} else if ((*at & 0xfe) == 0xc2 && end - at >= 2) {
			id[i] = (uint8_t)(at[0] << 6 | (at[1] & 0x3f));
			at += 2;
		} else {
			point = point_next(&at, end);
			if (point > 0xff)
				return false;
			id[i] = (uint8_t)point;
		}
	}
	return i == MSG_ID_SIZE && at == end;
}

static bool offer_id_is_usable(struct msg_slice string, bool escaped)
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	size_t points;

	if (string.len <= MSG_OFFER_ID_MAX && !escaped)
		return true;
	for (points = 0; at < end; points++) {
		if (points == MSG_OFFER_ID_MAX || point_next(&at, end) == POINT_LONE)
			return false;
	}
	return true;
}

/* ---- Numbers: JSON text that begins with `-` or a digit ---- */

static bool number_is_zero(struct msg_slice number)
{
	size_t i;

	for (i = 0; i < number.len && number.text[i] != 'e' && number.text[i] != 'E'; i++) {
		if (number.text[i] >= '1' && number.text[i] <= '9')
			return false;
	}
	return true;
}

/* The number's exponent; what is beyond any message's length in digits is as good as infinite. */
static int64_t number_exponent(struct msg_slice number)
{
	const char *at = number.text, *end = at + number.len;
	int64_t exponent = 0;
	bool negative;

	while (at < end && *at != 'e' && *at != 'E')
		at++;
	if (at == end)
		return 0;
	at++;
	negative = *at == '-';
	if (negative || *at == '+')
		at++;
	for (; at < end && exponent < INT64_C(1000000000000); at++)
		exponent = exponent * 10 + (*at - '0');
	return negative ? -exponent : exponent;
}

/* The integer part, exactly: as many digits as stand before the point once the exponent has
 * moved it. A number that is not 0 has shown a digit other than 0 by the time its own digits are
 * used up, so that the zeros of the exponent reach the ceiling after ten. */
static uint32_t number_floor(struct msg_slice number)
{
	const char *at = number.text, *end = at + number.len;
	uint64_t value = 0;
	int64_t places;

	if (number_is_zero(number))
		return 0;
	if (*at == '-')
		return MSG_NUMWANT_ALL;
	places = number_exponent(number);
	while (at < end && is_digit((uint8_t)*at)) {
		places++;
		at++;
	}
	at = number.text;
	for (; places > 0 && value < MSG_NUMWANT_ALL; places--) {
		if (at < end && *at == '.')
			at++;
		value *= 10;
		if (at < end && is_digit((uint8_t)*at))
			value += (uint64_t)(*at++ - '0');
	}
	return value < MSG_NUMWANT_ALL ? (uint32_t)value : MSG_NUMWANT_ALL;
}

/* ---- Values: tokens by their index. 0 is the message itself, as a value it means absent. ---- */

struct reader {
	const char *text;
	const struct token *tokens;
};

/* The text of a value; of a string its inside. */
static struct msg_slice value_text(const struct reader *reader, uint32_t value)
{
	const struct token *token = &reader->tokens[value];

	return (struct msg_slice){ reader->text + token->start,
	    token->end - token->start };
}

/* The text of a value; of a string with its quotes. */
static struct msg_slice value_json(const struct reader *reader, uint32_t value)
{
	struct msg_slice slice = value_text(reader, value);

	if (reader->tokens[value].kind == KIND_STRING) {
		slice.text--;
		slice.len += 2;
	}
	return slice;
}

static bool value_is(const struct reader *reader, uint32_t value, enum kind kind)
{
	return value != 0 && reader->tokens[value].kind == kind;
}

static bool value_is_null(const struct reader *reader, uint32_t value)
{
	return value_is(reader, value, KIND_PRIMITIVE) && value_text(reader, value).text[0] == 'n';
}

static bool value_is_number(const struct reader *reader, uint32_t value)
{
	char first;

	if (!value_is(reader, value, KIND_PRIMITIVE))
		return false;
	first = value_text(reader, value).text[0];
	return first == '-' || is_digit((uint8_t)first);
}

/* Which of the words does a string mean? Returns count if none. */
static INLINE size_t string_word(const struct reader *reader, uint32_t string,
    const struct word *words, size_t count)
{
	struct msg_slice text = value_text(reader, string);
	size_t i;

	for (i = 0; i < count; i++) {
		if (text.len == words[i].len && *text.text == *words[i].text
		    && memcmp(text.text, words[i].text, text.len) == 0)
			return i;
	}
	if (!reader->tokens[string].escaped)
		return count;
	for (i = 0; i < count && !escaped_is(text, &words[i]); i++)
		;
	return i;
}

/* The same of a value of any kind. */
static size_t value_word(const struct reader *reader, uint32_t value, const struct word *words,
    size_t count)
{
	return value_is(reader, value, KIND_STRING) ?
	    string_word(reader, value, words, count) : count;
}

static bool value_is_id(const struct reader *reader, uint32_t value, uint8_t id[static MSG_ID_SIZE])
{
	return value_is(reader, value, KIND_STRING) && id_read(value_text(reader, value), id);
}

static unsigned value_entries(const struct reader *reader, uint32_t array)
{
	uint32_t end = reader->tokens[array].after, entry;
	unsigned count = 0;

	for (entry = array + 1; entry < end; entry = reader->tokens[entry].after)
		count++;
	return count;
}

/* Find an object's members by their names, the last of each. values[i] becomes the value of
 * names[i], 0 if there is none. values has one element more than names, for all others. */
static void members_find(const struct reader *reader, uint32_t object, const struct word *names,
    size_t count, uint32_t *values)
{
	uint32_t end = reader->tokens[object].after, at;

	memset(values, 0, (count + 1) * sizeof *values);
	for (at = object + 1; at < end; at = reader->tokens[at + 1].after)
		values[string_word(reader, at, names, count)] = at + 1;
}

/* ---- Messages ---- */

enum field {
	FIELD_ACTION, FIELD_INFO_HASH, FIELD_PEER_ID, FIELD_EVENT, FIELD_LEFT, FIELD_NUMWANT,
	FIELD_OFFERS, FIELD_ANSWER, FIELD_TO_PEER_ID, FIELD_OFFER_ID, FIELD_COUNT
};

static const struct word field_names[FIELD_COUNT] = {
	[FIELD_ACTION] = WORD("action"),
	[FIELD_INFO_HASH] = WORD("info_hash"),
	[FIELD_PEER_ID] = WORD("peer_id"),
	[FIELD_EVENT] = WORD("event"),
	[FIELD_LEFT] = WORD("left"),
	[FIELD_NUMWANT] = WORD("numwant"),
	[FIELD_OFFERS] = WORD("offers"),
	[FIELD_ANSWER] = WORD("answer"),
	[FIELD_TO_PEER_ID] = WORD("to_peer_id"),
	[FIELD_OFFER_ID] = WORD("offer_id")
};

/* An offer or an answer: body an object with a string `sdp`, offer_id a short string. */
static bool offer_read(const struct reader *reader, uint32_t body, uint32_t offer_id,
    struct msg_offer *offer)
{
	static const struct word sdp = WORD("sdp");
	uint32_t values[2];

	if (!value_is(reader, body, KIND_OBJECT) || !value_is(reader, offer_id, KIND_STRING)
	    || !offer_id_is_usable(value_text(reader, offer_id),
	    reader->tokens[offer_id].escaped))
		return false;
	members_find(reader, body, &sdp, 1, values);
	if (!value_is(reader, values[0], KIND_STRING))
		return false;
	offer->body = value_json(reader, body);
	offer->offer_id = value_json(reader, offer_id);
	return true;
}

static void offers_read(const struct reader *reader, uint32_t array, struct msg *msg)
{
	static const struct word names[] = { WORD("offer"), WORD("offer_id") };
	uint32_t entry, end, values[3];

	if (!value_is(reader, array, KIND_ARRAY))
		return;
	end = reader->tokens[array].after;
	for (entry = array + 1; entry < end && msg->offer_count < MSG_OFFERS_MAX;
	    entry = reader->tokens[entry].after) {
		if (!value_is(reader, entry, KIND_OBJECT))
			continue;
		members_find(reader, entry, names, 2, values);
		if (offer_read(reader, values[0], values[1], &msg->offers[msg->offer_count]))
			msg->offer_count++;
	}
}

static enum msg_event event_read(const struct reader *reader, uint32_t value)
{
	static const struct word words[] = { WORD("started"), WORD("completed"), WORD("stopped") };
	static const enum msg_event events[] = { MSG_STARTED, MSG_COMPLETED, MSG_STOPPED,
	    MSG_UPDATE };

	return events[value_word(reader, value, words, 3)];
}

static bool left_read(const struct reader *reader, uint32_t value)
{
	static const struct word zero = WORD("0");

	if (value_is_number(reader, value))
		return number_is_zero(value_text(reader, value));
	return value_word(reader, value, &zero, 1) == 0;
}

static enum msg_fault announce_read(const struct reader *reader, const uint32_t *fields,
    struct msg *msg)
{
	uint32_t answer = fields[FIELD_ANSWER];

	if (!msg->has_info_hash)
		return MSG_BAD_INFO_HASH;
	if (!value_is_id(reader, fields[FIELD_PEER_ID], msg->peer_id))
		return MSG_BAD_PEER_ID;
	msg->has_answer = answer != 0 && !value_is_null(reader, answer);
	if (msg->has_answer) {
		if (!value_is_id(reader, fields[FIELD_TO_PEER_ID], msg->to_peer_id))
			return MSG_BAD_TO_PEER_ID;
		msg->answer_usable = offer_read(reader, answer, fields[FIELD_OFFER_ID],
		    &msg->answer);
	}
	msg->event = event_read(reader, fields[FIELD_EVENT]);
	msg->left_is_zero = left_read(reader, fields[FIELD_LEFT]);
	if (fields[FIELD_LEFT] != 0)
		msg->left = value_json(reader, fields[FIELD_LEFT]);
	if (value_is_number(reader, fields[FIELD_NUMWANT]))
		msg->numwant = number_floor(value_text(reader, fields[FIELD_NUMWANT]));
	offers_read(reader, fields[FIELD_OFFERS], msg);
	return MSG_OK;
}

static enum msg_fault scrape_read(const struct reader *reader, uint32_t info_hash, struct msg *msg)
{
	uint32_t entry, end;

	if (info_hash == 0 || value_is_null(reader, info_hash)) {
		msg->all = true;
		return MSG_OK;
	}
	if (msg->has_info_hash) {
		memcpy(msg->hashes[0], msg->info_hash, MSG_ID_SIZE);
		msg->hash_count = 1;
		return MSG_OK;
	}
	if (!value_is(reader, info_hash, KIND_ARRAY))
		return MSG_BAD_INFO_HASH;
	if (value_entries(reader, info_hash) > MSG_HASHES_MAX)
		return MSG_TOO_MANY_HASHES;
	end = reader->tokens[info_hash].after;
	for (entry = info_hash + 1; entry < end; entry++) {
		/* An entry that holds others is no id, so all that are met are the array's own. */
		if (!value_is_id(reader, entry, msg->hashes[msg->hash_count]))
			return MSG_BAD_INFO_HASH;
		msg->hash_count++;
	}
	return MSG_OK;
}

static enum msg_fault message_read(const struct reader *reader, struct msg *msg)
{
	static const struct word actions[] = { WORD("announce"), WORD("scrape") };
	uint32_t fields[FIELD_COUNT + 1];

	members_find(reader, 0, field_names, FIELD_COUNT, fields);
	if (fields[FIELD_ACTION] != 0)
		msg->action_text = value_json(reader, fields[FIELD_ACTION]);
	msg->has_info_hash = value_is_id(reader, fields[FIELD_INFO_HASH], msg->info_hash);
	switch (value_word(reader, fields[FIELD_ACTION], actions, 2)) {
	case 0:
		msg->action = MSG_ANNOUNCE;
		return announce_read(reader, fields, msg);
	case 1:
		msg->action = MSG_SCRAPE;
		return scrape_read(reader, fields[FIELD_INFO_HASH], msg);
	default:
		return MSG_BAD_ACTION;
	}
}

static void msg_init(struct msg *msg)
{
	msg->action = MSG_NO_ACTION;
	msg->has_info_hash = false;
	msg->action_text = (struct msg_slice){ NULL, 0 };
	msg->event = MSG_UPDATE;
	msg->left_is_zero = false;
	msg->left = (struct msg_slice){ NULL, 0 };
	msg->has_answer = false;
	msg->answer_usable = false;
	msg->numwant = MSG_NUMWANT_ALL;
	msg->offer_count = 0;
	msg->all = false;
	msg->hash_count = 0;
}

size_t msg_scratch_size(void)
{
	return MSG_TOKENS_MAX * sizeof(struct token);
}

enum msg_fault msg_parse(struct msg *msg, const char *text, size_t len, void *scratch)
{
	struct reader reader = { text, scratch };

	msg_init(msg);
	msg->fault = MSG_BAD_JSON;
	if (len <= UINT32_MAX && tokens_find(text, len, scratch) > 0)
		msg->fault = message_read(&reader, msg);
	return msg->fault;
}

/* ---- Text to send ---- */

/* Write an escape, if the code point needs one. Returns its length or 0. */
static size_t escape_write(uint32_t point, char *out)
{
	static const char digits[] = "0123456789abcdef", letters[] = "btn.fr";

	if (point >= 0x20 && point != '"' && point != '\\')
		return 0;
	out[0] = '\\';
	out[1] = (char)point;
	if (point >= 0x20)
		return 2;
	if (point >= '\b' && point <= '\r' && point != '\v') {
		out[1] = letters[point - '\b'];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = digits[point >> 4];
	out[5] = digits[point & 15];
	return 6;
}

/* Write a code point of a JSON string, at most 6 bytes. Returns how many. */
static size_t point_write(uint32_t point, char *out)
{
	size_t len = escape_write(point, out), i;

	if (len > 0)
		return len;
	if (point < 0x80) {
		out[0] = (char)point;
		return 1;
	}
	len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
	for (i = len - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (point & 0x3f));
		point >>= 6;
	}
	out[0] = (char)((0xf00u >> len & 0xf0) | point);
	return len;
}

size_t msg_id_text(const uint8_t id[static MSG_ID_SIZE], char out[static MSG_ID_TEXT_MAX])
{
	size_t len = 0, i;

	if (id_is_plain(id)) {
		memcpy(out, id, MSG_ID_SIZE);
		return MSG_ID_SIZE;
	}
	for (i = 0; i < MSG_ID_SIZE; i++)
		len += point_write(id[i], out + len);
	return len;
}

#define ACTION_POINTS_MAX 32

size_t msg_action_text(const struct msg *msg, char out[static MSG_ACTION_TEXT_MAX])
{
	static const char absent[] = "undefined";
	const uint8_t *at = (const uint8_t *)msg->action_text.text, *end;
	size_t len = 0, points;
	uint32_t point;
	bool string;

	if (at == NULL) {
		memcpy(out, absent, sizeof absent);
		return sizeof absent - 1;
	}
	end = at + msg->action_text.len;
	string = *at == '"';
	if (string) {
		at++;
		end--;
	}
	for (points = 0; points < ACTION_POINTS_MAX && at < end; points++) {
		point = string ? point_next(&at, end) : point_raw(&at, end);
		len += point_write(point == POINT_LONE ? 0xfffd : point, out + len);
	}
	out[len] = '\0';
	return len;
}
