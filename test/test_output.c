/* test_output.c - lines to pipes, sockets and terminals that are read, read late, or not read. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static const volatile sig_atomic_t no_hurry;

#include "../output.h"

#define HEARD_MAX (4 * 1024 * 1024)

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* -- who listens ----------------------------------------------------------------------- */

enum kind { PIPE, PIPE_NONBLOCKING, SOCKET, TERMINAL, KINDS };

/* An output, and what has been read of it. */
struct scene {
	struct output output;
	int reader, writer;
	size_t length;
	char heard[HEARD_MAX];      /* terminated */
};

static void terminal_open(int ends[2])
{
	struct termios settings;

	ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
	CHECK(ends[0] >= 0 && grantpt(ends[0]) == 0 && unlockpt(ends[0]) == 0);
	ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
	CHECK(ends[1] >= 0 && tcgetattr(ends[1], &settings) == 0);
	settings.c_oflag &= (tcflag_t)~OPOST;       /* newlines as they are */
	CHECK(tcsetattr(ends[1], TCSANOW, &settings) == 0);
}

static struct scene *scene_new(enum kind kind)
{
	struct scene *scene = calloc(1, sizeof *scene);
	int ends[2] = { -1, -1 };

	if (kind == TERMINAL)
		terminal_open(ends);
	else if (kind == SOCKET)
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	else
		CHECK(pipe(ends) == 0);
	scene->reader = ends[0];
	scene->writer = ends[1];
	CHECK(fcntl(scene->reader, F_SETFL, O_NONBLOCK) == 0);
	if (kind == PIPE_NONBLOCKING)
		CHECK(fcntl(scene->writer, F_SETFL, O_NONBLOCK) == 0);
	memset(&scene->output, 0x5a, sizeof scene->output);
	output_init(&scene->output, scene->writer);
	return scene;
}

static void scene_free(struct scene *scene)
{
	if (scene->output.fd != scene->writer)
		close(scene->output.fd);
	close(scene->writer);
	if (scene->reader >= 0)
		close(scene->reader);
	free(scene);
}

/* Read at most `most` bytes of what there is. Returns how many. */
static size_t scene_read(struct scene *scene, size_t most)
{
	size_t before = scene->length;
	ssize_t got;

	while (most > 0 && scene->length < HEARD_MAX - 1) {
		size_t room = HEARD_MAX - 1 - scene->length;

		got = read(scene->reader, scene->heard + scene->length, most < room ? most : room);
		if (got <= 0)
			break;
		scene->length += (size_t)got;
		most -= (size_t)got;
	}
	scene->heard[scene->length] = '\0';
	return scene->length - before;
}

/* Read and flush until nothing more comes. */
static void scene_finish(struct scene *scene)
{
	do
		output_flush(&scene->output);
	while (scene_read(scene, HEARD_MAX) > 0);
}

static bool heard(const struct scene *scene, const char *expected)
{
	return strcmp(scene->heard, expected) == 0;
}

/* -- numbered lines -------------------------------------------------------------------- */

/* The length of the filling of a line: up to 300, now and then. */
static size_t filling(uint32_t number)
{
	uint32_t mixed = number * 2654435761u;

	return mixed >> 29 == 0 ? (mixed >> 8) % 300 : (mixed >> 8) % 50;
}

static void line_add(struct scene *scene, uint32_t number)
{
	char first[32], second[400];

	snprintf(first, sizeof first, "line %lu:", (unsigned long)number);
	memset(second, 'a' + (int)(number % 26), filling(number));
	second[filling(number)] = '\0';
	output_line(&scene->output, first, second);
}

/* Is this whole line the one of that number? */
static bool line_is(const char *line, size_t length, uint32_t number)
{
	char first[32];
	size_t start = (size_t)snprintf(first, sizeof first, "line %lu:", (unsigned long)number);

	if (length != start + filling(number) || memcmp(line, first, start) != 0)
		return false;
	for (size_t i = start; i < length; i++) {
		if (line[i] != 'a' + (int)(number % 26))
			return false;
	}
	return true;
}

/* Are these the lines 0 to count - 1, whole and in order, but for those that a line in their very
 * place counts as dropped? Returns how many were dropped, -1 if anything is wrong. */
static long lines_check(const struct scene *scene, uint32_t count)
{
	const char *line = scene->heard, *end;
	unsigned long long lost;
	uint32_t next = 0;
	long dropped = 0;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		if (sscanf(line, "WARNING: %llu lines were dropped", &lost) == 1) {
			if (lost == 0 || lost > count)
				return -1;
			next += (uint32_t)lost;
			dropped += (long)lost;
		} else if (!line_is(line, (size_t)(end - line), next++)) {
			printf("%.*s instead of line %lu\n", (int)(end - line), line,
			    (unsigned long)next - 1);
			return -1;
		}
	}
	return *line == '\0' && next == count ? dropped : -1;
}

