/*
 * replay.c - all targets in one program, without libFuzzer: replay TARGET FILE [TARGET FILE ...]
 *
 * Each input runs in a process of its own, and fails too if that takes too long. The last line is
 * `N passed, N failed`.
 */
#include "fuzz.h"

#include <sys/wait.h>
#include <unistd.h>

#define INPUT_MAX (1 << 20)
#define SECONDS_MAX 60          /* for an input; more is a loop without end */

static const struct {
	const char *name;
	int (*run)(const uint8_t *, size_t);
} targets[] = {
#define FUZZ_ROW(name) { #name, fuzz_##name },
	FUZZ_TARGETS(FUZZ_ROW)
};

/* Run a target with a file's bytes. Returns the exit status. */
static int replay(const char *target, const char *path)
{
	uint8_t *data = malloc(INPUT_MAX), *input;
	FILE *file = fopen(path, "rb");
	size_t size, i;

	if (data == NULL || file == NULL) {
		perror(path);
		return EXIT_FAILURE;
	}
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	input = exact_copy(data, size);
	free(data);
	for (i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		if (strcmp(targets[i].name, target) == 0) {
			targets[i].run(input, size);
			free(input);
			return EXIT_SUCCESS;
		}
	}
	fprintf(stderr, "%s: no such target\n", target);
	free(input);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0, status, i;
	pid_t child;

	for (i = 1; i + 1 < argc; i += 2) {
		fflush(stdout);
		child = fork();
		if (child == 0) {
			alarm(SECONDS_MAX);
			return replay(argv[i], argv[i + 1]);
		}
		if (child > 0 && waitpid(child, &status, 0) == child && status == 0) {
			passed++;
		} else {
			failed++;
			printf("%s: FAILED: %s\n", argv[i], argv[i + 1]);
		}
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
