/*
 * k_mask: gates of picks.  A thread a gate, which looks for its expert among the row's
 * picks: experts * 4 bytes a row are written, k * 6 read, most of it from the cache.  The
 * roof is what memory takes.
 */
#include "launch.h"

enum { THREADS = 256 };

static __global__ void
mask(uint32_t experts, uint32_t k, const uint16_t *ids, const float *w, uint64_t n, float *gates)
{
	for (uint64_t i = blockIdx.x * (uint64_t)THREADS + threadIdx.x; i < n;
	     i += gridDim.x * (uint64_t)THREADS) {
		uint64_t row = i / experts;
		uint32_t e = (uint32_t)(i - row * experts);
		float gate = 0;

		for (uint32_t j = 0; j < k; j++)
			if (ids[row * k + j] == e)
				gate = w[row * k + j];
		gates[i] = gate;
	}
}

int
k_mask(const struct select *s, const uint16_t *ids, const float *w, uint64_t rows, float *gates,
       void *stream)
{
	uint64_t n = rows * s->experts, blocks = k_ceil(n, THREADS);

	if (!n)
		return 0;
	return K_LAUNCH(mask, (unsigned)(blocks < 65536 ? blocks : 65536), THREADS, 0, stream,
			s->experts, s->k, ids, w, n, gates);
}
