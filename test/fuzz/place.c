/* place.c - memory for tables; see check.h */
#include "check.h"

#include "fuzz.h"

static struct {
	void *memory;
	size_t size;
} places[PLACES];

static void *place(unsigned number, size_t size, int fill)
{
	MUST(number < PLACES);
	if (places[number].memory == NULL || places[number].size != size) {
		free(places[number].memory);
		places[number].memory = malloc(size);
		places[number].size = size;
		if (places[number].memory == NULL)
			abort();
		memset(places[number].memory, fill, size);
	}
	return places[number].memory;
}

void *place_zeros(unsigned number, size_t size)
{
	return memset(place(number, size, 0), 0, size);
}

void *place_garbage(unsigned number, size_t size)
{
	return place(number, size, 0xa5);
}
