/*
 * text.h - putting text together in memory of a fixed size.
 *
 * What does not fit is left out whole (never a part of one addition), and `full` says so from then
 * on. Nothing allocates; the result is not terminated unless text_end is called.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *start;            /* the caller's memory */
	size_t length;          /* bytes written */
	size_t max;             /* bytes there are */
	bool full;              /* something did not fit */
};

/* A text in the array `memory`. */
#define TEXT_IN(memory) ((struct text){ .start = (memory), .max = sizeof(memory) })

void text_add_bytes(struct text *text, const char *bytes, size_t length);
void text_add_number(struct text *text, uint64_t number);

/* Add a number with its digits in groups of three: 1,234,567. */
void text_add_grouped(struct text *text, uint64_t number);

static inline void text_add(struct text *text, const char *string)
{
	text_add_bytes(text, string, strlen(string));
}

/* Add bytes of a stranger: printable ASCII but the backslash as it is, all else as \xNN. */
void text_add_escaped(struct text *text, const char *bytes, size_t length);

/* Add bytes as lower-case hexadecimal digits. */
void text_add_hex(struct text *text, const uint8_t *bytes, size_t length);

/* Add printable text with the five characters that mean something in HTML escaped. */
void text_add_html(struct text *text, const char *string);

/* Add printable ASCII as the inside of a JSON string. */
void text_add_json(struct text *text, const char *string);

/* Add a time, in s since 1970, as 2026-01-31T12:00:00Z. */
void text_add_time(struct text *text, int64_t seconds);

/* Terminate (the last byte gives way if need be) and return the text. max must be at least 1. */
char *text_end(struct text *text);

#endif
