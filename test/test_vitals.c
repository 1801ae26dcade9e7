/* test_vitals.c - what the process takes, beside what the system says of it; and in the sandbox. */
#include "test.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../sandbox.h"
#include "../vitals.h"
#include "guard.h"

#define MEGABYTE (1024 * 1024)

static const struct {
	const char *name, *type;
} known[] = {
	{ "process_cpu_seconds_total", "counter" },
	{ "process_resident_memory_bytes", "gauge" },
	{ "process_virtual_memory_bytes", "gauge" },
	{ "process_open_fds", "gauge" },
	{ "process_max_fds", "gauge" },
	{ "process_start_time_seconds", "gauge" }
};

#define KNOWN (sizeof known / sizeof known[0])

/* What is said now, terminated. */
static const char *say(const struct vitals *vitals, uint32_t open_fds)
{
	static char said[VITALS_TEXT_MAX + 1];
	char *out = guard_alloc(VITALS_TEXT_MAX);
	size_t length = vitals_metrics(vitals, open_fds, out, VITALS_TEXT_MAX);

	CHECK(length <= VITALS_TEXT_MAX);
	memcpy(said, out, length);
	said[length] = '\0';
	guard_free(out, VITALS_TEXT_MAX);
	return said;
}

/* The text of a metric's value, NULL if it is not said. */
static const char *find(const char *said, const char *name)
{
	size_t length = strlen(name);

	for (; said != NULL && *said != '\0'; said = strchr(said, '\n'), said += said != NULL) {
		if (strncmp(said, name, length) == 0 && said[length] == ' ')
			return said + length + 1;
	}
	return NULL;
}

static double value(const char *said, const char *name)
{
	const char *at = find(said, name);

	CHECK(at != NULL);
	return at != NULL ? strtod(at, NULL) : -1;
}

/* Does the system tell memory? */
static bool has_statm(void)
{
	return access("/proc/self/statm", R_OK) == 0;
}

/* Three lines for each, in order, and nothing else. */
static void shape(void)
{
	struct vitals vitals;
	const char *at;
	size_t i;

	vitals_init(&vitals);
	at = say(&vitals, 7);
	for (i = 0; i < KNOWN; i++) {
		char lines[2][80];
		size_t help = (size_t)snprintf(lines[0], sizeof lines[0], "# HELP %s ", known[i].name);
		size_t type = (size_t)snprintf(lines[1], sizeof lines[1], "# TYPE %s %s\n%s ",
		    known[i].name, known[i].type, known[i].name);

		if (strstr(known[i].name, "memory") != NULL && !has_statm())
			continue;
		CHECK(strncmp(at, lines[0], help) == 0 && isupper((unsigned char)at[help]));
		at = strchr(at, '\n') + 1;
		CHECK(strncmp(at, lines[1], type) == 0);
		at += type;
		CHECK(strspn(at, "0123456789.") == strcspn(at, "\n"));
		at = strchr(at, '\n') + 1;
	}
	CHECK(*at == '\0');
	vitals_end(&vitals);
}

/* Descriptors are what the caller says, and what the system allows once the limit is raised. */
static void descriptors(void)
{
	struct vitals vitals;
	struct rlimit limit;

	vitals_init(&vitals);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(value(say(&vitals, 0), "process_open_fds") == 0);
	CHECK(value(say(&vitals, UINT32_MAX), "process_open_fds") == UINT32_MAX);
	CHECK(value(say(&vitals, 0), "process_max_fds") == (double)limit.rlim_cur ||
	    limit.rlim_cur > 1000000);
	vitals_end(&vitals);
}

/* Those that come and go are counted, whatever lies between them. */
static void counting(void)
{
	uint32_t before = vitals_descriptors();
	int ends[2], far;

	CHECK(before >= 3);
	CHECK(pipe(ends) == 0 && vitals_descriptors() == before + 2);
	far = fcntl(ends[0], F_DUPFD, 200);
	CHECK(far >= 200 && vitals_descriptors() == before + 3);
	close(ends[0]);
	close(ends[1]);
	CHECK(vitals_descriptors() == before + 1);
	close(far);
	CHECK(vitals_descriptors() == before);
}

