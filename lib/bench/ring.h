/* A walk through memory where each step waits for the one before: latency. */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

enum { RING_LINE = 128 }; /* bytes, so that no two steps share a cache line */

/* [bytes / 4] words: one cycle through all whole lines in an order drawn from seed; the
 * first word of a line is the place of the next line's.  The caller's to free.  NULL: no
 * memory, or less than a line. */
uint32_t *ring_new(size_t bytes, uint64_t seed);
/* Where so many steps from at lead. */
uint32_t ring_walk(const uint32_t *ring, uint32_t at, uint64_t steps);
/* The same, timed: microseconds a step; *at goes on. */
double ring_sample(const uint32_t *ring, uint32_t *at, uint64_t steps);

#endif
