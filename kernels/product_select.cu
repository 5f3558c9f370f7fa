/*
 * Product and selection in one launch, for up to 256 experts and 16-bit rows of a multiple
 * of 8: logits stay on the chip.  A block makes the logits of 128 rows by mma.sync, rounds
 * them to their type in shared memory and picks from there, a warp a row, so that picks
 * are those of the product, rounded, and then k_select.
 *
 * 2 d bytes and 2 d experts flops a row, w coming from the L2 cache.  Up to 64 or 128
 * experts memory is the roof (two blocks a processor keep 144 KB under way), with 256 it is
 * what mma.sync reaches of the tensor cores.  Where row tiles would leave processors idle,
 * up to 16 blocks share a tile, each over its part of d: they leave f32 sums in work, and
 * after one grid barrier each adds, in the order of the parts, those of its share of the
 * rows.  The grid depends on the card, so sums of different cards may differ in their last
 * bits.
 */
#include "../lib/route/keys.h"
#include "launch.h"
#include "mma.cuh"

enum { PARTS_MAX = 16, BLOCKS_MAX = 240 };

struct fused {
	const uint16_t *x, *w;
	uint16_t *ids, *logits;
	float *weights, *sums; /* sums [parts][tiles][MMA_ROWS][N] */
	uint64_t rows;
	uint32_t d, experts, k, tiles, parts;
	int score, renorm;
};

/* One row's picks and weights by a warp, as select_rows does without bias and groups. */
template <enum tr_type TYPE, int N>
static __device__ __forceinline__ void
fused_pick(const struct fused &f, const uint16_t *row, uint64_t to)
{
	constexpr int each = N / 32;
	const uint32_t inf = TYPE == TR_BF16 ? 0x7f80 : 0x7c00;
	uint32_t lane = threadIdx.x % 32, key[each];
	uint32_t mine[2] = {0, 0}; /* picks lane and lane + 32 */

#pragma unroll
	for (int i = 0; i < each; i++) {
		uint32_t e = lane * each + i;

		key[i] = e < f.experts ? keys_pack16(keys_16(row[e], inf), e) : 0;
	}
#pragma unroll
	for (int i = 1; i < each; i++)
#pragma unroll
		for (int j = i; j > 0; j--) {
			uint32_t a = key[j - 1], b = key[j];

			key[j - 1] = a > b ? a : b;
			key[j] = a > b ? b : a;
		}
	for (uint32_t p = 0; p < f.k; p++) {
		uint32_t best = __reduce_max_sync(~0u, key[0]);

		if (key[0] == best) {
#pragma unroll
			for (int i = 1; i < each; i++)
				key[i - 1] = key[i];
			key[each - 1] = 0;
		}
		if (lane == p)
			mine[0] = best;
		if (lane + 32 == p)
			mine[1] = best;
	}

	float logit[2], weight[2], total, max;

	for (int i = 0; i < 2; i++)
		logit[i] = k_widen<TYPE>((uint16_t)keys_16_bits(mine[i] >> 16));
	max = __shfl_sync(~0u, logit[0], 0);
	for (int i = 0; i < 2; i++)
		weight[i] = f.score == RULES_NONE      ? logit[i]
			    : f.score == RULES_SIGMOID ? keys_sigmoid(logit[i])
						       : keys_weight(logit[i], max);
	if (f.score == RULES_BEFORE) {
		total = 0;
		for (uint32_t e = lane; e < f.experts; e += 32)
			total += keys_weight(k_widen<TYPE>(row[e]), max);
		for (int apart = 16; apart; apart /= 2)
			total += __shfl_down_sync(~0u, total, apart);
		total = __shfl_sync(~0u, total, 0);
		weight[0] /= total;
		weight[1] /= total;
	}
	if (f.renorm || f.score == RULES_AFTER) {
		total = 0;
		for (uint32_t p = 0; p < f.k; p++)
			total += __shfl_sync(~0u, p < 32 ? weight[0] : weight[1], p % 32);
		if (total != 0) {
			weight[0] /= total;
			weight[1] /= total;
		}
	}
	for (int i = 0; i < 2; i++)
		if (lane + 32 * i < f.k) {
			f.ids[to * f.k + lane + 32 * i] = 0xffff - (mine[i] & 0xffff);
			f.weights[to * f.k + lane + 32 * i] = keys_stored(weight[i]);
		}
}

