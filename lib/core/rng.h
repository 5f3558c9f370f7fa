/*
 * Philox4x32-10 (Salmon et al., SC 2011): random numbers by counter.  The draw
 * of (seed, stream, index) is the same on any shard, thread or processor.
 */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

/* Four words: key = seed (low word first), counter = (index, stream). */
void rng_u32x4(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);
/* Raw form, for the known-answer tests. */
void rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* [0, 1) in steps of 2^-53 from two words of the draw. */
double rng_f64(uint64_t seed, uint64_t stream, uint64_t index);
/* [0, n) without bias beyond 2^-64 n; n > 0. */
uint64_t rng_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t n);

#endif
