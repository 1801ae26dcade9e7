/*
 * rights.h - what the program may do, from the start to the end: --user, the sandbox, and the
 * process beside it that keeps what it gives up.
 *
 * In this order: rights_keep before there is much memory; then all that takes rights (files,
 * memory, rights_lend_group and listening); then rights_drop. From there on files are opened by the
 * opener, and only those that the options name.
 */
#ifndef RIGHTS_H
#define RIGHTS_H

#include <stdbool.h>

#include "opener.h"
#include "server.h"
#include "user.h"

struct options;

/* Must stay where it is: the opener's names point into it. */
struct rights {
	const struct options *options;
	struct opener opener;       /* for who starts commands or saves; OPENER_NONE if not needed */
	struct opener_names names;
	struct user user;           /* of --user */
	bool confined;              /* rights were given up: only the opener can open files */
	bool wrong_option;          /* what failed is a step of --user: the command line is wrong */
};

/* Set up: find the user, and start the opener if something will need it. The options must outlive
 * it. False with a text; rights_end is due either way. */
bool rights_keep(struct rights *rights, const struct options *options,
    char error[static UWT_ERROR_MAX]);

/* Let sockets' files that are made from now on belong to the user's group. False with a text. */
bool rights_lend_group(struct rights *rights, char error[static UWT_ERROR_MAX]);

/* Become the user and enter the sandbox, as far as the options say so. False with a text; what holds
 * then is not known, so end. */
bool rights_drop(struct rights *rights, char error[static UWT_ERROR_MAX]);

/* Open one of the files that the options name: certificates, keys, lists. Returns its descriptor,
 * the caller's, or -1 with errno set, of which rights_fault is the text. */
int rights_open(struct rights *rights, const char *path);
const char *rights_fault(void);

/* Let the opener end, and wait for that: see opener_end. */
void rights_end(struct rights *rights);

#endif
