/*
 * Grouped SwiGLU, or relu networks, on packed rows, offsets on the device.  Ours is two launches: silu(x w1^T)
 * times x w3^T into work, then the product with w2.  Each has as many blocks as run at
 * once, which go through the tiles of all experts in turn, an expert's row tiles side by
 * side so that they meet its weights in the L2 cache; where an expert begins is found from
 * the offsets by each block for itself, so one without rows costs nothing.
 *
 * 6 d hidden flops a row, 2 (3 experts d hidden) bytes of weights however few the rows: a
 * few hundred rows an expert reach the roof of mma.sync, fewer that of memory.  f32, and
 * widths that are no multiples of 8, go by plain tiles of 64 x 64.
 */
#include "../lib/route/keys.h"
#include "launch.h"
#include "mma.cuh"
#include "product.h"

enum { EXPERTS_MAX = 1024, PLAIN = 64, PLAIN_DEPTH = 16 };

/* One of the two products: n columns of depth d; w3 where there is a gate, relu of what has
 * none. */
struct grouped {
	const void *x, *w, *w3;
	void *to;
	const uint32_t *offsets;
	uint32_t experts, n, d;
	int relu;
};

template <int TYPE> struct ffn_bits {
	typedef uint16_t type;
};
template <> struct ffn_bits<TR_F32> {
	typedef uint32_t type;
};

static uint64_t
ffn_pad(uint64_t n)
{
	return (n + 255) & ~(uint64_t)255;
}

/* upto[e] row tiles of the given height belong to experts before e, upto[experts] to all. */
static __device__ __forceinline__ void
ffn_scan(const struct grouped &g, uint32_t height, uint32_t *upto, uint32_t *totals)
{
	constexpr int each = EXPERTS_MAX / MMA_THREADS;
	uint32_t lane = threadIdx.x % 32, n[each], sum = 0, before;

	for (int i = 0; i < each; i++) {
		uint32_t e = threadIdx.x * each + i;

		n[i] = e < g.experts ? (g.offsets[e + 1] - g.offsets[e] + height - 1) / height : 0;
		sum += n[i];
	}
	before = sum;
	for (int apart = 1; apart < 32; apart *= 2) {
		uint32_t add = __shfl_up_sync(~0u, before, apart);

		before += lane >= (uint32_t)apart ? add : 0;
	}
	if (lane == 31)
		totals[threadIdx.x / 32] = before;
	__syncthreads();
	before -= sum;
	for (uint32_t i = 0; i < threadIdx.x / 32; i++)
		before += totals[i];
	for (int i = 0; i < each; i++) {
		uint32_t e = threadIdx.x * each + i;

		if (e < g.experts)
			upto[e] = before;
		before += n[i];
		if (e + 1 == g.experts)
			upto[e + 1] = before;
	}
	__syncthreads();
}

/* Where a tile lies. */
struct ffn_tile {
	uint32_t expert, rows, column;
	uint64_t row;
};

static __device__ __forceinline__ struct ffn_tile
ffn_find(const struct grouped &g, const uint32_t *upto, uint32_t tile, uint32_t height,
	 uint32_t width)
{
	uint32_t across = (g.n + width - 1) / width, row = tile / across;
	uint32_t low = 0, high = g.experts, tall, left;
	struct ffn_tile t;

	while (high - low > 1) {
		uint32_t mid = (low + high) / 2;

		if (upto[mid] <= row)
			low = mid;
		else
			high = mid;
	}
	tile -= upto[low] * across;
	tall = upto[low + 1] - upto[low];
	t.expert = low;
	t.column = tile / tall * width;
	t.row = g.offsets[low] + tile % tall * height;
	left = g.offsets[low + 1] - (uint32_t)t.row;
	t.rows = left < height ? left : height;
	return t;
}

/* NaN stays */
static __device__ __forceinline__ float
ffn_relu(const struct grouped &g, float x)
{
	return g.relu && x < 0 ? 0 : x;
}

static __device__ __forceinline__ float
ffn_gate(float gate, float up)
{
	return gate * keys_sigmoid(gate) * up;
}

/* 16-bit types.  With a gate a warp's 64 columns of the tile are 32 of w and the same 32 of
 * w3, so that each thread has both of what it multiplies. */
