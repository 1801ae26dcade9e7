/*
 * log.h - lines to standard error for whoever operates the program.
 *
 *   uwt: warning: what                                             to a terminal
 *   2026-01-31T12:00:00Z uwt: warning: what                        to anything else
 *   {"time":"2026-01-31T12:00:00Z","level":"warning","message":"what"}      as JSON
 *
 * An error has no `warning: ` before it, nor has what is only told. Lines are one write each and
 * all printable ASCII: other bytes, and the backslash, are escaped as \xNN. Nothing here waits:
 * whoever has no room for a line, or does not read any more, loses it. SIGPIPE must be ignored.
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
#define LOG_LINE_MAX 500        /* bytes of a line with its newline; any pipe takes that whole */

struct log {
	int fd;                     /* what log_init was given, or the same opened once more */
	enum log_format format;
	bool silent;                /* nothing is written */
	bool info;                  /* LOG_INFO is written too */
	bool stamped;               /* text begins with the time */
	uint64_t last[LOG_KINDS];   /* ms of clock.h: when a kind had its last line; 0: never */
	uint64_t more[LOG_KINDS];   /* and how many had none since */
};

/* Set up for a descriptor: text, errors and warnings, the time if that is no terminal. It stays the
 * caller's, and as it is: others may share it. Opens files, so before rights are given up. */
void log_init(struct log *log, int fd);

/* Write a line, its message put together as by printf, of which what makes the line too long is
 * cut. errno is kept. */
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
