#include <math.h>
#include <stdlib.h>

#include "refgen.h"

enum { N = 624, M = 397 };

static void
seed_word(struct refgen *g, uint32_t seed)
{
	g->mt[0] = seed;
	for (uint32_t i = 1; i < N; i++)
		g->mt[i] = 1812433253u * (g->mt[i - 1] ^ g->mt[i - 1] >> 30) + i;
	g->at = N;
}

/* init_by_array of the seed's 32-bit words, low word first, as CPython has it. */
static void
seed_words(struct refgen *g, uint64_t seed)
{
	uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, len = key[1] ? 2 : 1;
	uint32_t *mt = g->mt, i = 1, j = 0;

	seed_word(g, 19650218u);
	for (uint32_t n = N; n > 0; n--) {
		mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1664525u) + key[j] + j;
		if (++i == N) {
			mt[0] = mt[N - 1];
			i = 1;
		}
		j = j + 1 == len ? 0 : j + 1;
	}
	for (uint32_t n = N - 1; n > 0; n--) {
		mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1566083941u) - i;
		if (++i == N) {
			mt[0] = mt[N - 1];
			i = 1;
		}
	}
	mt[0] = 0x80000000u;
}

static uint32_t
word(struct refgen *g)
{
	uint32_t *mt = g->mt, y;

	if (g->at == N) {
		for (uint32_t i = 0; i < N; i++) {
			y = (mt[i] & 0x80000000u) | (mt[(i + 1) % N] & 0x7fffffffu);
			mt[i] = mt[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
		}
		g->at = 0;
	}
	y = mt[g->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

static double
uniform(struct refgen *g)
{
	uint32_t a = word(g) >> 5, b = word(g) >> 6;

	return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}

static uint32_t
below(struct refgen *g, uint32_t n)
{
	uint32_t bits = 0, x;

	while (bits < 32 && n >> bits)
		bits++;
	do
		x = word(g) >> (32 - bits);
	while (x >= n);
	return x;
}

int
refgen_init(struct refgen *g, uint64_t seed, uint32_t experts, uint32_t k, uint32_t rows,
	    double zipf, double coact)
{
	g->experts = experts;
	g->k = k;
	g->rows = rows;
	g->zipf = zipf;
	g->coact = coact;
	seed_words(g, seed);
	return (g->p = malloc(experts * sizeof *g->p)) ? 0 : -1;
}

void
refgen_free(struct refgen *g)
{
	free(g->p);
	g->p = NULL;
}

void
refgen_layer(struct refgen *g)
{
	double sum = 0, at = 0;

	/* libm's pow, as the original's: the bits of the output hang on it */
	for (uint32_t i = 0; i < g->experts; i++)
		sum += g->p[i] = 1 / pow(i + 1, g->zipf);
	for (uint32_t i = 0; i < g->experts; i++)
		g->p[i] /= sum;
	sum = 0;
	for (uint32_t i = 0; i < g->experts; i++)
		sum += g->p[i] *= 0.9 + (1.1 - 0.9) * uniform(g);
	for (uint32_t i = 0; i < g->experts; i++)
		g->p[i] = at += g->p[i] / sum;
}

static uint32_t
draw(struct refgen *g)
{
	for (;;) {
		double u = uniform(g);
		uint32_t lo = 0, hi = g->experts;

		while (lo < hi) { /* the first with u <= p */
			uint32_t mid = (lo + hi) / 2;

			if (u <= g->p[mid])
				hi = mid;
			else
				lo = mid + 1;
		}
		if (lo < g->experts)
			return lo;
	}
}

void
refgen_row(struct refgen *g, uint16_t *origin, uint16_t *ids)
{
	uint64_t seen[1024] = {0};
	uint32_t n = 0, e;

	*origin = (uint16_t)below(g, g->rows);
	if (uniform(g) < g->coact) {
		ids[n++] = (uint16_t)(e = draw(g));
		seen[e / 64] |= UINT64_C(1) << e % 64;
	}
	while (n < g->k) {
		e = draw(g);
		if (seen[e / 64] >> e % 64 & 1)
			continue;
		seen[e / 64] |= UINT64_C(1) << e % 64;
		ids[n++] = (uint16_t)e;
	}
}
