/*
 * report.h - all that the program says while it runs: lines to stdout about what peers do, unless
 * there is --quiet or --silent, and lines to stderr for the operator, as --log says.
 *
 * Nothing here waits (output.h, log.h). Lines to stdout are collected; who runs the loop flushes
 * them. What concerns both readers is one function here, which says it to both.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "server.h"

struct gate;
struct options;
struct output;

struct report {
	const struct options *options;
	struct output *output;      /* stdout */
	struct log log;             /* stderr; for others to log to, too */
	bool prints;                /* something goes to stdout */
};

/* Set up, with the caller's memory for the output (it is large). Both must outlive it. Opens files,
 * so before rights are given up. */
void report_init(struct report *report, const struct options *options, struct output *output);

/* Where the program listens. */
struct report_where {
	uint16_t port;              /* 0: none */
	uint16_t metrics_port;      /* the same of --metrics, if it has one */
	const char *single;         /* the kind of addresses that the machine has; NULL: both */
};

/* It has started: where it listens, its limits, the most bytes of memory that it comes to, and how
 * long its lists are. Where a certain BearSSL is expected and another is there, that goes before. */
void report_start(const struct report *report, const struct report_where *where, uint64_t memory,
    const struct gate *gate);
void report_tls(const struct report *report);

/* An event, a peer's fault: to stdout. */
void report_event(const struct report *report, const struct uwt_change *change);
void report_warning(const struct report *report, const char *text);

/* By a limit somebody was refused, of something the machine has too little: to stderr, rationed. */
void report_refusal(struct report *report, enum uwt_refusal why);
void report_lack(struct report *report, const char *text);

/* Certificates, or lists, were read anew; or could not be: `what` is that word, error says why. */
void report_certificates(const struct report *report);
void report_lists(const struct report *report, const struct gate *gate);
void report_not_reloaded(const struct report *report, const char *what, const char *error);

/* The end: it was asked for by this signal; it is there. */
void report_ending(const struct report *report, int signal);
void report_ended(const struct report *report);

#endif
