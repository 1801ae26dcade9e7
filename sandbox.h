/*
 * sandbox.h - giving up all that serving does not take, for good.
 *
 * By sandbox_linux.c (seccomp), sandbox_openbsd.c (pledge) or sandbox_none.c; the Makefile chooses.
 * A call that is denied fails, with EPERM on Linux and ENOSYS on OpenBSD.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stdbool.h>

/* What it is made of, "seccomp" or "pledge"; NULL if there is none in this build or this kernel. */
const char *sandbox_name(void);

/*
 * From now on this process can use the descriptors it has, accept connections, receive descriptors,
 * have memory that is not executable, tell the time, wait for its children and end. It can neither
 * open a file nor make a socket nor start, trace or signal a process. False with errno set if that
 * cannot be had.
 */
bool sandbox_enter(void);

#endif
