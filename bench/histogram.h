/*
 * histogram.h - times in buckets, to read percentiles from.
 *
 * A bucket is as wide as a 32nd to a 64th of what it holds, so a percentile is right to 3 %.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 2048

struct histogram {
	uint64_t total;                         /* how many there are */
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);

/* Add a time in ns. */
void histogram_add(struct histogram *histogram, uint64_t time);

/* The time, in ns, that this part (0 to 1) of all is not above; 0 if there are none. */
double histogram_at(const struct histogram *histogram, double part);

#endif
