/*
 * world.h - the system that a server under test lives in: sockets, clock and randomness.
 *
 * Nothing here is the real system's. world.c has __wrap_recv and the like, which the linker puts
 * where the sources call recv (--wrap, see `run`), and poll_fuzz.c is a backend of poll.h. While no
 * world is on, and for descriptors that are not the world's, the real calls are made.
 *
 * Peers are the far ends of connections, named by number; they and the settings are the target's to
 * move. Time passes only when the target says so, but for `tick`.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define WORLD_FD 100000         /* descriptors of the world begin here */
#define WORLD_SOCKETS 64        /* at a time, all kinds together */
#define WORLD_ANY SIZE_MAX

enum world_kind { WORLD_FREE, WORLD_LISTENER, WORLD_PEER, WORLD_PIPE };

/* A queue of bytes; those at `at` are the first. */
struct world_bytes {
	uint8_t *memory, *at;
	size_t length, max;
};

/* One end of what the program has open, or, once it has closed that, what is left of a peer. */
struct world_socket {
	enum world_kind kind;
	bool open;                  /* the program has it */
	bool waiting;               /* a peer that is not accepted yet */
	struct sockaddr_storage address;
	/* what the peer has sent, and what the program has not read of it */
	struct world_bytes in;
	bool in_ended;              /* after that the peer's end comes */
	bool gone;                  /* the peer takes nothing any more */
	int broken;                 /* errno of everything, once the connection is reset */
	struct world_bytes out;     /* what the program has sent */
	bool shut;                  /* and it has said that this is all */
	size_t chunk;               /* a read gives at most so many bytes */
	size_t window;              /* bytes that the socket takes yet */
	int read_fault, write_fault;        /* errno of the next call, once */
	bool misled;                /* a fault hid its bytes when it was overdue, and read last */
	bool watched;               /* by the poll set */
	uint64_t tag;
	unsigned interest;
};

struct world {
	bool on;
	bool pipe_due;              /* the next pipe is the program's */
	uint64_t now;               /* us */
	uint64_t tick;              /* us that pass whenever the clock is read */
	bool sleeps;                /* a wait in which nothing happens lasts as long as it may */
	unsigned calls;             /* that did something to a socket */
	bool spins;                 /* a wait has ended at once, and nothing was done since */
	bool waited;                /* in this turn; who is read before is overdue */
	int accept_fault;           /* errno of the next accept, once */
	/* the next of these calls fails */
	bool add_fault, change_fault, clock_fault, random_fault;
	unsigned order;             /* which socket's event comes first */
	uint64_t random;
	/* called before the program writes to a peer, and before it sleeps; may be NULL */
	void (*writes)(int peer);
	void (*waits)(void);
	struct world_socket sockets[WORLD_SOCKETS];
};

extern struct world world;

void world_begin(void);

/* Free everything. The program must have closed all. */
void world_end(void);

/* How many descriptors the program has. */
unsigned world_open(void);

/* A peer connects, as one from this address. Returns its number, -1 if there are too many. */
int world_connect(const struct sockaddr *address, size_t length);

/* Forget a peer that the program has closed, or never accepted. */
void world_forget(int peer);

void world_bytes_add(struct world_bytes *bytes, const void *data, size_t length);
void world_bytes_drop(struct world_bytes *bytes, size_t length);
void world_bytes_free(struct world_bytes *bytes);

/* The socket of the program's descriptor. */
struct world_socket *world_socket(int fd);

/* What can a peer's socket do now? POLL_READ, POLL_WRITE. */
unsigned world_ready(const struct world_socket *socket);

#endif
