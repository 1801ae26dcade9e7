/* disturb.c - see disturb.h */
#define _GNU_SOURCE
#include "disturb.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "abuse.h"

#define LARGE (200 * 1024)      /* bytes */
#define FAST_GAP 100000         /* ns between two announces */
#define DEAF_GAP 1000000        /* ns between two scrapes */
#define DEAF_HASHES 100         /* in a scrape */
#define DEAF_WAITING_MAX 1000000        /* bytes that the server has not taken */

struct disturber {
	struct crowd crowd;
	struct disturb_shared *shared;
};

static struct disturber *disturber_of(struct crowd *crowd)
{
	return crowd->context;
}

/* Those that the server ends come again. */
static void come_again(struct crowd *crowd, struct peer *peer)
{
	atomic_fetch_add(&disturber_of(crowd)->shared->ended, 1);
	crowd_reconnect(crowd, peer);
}

static bool goes(const struct disturber *disturber)
{
	return atomic_load(&disturber->shared->go);
}

static void storm(struct disturber *disturber)
{
	struct crowd *crowd = &disturber->crowd;
	uint64_t start = time_now();
	unsigned i;

	crowd->resumed = 0;
	/* All are closed before the first is opened. */
	for (i = 0; i < crowd->options.peers; i++)
		wire_close(&crowd->peers[i].wire);
	for (i = 0; i < crowd->options.peers; i++)
		crowd_reconnect(crowd, &crowd->peers[i]);
	while (crowd->known < crowd->options.peers)
		wires_poll(&crowd->wires, 1000);
	atomic_fetch_add(&disturber->shared->storms, 1);
	atomic_fetch_add(&disturber->shared->time, time_now() - start);
	atomic_fetch_add(&disturber->shared->resumed, crowd->resumed);
	atomic_fetch_add(&disturber->shared->count, crowd->known);
}

static void storms(struct disturber *disturber)
{
	while (goes(disturber))
		storm(disturber);
}

static void message_send(struct crowd *crowd, struct peer *peer, size_t length)
{
	wire_send(&peer->wire, crowd->message + WIRE_HEAD_ROOM, length);
	atomic_fetch_add(&disturber_of(crowd)->shared->count, 1);
}

static void deaf_send(struct crowd *crowd, struct peer *peer)
{
	char *text = (char *)crowd->message + WIRE_HEAD_ROOM;
	size_t length;
	unsigned i;

	if (peer->wire.state != WIRE_OPEN || peer->wire.waiting_length > DEAF_WAITING_MAX)
		return;
	length = (size_t)sprintf(text, "{\"action\":\"scrape\",\"info_hash\":");
	for (i = 0; i < DEAF_HASHES; i++)
		length += (size_t)sprintf(text + length, "%c\"swarm%015u\"", i == 0 ? '[' : ',', i);
	length += (size_t)sprintf(text + length, "]}");
	message_send(crowd, peer, length);
}

/* An announce with a long member that means nothing. */
static void large_send(struct crowd *crowd, struct peer *peer)
{
	char *text = (char *)crowd->message + WIRE_HEAD_ROOM;
	int length = sprintf(text, "{\"action\":\"announce\",\"info_hash\":\"swarm%015u\","
	    "\"peer_id\":\"-WW0102-%012u\",\"left\":1,\"padding\":\"", peer->swarm,
	    peer->wire.number);

	memset(text + length, 'x', LARGE - (size_t)length);
	memcpy(text + LARGE - 2, "\"}", 2);
	peer->times[(peer->oldest + peer->in_flight++) % CROWD_IN_FLIGHT] = time_now();
	message_send(crowd, peer, LARGE);
}

static void fast_send(struct crowd *crowd, struct peer *peer)
{
	crowd_announce(crowd, peer, time_now());
	atomic_store(&disturber_of(crowd)->shared->count, crowd->announces);
}

static void large(struct disturber *disturber)
{
	struct crowd *crowd = &disturber->crowd;

	crowd->replied = large_send;
	large_send(crowd, &crowd->peers[0]);
	while (goes(disturber))
		wires_poll(&crowd->wires, 10);
	crowd->replied = NULL;
}

/* Call again and again, `gap` ns apart. */
static void pace(struct disturber *disturber, uint64_t gap,
    void (*send)(struct crowd *, struct peer *))
{
	struct crowd *crowd = &disturber->crowd;
	uint64_t next = time_now();

	while (goes(disturber)) {
		for (; next <= time_now(); next += gap)
			send(crowd, &crowd->peers[0]);
		wires_wake(&crowd->wires, next);
		wires_poll(&crowd->wires, 10);
	}
}

static void fast(struct disturber *disturber)
{
	pace(disturber, FAST_GAP, fast_send);
}

static void deaf(struct disturber *disturber)
{
	struct crowd *crowd = &disturber->crowd;

	crowd->peers[0].wire.deaf = true;
	crowd_reconnect(crowd, &crowd->peers[0]);
	pace(disturber, DEAF_GAP, deaf_send);
}

static void abuse(const struct disturb_plan *plan, const struct disturber *disturber)
{
	struct abuse *abuse = abuse_new((enum abuse_kind)(plan->kind - DISTURB_ABUSE), plan->port);

	while (goes(disturber))
		atomic_store(&disturber->shared->ended, abuse_poll(abuse, 10));
}

static void disturber_init(struct disturber *disturber, const struct disturb_plan *plan,
    struct disturb_shared *shared)
{
	disturber->shared = shared;
	disturber->crowd.lost = come_again;
	wires_init(&disturber->crowd.wires, plan->port);
	disturber->crowd.wires.secure = plan->secure;
	disturber->crowd.wires.resume = plan->resume;
	crowd_init(&disturber->crowd, &plan->crowd);
	disturber->crowd.context = disturber;
}

static void disturb(const struct disturb_plan *plan, struct disturb_shared *shared)
{
	static void (*const kinds[])(struct disturber *) = {
		[DISTURB_STORM] = storms, [DISTURB_DEAF] = deaf, [DISTURB_LARGE] = large,
		[DISTURB_FAST] = fast
	};
	struct disturber *disturber = calloc(1, sizeof *disturber);
	struct sched_param none = { 0 };

	if (disturber == NULL)
		exit(1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sched_setscheduler(0, SCHED_IDLE, &none);
	disturber_init(disturber, plan, shared);
	crowd_come(&disturber->crowd, 64);
	atomic_store(&shared->ready, true);
	while (!goes(disturber))
		wires_poll(&disturber->crowd.wires, 1);
	if (plan->kind < DISTURB_ABUSE)
		kinds[plan->kind](disturber);
	else
		abuse(plan, disturber);
	atomic_store(&shared->done, true);
	for (;;)
		wires_poll(&disturber->crowd.wires, -1);
}

struct disturb_shared *disturb_start(const struct disturb_plan *plan)
{
	struct disturb_shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;

	if (shared == MAP_FAILED || (child = fork()) < 0) {
		perror("load: a further process");
		exit(1);
	}
	if (child == 0)
		disturb(plan, shared);
	return shared;
}
