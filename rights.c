/* rights.c - see rights.h */
#include "rights.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "options.h"
#include "sandbox.h"
#include "state.h"

/* What the opener is there for: files to be opened, commands, the state, the files of sockets. */
static struct opener_names opener_names(const struct options *options)
{
	struct opener_names names = { .file_count = 2 * options->certificates.count };
	size_t i;

	for (i = 0; i < options->certificates.count; i++) {
		names.files[i] = options->certificates.items[i];
		names.files[options->certificates.count + i] = options->keys.items[i];
	}
	if (options->allow_list != NULL)
		names.files[names.file_count++] = options->allow_list;
	if (options->deny_list != NULL)
		names.files[names.file_count++] = options->deny_list;
	if (options->state_dir != NULL) {
		names.folder = options->state_dir;
		names.saved = STATE_FILE;
		names.save_max = UWT_HISTORY_MAX;
	}
	if (options->filter != NULL)
		names.commands[names.command_count++] = options->filter;
	if (options->hook != NULL)
		names.commands[names.command_count++] = options->hook;
	for (i = 0; i < options->hosts.count; i++) {
		if (strncmp(options->hosts.items[i], "unix:", 5) == 0)
			names.sockets[names.socket_count++] = options->hosts.items[i] + 5;
	}
	return names;
}

/* What a step of --user came to: if it failed, that option is wrong. */
static bool user_step(struct rights *rights, bool done)
{
	if (!done)
		rights->wrong_option = true;
	return done;
}

static bool find_user(struct rights *rights, char error[static UWT_ERROR_MAX])
{
	const char *name = rights->options->user;

	return name == NULL || user_step(rights, user_find(name, &rights->user, error,
	    UWT_ERROR_MAX));
}

/* Start the opener, if rights will be given up that are needed later. */
static bool start_opener(struct rights *rights, char error[static UWT_ERROR_MAX])
{
	const struct options *options = rights->options;
	struct opener_names *names = &rights->names;
	bool confined = options->user != NULL || (options->sandbox && sandbox_name() != NULL);

	*names = opener_names(options);
	names->user = options->user != NULL ? &rights->user : NULL;
	if ((names->command_count == 0 && names->folder == NULL &&
	    (!confined || names->file_count + names->socket_count == 0)) ||
	    opener_start(&rights->opener, names))
		return true;
	snprintf(error, UWT_ERROR_MAX, "cannot start the process that opens files: %s",
	    strerror(errno));
	return false;
}

bool rights_keep(struct rights *rights, const struct options *options,
    char error[static UWT_ERROR_MAX])
{
	*rights = (struct rights){ .options = options, .opener = OPENER_NONE };
	return find_user(rights, error) && start_opener(rights, error);
}

bool rights_lend_group(struct rights *rights, char error[static UWT_ERROR_MAX])
{
	return rights->options->user == NULL || user_step(rights, user_lend_group(&rights->user,
	    error, UWT_ERROR_MAX));
}

bool rights_drop(struct rights *rights, char error[static UWT_ERROR_MAX])
{
	const struct options *options = rights->options;

	if (options->user != NULL && !user_step(rights, user_become(&rights->user, error,
	    UWT_ERROR_MAX)))
		return false;
	rights->confined = options->user != NULL;
	if (!options->sandbox || sandbox_name() == NULL)
		return true;
	rights->confined = true;
	if (sandbox_enter())
		return true;
	snprintf(error, UWT_ERROR_MAX, "cannot enter the sandbox: %s; --no-sandbox leaves it out",
	    strerror(errno));
	return false;
}

int rights_open(struct rights *rights, const char *path)
{
	const struct opener_names *names = &rights->names;
	size_t number = 0;

	if (!rights->confined)
		return file_open(path);
	/* One that is not among them is refused by the opener, as all that it was not told of. */
	while (number < names->file_count && strcmp(names->files[number], path) != 0)
		number++;
	return opener_open(&rights->opener, number);
}

const char *rights_fault(void)
{
	return errno == ESRCH ? "the process that opens files has ended" : strerror(errno);
}

void rights_end(struct rights *rights)
{
	opener_end(&rights->opener);
}
