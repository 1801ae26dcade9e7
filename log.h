/*
 * log.h - lines to standard error for whoever operates the program.
 *
 *   uwt: warning: what                                             to a terminal
 *   2026-01-31T12:00:00Z uwt: warning: what                        to anything else
 *   {"time":"2026-01-31T12:00:00Z","level":"warning","message":"what"}      as JSON
 *
 * An error has no `warning: ` before it, nor has what is only told. Lines are one write each and all
 * printable ASCII: other bytes are escaped as \xNN. A pipe that is full, or has no reader, loses them.
 * Of the notices that strangers can bring about each kind has one line a minute, which says how
 * many there were that it does not show.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO };

enum log_format { LOG_TEXT, LOG_JSON };

#define LOG_KINDS 32            /* of notices that are rationed */
#define LOG_RATION 60000        /* ms between two lines of a kind */

struct log {
	int fd;
	enum log_format format;
	bool silent;                /* nothing is written */
	bool info;                  /* LOG_INFO is written too */
	bool stamped;               /* text begins with the time */
	uint64_t last[LOG_KINDS];   /* ms of clock.h: when a kind had its last line; 0: never */
	uint64_t more[LOG_KINDS];   /* and how many had none since */
};

/* Set up for standard error: text, errors and warnings, the time if that is no terminal. */
void log_init(struct log *log, int fd);

/* Write a line, put together as by printf. What makes it longer than 500 bytes is cut. */
void log_line(const struct log *log, enum log_level level, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;

/* The same for a kind of notice, unless it had a line less than LOG_RATION ms ago. */
void log_ration(struct log *log, unsigned kind, enum log_level level, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 4, 5)))
#endif
    ;

#endif
