/*
 * machine.h - what the machine lets this process have.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/* Raise the limit on open files to the hard limit. Returns the limit now in force. */
uint32_t machine_descriptors(void);

/* Bytes of memory of the machine, or of the control group (Linux) if that has less. */
uint64_t machine_memory(void);

#endif
