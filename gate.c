/* gate.c - see gate.h */
#include "gate.h"

#include <stdio.h>
#include <string.h>

#define SWEEP 1000              /* torrents that one step looks at */
#define SWEEPS_MAX 16           /* times that looking begins anew; then one step looks at all */

const char *gate_option(enum gate_list list)
{
	return list == GATE_ALLOW ? "--allow-list" : "--deny-list";
}

bool gate_is_used(const struct gate *gate)
{
	return gate->files[GATE_ALLOW] != NULL || gate->files[GATE_DENY] != NULL;
}

bool gate_allows(const struct gate *gate, const uint8_t info_hash[static UWT_ID_SIZE])
{
	const struct list *allow = gate->lists[GATE_ALLOW], *deny = gate->lists[GATE_DENY];

	return (allow == NULL || list_has(allow, info_hash)) &&
	    (deny == NULL || !list_has(deny, info_hash));
}

uint32_t gate_count(const struct gate *gate, enum gate_list list)
{
	return gate->lists[list] != NULL ? list_count(gate->lists[list]) : 0;
}

size_t gate_memory(const struct gate *gate)
{
	size_t memory = 0;
	int i;

	for (i = 0; i < GATE_LISTS; i++)
		memory += gate->lists[i] != NULL ? 2 * list_memory(gate->lists[i]) : 0;
	return memory;
}

/* -- reading lists ---------------------------------------------------------------------- */

static void loading_end(struct gate *gate)
{
	int i;

	for (i = 0; i < GATE_LISTS; i++) {
		list_loader_free(gate->loaders[i]);
		list_free(gate->loaded[i]);
		gate->loaders[i] = NULL;
		gate->loaded[i] = NULL;
	}
	gate->loading = false;
}

bool gate_reload(struct gate *gate, const int fds[GATE_LISTS], char error[static UWT_ERROR_MAX])
{
	char why[LIST_ERROR_MAX];
	bool good = true;
	int i;

	loading_end(gate);
	for (i = 0; i < GATE_LISTS; i++) {
		if (gate->files[i] == NULL)
			continue;
		gate->loaders[i] = list_loader_new(fds[i], why);
		if (gate->loaders[i] == NULL && good) {
			snprintf(error, UWT_ERROR_MAX, "%s %.100s: %s", gate_option((enum gate_list)i),
			    gate->files[i], why);
			good = false;
		}
	}
	gate->loading = good;
	if (!good)
		loading_end(gate);
	return good;
}

/* All are read: they are in force now, and those before are given back. */
static void loaded_take(struct gate *gate)
{
	int i;

	for (i = 0; i < GATE_LISTS; i++) {
		list_free(gate->old[i]);
		gate->old[i] = gate->lists[i];
		gate->lists[i] = gate->loaded[i];
		gate->loaded[i] = NULL;
	}
	gate->loading = false;
	gate->sweeping = true;
	gate->sweep_kept = false;
	gate->sweeps = 0;
}

static enum gate_step load_step(struct gate *gate, char error[static UWT_ERROR_MAX])
{
	char why[LIST_ERROR_MAX];
	int i = 0;

	while (i < GATE_LISTS && gate->loaders[i] == NULL)
		i++;
	if (i == GATE_LISTS) {
		loaded_take(gate);
		return GATE_LOADED;
	}
	switch (list_loader_step(gate->loaders[i], why)) {
	case LIST_MORE:
		return GATE_MORE;
	case LIST_DONE:
		gate->loaded[i] = list_loader_take(gate->loaders[i]);
		list_loader_free(gate->loaders[i]);
		gate->loaders[i] = NULL;
		return GATE_MORE;
	case LIST_FAILED:
		break;
	}
	snprintf(error, UWT_ERROR_MAX, "%s %.100s: %s",
	    gate_option((enum gate_list)i), gate->files[i], why);
	loading_end(gate);
	return GATE_FAILED;
}

bool gate_load(struct gate *gate, const int fds[GATE_LISTS], char error[static UWT_ERROR_MAX])
{
	enum gate_step step = GATE_MORE;

	if (!gate_reload(gate, fds, error))
		return false;
	while (step == GATE_MORE)
		step = load_step(gate, error);
	gate->sweeping = false;
	return step == GATE_LOADED;
}

/* -- torrents that are there ------------------------------------------------------------- */

/* Where looking goes on: after the last that was kept, from the first if that is gone. */
static struct uwt_torrent sweep_find(struct gate *gate, const struct uwt_server *server)
{
	struct uwt_torrent torrent = { 0 };

	if (gate->sweep_kept && !uwt_torrent_find(server, gate->sweep_at, &torrent)) {
		gate->sweep_kept = false;
		gate->sweeps++;
	}
	return torrent;
}

/* Look at some of the torrents: those that are not allowed any more are dropped. */
static void sweep(struct gate *gate, struct uwt_server *server)
{
	struct uwt_torrent torrent = sweep_find(gate, server), next = torrent;
	uint8_t info_hash[UWT_ID_SIZE];
	int count;

	gate->sweeping = uwt_torrent_next(server, &next);
	for (count = 0; gate->sweeping && (count < SWEEP || gate->sweeps > SWEEPS_MAX); count++) {
		torrent = next;
		gate->sweeping = uwt_torrent_next(server, &next);
		memcpy(info_hash, torrent.info_hash, sizeof info_hash);
		if (!gate_allows(gate, info_hash)) {
			uwt_torrent_drop(server, info_hash);
			continue;
		}
		memcpy(gate->sweep_at, info_hash, sizeof info_hash);
		gate->sweep_kept = true;
	}
}

enum gate_step gate_step(struct gate *gate, struct uwt_server *server,
    char error[static UWT_ERROR_MAX])
{
	int i;

	if (gate->loading)
		return load_step(gate, error);
	if (gate->sweeping) {
		sweep(gate, server);
		return GATE_MORE;
	}
	for (i = 0; i < GATE_LISTS; i++) {
		if (gate->old[i] == NULL)
			continue;
		if (list_free_part(gate->old[i]))
			gate->old[i] = NULL;
		return GATE_MORE;
	}
	return GATE_NOTHING;
}

void gate_free(struct gate *gate)
{
	int i;

	loading_end(gate);
	for (i = 0; i < GATE_LISTS; i++) {
		list_free(gate->lists[i]);
		list_free(gate->old[i]);
		gate->lists[i] = gate->old[i] = NULL;
	}
}
