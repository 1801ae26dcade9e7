/*
 * certificates.h - from the files of --cert and --key to a server that serves them.
 */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include <stdbool.h>

#include "server.h"

struct log;
struct options;
struct rights;

/* Read all certificates and keys, and serve them if nothing is wrong with any; what clients may mind
 * in those is logged as warnings. May be called again: False with a text that names the file, and
 * those before stay in force. No key stays in memory but where the server has it. */
bool certificates_load(struct uwt_server *server, const struct options *options,
    struct rights *rights, const struct log *log, char error[static UWT_ERROR_MAX]);

#endif
