/*
 * soak.h - what the files of the soak test share.
 *
 *   soak.c           the program: rounds of the load, and what must hold after each
 *   soak_peer.c      a connection of the load: its socket, TLS, the upgrade, frames
 *   soak_kinds.c     how each kind of peer behaves, and misbehaves
 *   soak_witness.c   peers that behave, and must not notice the others
 *
 * The load is a fixed number of peers, each of which is closed or has one connection. Many times a
 * second one of them is chosen by chance and poked: it connects, does what its kind does next, or
 * leaves. All chances are drawn from one sequence that follows from the seed.
 */
#ifndef SOAK_H
#define SOAK_H

#include <netinet/in.h>

#include "../bench/channel.h"
#include "harness.h"

#define OUT_MAX 1048576         /* unsent bytes of a peer from which on it does nothing more */
#define TALLY_MAX 128
#define NAME_SIZE 56

struct peer;

enum peer_state {
	PEER_CLOSED,
	PEER_CONNECTING,
	PEER_SECURING,
	PEER_UPGRADING,
	PEER_OPEN
};

/* What a connection begins with, before its kind's first act. */
enum opening {
	BARE,           /* nothing: the kind writes it all */
	BARE_TLS,       /* a TLS handshake on some connections */
	HELLO,          /* nothing, but a TLS client hello is made for the kind to send */
	WEBSOCKET       /* on some connections TLS, then the upgrade */
};

struct kind {
	const char *name;
	unsigned weight;                /* how many of those of its sort are of this kind */
	enum opening opening;
	unsigned pokes;                 /* for so many it stays, about */
	bool small;                     /* with a small buffer for what comes */
	in_addr_t from;                 /* its address; 0: that of the peer */
	void (*act)(struct peer *peer);         /* NULL: what it does is done elsewhere */
	/* A whole text message; NULL: nothing happens. */
	void (*heard)(struct peer *peer, const char *message, size_t len);
	/* The server has ended the connection, which is closed by now; NULL: nothing happens. */
	void (*lost)(struct peer *peer);
};

struct peer {
	struct load *load;
	unsigned number;                /* from 0 */
	const struct kind *kind;
	int fd;
	enum peer_state state;
	bool secure;                    /* TLS is spoken */
	bool websocket;                 /* the upgrade has succeeded */
	bool deaf;                      /* is not read */
	bool mute;                      /* leaves pings unanswered, and acts no more */
	bool leaving;                   /* has said so, and waits for the end */
	bool writes;                    /* EPOLLOUT is awaited */
	struct channel *channel;        /* kept from one connection to the next; NULL: none yet */
	struct text in;                 /* came and was not used yet */
	struct text out;                /* to be sent */
	struct text hello;              /* see HELLO */
	unsigned pokes;                 /* since the connection began */
	unsigned acts;                  /* since it was open */
	struct id id, hash;             /* for its kind to use */
	struct witness *witness;
};

struct load {
	struct server *server;
	int epoll;
	struct peer *peers;
	unsigned count;                 /* of peers */
	unsigned open;                  /* of these, not closed */
	uint64_t random;
	unsigned serial;                /* for ids that nobody had before */
	bool has_session;
	br_ssl_session_parameters session;      /* of TLS, for others to resume */
	double clock;                   /* s that this process was running */
	double spent;                   /* s of the processor that the server has taken */
	struct {
		char name[NAME_SIZE];
		unsigned long count;
	} tallies[TALLY_MAX];           /* what the server said and did */
};

/* --- soak.c --- */

/* A number from 0 to n - 1. */
unsigned chance(struct load *load, unsigned n);

/* Count what the server said or did. */
void tally(struct load *load, const char *name, size_t len);

/* --- soak_peer.c --- */

/* Connect a closed peer, with TLS or without. */
void peer_open(struct peer *peer, const struct kind *kind, bool secure);

/* Do what its kind does next. The first act follows at once when the connection is open. */
void peer_act(struct peer *peer);

/* End the connection: by FIN; by RST. */
void peer_close(struct peer *peer);
void peer_reset(struct peer *peer);

/* What epoll has for it. */
void peer_event(struct peer *peer, unsigned events);

/* Be read no more. */
void peer_turn_deaf(struct peer *peer);

/* Write bytes; beneath TLS. What the socket does not take is sent later. */
void peer_write(struct peer *peer, const void *bytes, size_t len);
void peer_write_raw(struct peer *peer, const void *bytes, size_t len);

/* Send a frame; a text message, which is freed. */
void peer_frame(struct peer *peer, unsigned first, const void *payload, size_t len);
void peer_say_text(struct peer *peer, char *text);
#define SAY(peer, ...) peer_say_text(peer, format_text(__VA_ARGS__))

/* --- soak_kinds.c --- */

/* Connect as one of the kinds that behave, of those that do not, or as one that only comes and
 * stays. */
enum sort { GOOD, BAD, SETTLER };
void kind_open(struct peer *peer, enum sort sort);

bool kind_is_settler(const struct kind *kind);

/* Leave in one of the ways in which peers do; the connection may stay for a while. */
void kind_leave(struct peer *peer);

/* --- soak_witness.c --- */

struct witnesses;

/* Let them come to a server that nobody else uses; returns at once. */
struct witnesses *witnesses_open(struct load *load);

/* Let them go on. Nobody may have to wait while the server takes more than a second of the
 * processor: on a busy machine that is later, but no more than 10 s. */
void witnesses_act(struct witnesses *witnesses);

/* For how many seconds has one of them waited by now? A visit counts as several waits. */
double witnesses_wait(const struct witnesses *witnesses);

/* Has each pair of them met? */
bool witnesses_met(const struct witnesses *witnesses);

/* Let a visitor come, if none is there; the table of connections must have room for it. */
void witnesses_visit(struct witnesses *witnesses);

/* They leave, and give back their memory. */
struct testimony {
	unsigned long steps;    /* how often one was asked something */
	unsigned long visits;
	double longest;         /* s that one waited, at most */
	double spent;           /* and s of the processor that the server took meanwhile */
};
void witnesses_close(struct witnesses *witnesses, struct testimony *testimony);

#endif
