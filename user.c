/* user.c - see user.h */
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool refuse(const char *name, const char *why, char *error, size_t error_max)
{
	snprintf(error, error_max, "--user %.100s: %s", name, why);
	return false;
}

bool user_find(const char *name, struct user *user, char *error, size_t error_max)
{
	const struct passwd *found = getpwnam(name);

	if (found == NULL)
		return refuse(name, "no such user", error, error_max);
	*user = (struct user){ name, found->pw_uid, found->pw_gid };
	if (user->id == 0)
		return refuse(name, "has the rights that are to be given up", error, error_max);
	if (geteuid() != 0 && (geteuid() != user->id || getuid() != user->id))
		return refuse(name, "only root can become another user", error, error_max);
	return true;
}

bool user_lend_group(const struct user *user, char *error, size_t error_max)
{
	if (geteuid() != 0 || setegid(user->group) == 0)
		return true;
	return refuse(user->name, strerror(errno), error, error_max);
}

bool user_become(const struct user *user, char *error, size_t error_max)
{
	if (geteuid() == 0 && (initgroups(user->name, user->group) != 0 ||
	    setgid(user->group) != 0 || setuid(user->id) != 0))
		return refuse(user->name, strerror(errno), error, error_max);
	if (getuid() != user->id || geteuid() != user->id || setuid(0) == 0 || seteuid(0) == 0)
		return refuse(user->name, "root's rights were not given up", error, error_max);
	return true;
}
