/*
 * file.h - reading whole files: the one place where the program opens any.
 */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

/*
 * Read a file of at most `max` bytes. Returns its content, terminated, which the caller frees, and
 * its size; NULL with errno set otherwise (EFBIG: it is larger).
 */
char *file_read(const char *path, size_t max, size_t *size);

#endif
