/* process.c - see process.h */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *path)
{
	fprintf(stderr, "load: %s: %s\n", path, strerror(errno));
	exit(1);
}

/* schedstat counts in ns, where stat has hundredths of a second. 0 for a thread that just ended. */
static uint64_t thread_cpu(long pid, const char *thread)
{
	unsigned long long time = 0;
	char path[320];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", pid, thread);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &time) != 1)
		time = 0;
	fclose(file);
	return time;
}

uint64_t process_cpu(long pid)
{
	const struct dirent *entry;
	uint64_t total = 0;
	char path[64];
	DIR *folder;

	snprintf(path, sizeof path, "/proc/%ld/task", pid);
	folder = opendir(path);
	if (folder == NULL)
		die(path);
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] != '.')
			total += thread_cpu(pid, entry->d_name);
	}
	closedir(folder);
	return total;
}

struct process_memory process_memory(long pid)
{
	struct process_memory memory = { 0, 0 };
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/status", pid);
	file = fopen(path, "r");
	if (file == NULL)
		die(path);
	while (fgets(line, sizeof line, file) != NULL) {
		if (strncmp(line, "RssAnon:", 8) == 0)
			memory.anonymous = strtod(line + 8, NULL) * 1024;
		else if (strncmp(line, "RssFile:", 8) == 0)
			memory.file = strtod(line + 8, NULL) * 1024;
	}
	fclose(file);
	return memory;
}
