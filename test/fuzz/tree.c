/* tree.c - see tree.h */
#include "tree.h"

#include <stdlib.h>
#include <string.h>

struct reading {
	const char *at, *end;
	unsigned depth;
};

static struct tree *value_read(struct reading *reading);

static void blanks_pass(struct reading *reading)
{
	while (reading->at < reading->end && *reading->at != '\0' &&
	    strchr(" \t\r\n", *reading->at) != NULL)
		reading->at++;
}

static bool next_is(const struct reading *reading, char byte)
{
	return reading->at < reading->end && *reading->at == byte;
}

static bool pass(struct reading *reading, char byte)
{
	if (!next_is(reading, byte))
		return false;
	reading->at++;
	return true;
}

static struct tree *tree_new(enum tree_kind kind, const char *text)
{
	struct tree *json = calloc(1, sizeof *json);

	if (json == NULL)
		abort();
	json->kind = kind;
	json->text = text;
	return json;
}

void tree_free(struct tree *json)
{
	struct tree *next;

	for (; json != NULL; json = next) {
		next = json->next;
		tree_free(json->key);
		tree_free(json->child);
		free(json->points);
		free(json);
	}
}

/* Four hexadecimal digits. */
static bool unit_read(struct reading *reading, uint32_t *unit)
{
	char digits[5] = { 0 };
	char *end;

	if (reading->end - reading->at < 4)
		return false;
	memcpy(digits, reading->at, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return false;
	*unit = (uint32_t)strtoul(digits, &end, 16);
	reading->at += 4;
	return true;
}

/* What follows a backslash. */
static bool escape_read(struct reading *reading, uint32_t *point)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	struct reading ahead;
	const char *letter;
	uint32_t low;

	if (pass(reading, 'u')) {
		if (!unit_read(reading, point))
			return false;
		ahead = *reading;
		if (*point >= 0xd800 && *point < 0xdc00 && pass(&ahead, '\\') &&
		    pass(&ahead, 'u') && unit_read(&ahead, &low) && low >= 0xdc00 &&
		    low < 0xe000) {
			*point = 0x10000 + (*point - 0xd800) * 0x400 + (low - 0xdc00);
			*reading = ahead;
		}
		return true;
	}
	if (reading->at == reading->end || *reading->at == '\0')
		return false;
	letter = strchr(letters, *reading->at);
	if (letter == NULL)
		return false;
	reading->at++;
	*point = (uint8_t)meanings[letter - letters];
	return true;
}

static bool point_read(struct reading *reading, uint32_t *point)
{
	uint8_t lead;
	int more;

	if (reading->at == reading->end)
		return false;
	lead = (uint8_t)*reading->at++;
	if (lead < 0x20)
		return false;
	if (lead == '\\')
		return escape_read(reading, point);
	more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
	*point = more == 0 ? lead : lead & (0x3fu >> more);
	for (; more > 0 && reading->at < reading->end; more--)
		*point = *point * 64 + ((uint8_t)*reading->at++ & 0x3fu);
	return more == 0;
}

/* At least as many bytes as the string that begins here has code points. */
static size_t string_bound(const struct reading *reading)
{
	const char *at = reading->at + 1;

	while (at < reading->end && *at != '"')
		at += *at == '\\' ? 2 : 1;
	return (size_t)(at - reading->at);
}

static struct tree *string_read(struct reading *reading)
{
	struct tree *json = tree_new(TREE_STRING, reading->at);

	json->points = malloc(string_bound(reading) * sizeof(uint32_t));
	if (json->points == NULL)
		abort();
	reading->at++;
	while (!pass(reading, '"')) {
		if (!point_read(reading, &json->points[json->count])) {
			tree_free(json);
			return NULL;
		}
		json->count++;
	}
	return json;
}