template <enum tr_type TYPE, int N, int S, bool GATE>
static __global__ void
__launch_bounds__(MMA_THREADS, 1) ffn_kernel(struct grouped g)
{
#if !defined __CUDA_ARCH__ || __CUDA_ARCH__ >= 800 /* others lack the shared memory as well */
	K_SHARED(uint32_t, upto, EXPERTS_MAX + 1);
	K_SHARED(uint32_t, totals, MMA_THREADS / 32);
	K_DYNAMIC(char, shared);
	typedef mma_shape<N> shape;
	constexpr uint32_t width = GATE ? N / 2 : N, pitch = width + 8;
	uint32_t across = (g.n + width - 1) / width;
	uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	uint16_t *out = (uint16_t *)shared;

	static_assert(!GATE || shape::nt == 8, "a warp holds 32 + 32 columns");
	ffn_scan(g, MMA_ROWS, upto, totals);
	for (uint32_t tile = blockIdx.x; tile < upto[g.experts] * across; tile += gridDim.x) {
		struct ffn_tile t = ffn_find(g, upto, tile, MMA_ROWS, width);
		uint32_t columns = g.n - t.column < width ? g.n - t.column : width;
		uint64_t at = ((uint64_t)t.expert * g.n + t.column) * g.d;
		float acc[shape::mt][shape::nt][4];
		mma_rows<1> x = {{(const uint16_t *)g.x + t.row * g.d}, t.rows};

		if constexpr (GATE) {
			mma_rows<2> w = {{(const uint16_t *)g.w + at, (const uint16_t *)g.w3 + at},
					 columns};

			mma_tile<TYPE, N, S>(acc, shared, x, w, g.d, 0,
					     (g.d + MMA_DEPTH - 1) / MMA_DEPTH);
#pragma unroll
			for (int i = 0; i < shape::mt; i++)
#pragma unroll
				for (int j = 0; j < 4; j++)
#pragma unroll
					for (int h = 0; h < 2; h++) {
						const float *a = acc[i][j] + 2 * h;
						const float *u = acc[i][j + 4] + 2 * h;
						uint32_t row = warp / shape::across * shape::mt + i;
						uint32_t col = warp % shape::across * 32 + j * 8;

						row = row * 16 + h * 8 + lane / 4;
						col += lane % 4 * 2;
						*(uint32_t *)(out + row * pitch + col) =
							k_round<TYPE>(ffn_gate(a[0], u[0])) |
							k_round<TYPE>(ffn_gate(a[1], u[1])) << 16;
					}
		} else {
			mma_rows<1> w = {{(const uint16_t *)g.w + at}, columns};

			mma_tile<TYPE, N, S>(acc, shared, x, w, g.d, 0,
					     (g.d + MMA_DEPTH - 1) / MMA_DEPTH);
			mma_pairs<N>(acc, [&](uint32_t row, uint32_t col, float a, float b) {
				*(uint32_t *)(out + row * pitch + col) =
					k_round<TYPE>(ffn_relu(g, a)) |
					k_round<TYPE>(ffn_relu(g, b)) << 16;
			});
		}
		__syncthreads();
		for (uint32_t i = threadIdx.x; i < MMA_ROWS * width / 8; i += MMA_THREADS) {
			uint32_t row = i / (width / 8), col = i % (width / 8) * 8;

			if (row < t.rows && col < columns)
				*(uint4 *)((uint16_t *)g.to + (t.row + row) * g.n + t.column +
					   col) = *(const uint4 *)(out + row * pitch + col);
		}
		__syncthreads();
	}
#endif
}

