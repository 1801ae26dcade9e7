/* state.c - see state.h */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "save.h"

#define PATH_ROOM 4200          /* bytes: no system takes a longer folder */
#define LOOK 1000               /* ms between two looks whether a save is done */
#define LAST_LOOK 20            /* the same at the end, where the next save waits for that */

/* A test build does not wait for minutes. */
#ifdef CLOCK_SPEED
#define INTERVAL (5000 / CLOCK_SPEED)
#else
#define INTERVAL STATE_INTERVAL
#endif

/* -- what is told --------------------------------------------------------------------------- */

static void warn(const struct state *state, const char *what, const char *why)
{
	log_line(state->log, LOG_WARNING, "%.200s/" STATE_FILE ": %s%s", state->folder, what, why);
}

/* What became of a save: told when it begins to fail, and when that is over. */
static void tell(struct state *state, int fault)
{
	if (fault == 0 && state->failing)
		warn(state, "it is saved again", "");
	if (fault != 0 && !state->failing)
		warn(state, "it cannot be saved: ", fault == ESRCH ?
		    "the process that saves it has ended" : strerror(fault));
	state->failing = fault != 0;
}

/* -- the start ------------------------------------------------------------------------------ */

static void set_aside(const struct state *state, const char *why)
{
	int fault = save_aside(state->folder, STATE_FILE, STATE_DAMAGED);

	if (fault == 0)
		warn(state, why, ": set aside as " STATE_DAMAGED);
	else
		log_line(state->log, LOG_WARNING, "%.200s/" STATE_FILE
		    ": %s; it cannot be set aside: %s", state->folder, why, strerror(fault));
}

static void note_mark(uint8_t mark[static UWT_HISTORY_MARK], const uint8_t *data, size_t size)
{
	memcpy(mark, data + size - UWT_HISTORY_MARK, UWT_HISTORY_MARK);
}

/* The writer of a pipe, say, could keep the start waiting. */
static bool is_plain(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Have the folder for this program alone, as long as it runs. Where a file system knows no locks
 * nobody looks. */
static bool lock(struct state *state)
{
	state->lock = open(state->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->lock < 0 || flock(state->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return true;
	close(state->lock);
	return false;
}

/* Hand the server what was saved. */
static void restore(struct state *state)
{
	char path[PATH_ROOM], *content;
	const char *wrong;
	size_t size;
	int fd;

	snprintf(path, sizeof path, "%s/" STATE_FILE, state->folder);
	fd = file_open(path);
	if (fd >= 0 && !is_plain(fd)) {
		close(fd);
		set_aside(state, "it is no file");
		return;
	}
	content = file_read(fd, UWT_HISTORY_MAX, &size);
	if (content == NULL) {
		if (errno != ENOENT)
			set_aside(state, strerror(errno));
		return;
	}
	wrong = uwt_server_restore(state->server, (const uint8_t *)content, size);
	state->known = wrong == NULL;
	if (wrong == NULL)
		note_mark(state->saved, (const uint8_t *)content, size);
	else
		set_aside(state, wrong);
	free(content);
}

bool state_start(struct state *state, char error[static UWT_ERROR_MAX])
{
	int fault;

	if (state->folder == NULL)
		return true;
	if (!lock(state)) {
		snprintf(error, UWT_ERROR_MAX, "--state-dir %.150s: another uwt uses it",
		    state->folder);
		return false;
	}
	fault = save_try(state->folder, STATE_FILE);
	if (fault != 0) {
		snprintf(error, UWT_ERROR_MAX, "--state-dir %.150s: %s", state->folder,
		    strerror(fault));
		return false;
	}
	restore(state);
	state->due = clock_ms() + INTERVAL;
	return true;
}

/* -- saving --------------------------------------------------------------------------------- */

/* Ask for a save if there is something new. */
static void save(struct state *state)
{
	uint8_t *memory = opener_memory(state->opener);
	size_t size = uwt_server_history(state->server, memory);

	note_mark(state->asked, memory, size);
	if (state->known && memcmp(state->asked, state->saved, UWT_HISTORY_MARK) == 0)
		return;
	if (opener_save(state->opener, size))
		state->saving = true;
	else
		tell(state, errno);
}

/* Take what has become of the save that was asked for. */
static void take_answer(struct state *state)
{
	int fault = opener_saved(state->opener);

	if (fault == EINPROGRESS)
		return;
	state->saving = false;
	tell(state, fault);
	/* What the file holds after one that failed cannot be known. */
	state->known = fault == 0;
	memcpy(state->saved, state->asked, UWT_HISTORY_MARK);
}

void state_turn(struct state *state)
{
	uint64_t now;

	if (state->folder == NULL)
		return;
	if (state->saving)
		take_answer(state);
	now = clock_ms();
	if (now < state->due)
		return;
	/* The memory is the opener's until it has answered. */
	if (!state->saving)
		save(state);
	else if (state->end == 0)
		tell(state, ETIMEDOUT);
	else
		return;
	state->due = state->end == 0 ? now + INTERVAL : UINT64_MAX;
}

int state_wait(const struct state *state)
{
	uint64_t now, left;

	if (state->folder == NULL)
		return -1;
	now = clock_ms();
	left = state->due > now ? state->due - now : 0;
	/* What is due at the end cannot begin before. */
	if (state->saving && left == 0)
		return LAST_LOOK;
	if (state->saving && left > LOOK)
		return LOOK;
	return left < INTERVAL ? (int)left : INTERVAL;
}

/* -- the end -------------------------------------------------------------------------------- */

void state_close(struct state *state)
{
	state->due = clock_ms();
	state->end = state->due + STATE_PATIENCE;
	state_turn(state);
}

static bool is_busy(const struct state *state)
{
	return state->saving || state->due != UINT64_MAX;
}

void state_end(struct state *state, const volatile sig_atomic_t *stop)
{
	uint64_t now = clock_ms();
	struct pollfd answer = { .events = POLLIN };

	if (state->folder == NULL)
		return;
	while (is_busy(state) && now < state->end && *stop < 2) {
		answer.fd = state->opener->fd;
		poll(&answer, 1, (int)(state->end - now));
		state_turn(state);
		now = clock_ms();
	}
	if (state->end != 0 && is_busy(state) && *stop < 2)
		tell(state, ETIMEDOUT);
	if (state->lock >= 0)
		close(state->lock);
	state->lock = -1;
}
