/* histogram.c - see histogram.h */
#include "histogram.h"

#include <string.h>

#define STEPS 32        /* buckets for each doubling */
#define STEP_BITS 5

void histogram_clear(struct histogram *histogram)
{
	memset(histogram, 0, sizeof *histogram);
}

/* Times below STEPS have a bucket each; above, the five bits after the highest one choose. */
static unsigned bucket_of(uint64_t time)
{
	unsigned shift = 0;

	while (time >> shift >= 2 * STEPS)
		shift++;
	return (unsigned)(time >> shift) + shift * STEPS;
}

/* The middle of a bucket. */
static double bucket_time(unsigned bucket)
{
	unsigned shift = bucket < 2 * STEPS ? 0 : (bucket >> STEP_BITS) - 1;
	uint64_t start = (uint64_t)(bucket - shift * STEPS) << shift;

	return (double)start + (double)(UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *histogram, uint64_t time)
{
	histogram->buckets[bucket_of(time)]++;
	histogram->total++;
}

double histogram_at(const struct histogram *histogram, double part)
{
	uint64_t below = 0;
	unsigned i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		below += histogram->buckets[i];
		if (below > 0 && (double)below >= part * (double)histogram->total)
			return bucket_time(i);
	}
	return 0;
}
