/* test_log.c - lines to the byte, what is cut and escaped, rationing; and that nobody waits. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../json.h"
#include "../log.h"

#define NOW 1769860800          /* 2026-01-31T12:00:00Z */
#define STAMP "2026-01-31T12:00:00Z "
#define JSON(level, message) "{\"time\":\"2026-01-31T12:00:00Z\",\"level\":\"" level \
	"\",\"message\":\"" message "\"}\n"
#define PATIENCE 10             /* s until a test that waits is ended */

/* -- the clocks and write(2) ------------------------------------------------------------ */

static uint64_t passed_ms;
static bool no_clock;
static int writes;

int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
time_t __wrap_time(time_t *now);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	CHECK(clock == CLOCK_MONOTONIC);
	now->tv_sec = (time_t)(passed_ms / 1000);
	now->tv_nsec = (long)(passed_ms % 1000 * 1000000);
	return no_clock ? -1 : 0;
}

time_t __wrap_time(time_t *now)
{
	CHECK(now == NULL);
	return NOW;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	writes++;
	return __real_write(fd, bytes, size);
}

/* -- who reads -------------------------------------------------------------------------- */

/* SHARED is a pipe that could not be opened once more. */
enum kind { PIPE, SHARED, SOCKET, KINDS };

struct scene {
	struct log log;
	int reader, writer;
	size_t length;
	char heard[65536];      /* terminated */
};

static void scene_begin(struct scene *scene, enum kind kind)
{
	int ends[2] = { -1, -1 };

	CHECK((kind == SOCKET ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends)) == 0);
	scene->reader = ends[0];
	scene->writer = ends[1];
	scene->length = 0;
	CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
	memset(&scene->log, 0x5a, sizeof scene->log);
	log_init(&scene->log, scene->writer);
	if (kind == SHARED && scene->log.fd != scene->writer) {
		close(scene->log.fd);
		scene->log.fd = scene->writer;
	}
	alarm(PATIENCE);
}

static void scene_end(struct scene *scene)
{
	alarm(0);
	if (scene->log.fd != scene->writer)
		close(scene->log.fd);
	close(scene->writer);
	if (scene->reader >= 0)
		close(scene->reader);
}

/* What came since the last time. */
static const char *scene_read(struct scene *scene)
{
	ssize_t got;

	scene->length = 0;
	while ((got = read(scene->reader, scene->heard + scene->length,
	    sizeof scene->heard - 1 - scene->length)) > 0)
		scene->length += (size_t)got;
	scene->heard[scene->length] = '\0';
	return scene->heard;
}

#define HEARD(scene, want) CHECK(strcmp(scene_read(scene), want) == 0)

/* -- lines ------------------------------------------------------------------------------ */

static void formats(void)
{
	static struct scene scene;

	scene_begin(&scene, PIPE);
	CHECK(scene.log.stamped && !scene.log.info && !scene.log.silent);
	CHECK(scene.log.format == LOG_TEXT);
	log_line(&scene.log, LOG_WARNING, "%s: %d", "what", 7);
	HEARD(&scene, STAMP "uwt: warning: what: 7\n");
	log_line(&scene.log, LOG_ERROR, "what");
	HEARD(&scene, STAMP "uwt: what\n");
	log_line(&scene.log, LOG_INFO, "what");
	HEARD(&scene, "");
	scene.log.info = true;
	log_line(&scene.log, LOG_INFO, "what");
	HEARD(&scene, STAMP "uwt: what\n");
	scene.log.stamped = false;
	log_line(&scene.log, LOG_WARNING, "what");
	log_line(&scene.log, LOG_ERROR, "%s", "");
	HEARD(&scene, "uwt: warning: what\nuwt: \n");
	scene.log.format = LOG_JSON;
	log_line(&scene.log, LOG_WARNING, "what");
	HEARD(&scene, JSON("warning", "what"));
	log_line(&scene.log, LOG_ERROR, "%s", "a \"word\" and a \\");
	HEARD(&scene, JSON("error", "a \\\"word\\\" and a \\\\x5c"));
	log_line(&scene.log, LOG_INFO, "what");
	HEARD(&scene, JSON("info", "what"));
	scene.log.info = false;
	log_line(&scene.log, LOG_INFO, "what");
	scene.log.silent = true;
	log_line(&scene.log, LOG_ERROR, "what");
	log_ration(&scene.log, 0, LOG_ERROR, "what");
	HEARD(&scene, "");
	scene_end(&scene);
}

