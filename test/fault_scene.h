/*
 * fault_scene.h - the session of clients during which calls fail (faults.c), and what may be lost.
 *
 * Two witnesses are in a swarm of their own from before. A session plays beside them; then it is
 * made sure that all that a fault may not touch is as it was: the witnesses hear each other, who
 * comes is served, and nothing of the session is left in the server. What is wrong ends the test
 * (harness.h).
 */
#ifndef FAULT_SCENE_H
#define FAULT_SCENE_H

#include "fault.h"
#include "harness.h"

/* What a fault may cost. */
enum hurt {
	NOBODY = 0,
	OWN = 1,        /* the connection whose call failed */
	YOUNG = 2,      /* any that has not announced */
	RELOAD = 4,     /* a reload: the certificates before stay */
	OUTPUT = 8      /* all output from then on */
};

/* A plan that the next servers see. It lasts as long as the process. */
struct fault_plan *plan_make(void);

/* Let these rules be in force, counting from now, or end that. NULL: no rule. */
void plan_arm(struct fault_plan *plan, const struct fault_rule *rule,
    const struct fault_rule *second);
void plan_disarm(struct fault_plan *plan);

/* Let the witnesses come. The plan is not armed. */
void scene_begin(struct server *server, struct fault_plan *plan, unsigned hurt);

/* What a fault may cost from now on. */
void scene_hurt(unsigned hurt);

/* Play the session; false: what it may cost has cut it short. */
bool scene_play(void);

/* After that, no longer armed: is all as it must be? */
void scene_verify(void);

/* All leave, and SIGTERM ends the server as it must. */
void scene_end(void);

/* SIGTERM with the witnesses and others there, and this rule in force: it ends as it must. */
void scene_stop(const struct fault_rule *rule);

#endif
