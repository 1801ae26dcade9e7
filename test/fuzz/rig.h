/*
 * rig.h - a server in a world (world.h), and clients that talk to it and judge what it says.
 *
 * Between any two turns all of the server's tables are checked, and every byte that a client gets
 * is read: HTTP answers and frames must be well-formed, JSON valid, and each message one that the
 * tracker has emitted for this client, in its order. What the tracker takes must be what the client
 * has sent, what is relayed of it a part of it, byte for byte. A client that did nothing wrong and
 * answers pings keeps its connection.
 */
#ifndef RIG_H
#define RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../server.h"
#include "../../ws.h"
#include "world.h"

#define RIG_CLIENTS 24
#define RIG_MESSAGE_MAX 16384       /* bytes of a message that a client puts together */
#define RIG_END 16                  /* bytes 0 that make any head of a frame whole */

struct cipher;
struct judge_message;

/* Hashes of texts in the order they came; those before `next` were met at the other end. */
struct queue {
	uint64_t *at;
	size_t count, max, next;
	size_t due;                 /* those before this must arrive */
};

enum client_reads {
	CLIENT_READS_HEAD, CLIENT_READS_BODY, CLIENT_READS_FRAMES,
	CLIENT_READS_RECORDS,       /* of TLS, which it did not mean to speak */
	CLIENT_READS_NOTHING        /* there may be no more */
};

struct client {
	bool used;
	int peer;                   /* its number in the world */
	struct cipher *cipher;      /* NULL: it does not speak TLS */
	bool clean;                 /* it did nothing wrong, nor was anything done to it */
	bool slow;                  /* it did not always read at once */
	bool mute;                  /* it answers no pings */
	bool announced;             /* it has had a membership */
	bool left;                  /* it has ended, or the program has */
	uint8_t split;              /* into how many further fragments its messages are cut */
	enum client_reads reads;
	bool last;                  /* the answer at hand is the last one */
	size_t body;                /* bytes of it to come */
	bool json;                  /* which are JSON */
	bool may_have_none;         /* it may have been asked for by HEAD */
	struct world_bytes got;     /* plaintext that was not looked at yet */
	size_t heard;               /* bytes of plaintext in all, and what they come to */
	uint64_t heard_hash;
	struct queue sent;          /* messages, on their way to the tracker */
	struct queue told;          /* messages and pongs, on their way to the client */
};

/* What was done for a connection's bytes; for comparing. */
enum rig_step { RIG_MESSAGE, RIG_PONG, RIG_CLOSE };

struct rig {
	struct uwt_server *server;
	bool roomy;                 /* neither its tables nor its pool will be full */
	bool closing;
	unsigned turns;
	unsigned spins;             /* turns on end that did nothing and did not wait */
	bool untold;                /* an event was told, but not yet its turn */
	const struct judge_message *message;        /* that the tracker has at hand */
	unsigned emitted;           /* messages for it so far, */
	const struct client *first; /* and who got the first */
	void (*step)(enum rig_step step, uint64_t value);      /* told of all steps; may be NULL */
	struct client clients[RIG_CLIENTS];
};

extern struct rig rig;

/* Make a world, and a server in it that listens. */
void rig_begin(const struct uwt_options *options, bool roomy);

/* All clients end, and the server must come to nothing; then both are gone. */
void rig_end(void);

/* A turn, with all checks. wait: sleep until the server has something to do. */
void rig_turn(bool wait);

/* Turns until nothing more happens. */
void rig_settle(void);

uint64_t rig_hash(const void *bytes, size_t length);

void queue_add(struct queue *queue, uint64_t value);

/* client.c */

/* Connect as one of RIG_CLIENTS, ending what that was before. Addresses: even ones are IPv4, odd
 * ones IPv6, and 255 a unix socket. */
struct client *client_connect(unsigned number, uint8_t address);
struct client *client_at(unsigned number);

/* Send bytes, encrypted if the client speaks TLS. */
void client_send(struct client *client, const void *bytes, size_t length);

/* Send a frame, masked. */
void client_frame(struct client *client, uint8_t first, const void *payload, size_t length);

/* Send a text message, in as many fragments as `split` says. */
void client_message(struct client *client, const char *text, size_t length);

/* Ask for the upgrade. */
void client_upgrade(struct client *client);

/* Look at what has come. */
void client_receive(struct client *client);

/* Say no more: the end of the client's bytes; or break the connection. */
void client_end(struct client *client);
void client_break(struct client *client, int fault);

/* Forget it; the program must have closed it. */
void client_drop(struct client *client);

/* cipher.c: the client's side of TLS, by BearSSL */

/* Forget the session that was made last. */
void cipher_begin(void);

/* A client with one suite (0 to 5, or 6 and 7, which are not served) that asks for a server by
 * name, and to resume the last session. */
struct cipher *cipher_new(unsigned suite, bool resume, const char *name);
void cipher_free(struct cipher *cipher);
void cipher_send(struct cipher *cipher, const void *bytes, size_t length);

/* Move records between the client and its socket; plaintext goes to got. */
void cipher_pump(struct cipher *cipher, struct world_socket *socket, struct world_bytes *got);

/* Has the handshake been made? Say that this is the end; ask for another handshake. */
bool cipher_open(const struct cipher *cipher);
void cipher_end(struct cipher *cipher);
void cipher_renegotiate(struct cipher *cipher);

#endif