static bool is_printable(const char *line, size_t length)
{
	size_t i;

	for (i = 0; i + 1 < length; i++)
		if (line[i] < ' ' || line[i] > '~')
			return false;
	return length > 0 && line[length - 1] == '\n';
}

/* Is it an object of these three members? *message becomes the last, not decoded. */
static bool is_record(const char *line, size_t length, struct json_slice *message)
{
	static const struct json_word names[] = {
		JSON_WORD("time"), JSON_WORD("level"), JSON_WORD("message")
	};
	struct json_token tokens[16];
	uint32_t values[4], count = json_scan(line, length - 1, tokens, 16);
	struct json json = { .text = line, .tokens = tokens };

	*message = (struct json_slice){ "", 0 };
	if (count != 7)
		return false;
	json_members(&json, 0, names, 3, values);
	if (values[0] == 0 || values[1] == 0 || values[2] == 0)
		return false;
	*message = json_text(&json, values[2]);
	return true;
}

/* A message as it is in text, of what it is in JSON. */
static size_t decode(struct json_slice message, char *text)
{
	size_t length = 0, i;

	for (i = 0; i < message.len; i++) {
		i += message.text[i] == '\\';
		text[length++] = message.text[i];
	}
	return length;
}

static void every_byte(void)
{
	static struct scene scene;
	struct json_slice message;
	char bytes[3] = "", want[32], decoded[32];
	int byte;

	scene_begin(&scene, PIPE);
	scene.log.stamped = false;
	for (byte = 1; byte < 256; byte++) {
		bytes[0] = (char)byte;
		bytes[1] = 'x';
		if (byte >= ' ' && byte <= '~' && byte != '\\')
			snprintf(want, sizeof want, "uwt: %s\n", bytes);
		else
			snprintf(want, sizeof want, "uwt: \\x%02xx\n", (unsigned)byte);
		scene.log.format = LOG_TEXT;
		log_line(&scene.log, LOG_ERROR, "%s", bytes);
		HEARD(&scene, want);
		scene.log.format = LOG_JSON;
		log_line(&scene.log, LOG_ERROR, "%s", bytes);
		scene_read(&scene);
		CHECK(is_printable(scene.heard, scene.length));
		CHECK(is_record(scene.heard, scene.length, &message));
		CHECK(decode(message, decoded) == strlen(want) - 6 &&
		    memcmp(decoded, want + 5, strlen(want) - 6) == 0);
	}
	scene_end(&scene);
}

/* Lines of which one byte more would be too much, of bytes that take 1 to 5. */
static void too_long(void)
{
	static const char *const fillings[] = { "x", "\"", "\\", "\x1b", "\xc3\xa9", "ab\"\n" };
	static struct scene scene;
	struct json_slice message;
	char long_one[2000];
	size_t filling, length, i;
	int format;

	scene_begin(&scene, PIPE);
	for (filling = 0; filling < sizeof fillings / sizeof *fillings; filling++) {
		for (i = 0; i < sizeof long_one; i++)
			long_one[i] = fillings[filling][i % strlen(fillings[filling])];
		for (length = 80; length < 620; length++) {
			for (format = LOG_TEXT; format <= LOG_JSON; format++) {
				scene.log.format = (enum log_format)format;
				log_line(&scene.log, LOG_WARNING, "%.*s", (int)length, long_one);
				scene_read(&scene);
				CHECK(scene.length <= LOG_LINE_MAX);
				CHECK(is_printable(scene.heard, scene.length));
				CHECK(format == LOG_TEXT ||
				    is_record(scene.heard, scene.length, &message));
			}
		}
		CHECK(scene.length > LOG_LINE_MAX - 5);
	}
	/* No escape is cut in two. */
	scene.log.format = LOG_TEXT;
	scene.log.stamped = false;
	for (length = 480; length < 500; length++) {
		memset(long_one, 'x', length);
		snprintf(long_one + length, 4, "\n\n");
		log_line(&scene.log, LOG_ERROR, "%s", long_one);
		scene_read(&scene);
		CHECK(scene.length == (length + 14 <= LOG_LINE_MAX ? length + 14 :
		    length + 10 <= LOG_LINE_MAX ? length + 10 :
		    length + 6 <= LOG_LINE_MAX ? length + 6 : LOG_LINE_MAX));
	}
	scene_end(&scene);
}