static uint64_t microseconds(clockid_t clock)
{
	struct timespec time;

	CHECK(clock_gettime(clock, &time) == 0);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* The start was when it began, and stays: to the last digit. */
static void start(void)
{
	uint64_t before = microseconds(CLOCK_REALTIME);
	struct vitals vitals;
	char first[40];
	double then;
	const char *at;

	vitals_init(&vitals);
	at = find(say(&vitals, 1), "process_start_time_seconds");
	CHECK(at != NULL);
	snprintf(first, sizeof first, "%.*s", (int)strcspn(at, "\n"), at);
	then = strtod(first, NULL);
	CHECK(then >= (double)before / 1e6 - 0.001);
	CHECK(then <= (double)microseconds(CLOCK_REALTIME) / 1e6 + 0.001);
	usleep(20000);
	at = find(say(&vitals, 2), "process_start_time_seconds");
	CHECK(at != NULL && strncmp(at, first, strlen(first)) == 0 && at[strlen(first)] == '\n');
	vitals_end(&vitals);
}

/* Fractions have their zeros. */
static void fractions(void)
{
	struct vitals vitals;

	vitals_init(&vitals);
	vitals.started = 1234000056;
	CHECK(strncmp(find(say(&vitals, 1), "process_start_time_seconds"), "1234.000056\n", 12) == 0);
	vitals.started = 999999;
	CHECK(strncmp(find(say(&vitals, 1), "process_start_time_seconds"), "0.999999\n", 9) == 0);
	vitals.started = UINT64_MAX;
	CHECK(strncmp(find(say(&vitals, 1), "process_start_time_seconds"),
	    "18446744073709.551615\n", 22) == 0);
	vitals_end(&vitals);
}

/* Work shows, and what is said lies between what the system says before and after. */
static void processor(void)
{
	struct vitals vitals;
	volatile unsigned work = 0;
	uint64_t before, after;
	double said;

	vitals_init(&vitals);
	before = microseconds(CLOCK_PROCESS_CPUTIME_ID);
	while (microseconds(CLOCK_PROCESS_CPUTIME_ID) < before + 50000)
		work++;
	said = value(say(&vitals, 1), "process_cpu_seconds_total");
	after = microseconds(CLOCK_PROCESS_CPUTIME_ID);
	CHECK(said >= (double)before / 1e6 + 0.049 && said <= (double)after / 1e6 + 0.001);
	vitals_end(&vitals);
}

/* Memory that is touched is resident, memory that is not is only room. Each says it anew. */
static void memory(void)
{
	struct vitals vitals;
	double resident[3], room[3];
	char *pages;

	vitals_init(&vitals);
	if (!has_statm()) {
		CHECK(strstr(say(&vitals, 1), "memory") == NULL);
		return;
	}
	resident[0] = value(say(&vitals, 1), "process_resident_memory_bytes");
	room[0] = value(say(&vitals, 1), "process_virtual_memory_bytes");
	pages = mmap(NULL, 64 * MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED);
	resident[1] = value(say(&vitals, 1), "process_resident_memory_bytes");
	room[1] = value(say(&vitals, 1), "process_virtual_memory_bytes");
	memset(pages, 1, 64 * MEGABYTE);
	resident[2] = value(say(&vitals, 1), "process_resident_memory_bytes");
	room[2] = value(say(&vitals, 1), "process_virtual_memory_bytes");
	munmap(pages, 64 * MEGABYTE);
	CHECK(resident[0] >= 65536 && room[0] >= resident[0]);
	/* All that 32 bits can name: an emulator has it, and took it at once. */
	if (sizeof(void *) > 4 || room[0] < 1024.0 * MEGABYTE)
		CHECK(room[1] - room[0] >= 64.0 * MEGABYTE && room[1] - room[0] < 80.0 * MEGABYTE);
	CHECK(resident[1] - resident[0] < 16.0 * MEGABYTE);
	CHECK(resident[2] - resident[1] >= 56.0 * MEGABYTE && room[2] - room[1] < 16.0 * MEGABYTE);
	vitals_end(&vitals);
}

/* A statm that is not as it should be: no memory is told, and the rest is. */
static void strange(void)
{
	static const char *const contents[] = { "", "12", "12 ", "12 34", "x 34 5", "12 x 5", "-1 2 3",
		" 12 34 5", "99999999999999999999999 1 2", "1 99999999999999999999999 2" };
	char path[] = "/tmp/test_vitals-XXXXXX";
	struct vitals vitals;
	size_t i;
	int ends[2];

	vitals_init(&vitals);
	if (vitals.statm >= 0)
		close(vitals.statm);
	vitals.page = 4096;
	vitals.statm = mkstemp(path);
	CHECK(vitals.statm >= 0 && unlink(path) == 0);
	for (i = 0; i < sizeof contents / sizeof contents[0]; i++) {
		CHECK(ftruncate(vitals.statm, 0) == 0);
		CHECK(pwrite(vitals.statm, contents[i], strlen(contents[i]), 0) ==
		    (ssize_t)strlen(contents[i]));
		CHECK(strstr(say(&vitals, 1), "memory") == NULL);
		CHECK(value(say(&vitals, 1), "process_open_fds") == 1);
	}
	CHECK(pwrite(vitals.statm, "300000000 2 1 1 0 9 0\n", 22, 0) == 22);
	CHECK(value(say(&vitals, 1), "process_virtual_memory_bytes") == 300000000.0 * 4096);
	CHECK(value(say(&vitals, 1), "process_resident_memory_bytes") == 8192);
	vitals_end(&vitals);
	CHECK(strstr(say(&vitals, 1), "memory") == NULL);
	/* What cannot be read from its start. */
	CHECK(pipe(ends) == 0);
	vitals.statm = ends[0];
	CHECK(strstr(say(&vitals, 1), "memory") == NULL);
	vitals_end(&vitals);
	close(ends[1]);
}

/* In any room, whole metrics and nothing past the end. */
static void rooms(void)
{
	struct vitals vitals;
	size_t room, longest;

	vitals_init(&vitals);
	vitals.started = UINT64_MAX;
	vitals.max_fds = UINT32_MAX;
	longest = strlen(say(&vitals, UINT32_MAX));
	/* Numbers may grow: to 20 digits each, and a fraction. */
	CHECK(longest + KNOWN * 27 <= VITALS_TEXT_MAX);
	for (room = 0; room <= longest + 8; room++) {
		char *out = guard_alloc(room);
		size_t length = vitals_metrics(&vitals, 1, out, room), lines = 0, i;

		for (i = 0; i < length; i++)
			lines += out[i] == '\n';
		if (length > room || lines % 3 != 0 || (length > 0 && out[length - 1] != '\n')) {
			printf("room %zu: %zu bytes, %zu lines\n", room, length, lines);
			CHECK(false);
		}
		guard_free(out, room);
	}
	vitals_end(&vitals);
}

/* What is said in the sandbox is as much as outside. */
static void confined(void)
{
	struct vitals vitals;
	int status = -1;
	pid_t pid;

	vitals_init(&vitals);
	pid = fork();
	if (pid == 0) {
		const char *said;
		size_t i;

		if (sandbox_name() != NULL && !sandbox_enter())
			_exit(100);
		said = say(&vitals, 3);
		for (i = 0; i < KNOWN; i++) {
			if (find(said, known[i].name) == NULL &&
			    (vitals.statm >= 0 || strstr(known[i].name, "memory") == NULL))
				_exit(1 + (int)i);
		}
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		printf("status %d\n", WEXITSTATUS(status));
	vitals_end(&vitals);
}

/* Nothing stays open, and nothing is inherited by a program that is started. */
static void closes(void)
{
	struct vitals vitals;
	int before = dup(0), after;

	close(before);
	vitals_init(&vitals);
	CHECK(vitals.statm < 0 || (fcntl(vitals.statm, F_GETFD) & FD_CLOEXEC) != 0);
	CHECK((vitals.statm >= 0) == has_statm());
	vitals_end(&vitals);
	vitals_end(&vitals);
	vitals = VITALS_NONE;
	vitals_end(&vitals);
	after = dup(0);
	CHECK(after == before);
	close(after);
}

int main(void)
{
	RUN(shape);
	RUN(descriptors);
	RUN(counting);
	RUN(start);
	RUN(fractions);
	RUN(processor);
	RUN(memory);
	RUN(strange);
	RUN(rooms);
	RUN(confined);
	RUN(closes);
	return test_end();
}
