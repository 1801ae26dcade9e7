/*
 * vitals.h - what this process takes of the machine, in the text format of Prometheus, under the
 * names that all programs have for it: process_...
 *
 * Nothing is opened after vitals_init, and all that vitals_metrics calls is allowed in the sandbox.
 * What the system does not tell is left out: memory, where there is no /proc as Linux has it.
 */
#ifndef VITALS_H
#define VITALS_H

#include <stddef.h>
#include <stdint.h>

#define VITALS_TEXT_MAX 2048

struct vitals {
	int statm;              /* /proc/self/statm, -1: there is none */
	uint64_t page;          /* bytes of what statm counts */
	uint64_t started;       /* us since 1970; 0: not known */
	uint32_t max_fds;
};

/* One that was not begun: it has no memory to tell of, and can be ended. */
#define VITALS_NONE ((struct vitals){ .statm = -1 })

/* Begin. The process counts as started now, and is the one that calls this: what it forks is not
 * told about. Raises the limit on descriptors, as machine_descriptors does. */
void vitals_init(struct vitals *vitals);

/* Write the metrics of a process with so many descriptors open. Returns how many bytes, not
 * terminated: for all of it VITALS_TEXT_MAX suffice, and what does not fit into `room` is left out
 * whole. */
size_t vitals_metrics(const struct vitals *vitals, uint32_t open_fds, char *out, size_t room);

/* How many of the first 1024 descriptors are open. There is no call that counts all at once: who has
 * few at its start asks once, and counts what comes then. */
uint32_t vitals_descriptors(void);

void vitals_end(struct vitals *vitals);

#endif