static void one_write_each(void)
{
	static struct scene scene;
	enum kind kind;
	int i;

	for (kind = 0; kind < KINDS; kind++) {
		scene_begin(&scene, kind);
		writes = 0;
		for (i = 0; i < 20; i++) {
			errno = EDOM;
			scene.log.format = i % 2 == 0 ? LOG_TEXT : LOG_JSON;
			log_line(&scene.log, LOG_ERROR, "%d%.*s", i, 25 * i, "");
			CHECK(errno == EDOM);
		}
		CHECK(writes == (kind == SOCKET ? 0 : 20));
		scene_end(&scene);
	}
}

/* -- who does not read ------------------------------------------------------------------ */

/* Leave less room than a line takes. */
static void fill(const struct scene *scene)
{
	static const char bytes[4096];
	int flags = fcntl(scene->writer, F_GETFL);
	size_t part;

	CHECK(fcntl(scene->writer, F_SETFL, flags | O_NONBLOCK) == 0);
	for (part = sizeof bytes; part > 0; part /= 2)
		while (write(scene->writer, bytes, part) > 0)
			continue;
	CHECK(errno == EAGAIN && fcntl(scene->writer, F_SETFL, flags) == 0);
}

static void full(void)
{
	static struct scene scene;
	enum kind kind;

	for (kind = 0; kind < KINDS; kind++) {
		scene_begin(&scene, kind);
		CHECK((fcntl(scene.writer, F_GETFL) & O_NONBLOCK) == 0);
		fill(&scene);
		log_line(&scene.log, LOG_ERROR, "lost");
		log_line(&scene.log, LOG_ERROR, "lost too");
		while (scene_read(&scene)[0] != '\0' || scene.length > 0) {
			CHECK(memchr(scene.heard, 'u', scene.length) == NULL);
			CHECK(memchr(scene.heard, '\n', scene.length) == NULL);
		}
		log_line(&scene.log, LOG_ERROR, "there is room");
		HEARD(&scene, STAMP "uwt: there is room\n");
		/* Whoever shares it still waits for room. */
		CHECK((fcntl(scene.writer, F_GETFL) & O_NONBLOCK) == 0);
		scene_end(&scene);
	}
}

/* Another takes the room between poll(2) and write(2): only what is opened anew stands that. */
static void full_behind_the_back(void)
{
	static struct scene scene;

	scene_begin(&scene, PIPE);
	if (scene.log.fd != scene.writer) {
		CHECK((fcntl(scene.log.fd, F_GETFL) & O_NONBLOCK) != 0);
		CHECK((fcntl(scene.log.fd, F_GETFD) & FD_CLOEXEC) != 0);
		fill(&scene);
		CHECK(write(scene.log.fd, "x", 1) == -1 && errno == EAGAIN);
	}
#ifdef __linux__
	CHECK(scene.log.fd != scene.writer);
#endif
	scene_end(&scene);
}

static void no_reader(void)
{
	static struct scene scene;
	enum kind kind;

	for (kind = 0; kind < KINDS; kind++) {
		scene_begin(&scene, kind);
		close(scene.reader);
		scene.reader = -1;
		log_line(&scene.log, LOG_ERROR, "lost");
		scene_end(&scene);
	}
	log_init(&scene.log, 1000000);
	log_line(&scene.log, LOG_ERROR, "lost");
	CHECK(scene.log.fd == 1000000);
}

/* Lines stand where others' do that share the file. */
static void to_a_file(void)
{
	char path[] = "/tmp/test_log-XXXXXX", content[200] = "";
	int fd = mkstemp(path);
	struct log to;

	CHECK(fd >= 0 && unlink(path) == 0 && write(fd, "before\n", 7) == 7);
	log_init(&to, fd);
	CHECK(to.fd == fd && to.stamped);
	log_line(&to, LOG_ERROR, "one");
	CHECK(write(fd, "between\n", 8) == 8);
	log_line(&to, LOG_ERROR, "two");
	CHECK(pread(fd, content, sizeof content - 1, 0) > 0);
	CHECK(strcmp(content, "before\n" STAMP "uwt: one\nbetween\n" STAMP "uwt: two\n") == 0);
	close(fd);
}

