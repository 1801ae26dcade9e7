/*
 * program.h - a program around a server, for tests in one process: it notes what it is told,
 * answers what it is asked, and turns its server while guests (guest.h) talk to it.
 *
 * The clock is the test's own: it goes on in pass() only.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../server.h"
#include "guest.h"

#define ASKED_MAX 600

/* A question, copied. */
struct asked {
	uint64_t number, connection;
	enum uwt_event event;
	bool answer, again, secure;
	char peer, torrent;             /* the first characters of their ids */
	char left[40], message[600], method[20], target[200], path[80], query[80];
	char address[UWT_ADDRESS_MAX];
	char key[80], headers[600];     /* the header X-Key; all headers as `name=value;` */
};

struct program {
	struct uwt_server *server;      /* NULL: not running */
	uint16_t port;
	char told[16384];               /* lines since program_told */
	size_t told_length;
	unsigned turns;                 /* told */
	unsigned opened, closed;
	struct asked asked[ASKED_MAX];
	unsigned asked_count;
	struct uwt_verdict verdict;     /* what questions are answered with */
	struct uwt_page page;           /* what requests by HTTP are, if its status is not 0 */
	uint64_t connection;            /* of the last thing that was told or asked */
	/* Called from within each callback, with its name, if not NULL. */
	void (*meddle)(struct program *program, const char *callback);
	unsigned meddled;               /* the test's own */
};

/* Do all guests and connections use TLS? */
extern bool program_secure;

/* Is nothing sent, as if all sockets were full? To be set for single turns only. */
extern bool program_stuck;

/* A small server's options, with all callbacks set, filter and http too. */
void program_options(struct program *program, struct uwt_options *options);

/* Start a server on a free port of 127.0.0.1; with program_options if options is NULL. False with a
 * line printed if that fails. */
bool program_begin(struct program *program, const struct uwt_options *options);

/* Let all guests leave, and free the server. Returns NULL, or what was left over or out of order.
 */
const char *program_end(struct program *program);

/* The same of one whose server the test has freed already. */
void program_forget(struct program *program);

/* What the program was told since this was called last, as lines: `start a H 127.0.0.1` with the
 * first characters of peer and torrent, `warning TEXT`, `error TEXT`, `opened TARGET`, `closed`. */
const char *program_told(struct program *program);

/* The question asked last, or `ago` before it. */
const struct asked *program_asked(const struct program *program, unsigned ago);

/* Answer a question: NULL allows, else it is refused for that reason. */
void program_answer(struct program *program, uint64_t question, const char *reason);

/* A guest that was let in as a WebSocket, or not; it is the program's until it is let go. */
struct guest *visit(struct program *program, const char *target, const char *headers);
struct guest *visit_plainly(struct program *program);
void let_go(struct guest *guest, void (*leave)(struct guest *));

/* Turn all servers and step all guests until nothing happens any more. */
void pump(void);

/* Let time go by, and pump. */
void pass(uint32_t ms);

/* The clock alone. */
void clock_pass(uint32_t ms);

/* An announce's text, good until eight more were made; more is members with a comma before. A reply
 * to one, as a line; and a failure. */
const char *announce(char peer, char torrent, const char *more);
const char *reply(unsigned complete, unsigned incomplete, char torrent);
const char *failure(char torrent, const char *reason);

/* Are these the same? Prints both if not. */
bool same(const char *got, const char *wanted);

/* Has a program been told just this, a guest heard just these two together? Waits for it a little:
 * what the system delivers, it delivers in its own time. */
bool told(struct program *program, const char *wanted);
bool hears(struct guest *guest, const char *first, const char *second);

/* Pump once more, a millisecond later. */
void pump_on(int *tries);

#endif
