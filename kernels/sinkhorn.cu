/*
 * Sinkhorn's scaling in one launch: each block keeps K of its rows in shared memory as f32,
 * as many as fit, and makes that of the others again from the logits in each sweep, which
 * stay in the L2 cache up to some 40 MB.  K is never written back.
 *
 * A sweep is one pass over rows, a warp a row: its sum with v, u, and the columns' sums.
 * Then blocks meet without a barrier of all: what they tell each other are words of a float
 * and the sweep's number, and who needs one reads it until the number is there.  A block's
 * column sums go to the block that owns the column, which adds them in the order of blocks
 * and tells all the new v.  A word is written again only when all that need it have read
 * it: v waits for all blocks' sums, and a block's next sums for all of v.
 *
 * 4 flops and 4 bytes of shared memory an element and sweep; the roof is the two ways
 * through the L2 cache, some 2 us a sweep.  The grid depends on the card, and so do the
 * last bits of sums.
 */
#include "../lib/route/keys.h"
#include "launch.h"

enum { SWEEP_BLOCKS_MAX = 256 };
#define LEAST 1e-30f /* of a sum, as the twin has it */

struct sweep {
	const void *logits;
	uint16_t *ids;
	float *w, *u;
	struct sinkhorn_told *told;
	unsigned long long *sums; /* [experts][blocks] */
	unsigned long long *v;    /* [experts] */
	uint64_t rows, share;     /* rows of a block, */
	uint32_t kept;            /* of which so many stay */
	uint32_t experts, k, iterations;
	float temperature, tolerance, eps;
};

template <int TYPE> struct sweep_bits {
	typedef uint16_t type;
};
template <> struct sweep_bits<TR_F32> {
	typedef uint32_t type;
};

static __device__ __forceinline__ uint32_t
warp_most(uint32_t x)
{
#if !defined __CUDA_ARCH__ || __CUDA_ARCH__ >= 800
	return __reduce_max_sync(~0u, x);
#else
	for (int apart = 16; apart; apart /= 2)
		x = max(x, __shfl_xor_sync(~0u, x, apart));
	return x;
#endif
}

static __device__ __forceinline__ float
warp_sum(float x)
{
	for (int apart = 16; apart; apart /= 2)
		x += __shfl_xor_sync(~0u, x, apart);
	return x;
}

/* A float for who waits for that number; the number of a sweep is never 0. */
static __device__ __forceinline__ void
word_tell(unsigned long long *word, float x, uint32_t number)
{
	*(volatile unsigned long long *)word =
		(unsigned long long)number << 32 | __float_as_uint(x);
}

static __device__ __forceinline__ float
word_wait(unsigned long long *word, uint32_t number)
{
	unsigned long long x;

	do
		x = *(volatile unsigned long long *)word;
	while (x >> 32 != number);
	return __uint_as_float((uint32_t)x);
}

/* The sum of n words by a warp, in one order; a lane asks for all of its own at once. */
static __device__ __forceinline__ float
word_sum(unsigned long long *words, uint32_t n, uint32_t number)
{
	constexpr int each = SWEEP_BLOCKS_MAX / 32;
	unsigned long long x[each];
	float sum = 0;
	bool all;

	do {
		all = true;
#pragma unroll
		for (int i = 0; i < each; i++) {
			uint32_t at = threadIdx.x % 32 + 32 * i;

			x[i] = (unsigned long long)number << 32;
			if (at < n)
				x[i] = ((volatile unsigned long long *)words)[at];
		}
#pragma unroll
		for (int i = 0; i < each; i++)
			all = all && x[i] >> 32 == number;
	} while (!all);
#pragma unroll
	for (int i = 0; i < each; i++)
		sum += __uint_as_float((uint32_t)x[i]);
	return warp_sum(sum);
}

/* Before waiting for words of other blocks: the emulation takes turns at barriers alone. */
static __device__ __forceinline__ void
word_turn(void)
{
#ifndef __CUDACC__
	k_grid_sync();
#endif
}

