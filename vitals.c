/* vitals.c - see vitals.h */
#include "vitals.h"

#include <fcntl.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "metrics.h"
#include "text.h"

#define METRIC_MAX 512          /* a metric with its help */
#define STATM_MAX 128           /* seven numbers */
#define DESCRIPTORS_FIRST 1024

/* us of a clock, 0 if the system has none. */
static uint64_t read_clock(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time) != 0 || time.tv_sec < 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

void vitals_init(struct vitals *vitals)
{
	long page = sysconf(_SC_PAGESIZE);

	*vitals = VITALS_NONE;
	vitals->started = read_clock(CLOCK_REALTIME);
	vitals->max_fds = machine_descriptors();
	if (page <= 0)
		return;
	vitals->page = (uint64_t)page;
	vitals->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

void vitals_end(struct vitals *vitals)
{
	if (vitals->statm >= 0)
		close(vitals->statm);
	vitals->statm = -1;
}

uint32_t vitals_descriptors(void)
{
	uint32_t open = 0;
	int fd;

	for (fd = 0; fd < DESCRIPTORS_FIRST; fd++)
		open += fcntl(fd, F_GETFD) != -1;
	return open;
}

/* Take a number and the blank after it. NULL if there are not both. */
static const char *take_number(const char *at, uint64_t *number)
{
	const char *start = at;

	for (*number = 0; *at >= '0' && *at <= '9' && *number < UINT64_MAX / 16; at++)
		*number = *number * 10 + (uint64_t)(*at - '0');
	return at > start && *at == ' ' ? at + 1 : NULL;
}

/* Bytes of memory: what there is room for by address, and what is in it. */
static bool read_memory(const struct vitals *vitals, uint64_t *virtual, uint64_t *resident)
{
	char content[STATM_MAX];
	const char *at = content;
	ssize_t length;

	/* In two steps, as pread is not among what the sandbox leaves. */
	if (vitals->statm < 0 || lseek(vitals->statm, 0, SEEK_SET) != 0)
		return false;
	length = read(vitals->statm, content, sizeof content - 1);
	if (length <= 0)
		return false;
	content[length] = '\0';
	at = take_number(at, virtual);
	if (at == NULL || take_number(at, resident) == NULL)
		return false;
	*virtual *= vitals->page;
	*resident *= vitals->page;
	return true;
}

/* One is put together apart, so that it is left out whole where there is no room. */
static void add_number(struct text *text, const char *name, const char *help, uint64_t value)
{
	char memory[METRIC_MAX];
	struct text metric = TEXT_IN(memory);

	metrics_head(&metric, name, "gauge", help);
	metrics_sample(&metric, name, "", value);
	text_add_bytes(text, metric.start, metric.length);
}

/* us, as seconds. */
static void add_seconds(struct text *text, const char *name, const char *type, const char *help,
    uint64_t us)
{
	char memory[METRIC_MAX];
	struct text metric = TEXT_IN(memory);

	metrics_head(&metric, name, type, help);
	text_add(&metric, name);
	text_add(&metric, " ");
	metrics_seconds(&metric, us);
	text_add(&metric, "\n");
	text_add_bytes(text, metric.start, metric.length);
}

size_t vitals_metrics(const struct vitals *vitals, uint32_t open_fds, char *out, size_t room)
{
	struct text text = { .start = out, .max = room };
	uint64_t busy = read_clock(CLOCK_PROCESS_CPUTIME_ID), virtual, resident;

	if (busy > 0)
		add_seconds(&text, "process_cpu_seconds_total", "counter",
		    "Processor time that the process has taken.", busy);
	if (read_memory(vitals, &virtual, &resident)) {
		add_number(&text, "process_resident_memory_bytes",
		    "Memory that the process takes.", resident);
		add_number(&text, "process_virtual_memory_bytes",
		    "Address space that the process has, most of it never touched.", virtual);
	}
	add_number(&text, "process_open_fds", "Descriptors that are open.", open_fds);
	add_number(&text, "process_max_fds", "Descriptors that there may be.", vitals->max_fds);
	if (vitals->started > 0)
		add_seconds(&text, "process_start_time_seconds", "gauge",
		    "When the process started, since 1970.", vitals->started);
	return text.length;
}
