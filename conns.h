/*
 * conns.h - the table of connections, and the lists they stand in.
 *
 * A connection is named by a number from 1 to the table's capacity. Its generation changes each
 * time the number is given away, so that what was meant for an earlier holder can be told. Nothing
 * here knows sockets or allocates; the memory (zeros) is the caller's and is touched as numbers
 * come into use.
 */
#ifndef CONNS_H
#define CONNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "buf.h"

enum conn_state {
	CONN_FREE,
	CONN_HEAD,          /* a request's head is being read, or the first is awaited */
	CONN_IDLE,          /* HTTP, between two requests */
	CONN_WEBSOCKET,
	CONN_CLOSING,       /* its last output is being sent */
	CONN_LINGER,        /* all is sent and said; what still comes is thrown away */
	CONN_DOOMED         /* its descriptor is closed at the end of the turn */
};

/* flags */
#define CONN_DIRTY 1u       /* has output to send this turn, stands in the list of those */
#define CONN_STALLED 2u     /* its socket took less than all: POLL_WRITE is awaited */
#define CONN_PAUSED 4u      /* not read until its output is sent; what was read is in `raw` */
#define CONN_FULL 8u        /* came when the table was full: only to be told so */
#define CONN_AT_ONCE 16u    /* closing: no need to linger, the peer has said its last */
#define CONN_YOUNG 32u      /* stands in a list of those that make room when the table is full */
#define CONN_TLS 64u        /* speaks TLS: `raw` and `out` are plaintext, see secure.c */
#define CONN_SECURED 128u   /* its handshake is over */
#define CONN_CROWDED 256u   /* came when its address had as many as it may: to be told so */
#define CONN_COUNTED 512u   /* is counted among those of its address */
#define CONN_ASKED 2048u    /* a message of it waits for the program's verdict; CONN_PAUSED too */
#define CONN_OPENED 4096u   /* the program was told that it opened */
#define CONN_UNWANTED 8192u /* the program wants it ended */
#define CONN_UPGRADED 16384u    /* it is, or was, a WebSocket */
#define CONN_MONITOR 32768u     /* came by the port for metrics: no peer */
#define CONN_HASTY 1024u    /* sent more than its share of a turn: is read a little at a time */

/* The pairs of links by which a connection stands in lists: one list at a time by each. */
enum conn_chain {
	CHAIN_TIME,         /* by what it waits for, in order of time; or the doomed ones */
	CHAIN_YOUNG,        /* those that never had a membership or are ending, as they came */
	CHAIN_HOLD,         /* those that keep buffers over a turn, by how many */
	CHAINS
};

struct conn_links {
	uint32_t before, after;
};

struct conn {
	int fd;
	uint32_t generation;
	uint8_t state;                  /* enum conn_state */
	uint8_t timer;                  /* the caller's name for its CHAIN_TIME list */
	uint8_t hold;                   /* and for its CHAIN_HOLD list; 0: in none */
	uint8_t find_state;             /* of http_head_find */
	uint8_t opcode;                 /* of the message that is being gathered, 0: none */
	uint8_t ended;                  /* enum counter: whose doing its end is; 0: it goes on */
	uint16_t flags;
	uint16_t second, messages;      /* the second of the last message, and how many came in it */
	uint32_t since;                 /* ms: when it entered its CHAIN_TIME list */
	/* bytes that `raw` must have before it is looked at again */
	uint32_t need;
	uint32_t next_dirty;
	struct buf_chain raw;           /* bytes read and not used yet: a part of a head or frame */
	struct buf_chain message;       /* payloads of the fragments of a message so far */
	struct buf_chain out;           /* bytes to send */
	struct conn_links links[CHAINS];
	struct address address;         /* the peer's, as the socket or a trusted proxy says */
};

/* A list; all zeros is an empty one. */
struct conn_list {
	uint32_t first, last;
};

struct conns {
	struct conn *at;                /* by number; at[0] is unused */
	uint32_t capacity;
	uint32_t used;                  /* numbers up to this were given away before */
	uint32_t free;                  /* of those, free ones */
	uint32_t live;
};

/* Bytes of memory for the table; set it up. */
size_t conns_size(uint32_t capacity);
void conns_init(struct conns *conns, void *memory, uint32_t capacity);

/* Take a number, whose connection is all zeros but for its generation; 0 if none is free. Give it
 * back. */
uint32_t conns_take(struct conns *conns);
void conns_give(struct conns *conns, uint32_t number);

/* Append to a list by a chain in which the connection is in no list; remove from the one it is
 * in. */
void conns_append(struct conns *conns, struct conn_list *list, enum conn_chain chain,
    uint32_t number);
void conns_remove(struct conns *conns, struct conn_list *list, enum conn_chain chain,
    uint32_t number);

#endif
