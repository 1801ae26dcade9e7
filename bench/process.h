/*
 * process.h - what the process that is measured has used, by /proc (Linux).
 *
 * Each function ends the program with a message if the process is gone.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>

/* The CPU time in ns that all of its threads have taken, in user mode and in the kernel. */
uint64_t process_cpu(long pid);

/* Bytes of memory that are resident. */
struct process_memory {
	double anonymous;       /* its own */
	double file;            /* pages of the program and of libraries, which are shared */
};

struct process_memory process_memory(long pid);

#endif