/* -- tests ----------------------------------------------------------------------------- */

static void collected(void)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene *scene = scene_new(kind);

		output_line(&scene->output, "start: ", "2d57");
		output_line(&scene->output, "", "");
		CHECK(scene_read(scene, 100) == 0);
		output_flush(&scene->output);
		scene_read(scene, HEARD_MAX);
		CHECK(heard(scene, "start: 2d57\n\n"));
		output_line(&scene->output, "a", "");
		output_flush(&scene->output);
		output_flush(&scene->output);
		scene_read(scene, HEARD_MAX);
		CHECK(heard(scene, "start: 2d57\n\na\n"));
		CHECK(scene->output.length == 0 && scene->output.dropped == 0);
		scene_free(scene);
	}
}

/* Read in time, nothing is lost, however often the ring goes round. */
static void all_arrive(void)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene *scene = scene_new(kind);

		for (uint32_t i = 0; i < 10000; i++) {
			line_add(scene, i);
			if (i % 11 == 0)
				output_flush(&scene->output);
			if (i % 7 == 0)
				scene_read(scene, 1000);
		}
		scene_finish(scene);
		CHECK(lines_check(scene, 10000) == 0);
		scene_free(scene);
	}
}

/* Not read at all: nothing waits, lines are dropped whole and counted, which is told later. */
static void not_read(void)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene *scene = scene_new(kind);
		uint64_t start = clock_ms();

		for (uint32_t i = 0; i < 60000; i++) {
			line_add(scene, i);
			if (i % 10 == 0)
				output_flush(&scene->output);
		}
		CHECK(clock_ms() - start < 5000);       /* were it to block, it would be for ever */
		CHECK(scene->output.dropped > 0 && scene->output.length <= OUTPUT_SIZE);
		scene_finish(scene);
		CHECK(lines_check(scene, 60000) > 0);
		CHECK(scene->output.dropped == 0);
		line_add(scene, 60000);
		scene_finish(scene);
		CHECK(lines_check(scene, 60001) > 0);
		scene_free(scene);
	}
}

/* Read now and then, by a little or a lot. */
static void read_late(void)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene *scene = scene_new(kind);
		uint32_t random = 1, count = 0;

		while (count < 15000) {
			uint32_t lines = (random >> 8) % 400;

			for (uint32_t i = 0; i < lines; i++)
				line_add(scene, count++);
			random = random * 1664525 + 1013904223;
			if (random >> 30 != 0)
				output_flush(&scene->output);
			if (random >> 28 < 3)
				scene_read(scene, (random >> 4) % 150000);
			else if (random >> 28 < 6)
				scene_read(scene, 100);
		}
		scene_finish(scene);
		CHECK(lines_check(scene, count) > 0);
		scene_free(scene);
	}
}

/* A line that is too long for the memory is dropped even when that is empty; the next one tells. */
static void too_long(void)
{
	struct scene *scene = scene_new(PIPE);
	char *text = malloc(OUTPUT_SIZE + 1);

	memset(text, 'x', OUTPUT_SIZE);
	text[OUTPUT_SIZE] = '\0';
	output_line(&scene->output, "", text);
	CHECK(scene->output.dropped == 1 && scene->output.length == 0);
	output_line(&scene->output, "a", "b");
	output_flush(&scene->output);
	scene_read(scene, HEARD_MAX);
	CHECK(heard(scene, "WARNING: 1 lines were dropped, as they were not read in time\nab\n"));
	output_line(&scene->output, text, "");
	output_flush(&scene->output);       /* said also when no other line comes */
	scene_read(scene, HEARD_MAX);
	CHECK(strstr(scene->heard, "ab\nWARNING: 1 lines were dropped") != NULL);
	scene->length = 0;
	text[OUTPUT_SIZE - 1] = '\0';
	output_line(&scene->output, text, "");
	scene_finish(scene);
	CHECK(scene->length == OUTPUT_SIZE && memcmp(scene->heard, text, OUTPUT_SIZE - 1) == 0);
	free(text);
	scene_free(scene);
}

