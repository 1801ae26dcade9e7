/* log.c - see log.h */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "text.h"

/* Who shares a pipe or a terminal may take the room that poll(2) has seen, and then a write blocks.
 * Opened once more it does not, and nobody else notices. A file would begin anew; a socket cannot
 * be opened, nor can a pipe without /dev/fd, or that is another user's. */
static int log_own(int fd)
{
	char memory[24];
	const char *name = memory;
	int own;

	snprintf(memory, sizeof memory, "/dev/fd/%d", fd);
	if (isatty(fd))
		name = ttyname(fd);
	else if (lseek(fd, 0, SEEK_CUR) >= 0 || errno != ESPIPE)
		name = NULL;
	own = name != NULL ? open(name, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
	return own >= 0 ? own : fd;
}

void log_init(struct log *log, int fd)
{
	*log = (struct log){ .fd = log_own(fd), .stamped = !isatty(fd) };
}

/* -- a line ------------------------------------------------------------------------------- */

static void line_begin(struct text *line, const struct log *log, enum log_level level)
{
	static const char *const names[] = { "error", "warning", "info" };
	bool json = log->format == LOG_JSON;

	text_add(line, json ? "{\"time\":\"" : "");
	if (json || log->stamped)
		text_add_time(line, (int64_t)time(NULL));
	if (json) {
		text_add(line, "\",\"level\":\"");
		text_add(line, names[level]);
		text_add(line, "\",\"message\":\"");
		return;
	}
	text_add(line, log->stamped ? " uwt: " : "uwt: ");
	text_add(line, level == LOG_WARNING ? "warning: " : "");
}

static void line_add(struct text *line, const struct log *log, char byte)
{
	char memory[8];
	struct text escaped = TEXT_IN(memory);

	text_add_escaped(&escaped, &byte, 1);
	if (log->format == LOG_JSON)
		text_add_json(line, text_end(&escaped));
	else
		text_add(line, text_end(&escaped));
}

/* What comes after the message, for which there must be room. */
static void line_end(struct text *end, const struct log *log, uint64_t more)
{
	if (more > 0) {
		text_add(end, " (");
		text_add_number(end, more);
		text_add(end, " more since the last such line)");
	}
	text_add(end, log->format == LOG_JSON ? "\"}\n" : "\n");
}

/* Write it as far as that does not wait. To a socket that must be said with each send. */
static void line_write(const struct log *log, const char *line, size_t length)
{
	struct pollfd waited = { .fd = log->fd, .events = POLLOUT };
	ssize_t sent = send(log->fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno == ENOTSOCK && poll(&waited, 1, 0) > 0)
		sent = write(log->fd, line, length);
	(void)sent;     /* what is lost is lost */
}

static void line_put(const struct log *log, enum log_level level, const char *message,
    uint64_t more)
{
	char memory[LOG_LINE_MAX], end_memory[64];
	struct text line = TEXT_IN(memory), end = TEXT_IN(end_memory);
	int fault = errno;

	line_end(&end, log, more);
	line.max -= end.length;
	line_begin(&line, log, level);
	for (; *message != '\0' && !line.full; message++)
		line_add(&line, log, *message);
	line.max += end.length;
	line.full = false;
	text_add_bytes(&line, end.start, end.length);
	line_write(log, line.start, line.length);
	errno = fault;
}

/* -- what is shown ------------------------------------------------------------------------ */

static bool log_shows(const struct log *log, enum log_level level)
{
	return !log->silent && (log->info || level != LOG_INFO);
}

void log_line(const struct log *log, enum log_level level, const char *format, ...)
{
	char message[LOG_LINE_MAX] = "";
	va_list list;

	if (!log_shows(log, level))
		return;
	va_start(list, format);
	vsnprintf(message, sizeof message, format, list);
	va_end(list);
	line_put(log, level, message, 0);
}

void log_ration(struct log *log, unsigned kind, enum log_level level, const char *format, ...)
{
	char message[LOG_LINE_MAX] = "";
	uint64_t now;
	va_list list;

	if (!log_shows(log, level))
		return;
	now = clock_ms();
	if (now == 0)
		now = 1;        /* there is no clock, and so but one line */
	if (log->last[kind] != 0 && now - log->last[kind] < LOG_RATION) {
		log->more[kind]++;
		return;
	}
	va_start(list, format);
	vsnprintf(message, sizeof message, format, list);
	va_end(list);
	line_put(log, level, message, log->more[kind]);
	log->last[kind] = now;
	log->more[kind] = 0;
}
