/*
 * tree.h - JSON (RFC 8259) read into a tree: another way of what json.c does, to compare with.
 */
#ifndef FUZZ_TREE_H
#define FUZZ_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_DEPTH_MAX 32       /* deeper is taken for no JSON */

enum tree_kind { TREE_NULL, TREE_TRUE, TREE_FALSE, TREE_NUMBER, TREE_STRING, TREE_ARRAY,
	TREE_OBJECT };

struct tree {
	enum tree_kind kind;
	const char *text;           /* as it is written, a string with its quotes */
	size_t length;
	/* of a string: its code points, half a surrogate pair as it is */
	uint32_t *points;
	size_t count;
	struct tree *key;           /* of a member of an object */
	struct tree *child, *next;  /* first element or member; the one after this */
};

/* Read a text of valid UTF-8. NULL if it is no JSON; else tree_free is due. */
struct tree *tree_read(const char *text, size_t length);
void tree_free(struct tree *json);

/* How many values and keys there are. */
size_t tree_tokens(const struct tree *json);

/* The last member of that name, NULL if there is none or it is no object. */
const struct tree *tree_member(const struct tree *json, const char *name);

/* Is this a string that means that word? NULL is none. */
bool tree_is(const struct tree *json, const char *word);

#endif
