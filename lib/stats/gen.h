/*
 * Synthetic routing: each pick is a draw from the layer's popularity (Zipf,
 * permuted per layer), without the experts picked before it.  A row's picks
 * depend on seed, batch, row and layer alone, so any shard gives the same.
 */
#ifndef GEN_H
#define GEN_H

#include <stdint.h>

enum {
	GEN_ATTEMPT_BITS = 24, /* of a draw's index; the row is above them */
	GEN_TRIES = 1024,      /* of a pick; then the most popular of those free */
};

struct gen {
	uint64_t seed;
	uint32_t experts, k;
	uint64_t *cum; /* cumulated integer weights by rank */
};

/* zipf: exponent, 0 is uniform.  0, or -1 without memory. */
int gen_init(struct gen *g, uint64_t seed, uint32_t experts, uint32_t k, double zipf);
void gen_free(struct gen *g);
/* perm[rank] = expert of that layer; experts numbers. */
void gen_layer(const struct gen *g, uint64_t layer, uint16_t *perm);
/* k different picks, as drawn. */
void gen_row(const struct gen *g, const uint16_t *perm, uint64_t layer, uint64_t batch,
	     uint64_t row, uint16_t *ids);
/* Their k weights, descending, sum 1 before rounding. */
void gen_weights(const struct gen *g, uint64_t layer, uint64_t batch, uint64_t row, float *w);
/* A token id below 32768. */
uint32_t gen_token(const struct gen *g, uint64_t batch, uint64_t row);

/* What genmodel shares: the stream of a layer's picks, 0 .. n-1 shuffled, and
 * the first of n cumulated weights above x. */
static inline uint64_t
gen_stream(uint64_t layer, uint64_t batch)
{
	return layer << 40 | batch;
}
void gen_shuffle(uint64_t seed, uint64_t stream, uint32_t n, uint16_t *perm);
uint32_t gen_rank(const uint64_t *cum, uint32_t n, uint64_t x);

#endif
