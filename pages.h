/*
 * pages.h - address space that costs memory only where it is touched.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>

/* A size rounded up to what tables are laid out by, so that each begins on a page of its own and
 * growing one touches no other. */
static inline size_t pages_round(size_t size)
{
	return (size + 4095) / 4096 * 4096;
}

/* Reserve size bytes, page-aligned, which read as zeros. Huge pages are declined where the system
 * has them: one touched byte would cost 2 MB. NULL with errno set if the system refuses. */
void *pages_reserve(size_t size);

/* Give back what pages_reserve gave, all of it or its end, from a multiple of 1 MB on. NULL is
 * allowed. */
void pages_release(void *pages, size_t size);

#endif
