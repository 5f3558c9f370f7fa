/* Draws by counter: stream = layer and batch, index = row and attempt. */
#include <stdlib.h>
#include <string.h>

#include "gen.h"
#include "num.h"
#include "rng.h"

#define PERM_STREAM (UINT64_C(1) << 63)
#define TOKEN_STREAM (UINT64_C(3) << 61)

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
gen_shuffle(uint64_t seed, uint64_t stream, uint32_t n, uint16_t *perm)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)rng_below(seed, stream, i, i + 1);

		perm[i] = perm[j];
		perm[j] = (uint16_t)i;
	}
}

void
gen_layer(const struct gen *g, uint64_t layer, uint16_t *perm)
{
	gen_shuffle(g->seed, PERM_STREAM | layer, g->experts, perm);
}

uint32_t
gen_rank(const uint64_t *cum, uint32_t n, uint64_t x)
{
	uint32_t lo = 0, hi = n - 1;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (x < cum[mid])
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

void
gen_row(const struct gen *g, const uint16_t *perm, uint64_t layer, uint64_t batch, uint64_t row,
	uint16_t *ids)
{
	uint64_t stream = gen_stream(layer, batch), index = row << GEN_ATTEMPT_BITS;
	uint64_t total = g->cum[g->experts - 1];
	uint64_t seen[1024]; /* a bit an expert: 65536 at the most */

	memset(seen, 0, (g->experts + 63) / 64 * sizeof *seen);
	for (uint32_t n = 0; n < g->k; n++) {
		uint32_t tries = 0, rank = 0;
		uint16_t id;

		do {
			uint64_t at = rng_below(g->seed, stream, index++, total);

			id = perm[gen_rank(g->cum, g->experts, at)];
		} while (seen[id / 64] >> id % 64 & 1 && ++tries < GEN_TRIES);
		while (seen[id / 64] >> id % 64 & 1)
			id = perm[rank++];
		seen[id / 64] |= UINT64_C(1) << id % 64;
		ids[n] = id;
	}
}

/* Cubes of uniform draws, sorted by insertion, normalised. */
void
gen_weights(const struct gen *g, uint64_t layer, uint64_t batch, uint64_t row, float *w)
{
	uint64_t stream = ~gen_stream(layer, batch);
	double x[1024], sum = 0;

	for (uint32_t n = 0; n < g->k; n++) {
		double u = rng_f64(g->seed, stream, (row << 16) + n) + 0x1p-10, v = u * u * u;
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
