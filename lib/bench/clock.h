/* Time that only goes on. */
#ifndef CLOCK_H
#define CLOCK_H

#include <time.h>

static inline double
clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

#endif