static void to_a_terminal(void)
{
	static struct scene scene;
	struct termios settings;

	scene = (struct scene){ .reader = posix_openpt(O_RDWR | O_NOCTTY) };
	CHECK(scene.reader >= 0 && grantpt(scene.reader) == 0 && unlockpt(scene.reader) == 0);
	scene.writer = open(ptsname(scene.reader), O_RDWR | O_NOCTTY);
	CHECK(scene.writer >= 0 && tcgetattr(scene.writer, &settings) == 0);
	settings.c_oflag &= (tcflag_t)~OPOST;       /* newlines as they are */
	CHECK(tcsetattr(scene.writer, TCSANOW, &settings) == 0);
	CHECK(fcntl(scene.reader, F_SETFL, O_NONBLOCK) == 0);
	log_init(&scene.log, scene.writer);
	CHECK(!scene.log.stamped);
	alarm(PATIENCE);
	log_line(&scene.log, LOG_WARNING, "what");
	poll(&(struct pollfd){ .fd = scene.reader, .events = POLLIN }, 1, 5000);
	HEARD(&scene, "uwt: warning: what\n");
	scene.log.format = LOG_JSON;
	log_line(&scene.log, LOG_WARNING, "what");
	poll(&(struct pollfd){ .fd = scene.reader, .events = POLLIN }, 1, 5000);
	HEARD(&scene, JSON("warning", "what"));
	/* It was stopped, as by Control-S. */
	CHECK(tcflow(scene.writer, TCOOFF) == 0);
	log_line(&scene.log, LOG_WARNING, "lost");
	CHECK((fcntl(scene.writer, F_GETFL) & O_NONBLOCK) == 0);
	CHECK(tcflow(scene.writer, TCOON) == 0);
	scene_end(&scene);
}

/* -- rationing -------------------------------------------------------------------------- */

static void rations(void)
{
	static struct scene scene;

	scene_begin(&scene, PIPE);
	scene.log.stamped = false;
	passed_ms = 5;
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 1);
	HEARD(&scene, "uwt: warning: full: 1\n");
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 2);
	passed_ms += LOG_RATION - 1;
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 3);
	HEARD(&scene, "");
	log_ration(&scene.log, LOG_KINDS - 1, LOG_WARNING, "another");
	HEARD(&scene, "uwt: warning: another\n");
	log_line(&scene.log, LOG_WARNING, "no kind");
	HEARD(&scene, "uwt: warning: no kind\n");
	passed_ms++;
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 4);
	HEARD(&scene, "uwt: warning: full: 4 (2 more since the last such line)\n");
	passed_ms += LOG_RATION;
	scene.log.format = LOG_JSON;
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 5);
	HEARD(&scene, JSON("warning", "full: 5"));
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 6);
	passed_ms += 10 * LOG_RATION;
	log_ration(&scene.log, 3, LOG_WARNING, "full: %d", 7);
	HEARD(&scene, JSON("warning", "full: 7 (1 more since the last such line)"));
	scene_end(&scene);
}

/* The count is there however long the message, and large. */
static void ration_too_long(void)
{
	static const char tail[] = "x (18446744073709551615 more since the last such line)\"}\n";
	static struct scene scene;
	struct json_slice message;
	char long_one[1000];

	memset(long_one, 'x', sizeof long_one);
	scene_begin(&scene, PIPE);
	scene.log.format = LOG_JSON;
	scene.log.more[0] = UINT64_MAX;
	log_ration(&scene.log, 0, LOG_ERROR, "%.*s", (int)sizeof long_one, long_one);
	scene_read(&scene);
	CHECK(scene.length == LOG_LINE_MAX && is_record(scene.heard, scene.length, &message));
	CHECK(strcmp(scene.heard + scene.length - strlen(tail), tail) == 0);
	scene_end(&scene);
}

static void ration_without_clock(void)
{
	static struct scene scene;
	int i;

	scene_begin(&scene, PIPE);
	no_clock = true;
	for (i = 0; i < 5; i++)
		log_ration(&scene.log, 0, LOG_ERROR, "what");
	HEARD(&scene, STAMP "uwt: what\n");
	no_clock = false;
	/* What is not shown is not counted either. */
	scene.log.silent = true;
	log_ration(&scene.log, 1, LOG_ERROR, "what");
	scene.log.silent = false;
	log_ration(&scene.log, 1, LOG_INFO, "what");
	log_ration(&scene.log, 1, LOG_ERROR, "that");
	HEARD(&scene, STAMP "uwt: that\n");
	scene_end(&scene);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	RUN(formats);
	RUN(every_byte);
	RUN(too_long);
	RUN(one_write_each);
	RUN(full);
	RUN(full_behind_the_back);
	RUN(no_reader);
	RUN(to_a_file);
	RUN(to_a_terminal);
	RUN(rations);
	RUN(ration_too_long);
	RUN(ration_without_clock);
	return test_end();
}
