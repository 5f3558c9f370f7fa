/*
 * Moving rows, 16 bytes at a time where they lie so, else number by number: what gather.cu
 * and combine.cu have in common.
 */
#ifndef ROWS_CUH
#define ROWS_CUH

#include "launch.h"

/* How a block's threads share rows of n pieces: x along a row, y rows. */
static inline dim3
rows_block(uint64_t n)
{
	enum { THREADS = 256 };
	unsigned x = 1;

	if (n >= 32) /* whole warps, with as little left over as can be */
		x = (unsigned)k_ceil(k_ceil(n, k_ceil(n, THREADS)), 32) * 32;
	else
		while (x < n)
			x *= 2;
	return dim3(x, THREADS / x);
}

static inline size_t
rows_size(enum tr_type type)
{
	return type == TR_F32 ? 4 : 2;
}

static inline bool
rows_wide(enum tr_type type, uint64_t d, const void *a, const void *b)
{
	return d * rows_size(type) % 16 == 0 && k_aligned(16, a, b);
}

/* The numbers of a piece. */
template <int TYPE, class PIECE>
static __device__ __forceinline__ void
rows_open(PIECE x, float *to)
{
	if constexpr (sizeof x == 16) {
		const uint32_t in[4] = {x.x, x.y, x.z, x.w};

#pragma unroll
		for (int i = 0; i < 4; i++)
			if constexpr (TYPE == TR_F32) {
				to[i] = __uint_as_float(in[i]);
			} else {
				to[2 * i] = k_widen<TYPE>((uint16_t)in[i]);
				to[2 * i + 1] = k_widen<TYPE>((uint16_t)(in[i] >> 16));
			}
	} else {
		to[0] = k_widen<TYPE>(x);
	}
}

template <int TYPE, class PIECE>
static __device__ __forceinline__ PIECE
rows_close(const float *x)
{
	if constexpr (sizeof(PIECE) == 16) {
		uint32_t to[4];

#pragma unroll
		for (int i = 0; i < 4; i++)
			if constexpr (TYPE == TR_F32)
				to[i] = __float_as_uint(x[i]);
			else
				to[i] = k_round<TYPE>(x[2 * i]) | k_round<TYPE>(x[2 * i + 1]) << 16;
		return make_uint4(to[0], to[1], to[2], to[3]);
	} else {
		return (PIECE)k_round<TYPE>(x[0]);
	}
}

#endif
