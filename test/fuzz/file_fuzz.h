/* file_fuzz.h - file.h without files: whatever is opened holds these bytes. */
#ifndef FILE_FUZZ_H
#define FILE_FUZZ_H

#include <stddef.h>

/* The bytes stay the caller's. */
void file_fuzz_set(const void *data, size_t size);

#endif