/* Somebody who reads after a while, and whose exit status is whether as many lines came. */
static pid_t reader_start(const struct scene *scene, long after, unsigned expected)
{
	char bytes[8192];
	unsigned lines = 0;
	ssize_t got;
	pid_t child = fork();

	if (child != 0)
		return child;
	alarm(10);
	close(scene->writer);
	CHECK(fcntl(scene->reader, F_SETFL, 0) == 0);
	pause_ms(after);
	while (lines < expected && (got = read(scene->reader, bytes, sizeof bytes)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			lines += bytes[i] == '\n';
	}
	_exit(lines != expected);
}

static bool reader_is_content(pid_t child)
{
	int status;

	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* More than pipe and memory hold, to somebody who is late: with patience, all of it arrives. */
static void patience(void)
{
	struct scene *scene = scene_new(PIPE);
	pid_t child = reader_start(scene, 50, 20000);

	output_patience(&scene->output, 5000, &no_hurry);
	for (uint32_t i = 0; i < 20000; i++)
		line_add(scene, i);
	CHECK(scene->output.dropped == 0);
	output_drain(&scene->output);
	CHECK(scene->output.length == 0);
	CHECK(reader_is_content(child));
	scene_free(scene);
}

/* The patience is for all waiting together, and ends. */
static void patience_ends(void)
{
	struct scene *scene = scene_new(PIPE);
	uint64_t start;

	for (uint32_t i = 0; i < 20000; i++)
		line_add(scene, i);
	CHECK(scene->output.dropped > 0);
	output_patience(&scene->output, 60, &no_hurry);
	start = clock_ms();
	output_drain(&scene->output);
	CHECK(clock_ms() - start >= 60 && clock_ms() - start < 1000);
	CHECK(scene->output.length > 0);
	start = clock_ms();
	output_drain(&scene->output);
	for (uint32_t i = 20000; i < 20500; i++)
		line_add(scene, i);
	CHECK(clock_ms() - start < 500);
	scene_finish(scene);
	CHECK(lines_check(scene, 20500) > 0);
	scene_free(scene);
}

/* Without patience, and when it is over, what can be written at once still is. */
static void no_patience(void)
{
	struct scene *scene = scene_new(PIPE);

	output_line(&scene->output, "a", "");
	output_drain(&scene->output);
	scene_read(scene, HEARD_MAX);
	CHECK(heard(scene, "a\n"));
	output_patience(&scene->output, 1, &no_hurry);
	pause_ms(3);
	output_line(&scene->output, "b", "");
	output_drain(&scene->output);
	scene_read(scene, HEARD_MAX);
	CHECK(heard(scene, "a\nb\n"));
	scene_free(scene);
}

/* Nobody reads any more: everything is thrown away at once. */
static void broken(void)
{
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct scene *scene = scene_new(kind);
		uint64_t start = clock_ms();

		for (uint32_t i = 0; i < 10000; i++)
			line_add(scene, i);
		CHECK(scene->output.dropped > 0 && !scene->output.broken);
		close(scene->reader);
		scene->reader = -1;
		output_patience(&scene->output, 60000, &no_hurry);
		output_flush(&scene->output);
		CHECK(scene->output.broken && scene->output.length == 0);
		for (uint32_t i = 0; i < 5000; i++)
			line_add(scene, i);
		output_flush(&scene->output);
		output_drain(&scene->output);
		CHECK(scene->output.broken && scene->output.length == 0);
		CHECK(clock_ms() - start < 5000);
		scene_free(scene);
	}
}

/* It breaks while lines wait for room. */
static void broken_in_wait(void)
{
	struct scene *scene = scene_new(PIPE);
	pid_t child = fork();
	uint64_t start = clock_ms();

	if (child == 0) {       /* the last reader, for a while */
		close(scene->writer);
		pause_ms(40);
		_exit(0);
	}
	close(scene->reader);
	scene->reader = -1;
	output_patience(&scene->output, 60000, &no_hurry);
	for (uint32_t i = 0; i < 20000; i++)
		line_add(scene, i);
	output_drain(&scene->output);
	CHECK(scene->output.broken && scene->output.length == 0);
	CHECK(clock_ms() - start < 5000);
	CHECK(reader_is_content(child));
	scene_free(scene);
}

/* What else uses the terminal finds it as it was. */
static void terminal_is_shared(void)
{
	struct scene *scene = scene_new(TERMINAL);

	CHECK((fcntl(scene->writer, F_GETFL) & O_NONBLOCK) == 0);
	if (scene->output.fd != scene->writer)
		CHECK((fcntl(scene->output.fd, F_GETFD) & FD_CLOEXEC) != 0);
	scene_free(scene);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(30);      /* what blocks ends the program */
	RUN(collected);
	RUN(all_arrive);
	RUN(not_read);
	RUN(read_late);
	RUN(too_long);
	RUN(patience);
	RUN(patience_ends);
	RUN(no_patience);
	RUN(broken);
	RUN(broken_in_wait);
	RUN(terminal_is_shared);
	return test_end();
}
