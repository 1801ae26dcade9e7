/* json.c - see json.h */
#include "json.h"

/* ---- The grammar ---- */

struct scan {
	const uint8_t *text;
	const uint8_t *end;
	struct json_token *tokens;
	uint32_t count, max;    /* of them; and for how many there is room */
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

/* Which byte bears the lowest mark: the bytes up to it are counted by a multiplication. */
static unsigned first_stop(uint64_t stops)
{
	return (unsigned)(((((stops & (0 - stops)) - 1) & JSON_ONES) * JSON_ONES >> 56) - 1);
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
		stops = json_bytes_stops(json_bytes_load(at));
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

static JSON_INLINE const uint8_t *blanks_skip(const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

/* A token that begins at a place; NULL if there are too many. */
static JSON_INLINE struct json_token *scan_token(struct scan *scan, const uint8_t *at,
    enum json_kind kind)
{
	struct json_token *token = &scan->tokens[scan->count];

	if (scan->count == scan->max)
		return NULL;
	token->start = (uint32_t)(at - scan->text);
	token->after = ++scan->count;
	token->kind = (uint8_t)kind;
	return token;
}

static const uint8_t *scan_open(struct scan *scan, const uint8_t *at, enum json_kind kind)
{
	struct json_token *token = scan_token(scan, at, kind);

	if (token == NULL || scan->depth == JSON_DEPTH_MAX)
		return NULL;
	token->after = scan->open;
	scan->open = scan->count - 1;
	scan->depth++;
	scan->empty = true;
	return at + 1;
}

static const uint8_t *scan_close(struct scan *scan, const uint8_t *at)
{
	struct json_token *token = &scan->tokens[scan->open];

	scan->open = token->after;
	token->after = scan->count;
	token->end = (uint32_t)(at + 1 - scan->text);
	scan->depth--;
	scan->empty = false;
	return at + 1;
}

static JSON_INLINE const uint8_t *scan_string(struct scan *scan, const uint8_t *at)
{
	struct json_token *token = scan_token(scan, at + 1, JSON_STRING);
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
	struct json_token *token = scan_token(scan, at, JSON_PRIMITIVE);
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
	case '{': return scan_open(scan, at, JSON_OBJECT);
	case '[': return scan_open(scan, at, JSON_ARRAY);
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

/* What comes next in the innermost object or array: its end, or an entry with the comma before. */
static const uint8_t *scan_entry(struct scan *scan, const uint8_t *at)
{
	bool object = scan->tokens[scan->open].kind == JSON_OBJECT;

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

uint32_t json_scan(const char *text, size_t len, struct json_token *tokens, uint32_t max)
{
	struct scan scan = { .text = (const uint8_t *)text, .end = (const uint8_t *)text + len,
		.tokens = tokens, .max = max };
	const uint8_t *at = blanks_skip(scan.text, scan.end);

	if (at == scan.end || *at != '{')
		return 0;
	at = scan_open(&scan, at, JSON_OBJECT);
	while (at != NULL && scan.depth > 0) {
		at = blanks_skip(at, scan.end);
		if (at == scan.end)
			return 0;
		at = scan_entry(&scan, at);
	}
	return at != NULL && blanks_skip(at, scan.end) == scan.end ? scan.count : 0;
}

/* ---- Code points: escapes are whole, as the grammar was checked ---- */

static unsigned hex_value(uint8_t c)
{
	return is_digit(c) ? c - 0u - '0' : (c | 0x20u) - 'a' + 10;
}

static uint32_t hex4_value(const uint8_t *at)
{
	return hex_value(at[0]) << 12 | hex_value(at[1]) << 8 | hex_value(at[2]) << 4
	    | hex_value(at[3]);
}

uint32_t json_point_escaped(const uint8_t **at, const uint8_t *end)
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
		return JSON_NO_POINT;
	low = hex4_value(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return JSON_NO_POINT;
	*at = p + 12;
	return 0x10000 + ((point - 0xd800) << 10 | (low - 0xdc00));
}

uint32_t json_point_raw(const uint8_t **at, const uint8_t *end)
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
		return JSON_NO_POINT;
	}
	point = *p & (0x3fu >> more);
	for (i = 1; i <= more; i++)
		point = point << 6 | (p[i] & 0x3fu);
	*at = p + more + 1;
	return point;
}

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

size_t json_point_write(uint32_t point, char out[static JSON_POINT_MAX])
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

/* ---- Values ---- */

bool json_escaped_is(struct json_slice string, const struct json_word *word)
{
	const uint8_t *at = (const uint8_t *)string.text, *end = at + string.len;
	size_t i;

	for (i = 0; i < word->len && at < end; i++) {
		if (json_point(&at, end) != (uint8_t)word->text[i])
			return false;
	}
	return i == word->len && at == end;
}

uint32_t json_elements(const struct json *json, uint32_t array)
{
	uint32_t end = json->tokens[array].after, entry, count = 0;

	for (entry = array + 1; entry < end; entry = json->tokens[entry].after)
		count++;
	return count;
}

/* ---- Numbers ---- */

bool json_number_is_zero(struct json_slice number)
{
	size_t i;

	for (i = 0; i < number.len && number.text[i] != 'e' && number.text[i] != 'E'; i++) {
		if (number.text[i] >= '1' && number.text[i] <= '9')
			return false;
	}
	return true;
}

/* The number's exponent; what is beyond any text's length in digits is as good as infinite. */
static int64_t number_exponent(struct json_slice number)
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
uint32_t json_number_floor(struct json_slice number)
{
	const char *at = number.text, *end = at + number.len;
	uint64_t value = 0;
	int64_t places;

	if (json_number_is_zero(number))
		return 0;
	if (*at == '-')
		return JSON_NO_NUMBER;
	places = number_exponent(number);
	while (at < end && is_digit((uint8_t)*at)) {
		places++;
		at++;
	}
	at = number.text;
	for (; places > 0 && value < JSON_NO_NUMBER; places--) {
		if (at < end && *at == '.')
			at++;
		value *= 10;
		if (at < end && is_digit((uint8_t)*at))
			value += (uint64_t)(*at++ - '0');
	}
	return value < JSON_NO_NUMBER ? (uint32_t)value : JSON_NO_NUMBER;
}
