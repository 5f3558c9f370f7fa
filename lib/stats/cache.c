#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "moetrace.h"
#include "size.h"

/* A pick finds its expert in each cache larger than its place in the list by
 * recency (Mattson et al. 1970). */
int
cache_lru(const uint16_t *pick, uint64_t n, uint32_t experts, uint64_t *hits)
{
	uint16_t *list = calloc(experts, sizeof *list);
	uint32_t used = 0;

	if (!list)
		return TR_ENOMEM;
	memset(hits, 0, (experts + (size_t)1) * sizeof *hits);
	for (uint64_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (k < used && list[k] != pick[i])
			k++;
		if (k < used)
			hits[k + 1]++;
		else
			used++;
		memmove(list + 1, list, k * sizeof *list);
		list[0] = pick[i];
	}
	for (uint32_t size = 1; size <= experts; size++)
		hits[size] += hits[size - 1];
	free(list);
	return 0;
}

/* An expert in the cache: the least goes, by rank, then by used. */
struct held {
	uint64_t rank, used;
	uint16_t expert;
};

static uint32_t
goes(const struct held *held, uint32_t n)
{
	uint32_t least = 0;

	for (uint32_t k = 1; k < n; k++)
		if (held[k].rank < held[least].rank ||
		    (held[k].rank == held[least].rank && held[k].used < held[least].used))
			least = k;
	return least;
}

/* rank[i]: what the expert of pick i ranks from then on. */
static int
simulate(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, const uint32_t *rank,
	 uint64_t *hits)
{
	struct held *held = calloc(size + (size_t)1, sizeof *held);
	uint32_t *place = calloc(experts, sizeof *place); /* 0: not held */
	uint32_t used = 0;
	int r = held && place ? 0 : TR_ENOMEM;

	*hits = 0;
	for (uint64_t i = 0; r == 0 && size && i < n; i++) {
		uint32_t k = place[pick[i]];

		if (k) {
			++*hits;
		} else if (used < size) {
			k = ++used;
		} else {
			k = goes(held, size) + 1;
			place[held[k - 1].expert] = 0;
		}
		place[pick[i]] = k;
		held[k - 1] = (struct held){rank[i], i, pick[i]};
	}
	free(held);
	free(place);
	return r;
}

int
cache_lfu(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, uint64_t *hits)
{
	uint32_t *rank, *count;
	int r = TR_ENOMEM;

	if (n >= UINT32_MAX)
		return TR_ELIMIT;
	rank = calloc(n + 1, sizeof *rank);
	count = calloc(experts, sizeof *count);
	if (rank && count) {
		for (uint64_t i = 0; i < n; i++)
			rank[i] = ++count[pick[i]];
		r = simulate(pick, n, experts, size, rank, hits);
	}
	free(rank);
	free(count);
	return r;
}

int
cache_belady(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, uint64_t *hits)
{
	uint32_t *rank, *next;
	int r = TR_ENOMEM;

	if (n >= UINT32_MAX)
		return TR_ELIMIT;
	rank = calloc(n + 1, sizeof *rank);
	next = calloc(experts, sizeof *next);
	if (rank && next) {
		/* The sooner it is picked again the higher; never is 0. */
		for (uint64_t i = n; i-- > 0;) {
			rank[i] = next[pick[i]];
			next[pick[i]] = (uint32_t)(n - i);
		}
		r = simulate(pick, n, experts, size, rank, hits);
	}
	free(rank);
	free(next);
	return r;
}

static int
descending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

int
cache_static(const uint16_t *pick, uint64_t n, uint32_t experts, uint32_t size, uint64_t *hits)
{
	uint64_t *count = calloc(experts, sizeof *count);

	if (!count)
		return TR_ENOMEM;
	for (uint64_t i = 0; i < n; i++)
		count[pick[i]]++;
	qsort(count, experts, sizeof *count, descending);
	*hits = 0;
	for (uint32_t k = 0; k < MIN(size, experts); k++)
		*hits += count[k];
	free(count);
	return 0;
}
