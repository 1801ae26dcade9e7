/* helper.c - see helper.h */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "opener.h"
#include "ws.h"

#define START_LOOK 10           /* ms between two looks whether it has been started */
#define READS_MAX 2             /* that a turn makes; more would keep others waiting */

void helper_init(struct helper *helper, struct opener *opener, size_t command,
    const struct helper_calls *calls)
{
	helper->opener = opener;
	helper->command = command;
	helper->calls = calls;
	helper->state = HELPER_WAITS;
	helper->fd = -1;
	helper->starts = 0;
	helper->since = 0;
	helper->due = 0;
	helper->delay = HELPER_RESTART_MIN;
	helper->broken = false;
	helper->dropped = 0;
	helper->lost = 0;
	helper->out_start = 0;
	helper->out_length = 0;
	helper->in_length = 0;
}

bool helper_runs(const struct helper *helper)
{
	return helper->state == HELPER_RUNS && !helper->broken;
}

int helper_descriptor(const struct helper *helper)
{
	return helper->fd;
}

short helper_interest(const struct helper *helper)
{
	return helper->out_length > 0 ? POLLIN | POLLOUT : POLLIN;
}

uint64_t helper_due(const struct helper *helper)
{
	return helper->broken ? 0 : helper->due;
}

/* -- to it ---------------------------------------------------------------------------------- */

/* Send what it takes at once. That this fails shows in `broken`, as callers may be in the middle of
 * something: the next turn sees to it. */
