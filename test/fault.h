/*
 * fault.h - what the fault tests (faults.c) and the shim in the program under test (fault_shim.c)
 * agree on: which calls can be made to fail, and a plan in memory that both see.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdint.h>

/*
 * The calls that the shim stands before; test/faults reads the names from these lines. accept4
 * counts as accept, sendmsg and writev as send: which of them the program uses does not matter.
 */
#define FAULT_CALLS(CALL) \
	CALL(accept) \
	CALL(accept4) \
	CALL(bind) \
	CALL(calloc) \
	CALL(clock_gettime) \
	CALL(close) \
	CALL(connect) \
	CALL(epoll_create1) \
	CALL(epoll_ctl) \
	CALL(epoll_wait) \
	CALL(fcntl) \
	CALL(getentropy) \
	CALL(getrlimit) \
	CALL(getsockname) \
	CALL(listen) \
	CALL(lseek) \
	CALL(madvise) \
	CALL(malloc) \
	CALL(mmap) \
	CALL(munmap) \
	CALL(open) \
	CALL(pipe) \
	CALL(poll) \
	CALL(read) \
	CALL(realloc) \
	CALL(recv) \
	CALL(send) \
	CALL(sendmsg) \
	CALL(setrlimit) \
	CALL(setsockopt) \
	CALL(shutdown) \
	CALL(socket) \
	CALL(stat) \
	CALL(strdup) \
	CALL(sysconf) \
	CALL(unlink) \
	CALL(write) \
	CALL(writev)

#define FAULT_ENUM(name) FAULT_##name,
enum fault_call { FAULT_CALLS(FAULT_ENUM) FAULT_CALL_COUNT };

enum fault_kind {
	FAULT_FAIL,     /* nothing is done, the error is returned */
	FAULT_HALF,     /* about half of what can be done is done */
	FAULT_LOSE      /* of accept: the connection is lost, and the error is returned */
};

#define FAULT_PORTS 32

/* Calls nth to nth + times - 1 of a kind fail, counted from when the plan was armed. */
struct fault_rule {
	uint32_t call, kind;
	int32_t error;          /* errno */
	uint32_t nth, times;    /* nth from 1; 0: no rule */
};

/*
 * The tests write the first part while the plan is not armed, the shim the second.
 */
struct fault_plan {
	uint32_t armed;
	struct fault_rule rule;
	struct fault_rule second;       /* counted from when the first has struck */
	uint32_t most;                  /* bytes that recv, read, write and writev take; 0: all */
	uint32_t stutter;               /* every second of those, and of waits, is interrupted */

	uint32_t seen[FAULT_CALL_COUNT];
	uint32_t later[FAULT_CALL_COUNT];   /* of these, since the first rule has struck */
	uint32_t waits;                 /* ends of a wait for any descriptor, armed or not */
	uint32_t struck;                /* how often a rule did */
	uint16_t ports[FAULT_PORTS];    /* of the peers whose connections it was */
};

#define FAULT_VARIABLE "UWT_FAULTS"     /* names the file that holds the plan */

#endif
