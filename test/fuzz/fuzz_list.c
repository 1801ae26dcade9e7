/*
 * fuzz_list.c - lists of info_hashes: however a text is cut, it is the same set or the same error,
 * and a plain reading has the same.
 *
 * Two bytes say how long pieces are in turn, the rest is the text.
 */
#include "fuzz.h"

#include <strings.h>

#include "../../list.h"

/* -- a plain reading ------------------------------------------------------------------------ */

struct plain {
	uint8_t (*hashes)[LIST_HASH_SIZE];
	size_t count;
	unsigned long line;         /* the one that is wrong; 0: none is */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool plain_has(const struct plain *plain, const uint8_t *info_hash)
{
	size_t i;

	for (i = 0; i < plain->count; i++) {
		if (memcmp(plain->hashes[i], info_hash, LIST_HASH_SIZE) == 0)
			return true;
	}
	return false;
}

/* Digits of so many bits each, of an info_hash whole. */
static bool plain_digits(struct plain *plain, const char *text, size_t length, const char *digits,
    unsigned bits)
{
	uint8_t info_hash[LIST_HASH_SIZE] = { 0 };
	unsigned at = 0, bit;
	size_t i;

	if (length * bits != LIST_HASH_SIZE * 8)
		return false;
	for (i = 0; i < length; i++) {
		char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
		const char *digit = c != '\0' ? strchr(digits, c) : NULL;

		if (digit == NULL)
			return false;
		for (bit = bits; bit-- > 0; at++) {
			if ((digit - digits) >> bit & 1)
				info_hash[at / 8] |= (uint8_t)(0x80 >> at % 8);
		}
	}
	if (!plain_has(plain, info_hash))
		memcpy(plain->hashes[plain->count++], info_hash, LIST_HASH_SIZE);
	return true;
}

static bool plain_hex(struct plain *plain, const char *text, size_t length)
{
	return plain_digits(plain, text, length, "0123456789abcdef", 4);
}

/* Undo percent-encoding in place. Returns the length. */
static size_t plain_decode(char *text, size_t length)
{
	char *to = text, *end = text + length, pair[3] = "";
	static const char digits[] = "0123456789abcdefABCDEF";

	while (text < end) {
		if (*text == '%' && end - text > 2 && text[1] != '\0' && text[2] != '\0' &&
		    strchr(digits, text[1]) != NULL && strchr(digits, text[2]) != NULL) {
			memcpy(pair, text + 1, 2);
			*to++ = (char)strtoul(pair, NULL, 16);
			text += 3;
		} else {
			*to++ = *text++;
		}
	}
	return length - (size_t)(end - to);
}

/* A parameter. Returns -1 if it is wrong, 1 if it has an info_hash, else 0. */
static int plain_parameter(struct plain *plain, char *text, size_t length)
{
	size_t name = 0;

	while (name < length && text[name] != '=')
		name++;
	if (name == length || name < 2 || strncasecmp(text, "xt", 2) != 0)
		return 0;
	if (name > 2 && text[2] != '.')
		return 0;
	text += name + 1;
	length = plain_decode(text, length - name - 1);
	if (length < 9 || strncasecmp(text, "urn:btih:", 9) != 0)
		return 0;
	return plain_hex(plain, text + 9, length - 9) || plain_digits(plain, text + 9, length - 9,
	    "abcdefghijklmnopqrstuvwxyz234567", 5) ? 1 : -1;
}

static bool plain_magnet(struct plain *plain, char *text, size_t length)
{
	size_t start = 0, at;
	bool found = false;

	for (at = 0; at <= length; at++) {
		int is;

		if (at < length && text[at] != '&')
			continue;
		is = plain_parameter(plain, text + start, at - start);
		if (is < 0)
			return false;
		found |= is > 0;
		start = at + 1;
	}
	return found;
}

static bool plain_line(struct plain *plain, char *text, size_t length, bool first)
{
	size_t start = 0, i;

	if (length > LIST_LINE_MAX)
		return false;
	if (first && length > 2 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		start = 3;
	for (i = start; i < length; i++) {
		if (text[i] == '#' && (i == start || is_blank(text[i - 1])))
			length = i;
	}
	while (start < length && is_blank(text[start]))
		start++;
	while (length > start && is_blank(text[length - 1]))
		length--;
	text += start;
	length -= start;
	if (length > 7 && strncasecmp(text, "magnet:?", 8) == 0)
		return plain_magnet(plain, text + 8, length - 8);
	return length == 0 || plain_hex(plain, text, length);
}

static struct plain plain_read(const uint8_t *data, size_t size)
{
	struct plain plain = { .hashes = calloc(size / 32 + 1, LIST_HASH_SIZE) };
	char *text = text_copy(data, size), *line = text, *end = text + size;
	unsigned long number = 0;

	if (plain.hashes == NULL)
		abort();
	while (line < end && plain.line == 0) {
		char *next = memchr(line, '\n', (size_t)(end - line));

		if (next == NULL)
			next = end;
		number++;
		if (!plain_line(&plain, line, (size_t)(next - line), number == 1))
			plain.line = number;
		line = next + 1;
	}
	free(text);
	return plain;
}

/* -- the real one ------------------------------------------------------------------------ */

/* Load a text in pieces of two lengths in turn. */
static struct list *load(const uint8_t *data, size_t size, const size_t pieces[2], char *error)
{
	struct list_loader *loader;
	enum list_state state = LIST_MORE;
	struct list *list = NULL;
	size_t at = 0, piece;
	unsigned turn = 0;

	memset(error, 0xa5, LIST_ERROR_MAX);
	loader = list_loader_new_text(size, error);
	MUST(loader != NULL);
	for (; at < size && state == LIST_MORE; at += piece) {
		void *copy;

		piece = pieces[turn++ % 2];
		piece = piece < size - at ? piece : size - at;
		copy = exact_copy(data + at, piece);
		state = list_loader_add(loader, copy, piece, error);
		free(copy);
	}
	while (state == LIST_MORE)
		state = list_loader_end(loader, error);
	MUST(state == LIST_DONE || state == LIST_FAILED);
	if (state == LIST_DONE)
		list = list_loader_take(loader);
	list_loader_free(loader);
	return list;
}

static void check_set(const struct list *list, const struct plain *plain)
{
	uint8_t info_hash[LIST_HASH_SIZE] = { 0 };
	size_t i;

	MUST(list_count(list) == plain->count);
	MUST(list_memory(list) >= plain->count * (LIST_HASH_SIZE + 8));
	for (i = 0; i < plain->count; i++) {
		MUST(list_has(list, plain->hashes[i]));
		memcpy(info_hash, plain->hashes[i], sizeof info_hash);
		info_hash[i % LIST_HASH_SIZE] ^= (uint8_t)(1 << i % 8);
		MUST(list_has(list, info_hash) == plain_has(plain, info_hash));
	}
}

static void check_error(const char *error, unsigned long line)
{
	char start[40];

	snprintf(start, sizeof start, "line %lu: ", line);
	MUST(memchr(error, '\0', LIST_ERROR_MAX) != NULL);
	MUST(line > 0 && strncmp(error, start, strlen(start)) == 0);
}

int fuzz_list(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t first = input_byte(&input), second = input_byte(&input), i;
	size_t pieces[3][2] = { { input.left + 1, 1 }, { 1, 1 },
		{ first * first + 1, second + 1 } };
	char *error = malloc(LIST_ERROR_MAX), *before = malloc(LIST_ERROR_MAX);
	struct plain plain = plain_read(input.at, input.left);

	if (error == NULL || before == NULL)
		abort();
	for (i = 0; i < 3; i++) {
		struct list *list = load(input.at, input.left, pieces[i], error);

		MUST((list != NULL) == (plain.line == 0));
		if (list != NULL)
			check_set(list, &plain);
		else
			check_error(error, plain.line);
		if (list == NULL && i > 0)
			MUST(strcmp(error, before) == 0);
		memcpy(before, error, LIST_ERROR_MAX);
		list_free(list);
	}
	free(plain.hashes);
	free(error);
	free(before);
	return 0;
}