static void helper_flush(struct helper *helper)
{
	size_t part;
	ssize_t sent;

	while (helper->out_length > 0 && helper->state == HELPER_RUNS && !helper->broken) {
		part = HELPER_QUEUE_SIZE - helper->out_start;
		if (part > helper->out_length)
			part = helper->out_length;
		sent = send(helper->fd, helper->out + helper->out_start, part,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (sent > 0) {
			helper->out_start = (helper->out_start + (size_t)sent) % HELPER_QUEUE_SIZE;
			helper->out_length -= (size_t)sent;
		} else if (sent == 0 || errno != EINTR) {
			helper->broken = true;
		}
	}
	/* The part of the ring that was touched is used again. */
	if (helper->out_length == 0)
		helper->out_start = 0;
}

/* Append to the ring, where there is room. */
static void helper_queue(struct helper *helper, const char *bytes, size_t length)
{
	size_t at = (helper->out_start + helper->out_length) % HELPER_QUEUE_SIZE;
	size_t part = HELPER_QUEUE_SIZE - at;

	if (part > length)
		part = length;
	memcpy(helper->out + at, bytes, part);
	memcpy(helper->out, bytes + part, length - part);
	helper->out_length += length;
}

bool helper_send(struct helper *helper, const char *line, size_t length)
{
	if (helper_runs(helper) && HELPER_QUEUE_SIZE - helper->out_length <= length)
		helper_flush(helper);
	if (!helper_runs(helper) || HELPER_QUEUE_SIZE - helper->out_length <= length) {
		helper->dropped++;
		helper->lost++;
		return false;
	}
	helper_queue(helper, line, length);
	helper_queue(helper, "\n", 1);
	helper->dropped = 0;
	return true;
}

/* Lose what it did not take. */
static void helper_forget(struct helper *helper)
{
	size_t i;

	for (i = 0; i < helper->out_length; i++) {
		if (helper->out[(helper->out_start + i) % HELPER_QUEUE_SIZE] != '\n')
			continue;
		helper->dropped++;
		helper->lost++;
	}
	helper->out_start = 0;
	helper->out_length = 0;
	helper->in_length = 0;
	helper->broken = false;
}

/* -- its life ------------------------------------------------------------------------------- */

static void helper_enter(struct helper *helper, enum helper_state state, uint64_t now, uint64_t due)
{
	helper->state = state;
	helper->since = now;
	helper->due = due;
}

/* It has ended, was at fault or could not be started. */
static void helper_down(struct helper *helper, uint64_t now, const char *why)
{
	if (helper->state == HELPER_RUNS) {
		if (now - helper->since >= HELPER_RESTART_MAX)
			helper->delay = HELPER_RESTART_MIN;
		close(helper->fd);
		helper->fd = -1;
	}
	opener_stop(helper->opener, helper->command);
	helper_forget(helper);
	helper_enter(helper, HELPER_WAITS, now, now + helper->delay);
	helper->delay = helper->delay > HELPER_RESTART_MAX / 2 ? HELPER_RESTART_MAX :
	    helper->delay * 2;
	helper->calls->ended(helper->calls->context, why);
}

static const char *why_not_started(int fault)
{
	switch (fault) {
	case ESRCH: return "the process that starts it has ended";
	case ETIMEDOUT: return "the process that starts it does not answer";
	default: return strerror(fault);
	}
}

static void helper_launch(struct helper *helper, uint64_t now)
{
	helper_enter(helper, HELPER_STARTS, now, now + START_LOOK);
	if (!opener_launch(helper->opener, helper->command))
		helper_down(helper, now, why_not_started(errno));
}

/* Has the opener started it? */
static void helper_look(struct helper *helper, uint64_t now)
{
	int fd = opener_launched(helper->opener, helper->command);

	if (fd >= 0) {
		helper_enter(helper, HELPER_RUNS, now, UINT64_MAX);
		helper->fd = fd;
		helper->starts++;
		helper->calls->started(helper->calls->context);
	} else if (errno != EINPROGRESS) {
		helper_down(helper, now, why_not_started(errno));
	} else if (now - helper->since >= HELPER_START_MAX) {
		helper_down(helper, now, why_not_started(ETIMEDOUT));
	} else {
		helper->due = now + START_LOOK;
	}
}

void helper_fail(struct helper *helper, uint64_t now, const char *why)
{
	if (helper->state == HELPER_RUNS)
		helper_down(helper, now, why);
}

void helper_end(struct helper *helper)
{
	helper_flush(helper);
	if (helper->fd >= 0)
		close(helper->fd);
	helper->fd = -1;
	helper_forget(helper);
	helper_enter(helper, HELPER_IS_OFF, 0, UINT64_MAX);
}

/* -- from it -------------------------------------------------------------------------------- */

/* Hand over a line. Returns NULL or what is wrong with it. */
static const char *line_take(const struct helper *helper, const char *line, size_t length)
{
	if (memchr(line, '\0', length) != NULL)
		return "it sent a line with a NUL";
	if (!ws_utf8_valid((const uint8_t *)line, length))
		return "it sent a line that is not UTF-8";
	return helper->calls->line(helper->calls->context, line, length);
}

/* Hand over the lines that are whole, of which the newlines are among the last `fresh` bytes; what
 * is left moves to the front. Returns NULL or what is wrong with one. */
static const char *lines_take(struct helper *helper, size_t fresh)
{
	const char *start = helper->in, *end = start + helper->in_length, *at = end - fresh;
	const char *newline, *wrong;

	while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		wrong = line_take(helper, start, (size_t)(newline - start));
		if (wrong != NULL)
			return wrong;
		start = at = newline + 1;
	}
	helper->in_length = (size_t)(end - start);
	if (helper->in_length > HELPER_LINE_MAX)
		return "it sent a line of over 65536 bytes";
	memmove(helper->in, start, helper->in_length);
	return NULL;
}

/* Read what there is, once. Returns whether there may be more. */
static bool helper_read(struct helper *helper, uint64_t now)
{
	ssize_t got = recv(helper->fd, helper->in + helper->in_length,
	    sizeof helper->in - helper->in_length, MSG_DONTWAIT);
	const char *wrong;

	if (got < 0 && errno == EINTR)
		return true;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (got <= 0) {
		helper_down(helper, now, "it has ended");
		return false;
	}
	helper->in_length += (size_t)got;
	wrong = lines_take(helper, (size_t)got);
	if (wrong != NULL)
		helper_down(helper, now, wrong);
	return wrong == NULL;
}

void helper_turn(struct helper *helper, uint64_t now)
{
	int reads;

	if (helper->state == HELPER_WAITS && now >= helper->due)
		helper_launch(helper, now);
	if (helper->state == HELPER_STARTS)
		helper_look(helper, now);
	if (helper->state != HELPER_RUNS)
		return;
	for (reads = 0; reads < READS_MAX && helper_read(helper, now); reads++)
		continue;
	helper_flush(helper);
	if (helper->broken && helper->state == HELPER_RUNS)
		helper_down(helper, now, "it reads no more");
}