/* Any type and width; a thread has 4 x 4 sums, and 4 x 4 of w3 with a gate. */
template <enum tr_type TYPE, bool GATE>
static __global__ void
__launch_bounds__(MMA_THREADS) ffn_plain_kernel(struct grouped g)
{
	typedef typename ffn_bits<TYPE>::type bits;
	constexpr int pitch = PLAIN + 4;
	K_SHARED(uint32_t, upto, EXPERTS_MAX + 1);
	K_SHARED(uint32_t, totals, MMA_THREADS / 32);
	K_SHARED(float, xs, PLAIN_DEPTH *pitch);
	K_SHARED(float, ws, (GATE ? 2 : 1) * PLAIN_DEPTH * pitch);
	uint32_t across = (g.n + PLAIN - 1) / PLAIN;
	uint32_t top = threadIdx.x / 16 * 4, left = threadIdx.x % 16 * 4;

	ffn_scan(g, PLAIN, upto, totals);
	for (uint32_t tile = blockIdx.x; tile < upto[g.experts] * across; tile += gridDim.x) {
		struct ffn_tile t = ffn_find(g, upto, tile, PLAIN, PLAIN);
		const bits *x = (const bits *)g.x + t.row * g.d;
		uint64_t at = ((uint64_t)t.expert * g.n + t.column) * g.d;
		float sum[GATE ? 2 : 1][4][4] = {};

		for (uint32_t k = 0; k < g.d; k += PLAIN_DEPTH) {
			for (uint32_t i = threadIdx.x; i < PLAIN * PLAIN_DEPTH; i += MMA_THREADS) {
				uint32_t r = i / PLAIN_DEPTH, c = i % PLAIN_DEPTH;
				uint64_t from = (uint64_t)r * g.d + k + c;
				bool in = k + c < g.d, row = in && t.column + r < g.n;

				xs[c * pitch + r] = in && r < t.rows ? k_widen<TYPE>(x[from]) : 0;
				ws[c * pitch + r] =
					row ? k_widen<TYPE>(((const bits *)g.w)[at + from]) : 0;
				if (GATE)
					ws[(PLAIN_DEPTH + c) * pitch + r] =
						row ? k_widen<TYPE>(((const bits *)g.w3)[at + from])
						    : 0;
			}
			__syncthreads();
#pragma unroll
			for (int c = 0; c < PLAIN_DEPTH; c++)
#pragma unroll
				for (int s = 0; s < (GATE ? 2 : 1); s++)
#pragma unroll
					for (int i = 0; i < 4; i++)
#pragma unroll
						for (int j = 0; j < 4; j++)
							sum[s][i][j] = fmaf(
								xs[c * pitch + top + i],
								ws[(s * PLAIN_DEPTH + c) * pitch +
								   left + j],
								sum[s][i][j]);
			__syncthreads();
		}
		for (int i = 0; i < 4; i++)
			for (int j = 0; j < 4; j++)
				if (top + i < t.rows && t.column + left + j < g.n)
					((bits *)g.to)[(t.row + top + i) * g.n + t.column + left +
						       j] =
						(bits)k_round<TYPE>(
							GATE ? ffn_gate(sum[0][i][j],
									sum[GATE][i][j])
							     : ffn_relu(g, sum[0][i][j]));
	}
}

/* to = silu(to) up, for what the library's products left. */
template <enum tr_type TYPE>
static __global__ void
ffn_gate_kernel(void *to, const void *up, uint64_t n)
{
	typedef typename ffn_bits<TYPE>::type bits;

	for (uint64_t i = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; i < n;
	     i += (uint64_t)gridDim.x * blockDim.x)
		((bits *)to)[i] = (bits)k_round<TYPE>(ffn_gate(
			k_widen<TYPE>(((bits *)to)[i]), k_widen<TYPE>(((const bits *)up)[i])));
}

template <enum tr_type TYPE, int N, int S, bool GATE>
static int
ffn_tiles(const struct grouped &g, void *stream)
{
	size_t bytes = S * mma_shape<N>::stage;
	int blocks = k_resident(ffn_kernel<TYPE, N, S, GATE>, MMA_THREADS, bytes);

	if (!blocks)
		return gpu_fail(GPU_EFAIL, 0, "grouped product: no block of it fits the device");
	return K_LAUNCH((ffn_kernel<TYPE, N, S, GATE>), blocks, MMA_THREADS, bytes, stream, g);
}

template <enum tr_type TYPE, bool GATE>
static int
ffn_one(const struct grouped &g, void *stream)
{
	int blocks;

	if (TYPE != TR_F32 && g.d % 8 == 0 && g.n % 8 == 0 && g.d < 1 << 23 &&
	    k_aligned(16, g.x, g.w, g.to) && k_aligned(16, g.w3)) {
		if constexpr (TYPE != TR_F32) {
			if (!k_large(ffn_kernel<TYPE, 256, 4, GATE>, 4 * mma_shape<256>::stage))
				return ffn_tiles<TYPE, 256, 4, GATE>(g, stream);
			if (!k_large(ffn_kernel<TYPE, 128, 2, GATE>, 2 * mma_shape<128>::stage))
				return ffn_tiles<TYPE, 128, 2, GATE>(g, stream);
		}
	}
	blocks = k_resident(ffn_plain_kernel<TYPE, GATE>, MMA_THREADS, 0);
	return K_LAUNCH((ffn_plain_kernel<TYPE, GATE>), blocks, MMA_THREADS, 0, stream, g);
}

