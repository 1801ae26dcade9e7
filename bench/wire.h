/*
 * wire.h - one connection of the load: TCP, TLS if wanted, the WebSocket upgrade, frames.
 *
 * Nothing waits: a wire is opened, and wires_poll calls back when it is open, for each message, and
 * when it has ended. A callback may do anything with any wire. What a socket does not take at once
 * is kept and sent later.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <bearssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"

#define WIRE_START 256          /* bytes of a message that are kept */
#define WIRE_HEAD_ROOM 14       /* bytes to leave free before a payload */

enum wire_state { WIRE_CLOSED, WIRE_CONNECTING, WIRE_SECURING, WIRE_UPGRADING, WIRE_OPEN };

/* Which session a TLS handshake resumes. */
enum wire_resume {
	WIRE_FULL,              /* none */
	WIRE_OWN,               /* that of the wire's last connection */
	WIRE_SHARED             /* that of the first connection of all */
};

struct wire {
	int fd;
	uint32_t number;                /* the owner's name for it */
	enum wire_state state;
	bool deaf;                      /* once open, it is not read */
	bool writes;                    /* POLLOUT is waited for */
	bool resumed;                   /* its TLS session was */
	bool has_session;
	unsigned matched;               /* bytes of what ends a response's head */
	uint8_t head[10];               /* of a frame: of a server's, never masked */
	unsigned have;                  /* bytes of it */
	uint64_t length, left;          /* bytes of payload, in all and still to come */
	uint8_t start[WIRE_START];      /* of the payload */
	uint8_t *waiting;               /* to be sent */
	size_t waiting_length, waiting_size;
	struct wires *wires;
	struct channel *channel;
	br_ssl_session_parameters session;
};

struct wires {
	int epoll;
	int timer;                      /* a timerfd, see wires_wake */
	uint16_t port;
	bool secure;
	enum wire_resume resume;
	bool has_session;
	br_ssl_session_parameters session;
	void *context;
	void (*opened)(void *context, struct wire *wire);
	/* A whole text message; wire->start has the first of its bytes. */
	void (*message)(void *context, struct wire *wire, uint64_t length);
	/* It is closed already, and may be opened again. */
	void (*ended)(void *context, struct wire *wire);
};

/* Set up what opens wires to a port of 127.0.0.1; the rest of the fields is the caller's. */
void wires_init(struct wires *wires, uint16_t port);

/* Wait up to so many ms (-1: without limit), or until wires_wake's time, and call back. */
void wires_poll(struct wires *wires, int timeout);

/* End the wait at this time, in ns of time_now. */
void wires_wake(struct wires *wires, uint64_t time);

/* Start to connect a wire that is closed. */
void wire_open(struct wires *wires, struct wire *wire);

/* Close it, as a process that ends does. */
void wire_close(struct wire *wire);

/* Send a text message. There is room of WIRE_HEAD_ROOM before the payload; both are overwritten. */
void wire_send(struct wire *wire, uint8_t *payload, size_t length);

/* ns of a clock that never goes back. */
uint64_t time_now(void);

#endif
