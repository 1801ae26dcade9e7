/* machine.c - see machine.h */
#include "machine.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 2000000         /* more than any table; "unlimited" becomes this */
#define MEMORY_UNKNOWN (64u << 20)      /* where the system does not tell */
#define PATH_LENGTH_MAX 512

uint32_t machine_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 256;
	if (limit.rlim_cur != limit.rlim_max) {
		struct rlimit raised = limit;

		raised.rlim_cur = limit.rlim_max;
		/* Some systems refuse "unlimited" here. */
		if (raised.rlim_cur > DESCRIPTORS_MAX)
			raised.rlim_cur = DESCRIPTORS_MAX;
		if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
			limit = raised;
	}
	return limit.rlim_cur < DESCRIPTORS_MAX ? (uint32_t)limit.rlim_cur : DESCRIPTORS_MAX;
}

/* Lower *least to the number that a file holds, if it holds one. */
static void read_limit(const char *path, uint64_t *least)
{
	FILE *file = fopen(path, "r");
	unsigned long long number;

	if (file == NULL)
		return;
	if (fscanf(file, "%llu", &number) == 1 && number > 0 && number < *least)
		*least = number;
	fclose(file);
}

/* The limits of a group and of all above it. */
static void read_group(const char *root, char *group, const char *name, uint64_t *least)
{
	char path[PATH_LENGTH_MAX * 2];
	char *slash;

	do {
		snprintf(path, sizeof path, "%s%s/%s", root, group, name);
		read_limit(path, least);
		slash = strrchr(group, '/');
		if (slash != NULL)
			*slash = '\0';
	} while (slash != NULL);
}

/* A line of /proc/self/cgroup is `number:controllers:/group`; version 2 has no controllers. */
static void read_groups(uint64_t *least)
{
	FILE *file = fopen("/proc/self/cgroup", "r");
	char line[PATH_LENGTH_MAX];

	if (file == NULL)
		return;
	while (fgets(line, sizeof line, file) != NULL) {
		char *group = strchr(line, '/');

		if (group == NULL)
			continue;
		group[strcspn(group, "\n")] = '\0';
		if (strncmp(line, "0::", 3) == 0)
			read_group("/sys/fs/cgroup", group, "memory.max", least);
		else if (strstr(line, ":memory:") != NULL)
			read_group("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", least);
	}
	fclose(file);
}

uint64_t machine_memory(void)
{
	uint64_t memory = MEMORY_UNKNOWN;
#ifdef _SC_PHYS_PAGES
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	if (pages > 0 && size > 0)
		memory = (uint64_t)pages * (uint64_t)size;
#endif
	read_groups(&memory);
	return memory;
}
