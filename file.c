/* file.c - see file.h */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define STEP 65536      /* bytes by which the memory grows */

int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	/* Only opening must not wait, as that of a pipe does for who writes. */
	if (fd >= 0)
		fcntl(fd, F_SETFL, 0);
	return fd;
}

char *file_read(int fd, size_t max, size_t *size)
{
	int fault;
	char *content = NULL, *grown;
	size_t length = 0;
	ssize_t got = 1;

	if (fd < 0)
		return NULL;
	while (got > 0 && length <= max) {
		grown = realloc(content, length + STEP + 1);
		if (grown == NULL)
			goto cleanup;
		content = grown;
		do
			got = read(fd, content + length, STEP);
		while (got < 0 && errno == EINTR);
		if (got < 0)
			goto cleanup;
		length += (size_t)got;
	}
	if (length > max) {
		errno = EFBIG;
		goto cleanup;
	}
	close(fd);
	content[length] = '\0';
	*size = length;
	return content;

cleanup:
	fault = errno;
	free(content);
	close(fd);
	errno = fault;
	return NULL;
}