/* K of row t for experts lane + 32 i; 0 beyond the last. */
template <enum tr_type TYPE, int R>
static __device__ __forceinline__ void
sweep_make(const struct sweep &s, uint64_t t, float (&k)[R])
{
	typedef typename sweep_bits<TYPE>::type bits;
	const bits *row = (const bits *)s.logits + t * s.experts;
	uint32_t lane = threadIdx.x % 32, most = 0;
	float max, over = 1 / s.temperature;

#pragma unroll
	for (int i = 0; i < R; i++) {
		uint32_t e = lane + 32 * i;
		float x = e < s.experts ? k_widen<TYPE>(row[e]) : -INFINITY;

		k[i] = x == x ? x : -INFINITY;
		most = most > keys_of(k[i]) ? most : keys_of(k[i]);
	}
	max = keys_float(keys_f32_bits(warp_most(most)));
#pragma unroll
	for (int i = 0; i < R; i++)
		k[i] = lane + 32 * i >= s.experts ? 0
		       : k[i] == max              ? 1
						  : keys_exp((k[i] - max) * over);
}

/* The same of the block's row r, from where it was kept if it was. */
template <enum tr_type TYPE, int R>
static __device__ __forceinline__ void
sweep_row(const struct sweep &s, const float *kept, uint64_t first, uint32_t r, float (&k)[R])
{
	if (r >= s.kept) {
		sweep_make<TYPE, R>(s, first + r, k);
		return;
	}
#pragma unroll
	for (int i = 0; i < R; i++)
		k[i] = kept[(r * R + i) * 32 + threadIdx.x % 32];
}

/* The k greatest of p, by a warp; of equal ones the lower expert. */
template <int R>
static __device__ __forceinline__ void
sweep_pick(const struct sweep &s, uint64_t t, const float (&p)[R])
{
	uint32_t lane = threadIdx.x % 32, key[R];
	float mine[2] = {0, 0}, sum = 0;
	uint32_t expert[2] = {0, 0};

#pragma unroll
	for (int i = 0; i < R; i++)
		key[i] = lane + 32 * i < s.experts ? __float_as_uint(p[i]) + 1 : 0;
	for (uint32_t j = 0; j < s.k; j++) {
		uint32_t best = 0, at = 0, most, first;

#pragma unroll
		for (int i = 0; i < R; i++)
			if (key[i] > best) {
				best = key[i];
				at = lane + 32 * i;
			}
		most = warp_most(best);
		first = ~warp_most(best == most ? ~at : 0);
#pragma unroll
		for (int i = 0; i < R; i++)
			if (lane + 32 * i == first)
				key[i] = 0;
		sum += __uint_as_float(most - 1);
#pragma unroll
		for (uint32_t i = 0; i < 2; i++)
			if (j == lane + 32 * i) {
				mine[i] = __uint_as_float(most - 1);
				expert[i] = first;
			}
	}
#pragma unroll
	for (int i = 0; i < 2; i++)
		if (lane + 32 * i < s.k) {
			s.ids[t * s.k + lane + 32 * i] = (uint16_t)expert[i];
			s.w[t * s.k + lane + 32 * i] = sum != 0 ? mine[i] / sum : mine[i];
		}
}

/* Told numbers are not negative, so that their bits ascend as they do. */
static __device__ __forceinline__ void
error_most(float *to, float x)
{
	atomicMax((unsigned *)to, __float_as_uint(x));
}

/*
 * R registers a lane hold a row, W warps are a block.  Shared memory: v, the warps' column
 * sums, whether v moved, the rows kept.
 */
