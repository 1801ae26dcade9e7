/*
 * file.h - reading whole files: the one place where the program opens any.
 */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

/* Open a file for reading. Returns its descriptor, or -1 with errno set. */
int file_open(const char *path);

/*
 * Read a file of at most `max` bytes from its descriptor, which is closed in any case. Returns its
 * content, terminated, which the caller frees, and its size; NULL with errno set otherwise (EFBIG:
 * it is larger). -1 is no descriptor, and leaves errno as it is.
 */
char *file_read(int fd, size_t max, size_t *size);

#endif
