/* sandbox_none.c - where there is no sandbox; see sandbox.h */
#include "sandbox.h"

#include <errno.h>
#include <stddef.h>

const char *sandbox_name(void)
{
	return NULL;
}

bool sandbox_enter(void)
{
	errno = ENOSYS;
	return false;
}
