/* machine.c - see machine.h */
#include "machine.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "text.h"

#define DESCRIPTORS_MAX 2000000         /* more than any table; "unlimited" becomes this */
#define DESCRIPTORS_UNKNOWN 256
#define MEMORY_UNKNOWN (64u << 20)      /* where the system does not tell */
#define FILE_MAX 4096                   /* bytes read of a file */

uint32_t machine_descriptors(void)
{
	struct rlimit limit, raised;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return DESCRIPTORS_UNKNOWN;
	raised = limit;
	/* Some systems refuse "unlimited" here. */
	raised.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
	if (raised.rlim_cur > limit.rlim_cur && setrlimit(RLIMIT_NOFILE, &raised) == 0)
		limit = raised;
	return limit.rlim_cur < DESCRIPTORS_MAX ? (uint32_t)limit.rlim_cur : DESCRIPTORS_MAX;
}

/* Read a short file, terminated. False if it cannot be read. */
static bool read_file(const char *path, char content[static FILE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, content, FILE_MAX - 1);
	close(fd);
	content[length > 0 ? length : 0] = '\0';
	return length > 0;
}

/* Lower *least to the number that a file begins with; `max` is no number. */
static void read_limit(const char *path, uint64_t *least)
{
	char content[FILE_MAX];
	uint64_t number = 0;
	const char *at;

	if (!read_file(path, content))
		return;
	for (at = content; *at >= '0' && *at <= '9' && number < UINT64_MAX / 16; at++)
		number = number * 10 + (uint64_t)(*at - '0');
	if (number > 0 && number < *least)
		*least = number;
}

/* The limits of a group and of all above it. */
static void read_group(const char *root, const char *group, size_t length, const char *name,
    uint64_t *least)
{
	char memory[FILE_MAX];

	for (;;) {
		struct text path = TEXT_IN(memory);

		text_add(&path, root);
		text_add_bytes(&path, group, length);
		text_add(&path, name);
		read_limit(text_end(&path), least);
		if (length == 0)
			return;
		while (length > 0 && group[length - 1] != '/')
			length--;
		while (length > 0 && group[length - 1] == '/')
			length--;
	}
}

/* A line of /proc/self/cgroup is `number:controllers:/group`; version 2 has no controllers. */
static void read_groups(uint64_t *least)
{
	char content[FILE_MAX];
	const char *line, *group;

	if (!read_file("/proc/self/cgroup", content))
		return;
	for (line = content; *line != '\0'; line += strspn(line, "\n")) {
		size_t length = strcspn(line, "\n"), before = strcspn(line, "/\n");

		group = line + before;
		if (strncmp(line, "0::", 3) == 0)
			read_group("/sys/fs/cgroup", group, length - before, "/memory.max", least);
		else if (strncmp(line + strspn(line, "0123456789"), ":memory:", 8) == 0)
			read_group("/sys/fs/cgroup/memory", group, length - before,
			    "/memory.limit_in_bytes", least);
		line += length;
	}
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