template <enum tr_type TYPE, int R, int W>
static __global__ void
__launch_bounds__(W * 32, 1) sinkhorn_kernel(struct sweep s)
{
	K_DYNAMIC(float, scale);
	const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, wide = R * 32;
	float *part = scale + wide, *kept = part + W * wide + 4;
	uint32_t *moved = (uint32_t *)(part + W * wide), n = 0;
	const uint64_t first = blockIdx.x * s.share, left = s.rows - first;
	const uint32_t rows = (uint32_t)(left < s.share ? left : s.share);
	const float target = (float)s.rows / (float)s.experts;
	const bool look = !s.iterations; /* one sweep to tell errors, u and v staying 1 */
	float k[R], v[R], sum[R];

	for (uint32_t e = blockIdx.x; e < s.experts; e += gridDim.x) {
		for (uint32_t b = threadIdx.x; b < gridDim.x; b += W * 32)
			s.sums[(uint64_t)e * gridDim.x + b] = 0;
		if (!threadIdx.x)
			s.v[e] = 0;
	}
	for (uint32_t e = threadIdx.x; e < wide; e += W * 32)
		scale[e] = e < s.experts;
	if (!threadIdx.x)
		*moved = 0;
	if (!threadIdx.x && !blockIdx.x && s.told)
		*s.told = {};
	for (uint32_t r = warp; r < rows; r += W) {
		if (!lane)
			s.u[first + r] = 1;
		if (r < s.kept) {
			sweep_make<TYPE, R>(s, first + r, k);
#pragma unroll
			for (int i = 0; i < R; i++)
				kept[(r * R + i) * 32 + lane] = k[i];
		}
	}
	k_grid_sync();
	for (bool more = true; more && (n < s.iterations || !n); more = *moved == n) {
		n++;
#pragma unroll
		for (int i = 0; i < R; i++) {
			v[i] = scale[i * 32 + lane];
			sum[i] = 0;
		}
		for (uint32_t r = warp; r < rows; r += W) {
			float u = 0;

			sweep_row<TYPE, R>(s, kept, first, r, k);
#pragma unroll
			for (int i = 0; i < R; i++)
				u = fmaf(k[i], v[i], u);
			u = fmaxf(warp_sum(u), LEAST);
			if (look)
				u = 1;
			else if (s.eps > 0)
				u = s.u[first + r] / fmaf(s.u[first + r], u, s.eps);
			else
				u = 1 / u;
			__syncwarp();
			if (!lane)
				s.u[first + r] = u;
#pragma unroll
			for (int i = 0; i < R; i++)
				sum[i] = fmaf(u, k[i], sum[i]);
		}
#pragma unroll
		for (int i = 0; i < R; i++)
			part[warp * wide + i * 32 + lane] = sum[i];
		__syncthreads();
		for (uint32_t e = threadIdx.x; e < s.experts; e += W * 32) {
			float all = 0;

#pragma unroll
			for (int i = 0; i < W; i++)
				all += part[i * wide + e];
			word_tell(&s.sums[(uint64_t)e * gridDim.x + blockIdx.x], all, n);
		}
		word_turn();
		for (uint32_t e = blockIdx.x + warp * gridDim.x; e < s.experts;
		     e += W * gridDim.x) {
			float all = word_sum(s.sums + (uint64_t)e * gridDim.x, gridDim.x, n);
			float old = scale[e], now;

			all = fmaxf(all, LEAST);
			now = s.eps > 0 ? old / fmaf(old, all, s.eps) * target : target / all;
			now = look ? old : now;
			if (!lane)
				word_tell(&s.v[e], now, n);
		}
		word_turn();
		__syncthreads();
		for (uint32_t e = threadIdx.x; e < s.experts; e += W * 32) {
			float now = word_wait(&s.v[e], n);

			if (!(fabsf(now - scale[e]) / now <= s.tolerance) || s.tolerance == 0)
				*moved = n;
			scale[e] = now;
		}
		__syncthreads();
	}
#pragma unroll
	for (int i = 0; i < R; i++)
		v[i] = scale[i * 32 + lane];
	for (uint32_t r = warp; r < rows; r += W) {
		float all = 0;

		sweep_row<TYPE, R>(s, kept, first, r, k);
#pragma unroll
		for (int i = 0; i < R; i++) {
			k[i] *= v[i];
			all += k[i];
		}
		all = warp_sum(all);
		if (s.told && !lane)
			error_most(&s.told->row_error, fabsf(all * s.u[first + r] - 1));
		sweep_pick<R>(s, first + r, k);
	}
	if (!s.told)
		return;
	for (uint32_t e = blockIdx.x + warp * gridDim.x; e < s.experts; e += W * gridDim.x) {
		float all = word_sum(s.sums + (uint64_t)e * gridDim.x, gridDim.x, n);

		if (!lane)
			error_most(&s.told->column_error, fabsf(scale[e] * all / target - 1));
	}
	if (!threadIdx.x && !blockIdx.x)
		s.told->iterations = look ? 0 : n;
}

