/*
 * output.h - lines to stdout that never make the tracker wait.
 *
 * Lines are collected and written when output_flush is called, as far as whoever reads takes them
 * at once. When the memory for them is full, further lines are dropped whole and counted, and the
 * next line that finds room is preceded by one that says how many.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_SIZE 65536

struct output {
	int fd;
	bool broken;            /* nobody reads any more: everything is thrown away */
	uint64_t dropped;       /* lines, since the last one that found room */
	uint64_t drain_by;      /* ms of CLOCK_MONOTONIC: until then, wait for room; 0: do not */
	const volatile sig_atomic_t *hurry;     /* when this is over 1, wait no more */
	size_t start;           /* of the bytes not written yet */
	size_t length;
	char ring[OUTPUT_SIZE];
};

/* Start anew, for a descriptor. */
void output_init(struct output *output, int fd);

/* Add a line, made of two parts; a newline is added. */
void output_line(struct output *output, const char *first, const char *second);

/* Write what can be written at once. */
void output_flush(struct output *output);

/* How long output_flush may be put off, in ms: -1, or less when lines are left that were not taken. */
int output_wait(const struct output *output);

/* From now on lines wait for room instead of being dropped, for at most ms in all, and not when
 * *hurry is over 1: signals count there. */
void output_patience(struct output *output, uint32_t ms, const volatile sig_atomic_t *hurry);

/* Write everything, waiting as long as output_patience said. */
void output_drain(struct output *output);

#endif
