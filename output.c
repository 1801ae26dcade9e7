/* output.c - see output.h */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

#define RETRY 1000              /* ms until what was not taken is tried again */

/* A pipe or socket that poll(2) calls writable takes this much without blocking. */
#ifdef PIPE_BUF
#define WRITE_MAX PIPE_BUF
#else
#define WRITE_MAX _POSIX_PIPE_BUF
#endif

/* Without a clock nothing is waited for. */
static uint64_t time_now(void)
{
	uint64_t now = clock_ms();

	return now != 0 ? now : UINT64_MAX / 2;
}

/* A terminal that poll(2) calls writable may have room for less than is written, and then blocks.
 * Opened once more it does not, and whoever shares the descriptor does not notice. */
static int output_terminal(int fd)
{
	const char *name = isatty(fd) ? ttyname(fd) : NULL;
	int own = name != NULL ? open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;

	return own >= 0 ? own : fd;
}

void output_init(struct output *output, int fd)
{
	*output = (struct output){ .fd = output_terminal(fd) };
}

/* Can something be written within ms? */
static bool output_ready(const struct output *output, int ms)
{
	struct pollfd waited = { .fd = output->fd, .events = POLLOUT };

	return poll(&waited, 1, ms) > 0;
}

/* Returns whether something was written. */
static bool output_write(struct output *output)
{
	size_t part = OUTPUT_SIZE - output->start;
	ssize_t written;

	if (part > output->length)
		part = output->length;
	if (part > WRITE_MAX)
		part = WRITE_MAX;
	written = write(output->fd, output->ring + output->start, part);
	if (written > 0) {
		output->start = (output->start + (size_t)written) % OUTPUT_SIZE;
		output->length -= (size_t)written;
	} else if (written < 0 && errno != EAGAIN && errno != EINTR && errno != ENOSPC) {
		output->broken = true;
		output->length = 0;
	}
	return written > 0;
}

static void output_add(struct output *output, const char *text)
{
	for (; *text != '\0'; text++)
		output->ring[(output->start + output->length++) % OUTPUT_SIZE] = *text;
}

/* Say how many lines were dropped, as soon as there is room for that. */
static void output_confess(struct output *output)
{
	char line[96];
	int length;

	if (output->dropped == 0 || output->broken)
		return;
	length = snprintf(line, sizeof line, "WARNING: %llu lines were dropped, as they were not "
	    "read in time\n", (unsigned long long)output->dropped);
	if ((size_t)length > OUTPUT_SIZE - output->length)
		return;
	output->dropped = 0;
	output_add(output, line);
}

void output_flush(struct output *output)
{
	output_confess(output);
	while (output->length > 0 && output_ready(output, 0) && output_write(output))
		output_confess(output);
}

int output_wait(const struct output *output)
{
	return output->length > 0 ? RETRY : -1;
}

void output_patience(struct output *output, uint32_t ms, const volatile sig_atomic_t *hurry)
{
	output->hurry = hurry;
	output->drain_by = time_now() + ms;
}

void output_drain(struct output *output)
{
	uint64_t now;

	output_flush(output);
	while (output->length > 0 && (now = time_now()) < output->drain_by && *output->hurry <= 1) {
		if (output_ready(output, (int)(output->drain_by - now)) && output_write(output))
			output_confess(output);
	}
}

static bool output_room(struct output *output, size_t length)
{
	/* Once a line was dropped, those after it are until the next flush: trying each costs
	 * time. */
	if (OUTPUT_SIZE - output->length < length &&
	    (output->dropped == 0 || output->drain_by != 0))
		output_drain(output);
	/* What came later must not stand before the word on what was dropped. */
	output_confess(output);
	return OUTPUT_SIZE - output->length >= length && output->dropped == 0;
}

void output_line(struct output *output, const char *first, const char *second)
{
	if (output->broken)
		return;
	if (!output_room(output, strlen(first) + strlen(second) + 1)) {
		output->dropped++;
		return;
	}
	output_add(output, first);
	output_add(output, second);
	output_add(output, "\n");
}
