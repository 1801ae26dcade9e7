/*
 * json.h - JSON (RFC 8259) read into a tree: another way of what msg.c does, to compare with.
 */
#ifndef FUZZ_JSON_H
#define FUZZ_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 32       /* deeper is taken for no JSON */

enum json_kind { JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_NUMBER, JSON_STRING, JSON_ARRAY,
	JSON_OBJECT };

struct json {
	enum json_kind kind;
	const char *text;           /* as it is written, a string with its quotes */
	size_t length;
	/* of a string: its code points, half a surrogate pair as it is */
	uint32_t *points;
	size_t count;
	struct json *key;           /* of a member of an object */
	struct json *child, *next;  /* first element or member; the one after this */
};

/* Read a text of valid UTF-8. NULL if it is no JSON; else json_free is due. */
struct json *json_read(const char *text, size_t length);
void json_free(struct json *json);

/* How many values and keys there are. */
size_t json_tokens(const struct json *json);

/* The last member of that name, NULL if there is none or it is no object. */
const struct json *json_member(const struct json *json, const char *name);

/* Is this a string that means that word? NULL is none. */
bool json_is(const struct json *json, const char *word);

#endif