/* By the library, gate and up one after the other and then combined. */
static int
ffn_library(const struct ffn *f, int how, const uint32_t *offsets, const uint32_t *host,
	    const void *x, const void *w, void *to, uint64_t n, uint64_t d, void *work,
	    void *stream)
{
	uint64_t size = tr_size(f->type);
	int r = 0;

	if (how == 2)
		return k_products(f->type, f->experts, offsets, host, x, w, to, n, d, work, stream);
	for (uint32_t e = 0; !r && e < f->experts; e++)
		if (host[e + 1] > host[e])
			r = k_product(f->type, (const char *)x + host[e] * d * size,
				      (const char *)w + e * n * d * size,
				      (char *)to + host[e] * n * size, host[e + 1] - host[e], n, d,
				      work, stream);
	return r;
}

template <enum tr_type TYPE>
static int
ffn_type(const struct ffn *f, int how, const uint32_t *offsets, const uint32_t *host,
	 uint64_t packed, const void *x, void *to, char *work, void *stream)
{
	uint64_t size = ffn_pad(packed * f->hidden * tr_size(TYPE));
	void *hidden = work, *up = work + size, *library = work + 2 * size;
	struct grouped in = {x,
			     f->w1,
			     f->w3,
			     hidden,
			     offsets,
			     f->experts,
			     (uint32_t)f->hidden,
			     (uint32_t)f->d,
			     !f->w3};
	struct grouped out = {hidden,  f->w2,      NULL,           to,
			      offsets, f->experts, (uint32_t)f->d, (uint32_t)f->hidden,
			      0};
	int r;

	if (how == 0) {
		r = f->w3 ? ffn_one<TYPE, true>(in, stream) : ffn_one<TYPE, false>(in, stream);
		return r ? r : ffn_one<TYPE, false>(out, stream);
	}
	r = ffn_library(f, how, offsets, host, x, f->w1, hidden, f->hidden, f->d, library, stream);
	if (!r)
		r = ffn_library(f, how, offsets, host, x, f->w3, up, f->hidden, f->d, library,
				stream);
	if (!r)
		r = K_LAUNCH(ffn_gate_kernel<TYPE>, 8 * gpu_processors(), 256, 0, stream, hidden,
			     up, host[f->experts] * f->hidden);
	return r ? r
		 : ffn_library(f, how, offsets, host, hidden, f->w2, to, f->d, f->hidden, library,
			       stream);
}

extern "C" size_t
k_ffn_work(const struct ffn *f, uint64_t packed)
{
	return 2 * ffn_pad(packed * f->hidden * tr_size(f->type)) + k_product_work();
}

extern "C" int
k_ffn(const struct ffn *f, int how, const uint32_t *offsets, const uint32_t *host_offsets,
      uint64_t packed, const void *x, void *to, void *work, void *stream)
{
	uint64_t tiles = packed / PLAIN + f->experts, wide = f->d > f->hidden ? f->d : f->hidden;

	if (f->experts > EXPERTS_MAX || wide >= 1u << 31 || packed >= 1u << 31 ||
	    tiles * (wide / PLAIN + 1) >= 1u << 31)
		return gpu_fail(GPU_EUSE, 0, "grouped SwiGLU: too many experts, rows or columns");
	if (how < 0 || how > 2 || (how && (!host_offsets || !f->w3)))
		return gpu_fail(GPU_EUSE, 0, "grouped SwiGLU: no such way");
	if (!packed || !f->d || !f->hidden)
		return 0;
	if (f->type == TR_F32)
		return ffn_type<TR_F32>(f, how, offsets, host_offsets, packed, x, to, (char *)work,
					stream);
	if (f->type == TR_F16)
		return ffn_type<TR_F16>(f, how, offsets, host_offsets, packed, x, to, (char *)work,
					stream);
	if (f->type == TR_BF16)
		return ffn_type<TR_BF16>(f, how, offsets, host_offsets, packed, x, to, (char *)work,
					 stream);
	return gpu_fail(GPU_EUSE, 0, "grouped SwiGLU: types are f32, f16 and bf16");
}
