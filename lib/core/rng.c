/* Philox4x32-10: Salmon, Moraes, Dror, Shaw: Parallel random numbers, SC 2011. */
#include "rng.h"

enum { ROUNDS = 10 };

void
rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t a = ctr[0], b = ctr[1], c = ctr[2], d = ctr[3];
	uint32_t k0 = key[0], k1 = key[1];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t p = (uint64_t)0xD2511F53u * a;
		uint64_t q = (uint64_t)0xCD9E8D57u * c;

		a = (uint32_t)(q >> 32) ^ b ^ k0;
		b = (uint32_t)q;
		c = (uint32_t)(p >> 32) ^ d ^ k1;
		d = (uint32_t)p;
		k0 += 0x9E3779B9u; /* golden ratio */
		k1 += 0xBB67AE85u; /* sqrt 3 - 1 */
	}
	out[0] = a;
	out[1] = b;
	out[2] = c;
	out[3] = d;
}

void
rng_u32x4(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
	uint32_t ctr[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
			   (uint32_t)(stream >> 32)};
	uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

	rng_philox(ctr, key, out);
}

double
rng_f64(uint64_t seed, uint64_t stream, uint64_t index)
{
	uint32_t w[4];

	rng_u32x4(seed, stream, index, w);
	return (double)(((uint64_t)w[1] << 32 | w[0]) >> 11) * 0x1p-53;
}

uint64_t
rng_below(uint64_t seed, uint64_t stream, uint64_t index, uint64_t n)
{
	uint32_t w[4];

	rng_u32x4(seed, stream, index, w);
	return (uint64_t)((unsigned __int128)((uint64_t)w[1] << 32 | w[0]) * n >> 64);
}
