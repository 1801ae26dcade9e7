/*
 * msg.h - the tracker's JSON messages: text to plain structs, and pieces of text back.
 *
 * Pure: no socket, no clock, no allocation. What is relayed is never decoded: offers,
 * answers and offer_ids are slices of the message's own text (checked to be JSON of the right
 * shape), valid as long as the text and the struct are.
 *
 * The grammar of RFC 8259 is checked whole before anything is taken out of a message.
 */
#ifndef MSG_H
#define MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_ID_SIZE 20              /* info_hash, peer_id, to_peer_id: bytes */
#define MSG_ID_TEXT_MAX 120         /* the same as JSON text: at most 6 characters a byte */
#define MSG_OFFERS_MAX 20           /* usable offers that are taken from one announce */
#define MSG_HASHES_MAX 1000         /* info_hashes in one scrape */
#define MSG_DEPTH_MAX 32            /* nesting; the outermost object is level 1 */
#define MSG_TOKENS_MAX 16384        /* objects, arrays, strings (keys too), primitives in all */
#define MSG_OFFER_ID_MAX 128        /* code points */
#define MSG_ACTION_TEXT_MAX 400     /* bytes of msg_action_text's result, terminated */
#define MSG_NUMWANT_ALL UINT32_MAX

struct msg_slice {
	const char *text;           /* not terminated */
	size_t len;
};

enum msg_action { MSG_ANNOUNCE, MSG_SCRAPE, MSG_NO_ACTION };

enum msg_event { MSG_UPDATE, MSG_STARTED, MSG_COMPLETED, MSG_STOPPED };

/* An offer or an answer that has the right shape. */
struct msg_offer {
	struct msg_slice body;      /* the JSON object {"type":..,"sdp":".."} as it came */
	struct msg_slice offer_id;  /* the JSON string as it came, with its quotes */
};

/* What was wrong first, in the order of judging. */
enum msg_fault {
	MSG_OK,
	MSG_BAD_JSON,               /* no JSON object, too deep, too many tokens */
	MSG_BAD_ACTION,             /* neither "announce" nor "scrape" */
	MSG_BAD_INFO_HASH,
	MSG_BAD_PEER_ID,
	MSG_BAD_TO_PEER_ID,         /* there is an answer and to_peer_id is no id */
	MSG_TOO_MANY_HASHES         /* a scrape of more than MSG_HASHES_MAX entries */
};

struct msg {
	enum msg_fault fault;
	enum msg_action action;             /* MSG_NO_ACTION: see action_text */
	bool has_info_hash;                 /* one info_hash could be read */
	uint8_t info_hash[MSG_ID_SIZE];
	/* JSON text of the action's value; text NULL if absent */
	struct msg_slice action_text;

	/* announce */
	uint8_t peer_id[MSG_ID_SIZE];
	enum msg_event event;
	bool left_is_zero;
	struct msg_slice left;              /* its JSON text; text NULL if absent */
	bool has_answer;                    /* `answer` is there and is not null */
	bool answer_usable;                 /* then `answer` holds it, and to_peer_id is valid */
	uint8_t to_peer_id[MSG_ID_SIZE];
	struct msg_offer answer;
	/* offers wished to be relayed; MSG_NUMWANT_ALL: no wish */
	uint32_t numwant;
	uint32_t offer_count;
	struct msg_offer offers[MSG_OFFERS_MAX];

	/* scrape */
	bool all;                           /* info_hash absent or null */
	uint32_t hash_count;                /* as asked, repetitions included */
	uint8_t hashes[MSG_HASHES_MAX][MSG_ID_SIZE];
};

/* Bytes of scratch memory, aligned as malloc's, that msg_parse needs. Only as much of it is touched
 * as the message has tokens. */
size_t msg_scratch_size(void);

/*
 * Parse one message of len bytes of valid UTF-8 into *msg (of which only what the message has is
 * written). Returns msg->fault. With a fault, `action` and `has_info_hash` with `info_hash` still
 * say what could be read; nothing else does. The slices point into text. Fields follow JavaScript:
 * the last of duplicate keys wins; keys and values are compared decoded.
 */
enum msg_fault msg_parse(struct msg *msg, const char *text, size_t len, void *scratch);

/* Write an id as the inside of a JSON string (without quotes): `"`, `\` and U+0000 to U+001F
 * escaped, the rest as UTF-8. Returns the length, 20 to MSG_ID_TEXT_MAX. */
size_t msg_id_text(const uint8_t id[static MSG_ID_SIZE], char out[static MSG_ID_TEXT_MAX]);

/*
 * Write, terminated, what a wrong action is called in a failure: at most 32 code points of the
 * decoded string (lone surrogates as U+FFFD), or of the JSON text if it is no string, or
 * `undefined` if absent; as the inside of a JSON string, escaped as in msg_id_text. Returns the
 * length.
 */
size_t msg_action_text(const struct msg *msg, char out[static MSG_ACTION_TEXT_MAX]);

#endif
