/*
 * commands.h - the commands of --filter and --hook: who may be in a torrent is asked there, who comes
 * and goes is told.
 *
 * Questions and events are lines of JSON (question.h) to processes that the opener starts
 * (helper.h). What cannot be asked is decided by --filter-fail, at once: while the command does not
 * run, when it ends before it has answered, when it does not read. But a member whose allowance runs
 * out while it does not run stays until it does.
 *
 * All times are ms of one clock that does not go back.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "helper.h"
#include "server.h"

#define COMMANDS_MAX 2              /* descriptors to watch */
#define COMMANDS_LINE_MAX 131072    /* bytes of a question: a request's head, with its escapes */

struct log;
struct opener;

/* What the operator gave; NULL: no such command. The opener has them in this order. */
struct commands_options {
	const char *filter, *hook;
	bool fail_open;             /* who cannot be asked about may */
	const struct log *log;      /* must outlive the commands */
};

/* Large; only what is used is touched. */
struct commands {
	struct commands_options options;
	struct uwt_server *server;
	struct helper filter, hook;
	struct helper_calls filter_calls, hook_calls;
	bool filter_fell, hook_fell;    /* it has ended, and has not started since */
	uint64_t asked;             /* ms: the first question since the filter last said anything, 0: none */
	char line[COMMANDS_LINE_MAX];
};

/* Set up; the opener stays the caller's. */
void commands_init(struct commands *commands, const struct commands_options *options,
    struct opener *opener);

/* Is there any? */
bool commands_are_used(const struct commands *commands);

/* Start them, and wait until they run, but not longer than they should take. From then on they may
 * be asked and told, of this server. */
void commands_start(struct commands *commands, struct uwt_server *server);

/* The filter of the server. */
struct uwt_verdict commands_ask(struct commands *commands, const struct uwt_question *question);

/* An event. */
void commands_tell(struct commands *commands, const struct uwt_change *change);

/* What to watch, at most COMMANDS_MAX: returns how many. And when to call commands_turn at the
 * latest; UINT64_MAX: never. Both change with every turn, of the server too. */
size_t commands_watched(const struct commands *commands, struct pollfd *fds);
uint64_t commands_due(const struct commands *commands);

/* Send, receive, start again. */
void commands_turn(struct commands *commands, uint64_t now);

/* How often each was started again, in Prometheus' text format, at most `room` bytes. Returns how
 * many. */
size_t commands_metrics(const struct commands *commands, char *text, size_t room);

/* Let them end. */
void commands_end(struct commands *commands);

#endif
