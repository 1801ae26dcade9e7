/*
 * question.h - what helpers are asked and told, and what they answer: lines of JSON.
 *
 * Pure: no socket, no clock, no allocation. A line is written to a struct text without its newline,
 * and has none in it: it is UTF-8 without control characters, whatever strangers sent.
 * What a writer returns is whether all of it fitted; if not, what is in the text is no line.
 */
#ifndef QUESTION_H
#define QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "text.h"

#define QUESTION_ID_SIZE 20         /* bytes of info_hash and peer_id */
#define QUESTION_NUMBER_MAX 9007199254740991u   /* what all readers of JSON know: 2^53 - 1 */
#define QUESTION_LEFT_MAX 32        /* bytes of a number that is passed on */
#define QUESTION_REASON_MAX 256     /* bytes of an answer's reason, terminated */
#define QUESTION_TTL_MAX 86400      /* s that an answer is good for at most */
#define QUESTION_TOKENS_MAX 128     /* of the JSON of an answer */

struct question_header {
	struct json_slice name, value;
};

struct question {
	uint64_t id;                /* from 1 to QUESTION_NUMBER_MAX: its answer has the same */
	const char *action;         /* printable ASCII, as event is */
	/* what follows is left out if it is NULL */
	const uint8_t *info_hash, *peer_id;
	struct json_slice address, path;    /* any bytes */
	struct json_slice query;    /* of the path, after a `?` */
	const char *event;
	/* JSON text: left out too if it is no number, or is longer than QUESTION_LEFT_MAX */
	struct json_slice left;
	/* `headers` is always there, if only as {} */
	const struct question_header *headers;
	size_t header_count;
};

/*
 * Add a question:
 *
 *   {"id":1,"action":"announce","info_hash":"HEX","peer_id":"HEX","address":"192.0.2.1",
 *    "path":"/?key=1","headers":{"host":"tracker.example"},"event":"started","left":0}
 *
 * in that order, on one line. Names of headers are in lower case; of one that is repeated (in
 * whatever case) the values are joined by ", " at the place of the first. Each byte that is not
 * part of UTF-8 becomes U+FFFD.
 */
bool question_write(struct text *line, const struct question *question);

/*
 * Add what has happened:
 *
 *   {"event":"started","info_hash":"HEX","peer_id":"HEX","address":"192.0.2.1","dropped":3}
 *
 * `dropped` is how many such lines were lost since the last; with 0 it is left out.
 */
bool question_event(struct text *line, const char *event,
    const uint8_t info_hash[static QUESTION_ID_SIZE],
    const uint8_t peer_id[static QUESTION_ID_SIZE], struct json_slice address, uint64_t dropped);

struct question_answer {
	uint64_t id;                /* as a question has it; if one is open is not known here */
	bool allow;
	uint32_t ttl;               /* s that it may be used again, 0: not at all */
	char reason[QUESTION_REASON_MAX];   /* terminated; empty if none was given */
};

/*
 * Read an answer: one JSON object with
 *
 *   id       the question's, as it was written there
 *   allow    true or false
 *   reason   a string; absent and null are none. What fits of it is kept, up to a whole code point.
 *            What is not to be printed becomes `?`, a line end or tab a space, `"` becomes `'` and
 *            a backslash `/`: the rest may stand in a JSON string and on a terminal as it is.
 *   ttl      a number from 0, of which the integer part counts; over QUESTION_TTL_MAX is as much as
 *            that; absent and null are 0
 *
 * and anything else, which is not looked at. Of two with one name the last counts. Returns NULL, or
 * what is wrong, in a few words; then only an id that could be read is in *answer, else 0.
 */
const char *question_answer(const char *line, size_t length, struct question_answer *answer);

#endif
