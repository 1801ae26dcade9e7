/*
 * helper.h - the program's side of a process beside it that takes lines and gives lines.
 *
 * The process is a command of the opener's (opener.h). Nothing here waits for it, whatever it does:
 * the program's loop watches helper_descriptor for helper_interest, and calls helper_turn when that
 * is ready, when helper_due has come, and at the end of a turn in which lines were sent.
 *
 * A helper that ends or cannot be started is started again: after HELPER_RESTART_MIN, then twice as
 * late each time up to HELPER_RESTART_MAX, and as at first once it has lived that long. So is one
 * that is at fault, which is ended: by a line of over HELPER_LINE_MAX bytes, one with a NUL or that
 * is no UTF-8, or one that `line` objects to. What was on its way to and from the process before
 * is lost then, and `ended` says so.
 *
 * All times are ms of one clock that does not go back. Nothing is allocated; a struct helper is
 * large, but only as much of it is touched as is used.
 */
#ifndef HELPER_H
#define HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELPER_QUEUE_SIZE 262144    /* bytes of lines that it has not taken yet */
#define HELPER_LINE_MAX 65536       /* bytes of a line of its, without the newline */
#define HELPER_RESTART_MIN 1000     /* ms */
#define HELPER_RESTART_MAX 60000    /* ms */
#define HELPER_START_MAX 5000       /* ms that the opener has to start it */

/* What the program is told, from within helper_turn and helper_fail only. These may call
 * helper_send, and no other function of this helper that changes it. */
struct helper_calls {
	void *context;              /* the first argument of each */
	/* A line, without its newline and not terminated: UTF-8 without NUL. Returns NULL, or in a
	 * few words what is wrong with it. */
	const char *(*line)(void *context, const char *line, size_t length);
	/* It runs: lines can be sent. That its command begins well is not known yet. */
	void (*started)(void *context);
	/* It does not run (any more), for this reason. After `started` this comes once, if not
	 * helper_end comes before it; it comes alone for a start that fails. */
	void (*ended)(void *context, const char *why);
};

enum helper_state {
	HELPER_WAITS,               /* for the time of its next start */
	HELPER_STARTS,              /* the opener was asked */
	HELPER_RUNS,
	HELPER_IS_OFF               /* for good */
};

struct opener;

struct helper {
	struct opener *opener;
	size_t command;             /* of the opener's */
	const struct helper_calls *calls;
	enum helper_state state;
	int fd;                     /* -1 unless it runs */
	uint32_t starts;            /* so far: a descriptor is another when this is */
	uint64_t since;             /* ms: when the state began */
	uint64_t due;               /* ms: see helper_due */
	uint32_t delay;             /* ms before the next start */
	bool broken;                /* a send has failed */
	uint64_t dropped;           /* lines, of those that were lost, since helper_send took one */
	uint64_t lost;              /* lines, in all */
	size_t out_start, out_length;   /* bytes in the ring `out` */
	size_t in_length;           /* bytes of a line that is not whole yet */
	char out[HELPER_QUEUE_SIZE];
	char in[HELPER_LINE_MAX + 1];
};

/* Set up; the first helper_turn starts it. The opener and the calls stay the caller's, and must
 * stay where they are. */
void helper_init(struct helper *helper, struct opener *opener, size_t command,
    const struct helper_calls *calls);

/* Send a line, which has no newline: one is added. It goes out as soon as the helper takes it, in
 * helper_turn at the earliest, unless there is no room before. Returns false if it is lost, as the
 * helper does not run or has too much to read. Lost lines are counted, those too that were
 * taken here and had not been sent by its end; not those that it was sent and did not read. */
bool helper_send(struct helper *helper, const char *line, size_t length);

/* Do helper_send's lines go to a process? */
bool helper_runs(const struct helper *helper);

/* The descriptor to watch, or -1: none now. It may be another after helper_turn and helper_fail,
 * also if it has the same number, which `starts` shows. */
int helper_descriptor(const struct helper *helper);

/* For what: POLLIN, or that and POLLOUT (poll(2)). May be more after helper_send. */
short helper_interest(const struct helper *helper);

/* When helper_turn must be called even if nothing is ready; UINT64_MAX: never. */
uint64_t helper_due(const struct helper *helper);

/* Do what can be done now: start it, send, read. Reads a part only of what a helper sends without
 * end: the descriptor is still ready then. */
void helper_turn(struct helper *helper, uint64_t now);

/* End the process, as its last answer took too long, say, and start it again as if it were at
 * fault by itself. Nothing happens if it does not run. Not to be called from `line`. */
void helper_fail(struct helper *helper, uint64_t now, const char *why);

/* Send what is taken at once, and close; it is not started again. The process itself sees the end
 * of its input, and opener_end ends it otherwise. */
void helper_end(struct helper *helper);

#endif
