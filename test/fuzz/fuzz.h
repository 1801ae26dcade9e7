/*
 * fuzz.h - what a fuzz target stands on.
 *
 * A target is a file fuzz_NOUN.c with one function of that name, which takes any bytes and ends the
 * program if something does not hold that must. libFuzzer calls it through fuzzer.c, and replay.c
 * calls all targets with inputs that once were found. Whatever a target does depends on its input
 * alone: no time, no random numbers, nothing kept from one input to the next.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All targets, each as X(name). */
#define FUZZ_TARGETS(X) \
	X(address) X(config) X(frames) X(handshake) X(history) X(http) X(keys) X(list) X(msg) \
	X(options) X(question) X(secure) X(server) X(stats) X(stream) X(swarm) X(tls) X(ws)

#define FUZZ_DECLARE(name) int fuzz_##name(const uint8_t *data, size_t size);
FUZZ_TARGETS(FUZZ_DECLARE)

_Noreturn static inline void fuzz_fail(const char *file, int line, const char *where,
    const char *what)
{
	fprintf(stderr, "%s:%d: %s: does not hold: %s\n", file, line, where, what);
	abort();
}

/* What must hold, whatever the input is. */
#define MUST(what) ((what) ? (void)0 : fuzz_fail(__FILE__, __LINE__, __func__, #what))

/* What is left of an input. */
struct input {
	const uint8_t *at;
	size_t left;
};

/* The next byte, or 0 at the end; two bytes as a number, the first one high. */
static inline uint8_t input_byte(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

static inline unsigned input_two(struct input *input)
{
	unsigned high = input_byte(input);

	return high << 8 | input_byte(input);
}

/* The next bytes, as many of them as there are. */
static inline struct input input_part(struct input *input, size_t length)
{
	struct input part = { input->at, length < input->left ? length : input->left };

	input->at += part.left;
	input->left -= part.left;
	return part;
}

/* A copy, to be freed, that the sanitizer sees read or written one byte past its end. */
static inline void *exact_copy(const void *data, size_t size)
{
	uint8_t *copy = malloc(size);

	if (copy == NULL && size > 0)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The same, terminated. */
static inline char *text_copy(const void *data, size_t size)
{
	char *copy = malloc(size + 1);

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

/* Do these bytes lie in that text? */
static inline bool lies_in(const char *part, size_t part_length, const char *text, size_t length)
{
	uintptr_t at = (uintptr_t)part, start = (uintptr_t)text;

	return at >= start && at - start <= length && part_length <= length - (at - start);
}

#endif
