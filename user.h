/*
 * user.h - from root to a user without rights.
 */
#ifndef USER_H
#define USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct user {
	const char *name;
	uid_t id;
	gid_t group;
};

/* Find a user by name, who can be become: another than root, if this process is root's, and if not
 * the one it is. False with one line in error. The name is kept, not copied. */
bool user_find(const char *name, struct user *user, char *error, size_t error_max);

/* Let files that are made from now on belong to the user's group. False with one line in error. */
bool user_lend_group(const struct user *user, char *error, size_t error_max);

/* Become the user, with all groups that belong to it, for good: that root's rights do not come back
 * is tried. False with one line in error; what holds then is not known, so end. */
bool user_become(const struct user *user, char *error, size_t error_max);

#endif
