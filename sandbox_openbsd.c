/* sandbox_openbsd.c - the sandbox by OpenBSD's pledge(2) and unveil(2); see sandbox.h */
#include "sandbox.h"

#include <stddef.h>
#include <unistd.h>

const char *sandbox_name(void)
{
	return "pledge";
}

bool sandbox_enter(void)
{
	/* "inet" and "unix" are for accepting; with no file in view no local socket can be reached.
	 * "error": what is denied fails, as the removal of a socket's file by who made it. */
	return unveil("/", "") == 0 && unveil(NULL, NULL) == 0 &&
	    pledge("stdio inet unix recvfd error", NULL) == 0;
}
