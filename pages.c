/* pages.c - see pages.h */
#include "pages.h"

#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0         /* gone from the BSDs, which never reserve */
#endif

void *pages_reserve(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
#ifdef MADV_NOHUGEPAGE
	madvise(pages, size, MADV_NOHUGEPAGE);
#endif
	return pages;
}

void pages_release(void *pages, size_t size)
{
	if (pages != NULL)
		munmap(pages, size);
}
