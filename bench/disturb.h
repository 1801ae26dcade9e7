/*
 * disturb.h - peers that disturb others, in a process of their own.
 *
 * So the time it takes to make the disturbance is not in the others' latency: the process gets CPU
 * time only when that of the others wants none.
 */
#ifndef BENCH_DISTURB_H
#define BENCH_DISTURB_H

#include <stdatomic.h>

#include "crowd.h"

enum disturbance {
	DISTURB_NOT,
	/* all peers lose their connection at once and reconnect, again and again */
	DISTURB_STORM,
	/* one scrapes a thousand times a second and does not read what it asked for */
	DISTURB_DEAF,
	DISTURB_LARGE,          /* one sends messages of 200 KiB, the next when one is answered */
	DISTURB_FAST,           /* one announces 10,000 times a second */
	DISTURB_ABUSE           /* and from here on those of abuse.h, in its order */
};

/* What both processes see. */
struct disturb_shared {
	atomic_bool ready;      /* the peers are there */
	atomic_bool go;         /* set and unset by the other process: disturb */
	atomic_bool done;       /* it has ended */
	atomic_ullong count;    /* messages that disturbed, or connections made in storms */
	atomic_ullong ended;    /* connections that the server ended */
	/* of storms: how many, the ns they took, TLS sessions resumed */
	atomic_ullong storms, time, resumed;
};

struct disturb_plan {
	unsigned kind;          /* enum disturbance */
	uint16_t port;
	bool secure;
	enum wire_resume resume;
	struct crowd_options crowd;     /* of the disturbers */
};

/* Start the process; it ends with this one. */
struct disturb_shared *disturb_start(const struct disturb_plan *plan);

#endif
