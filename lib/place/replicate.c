#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../stats/split.h"
#include "moetrace.h"
#include "replicate.h"
#include "size.h"

/* One each, or the shared ones' number; what is left of slots, <0: too few. */
static int64_t
base(uint32_t experts, uint32_t shared, uint32_t shared_copies, uint32_t slots, uint32_t *copies)
{
	int64_t left = slots;

	for (uint32_t e = 0; e < experts; e++) {
		copies[e] = e >= experts - shared && shared_copies ? shared_copies : 1;
		left -= copies[e];
	}
	return left;
}

struct ranked {
	uint64_t count;
	uint32_t expert;
};

static int
by_count(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return (x->expert > y->expert) - (x->expert < y->expert);
}

int
replicate_one_each(const uint64_t *count, uint32_t experts, uint32_t shared, uint32_t shared_copies,
		   uint32_t slots, uint32_t *copies)
{
	int64_t left = base(experts, shared, shared_copies, slots, copies);
	uint32_t n = shared_copies ? experts - shared : experts;
	struct ranked *r = malloc((n + 1) * sizeof *r);

	if (left < 0 || !r || !n) {
		free(r);
		return left < 0 ? TR_EVALUE : r ? 0 : TR_ENOMEM;
	}
	for (uint32_t e = 0; e < n; e++)
		r[e] = (struct ranked){count[e], e};
	qsort(r, n, sizeof *r, by_count);
	for (uint32_t i = 0; left > 0; left--, i = i + 1 == n ? 0 : i + 1)
		copies[r[i].expert]++;
	free(r);
	return 0;
}

/* left more copies for the first n experts. */
static void
level(const uint64_t *count, uint32_t n, int64_t left, uint32_t limit, uint32_t *copies)
{
	for (; left > 0 && n; left--) {
		uint32_t best = UINT32_MAX;

		for (uint32_t e = 0; e < n; e++)
			if (copies[e] < limit &&
			    (best == UINT32_MAX ||
			     replicate_heavier(count[e], copies[e], count[best], copies[best])))
				best = e;
		if (best == UINT32_MAX)
			limit = UINT32_MAX, left++; /* all have one a device: then twice on some */
		else
			copies[best]++;
	}
}

int
replicate_minmax(const uint64_t *count, uint32_t experts, uint32_t shared, uint32_t shared_copies,
		 uint32_t slots, uint32_t limit, uint32_t *copies)
{
	int64_t left = base(experts, shared, shared_copies, slots, copies);

	level(count, shared_copies ? experts - shared : experts, left, limit, copies);
	return left < 0 ? TR_EVALUE : 0;
}

/* Blocks of a copy of that many picks shared by so many copies, and the copies for so few. */
static uint64_t
blocks_of(double picks, uint32_t copies, uint32_t block)
{
	return (uint64_t)ceil(ceil(picks / copies) / block);
}

static uint32_t
copies_for(double picks, uint64_t blocks, uint32_t block)
{
	return (uint32_t)MAX(ceil(picks / ((double)blocks * block)), 1);
}

int
replicate_blocks(const uint64_t *count, uint32_t experts, uint32_t shared, uint32_t shared_copies,
		 uint32_t slots, uint32_t limit, double batch, uint32_t block, uint32_t *copies)
{
	int64_t left = base(experts, shared, shared_copies, slots, copies);
	uint32_t n = shared_copies ? experts - shared : experts;
	uint64_t most = 0;

	for (uint32_t e = 0; e < n && left >= 0; e++)
		most = MAX(most, blocks_of((double)count[e] / batch, 1, block));
	for (uint64_t at = most; at > 1 && left > 0; at--) {
		for (;;) { /* of those that have so many, the one that needs the fewest copies */
			uint32_t best = UINT32_MAX, need = 0;

			for (uint32_t e = 0; e < n; e++) {
				double picks = (double)count[e] / batch;
				uint32_t more;

				if (blocks_of(picks, copies[e], block) < at)
					continue;
				more = copies_for(picks, at - 1, block) - copies[e];
				if (copies[e] + more <= limit && more <= left &&
				    (best == UINT32_MAX || more < need)) {
					best = e;
					need = more;
				}
			}
			if (best == UINT32_MAX)
				break;
			copies[best] += need;
			left -= need;
		}
	}
	level(count, n, left, limit, copies);
	return left < 0 ? TR_EVALUE : 0;
}

int
replicate_split(const uint64_t *count, uint32_t experts, uint32_t shared, uint32_t shared_copies,
		uint32_t slots, uint32_t *copies)
{
	int64_t left = base(experts, shared, shared_copies, slots, copies);
	uint32_t n = shared_copies ? experts - shared : experts, all;
	double *freq = malloc((slots + experts + 1) * sizeof *freq);
	uint32_t *original = malloc((slots + experts + 1) * sizeof *original);
	int nomem = !freq || !original;

	if (left >= 0 && freq && original) {
		for (uint32_t e = 0; e < n; e++)
			freq[e] = (double)count[e];
		all = split_halve(freq, original, n, (uint32_t)left, UINT32_MAX, 0);
		for (uint32_t i = n; i < all; i++)
			copies[original[i]]++;
	}
	free(freq);
	free(original);
	return left < 0 ? TR_EVALUE : nomem ? TR_ENOMEM : 0;
}
