/*
 * gate.h - which torrents the operator's lists of info_hashes let in, and reading them anew while
 * the server goes on.
 */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>

#include "list.h"
#include "server.h"

/* The lists. */
enum gate_list { GATE_ALLOW, GATE_DENY, GATE_LISTS };

struct gate {
	const char *files[GATE_LISTS];      /* NULL: there is none */
	struct list *lists[GATE_LISTS];
	struct list_loader *loaders[GATE_LISTS];    /* while they are read anew */
	struct list *loaded[GATE_LISTS];    /* read, while another is not yet */
	struct list *old[GATE_LISTS];       /* being given back */
	bool loading;                       /* one of these is under way */
	/* how far the torrents that there are have been looked at, after that */
	bool sweeping;
	uint8_t sweep_at[UWT_ID_SIZE];      /* the last that was kept, if one was */
	bool sweep_kept;
	unsigned sweeps;                    /* times that it was gone, and all began anew */
};

/* The option that names a list. */
const char *gate_option(enum gate_list list);

/* Is there a list? */
bool gate_is_used(const struct gate *gate);

/* May there be this torrent? */
bool gate_allows(const struct gate *gate, const uint8_t info_hash[static UWT_ID_SIZE]);

/* The most memory that it comes to, with lists as long as these: two of each while one is read. */
size_t gate_memory(const struct gate *gate);

/* Read the lists, whole, from these descriptors. False with a text that names the file. */
bool gate_load(struct gate *gate, const int fds[GATE_LISTS], char error[static UWT_ERROR_MAX]);

/* Begin to read them anew; one that is under way begins again. Until all are whole those before stay
 * in force. False with a text if it cannot begin. */
bool gate_reload(struct gate *gate, const int fds[GATE_LISTS], char error[static UWT_ERROR_MAX]);

/* How many info_hashes are in a list. */
uint32_t gate_count(const struct gate *gate, enum gate_list list);

enum gate_step {
	GATE_NOTHING,           /* nothing is to be done */
	GATE_MORE,              /* to be called again, after a turn */
	GATE_LOADED,            /* the same, and the lists that were read are in force now */
	GATE_FAILED             /* those before stay in force: error says why */
};

/* Do a small part of what is to be done: read, drop torrents that are not allowed any more. */
enum gate_step gate_step(struct gate *gate, struct uwt_server *server,
    char error[static UWT_ERROR_MAX]);

/* Give everything back. */
void gate_free(struct gate *gate);

#endif
