/*
 * opener.h - a small process that keeps the rights of the start for a program that gives them up.
 *
 * It opens files that were named when it was started, nothing else, and hands their descriptors
 * over; and it removes the files of Unix-domain sockets when the program ends, however it ends.
 * The program asks by number: no name comes from it. Start the opener before there is much memory,
 * which it would share. It ignores the signals that end the program and ends after it, or by
 * opener_end.
 */
#ifndef OPENER_H
#define OPENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OPENER_NAMES_MAX 32
#define OPENER_PATIENCE 1000    /* ms that it has for an answer */

struct opener_names {
	const char *files[OPENER_NAMES_MAX];        /* to be opened, by their place here */
	size_t file_count;
	const char *sockets[OPENER_NAMES_MAX];      /* to be removed */
	size_t socket_count;
};

struct opener {
	int fd;             /* of the socket to it; -1: there is none, or it has ended */
	pid_t pid;          /* 0: nobody is to be waited for */
	uint32_t asked;     /* requests so far, by which their answers are known */
};

#define OPENER_NONE ((struct opener){ .fd = -1 })

/* Start it. It needs the names no longer than the caller's memory was shared, at fork(2). False
 * with errno set. */
bool opener_start(struct opener *opener, const struct opener_names *names);

/* The sockets have been made: the files that there are now will be removed at the end, unless
 * others are in their places by then. */
void opener_note(struct opener *opener);

/* Open a file. Returns its descriptor, or -1 with errno set: ESRCH if there is no opener (any
 * more), ETIMEDOUT if it does not answer, EINVAL if there is no such number. */
int opener_open(struct opener *opener, size_t file);

/* Let it end, and wait for that. Without an opener nothing happens. */
void opener_end(struct opener *opener);

#endif