template <enum tr_type TYPE, int R, int W>
static int
sweep_launch(struct sweep s, void *stream)
{
	/* what a block may have on chips with much, some and little of it, and on any */
	static const size_t most[] = {227 << 10, 163 << 10, 99 << 10, 48 << 10};
	const size_t row = R * 32 * sizeof(float), fixed = (1 + W) * row + 4 * sizeof(float);
	uint64_t blocks = k_ceil(s.rows, W), processors = gpu_processors();
	size_t bytes = 0;
	int r = GPU_EFAIL;

	blocks = blocks < processors ? blocks : processors;
	blocks = blocks < SWEEP_BLOCKS_MAX ? blocks : (uint64_t)SWEEP_BLOCKS_MAX;
	s.share = k_ceil(s.rows, blocks);
	blocks = k_ceil(s.rows, s.share);
	for (size_t i = 0; r && i < sizeof most / sizeof *most; i++) {
		uint64_t kept = (most[i] - fixed) / row;

		s.kept = (uint32_t)(kept < s.share ? kept : s.share);
		bytes = fixed + s.kept * row;
		r = k_large(sinkhorn_kernel<TYPE, R, W>, bytes);
	}
	if (r)
		return r;
	return K_TOGETHER((sinkhorn_kernel<TYPE, R, W>), (unsigned)blocks, W * 32, bytes, stream,
			  s);
}

template <enum tr_type TYPE>
static int
sweep_type(const struct sweep &s, void *stream)
{
	if (s.experts <= 64)
		return sweep_launch<TYPE, 2, 32>(s, stream);
	if (s.experts <= 128)
		return sweep_launch<TYPE, 4, 32>(s, stream);
	if (s.experts <= 256)
		return sweep_launch<TYPE, 8, 32>(s, stream);
	if (s.experts <= 512)
		return sweep_launch<TYPE, 16, 16>(s, stream);
	return sweep_launch<TYPE, 32, 8>(s, stream);
}

extern "C" size_t
k_sinkhorn_work(const struct sinkhorn *s, uint64_t rows)
{
	return s->experts * (SWEEP_BLOCKS_MAX + 1) * sizeof(unsigned long long) +
	       rows * sizeof(float);
}

extern "C" int
k_sinkhorn(const struct sinkhorn *s, const void *logits, uint64_t rows, uint16_t *ids, float *w,
	   struct sinkhorn_told *told, void *work, void *stream)
{
	struct sweep p = {};

	if (!s->experts || s->experts > SELECT_EXPERTS_MAX || !s->k || s->k > s->experts ||
	    s->k > SELECT_K_MAX || !(s->temperature > 0) || rows >= 1u << 31)
		return gpu_fail(GPU_EUSE, 0, "sinkhorn: %u experts, %u picks", s->experts, s->k);
	if (!rows)
		return 0;
	p.logits = logits;
	p.ids = ids;
	p.w = w;
	p.told = told;
	p.sums = (unsigned long long *)work;
	p.v = p.sums + (uint64_t)s->experts * SWEEP_BLOCKS_MAX;
	p.u = (float *)(p.v + s->experts);
	p.rows = rows;
	p.experts = s->experts;
	p.k = s->k;
	p.iterations = s->iterations;
	p.temperature = s->temperature;
	p.tolerance = s->tolerance;
	p.eps = s->eps;
	if (s->type == TR_F32)
		return sweep_type<TR_F32>(p, stream);
	if (s->type == TR_F16)
		return sweep_type<TR_F16>(p, stream);
	if (s->type == TR_BF16)
		return sweep_type<TR_BF16>(p, stream);
	return gpu_fail(GPU_EUSE, 0, "sinkhorn: logits are f32, f16 or bf16");
}
