/*
 * state.h - what outlives the program: the server's history, in a file of --state-dir.
 *
 * It is read at the start and saved by the opener, as the program cannot write by then, every
 * STATE_INTERVAL if something has changed, and at the end. Nothing here waits for a disk but
 * state_start. Without --state-dir (a struct of zeros) nothing happens.
 */
#ifndef STATE_H
#define STATE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "log.h"
#include "opener.h"
#include "server.h"

#define STATE_FILE "history"
#define STATE_DAMAGED "history.damaged"     /* one that could not be used */
#define STATE_INTERVAL 300000   /* ms */
#define STATE_PATIENCE 500      /* ms that the last save has */

struct state {
	const char *folder;         /* NULL: nothing is kept */
	struct opener *opener;
	struct uwt_server *server;
	const struct log *log;
	int lock;                   /* the folder, open and locked */
	uint64_t due;               /* ms: when to save next, or to give up waiting */
	uint64_t end;               /* ms: until then the last save is waited for; 0: not yet */
	bool saving;                /* the opener has been asked */
	bool failing;               /* that has been told */
	bool known;                 /* what the file holds, by these marks */
	uint8_t saved[UWT_HISTORY_MARK], asked[UWT_HISTORY_MARK];
};

/*
 * Begin: with folder, opener (with that memory, see opener.h), server and log set. Before
 * rights are given up. What cannot be used is set aside, with a warning. False with one line in
 * error if the folder cannot be written to, or another program has it: it is locked until this one
 * ends.
 */
bool state_start(struct state *state, char error[static UWT_ERROR_MAX]);

/* Do what is due. */
void state_turn(struct state *state);

/* In how many ms that is to be called next; -1: never. */
int state_wait(const struct state *state);

/* The end has come: save at once what has changed. */
void state_close(struct state *state);

/* Wait until that is done, up to STATE_PATIENCE after state_close, or until *stop is 2; the folder
 * is another's then. After a state_start that did not fail. */
void state_end(struct state *state, const volatile sig_atomic_t *stop);

#endif