template <enum tr_type TYPE, int N, int S>
static __global__ void
__launch_bounds__(MMA_THREADS, N == 256 ? 1 : 2) product_select_kernel(struct fused f)
{
#if !defined __CUDA_ARCH__ || __CUDA_ARCH__ >= 800 /* others lack the shared memory as well */
	K_DYNAMIC(char, shared);
	constexpr int pitch = N + 8; /* so that eight rows meet all banks */
	float acc[mma_shape<N>::mt][mma_shape<N>::nt][4];
	uint32_t tile = blockIdx.x % f.tiles, part = blockIdx.x / f.tiles;
	uint32_t steps = (f.d + MMA_DEPTH - 1) / MMA_DEPTH;
	uint64_t top = (uint64_t)tile * MMA_ROWS;
	uint32_t rows = f.rows - top < MMA_ROWS ? (uint32_t)(f.rows - top) : (uint32_t)MMA_ROWS;
	mma_rows<1> x = {{f.x + top * f.d}, rows}, w = {{f.w}, f.experts};
	uint16_t *logits = (uint16_t *)shared;
	uint32_t first = 0, share = MMA_ROWS;

	mma_tile<TYPE, N, S>(acc, shared, x, w, f.d, steps * part / f.parts,
			     steps * (part + 1) / f.parts);
	if (f.parts == 1) {
		mma_pairs<N>(acc, [&](uint32_t row, uint32_t column, float a, float b) {
			*(uint32_t *)(logits + row * pitch + column) =
				k_round<TYPE>(a) | k_round<TYPE>(b) << 16;
		});
	} else {
		const uint64_t size = (uint64_t)MMA_ROWS * N;
		float *to = f.sums + ((uint64_t)part * f.tiles + tile) * size;

		mma_pairs<N>(acc, [&](uint32_t row, uint32_t column, float a, float b) {
			*(float2 *)(to + row * N + column) = make_float2(a, b);
		});
		k_grid_sync();
		share = MMA_ROWS / f.parts;
		first = part * share;
#pragma unroll 2
		for (uint32_t i = threadIdx.x * 4; i < share * N; i += MMA_THREADS * 4) {
			const float *from = f.sums + tile * size + first * N + i;
			float4 sum = make_float4(0, 0, 0, 0);

#pragma unroll 4
			for (uint32_t p = 0; p < f.parts; p++) {
				float4 a = __ldcg((const float4 *)(from + p * f.tiles * size));

				sum.x += a.x;
				sum.y += a.y;
				sum.z += a.z;
				sum.w += a.w;
			}
			*(uint2 *)(logits + (first + i / N) * pitch + i % N) =
				make_uint2(k_round<TYPE>(sum.x) | k_round<TYPE>(sum.y) << 16,
					   k_round<TYPE>(sum.z) | k_round<TYPE>(sum.w) << 16);
		}
	}
	__syncthreads();
	for (uint32_t r = first + threadIdx.x / 32; r < first + share && r < rows;
	     r += MMA_THREADS / 32) {
		const uint16_t *row = logits + r * pitch;

		fused_pick<TYPE, N>(f, row, top + r);
		if (f.logits)
			for (uint32_t e = threadIdx.x % 32; e < f.experts; e += 32)
				f.logits[(top + r) * f.experts + e] = row[e];
	}
#endif
}

/* How many blocks share a tile: as many as there are processors for, each with at least
 * four stages to do. */
static uint32_t
fused_parts(uint32_t tiles, uint64_t d, int resident)
{
	uint64_t steps = k_ceil(d, MMA_DEPTH);
	int most = gpu_processors();
	uint32_t parts = PARTS_MAX;

	most = resident < most ? resident : most;
	most = most < BLOCKS_MAX ? most : (int)BLOCKS_MAX;
	while (parts > 1 && ((uint64_t)tiles * parts > (uint64_t)most || steps < 4 * parts))
		parts /= 2;
	return parts;
}

template <enum tr_type TYPE, int N, int S>
static int
fused_launch(struct fused f, void *stream)
{
	size_t bytes = S * mma_shape<N>::stage;
	int r = k_large(product_select_kernel<TYPE, N, S>, bytes);

	if (r)
		return r;
	f.parts = fused_parts(f.tiles, f.d,
			      k_resident(product_select_kernel<TYPE, N, S>, MMA_THREADS, bytes));
	if (f.parts == 1)
		return K_LAUNCH((product_select_kernel<TYPE, N, S>), f.tiles, MMA_THREADS, bytes,
				stream, f);
	return K_TOGETHER((product_select_kernel<TYPE, N, S>), f.tiles * f.parts, MMA_THREADS,
			  bytes, stream, f);
}

template <enum tr_type TYPE>
static int
fused_type(const struct fused &f, void *stream)
{
	if (f.experts <= 64)
		return fused_launch<TYPE, 64, 4>(f, stream);
	if (f.experts <= 128)
		return fused_launch<TYPE, 128, 3>(f, stream);
	if (!k_large(product_select_kernel<TYPE, 256, 4>, 4 * mma_shape<256>::stage))
		return fused_launch<TYPE, 256, 4>(f, stream);
	return fused_launch<TYPE, 256, 2>(f, stream);
}

extern "C" int
k_product_select_fits(const struct select *s, uint64_t rows, uint64_t d)
{
	return (s->type == TR_F16 || s->type == TR_BF16) && s->experts <= 256 && !s->bias &&
	       !s->groups && d && d % 8 == 0 && d < 1 << 23 &&
	       rows / MMA_ROWS < INT32_MAX / PARTS_MAX;
}

extern "C" int
k_product_select(const struct select *s, const void *x, const void *w, uint64_t rows, uint64_t d,
		 uint16_t *ids, float *weights, void *logits, void *work, void *stream)
{
	struct fused f = {};

	if (!k_product_select_fits(s, rows, d))
		return gpu_fail(GPU_EUSE, 0,
				"product and select in one: up to 256 experts "
				"without bias and groups, f16 or bf16, d a multiple of 8");
	if (!k_aligned(16, x, w, work))
		return gpu_fail(GPU_EUSE, 0, "product and select in one: rows must be 16-aligned");
	if (!rows)
		return 0;
	f.x = (const uint16_t *)x;
	f.w = (const uint16_t *)w;
	f.ids = ids;
	f.logits = (uint16_t *)logits;
	f.weights = weights;
	f.sums = (float *)work;
	f.rows = rows;
	f.d = (uint32_t)d;
	f.experts = s->experts;
	f.k = s->k;
	f.tiles = (uint32_t)k_ceil(rows, MMA_ROWS);
	f.score = s->score;
	f.renorm = s->renorm;
	return s->type == TR_BF16 ? fused_type<TR_BF16>(f, stream) : fused_type<TR_F16>(f, stream);
}
