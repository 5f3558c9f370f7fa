/* Draws by counter: stream = layer and batch, index = row and attempt. */
#include <stdlib.h>
#include <string.h>

#include "gen.h"
#include "num.h"
#include "rng.h"

#define PERM_STREAM (UINT64_C(1) << 63)
#define TOKEN_STREAM (UINT64_C(3) << 61)
enum { ATTEMPT_BITS = 24 };

int
gen_init(struct gen *g, uint64_t seed, uint32_t experts, uint32_t k, double zipf)
{
	uint64_t sum = 0;

	g->seed = seed;
	g->experts = experts;
	g->k = k;
	if (!(g->cum = malloc(experts * sizeof *g->cum)))
		return -1;
	for (uint32_t r = 0; r < experts; r++) {
		uint64_t w = (uint64_t)(0x1p32 * num_pow((double)(r + 1), -zipf));

		g->cum[r] = sum += w ? w : 1;
	}
	return 0;
}

void
gen_free(struct gen *g)
{
	free(g->cum);
	g->cum = NULL;
}

void
gen_layer(const struct gen *g, uint64_t layer, uint16_t *perm)
{
	for (uint32_t i = 0; i < g->experts; i++) {
		uint32_t j = (uint32_t)rng_below(g->seed, PERM_STREAM | layer, i, i + 1);

		perm[i] = perm[j];
		perm[j] = (uint16_t)i;
	}
}

/* The rank whose share of the total holds x. */
static uint32_t
rank_of(const struct gen *g, uint64_t x)
{
	uint32_t lo = 0, hi = g->experts - 1;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (x < g->cum[mid])
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

void
gen_row(const struct gen *g, const uint16_t *perm, uint64_t layer, uint64_t batch, uint64_t row,
	uint16_t *ids, float *w)
{
	uint64_t stream = layer << 40 | batch, index = row << ATTEMPT_BITS;
	uint64_t total = g->cum[g->experts - 1];
	uint64_t seen[1024] = {0}; /* a bit an expert: 65536 at the most */
	double x[1024], sum = 0;

	for (uint32_t n = 0; n < g->k;) {
		uint64_t at = rng_below(g->seed, stream, index++, total);
		uint16_t id = perm[rank_of(g, at)];

		if (seen[id / 64] >> id % 64 & 1)
			continue;
		seen[id / 64] |= UINT64_C(1) << id % 64;
		ids[n++] = id;
	}
	/* weights: cubes of uniform draws, sorted by insertion, normalised */
	for (uint32_t n = 0; n < g->k; n++) {
		double u = rng_f64(g->seed, ~stream, (row << 16) + n) + 0x1p-10, v = u * u * u;
		uint32_t i = n;

		for (; i > 0 && x[i - 1] < v; i--)
			x[i] = x[i - 1];
		x[i] = v;
		sum += v;
	}
	for (uint32_t n = 0; n < g->k; n++)
		w[n] = (float)(x[n] / sum);
}

uint32_t
gen_token(const struct gen *g, uint64_t batch, uint64_t row)
{
	return (uint32_t)rng_below(g->seed, TOKEN_STREAM | batch, row, 32768);
}