static size_t digits_pass(struct reading *reading)
{
	const char *start = reading->at;

	while (reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9')
		reading->at++;
	return (size_t)(reading->at - start);
}

static struct tree *number_read(struct reading *reading)
{
	const char *start = reading->at;

	(void)pass(reading, '-');
	if (!pass(reading, '0') && digits_pass(reading) == 0)
		return NULL;
	if (pass(reading, '.') && digits_pass(reading) == 0)
		return NULL;
	if (pass(reading, 'e') || pass(reading, 'E')) {
		if (!pass(reading, '+'))
			(void)pass(reading, '-');
		if (digits_pass(reading) == 0)
			return NULL;
	}
	return tree_new(TREE_NUMBER, start);
}

static struct tree *word_read(struct reading *reading)
{
	static const char *const words[] = { "null", "true", "false" };
	static const enum tree_kind kinds[] = { TREE_NULL, TREE_TRUE, TREE_FALSE };
	const char *start = reading->at;
	size_t i, length;

	for (i = 0; i < 3; i++) {
		length = strlen(words[i]);
		if ((size_t)(reading->end - start) >= length &&
		    memcmp(start, words[i], length) == 0) {
			reading->at += length;
			return tree_new(kinds[i], start);
		}
	}
	return NULL;
}

/* A key, its colon, and the value. */
static struct tree *member_read(struct reading *reading)
{
	struct tree *key, *value = NULL;

	blanks_pass(reading);
	if (!next_is(reading, '"'))
		return NULL;
	key = string_read(reading);
	if (key == NULL)
		return NULL;
	blanks_pass(reading);
	if (pass(reading, ':'))
		value = value_read(reading);
	if (value == NULL)
		tree_free(key);
	else
		value->key = key;
	return value;
}

static struct tree *group_read(struct reading *reading, enum tree_kind kind)
{
	struct tree *json = tree_new(kind, reading->at++), **last = &json->child;
	char end = kind == TREE_OBJECT ? '}' : ']';

	if (++reading->depth > TREE_DEPTH_MAX)
		goto bad;
	blanks_pass(reading);
	if (!pass(reading, end)) {
		do {
			*last = kind == TREE_OBJECT ? member_read(reading) : value_read(reading);
			if (*last == NULL)
				goto bad;
			last = &(*last)->next;
			blanks_pass(reading);
		} while (pass(reading, ','));
		if (!pass(reading, end))
			goto bad;
	}
	reading->depth--;
	return json;
bad:
	tree_free(json);
	return NULL;
}

static struct tree *value_read(struct reading *reading)
{
	struct tree *json;

	blanks_pass(reading);
	if (next_is(reading, '{'))
		json = group_read(reading, TREE_OBJECT);
	else if (next_is(reading, '['))
		json = group_read(reading, TREE_ARRAY);
	else if (next_is(reading, '"'))
		json = string_read(reading);
	else if (reading->at < reading->end && (*reading->at == '-' ||
	    (*reading->at >= '0' && *reading->at <= '9')))
		json = number_read(reading);
	else
		json = word_read(reading);
	if (json != NULL)
		json->length = (size_t)(reading->at - json->text);
	return json;
}

struct tree *tree_read(const char *text, size_t length)
{
	struct reading reading = { text, text + length, 0 };
	struct tree *json = value_read(&reading);

	if (json == NULL)
		return NULL;
	blanks_pass(&reading);
	if (reading.at == reading.end)
		return json;
	tree_free(json);
	return NULL;
}

size_t tree_tokens(const struct tree *json)
{
	size_t tokens = 0;

	for (; json != NULL; json = json->next)
		tokens += (json->key != NULL ? 2u : 1u) + tree_tokens(json->child);
	return tokens;
}

bool tree_is(const struct tree *json, const char *word)
{
	size_t i;

	if (json == NULL || json->kind != TREE_STRING || json->count != strlen(word))
		return false;
	for (i = 0; i < json->count; i++) {
		if (json->points[i] != (uint8_t)word[i])
			return false;
	}
	return true;
}

const struct tree *tree_member(const struct tree *json, const char *name)
{
	const struct tree *member, *found = NULL;

	if (json == NULL || json->kind != TREE_OBJECT)
		return NULL;
	for (member = json->child; member != NULL; member = member->next) {
		if (tree_is(member->key, name))
			found = member;
	}
	return found;
}
