/*
 * abuse.h - connections that no honest client would make.
 *
 * Each says a script over and over: a start, once, and then its rest in a circle. Who is turned away
 * comes again at once. What the server says is read and thrown away.
 */
#ifndef BENCH_ABUSE_H
#define BENCH_ABUSE_H

#include <stdbool.h>
#include <stdint.h>

enum abuse_kind {
	ABUSE_SILENT,           /* 2,000 that say nothing at all */
	ABUSE_HEADS,            /* 1,000 whose requests come a byte at a time */
	ABUSE_BODIES,           /* 1,000 whose messages do */
	ABUSE_HELLOS,           /* 1,000 whose TLS handshakes do */
	ABUSE_FLOOD,            /* 2,000 that want to be there at once, over and over */
	ABUSE_PIPELINE,         /* 4 that announce as fast as the socket takes it */
	ABUSE_FRAGMENTS,        /* 4 that do the same with a fragment for each byte */
	ABUSE_PINGS,            /* 4 with pings */
	ABUSE_STREAMS,          /* 250 with messages of 60 KB */
	ABUSE_READERS           /* one that reads /stats, its history and /metrics every 10 ms */
};

struct abuse;

struct abuse *abuse_new(enum abuse_kind kind, uint16_t port);

/* Go on for up to so many ms. Returns how many connections the server has ended since the start. */
uint64_t abuse_poll(struct abuse *abuse, int timeout);

#endif
