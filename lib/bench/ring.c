#include <stdlib.h>

#include "clock.h"
#include "ring.h"
#include "rng.h"

enum { WORDS = RING_LINE / 4 };

uint32_t *
ring_new(size_t bytes, uint64_t seed)
{
	uint32_t n = (uint32_t)(bytes / RING_LINE);
	uint32_t *ring = n ? calloc(bytes / 4, sizeof *ring) : NULL;

	if (!ring)
		return NULL;
	/* Sattolo 1986: an order of all, drawn evenly from those that are one cycle */
	for (uint32_t i = 0; i < n; i++)
		ring[i * WORDS] = i * WORDS;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = (uint32_t)rng_below(seed, 0, i, i), keep = ring[i * WORDS];

		ring[i * WORDS] = ring[j * WORDS];
		ring[j * WORDS] = keep;
	}
	return ring;
}

uint32_t
ring_walk(const uint32_t *ring, uint32_t at, uint64_t steps)
{
	for (; steps; steps--)
		at = ring[at];
	return at;
}

double
ring_sample(const uint32_t *ring, uint32_t *at, uint64_t steps)
{
	double begin = clock_us();

	*at = ring_walk(ring, *at, steps);
	return (clock_us() - begin) / (double)steps;
}
