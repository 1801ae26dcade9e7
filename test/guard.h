/*
 * guard.h - memory that ends exactly at a page which must not be touched.
 *
 * A read or write of even one byte past it ends the test program with a signal,
 * whatever the build. The test owns the memory and gives it back with guard_free
 * and the same length; a length of 0 is fine.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Bytes of whole pages for len bytes, at least one page; the guard page not counted. */
static inline size_t guard_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return len == 0 ? page : (len + page - 1) / page * page;
}

/* len bytes, all 0, writable, aligned to nothing. */
static inline void *guard_alloc(size_t len)
{
	size_t pages = guard_pages(len), page = guard_pages(0);
	char *start = mmap(NULL, pages + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED || mprotect(start + pages, page, PROT_NONE) != 0) {
		perror("guard_alloc");
		exit(2);
	}
	return start + pages - len;
}

/* A copy of len bytes; data may be NULL when len is 0. */
static inline void *guard_copy(const void *data, size_t len)
{
	void *copy = guard_alloc(len);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

static inline void guard_free(void *memory, size_t len)
{
	size_t pages = guard_pages(len);

	munmap((char *)memory + len - pages, pages + guard_pages(0));
}

#endif
