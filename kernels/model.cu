/*
 * Steps of a forward pass that are not products: each reads and writes its rows once, so
 * the roof is memory.  A row that has a sum is a warp's (k_norm) or a block's (k_nll), whose
 * parts are added as a tree.
 */
#include "../lib/route/keys.h"
#include "launch.h"
extern "C" {
#include "model.h"
}

enum { THREADS = 256, WARPS = THREADS / 32 };

template <int TYPE> struct bits_of {
	typedef uint16_t type;
};
template <> struct bits_of<TR_F32> {
	typedef uint32_t type;
};

#define EACH(i, n)                                                                  \
	for (uint64_t i = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; i < (n); \
	     i += (uint64_t)gridDim.x * blockDim.x)

/* Blocks for n things, each of so many threads that a block has `threads` things. */
static unsigned
blocks_of(uint64_t n, unsigned things)
{
	const uint64_t all = k_ceil(n, things), most = 32 * (uint64_t)gpu_processors();

	return (unsigned)(all < most ? all : most);
}

template <int FROM, int TO>
static __global__ void
__launch_bounds__(THREADS) convert(const typename bits_of<FROM>::type *from,
				   typename bits_of<TO>::type *to, uint64_t n)
{
	EACH(i, n)
	to[i] = (typename bits_of<TO>::type)k_round<TO>(k_widen<FROM>(__ldg(from + i)));
}

template <int TYPE>
static __global__ void
__launch_bounds__(THREADS) embed(const typename bits_of<TYPE>::type *w, const uint32_t *ids,
				 uint64_t n, uint64_t d, float *x)
{
	EACH(i, n)
	x[i] = k_widen<TYPE>(__ldg(w + ids[i / d] * d + i % d));
}

static __device__ __forceinline__ float
warp_sum(float x)
{
	for (int apart = 16; apart; apart /= 2)
		x += __shfl_xor_sync(~0u, x, apart);
	return x;
}

static __device__ __forceinline__ float
warp_max(float x)
{
	for (int apart = 16; apart; apart /= 2)
		x = fmaxf(x, __shfl_xor_sync(~0u, x, apart));
	return x;
}

static __global__ void
__launch_bounds__(THREADS) norm(const float *w, float eps, const float *x, uint64_t ldx,
				uint64_t rows, uint64_t d, float *to)
{
	const unsigned lane = threadIdx.x % 32;

	for (uint64_t row = blockIdx.x * (uint64_t)WARPS + threadIdx.x / 32; row < rows;
	     row += (uint64_t)gridDim.x * WARPS) {
		const float *from = x + row * ldx;
		float sum = 0, by;

		for (uint64_t i = lane; i < d; i += 32)
			sum = fmaf(from[i], from[i], sum);
		by = 1 / sqrtf(warp_sum(sum) / (float)d + eps);
		for (uint64_t i = lane; i < d; i += 32)
			to[row * d + i] = from[i] * by * w[i];
	}
}

static __global__ void
__launch_bounds__(THREADS) add(float *x, const float *y, uint64_t all, uint64_t n)
{
	EACH(i, all)
	x[i] += y[all == n ? i : i % n];
}

static __global__ void
__launch_bounds__(THREADS) clip(float *x, uint64_t n, float by)
{
	EACH(i, n) /* NaN stays */
	x[i] = x[i] > by ? by : x[i] < -by ? -by : x[i];
}

template <int TYPE>
static __global__ void
__launch_bounds__(THREADS)
	activate(const float *gate, const float *up, typename bits_of<TYPE>::type *to, uint64_t n)
{
	EACH(i, n)
	{
		const float g = gate[i], y = up ? g * keys_sigmoid(g) * up[i] : g < 0 ? 0 : g;

		to[i] = (typename bits_of<TYPE>::type)k_round<TYPE>(y);
	}
}

static __global__ void
__launch_bounds__(THREADS)
	rope(const __grid_constant__ struct k_turn r, float *x, uint64_t ldx, uint64_t rows)
{
	EACH(i, rows * r.heads * r.pairs)
	{
		const uint64_t j = i % r.pairs, head = i / r.pairs % r.heads;
		const uint64_t row = i / r.pairs / r.heads, apart = r.interleaved ? 1 : r.pairs;
		float *a = x + row * ldx + head * r.d + r.d - 2 * r.pairs;
		const float angle = (float)r.position[row] * r.freq[j];
		const float c = cosf(angle) * r.scale, s = sinf(angle) * r.scale;
		float re, im;

		a += r.interleaved ? 2 * j : j;
		re = a[0], im = a[apart];
		a[0] = re * c - im * s;
		a[apart] = im * c + re * s;
	}
}

struct strides {
	uint64_t ldto, hto, ldfrom, hfrom, rows, heads, n;
};

static __global__ void
__launch_bounds__(THREADS)
	strided(float *to, const float *from, const __grid_constant__ struct strides s)
{
	EACH(i, s.rows * s.heads * s.n)
	{
		const uint64_t at = i % s.n, head = i / s.n % s.heads, row = i / s.n / s.heads;

		to[row * s.ldto + head * s.hto + at] = from[row * s.ldfrom + head * s.hfrom + at];
	}
}

static __global__ void
__launch_bounds__(THREADS)
	place(float *to, const uint32_t *at, const float *from, uint64_t all, uint64_t n)
{
	EACH(i, all)
	to[at[i / n] * n + i % n] = from[i];
}

template <int TYPE>
static __global__ void
__launch_bounds__(THREADS)
	merge(const __grid_constant__ struct index x, const typename bits_of<TYPE>::type *from,
	      uint64_t d, const float *w, uint64_t all, float *to)
{
	EACH(i, all)
	{
		const uint64_t row = i / d;
		float sum = 0;

		for (uint32_t s = 0; s < x.k; s++) {
			const uint32_t at = __ldg(x.place + row * x.k + s);

			if (at != UINT32_MAX)
				sum = fmaf(__ldg(w + row * x.k + s),
					   k_widen<TYPE>(__ldg(from + at * d + i % d)), sum);
		}
		to[i] = sum;
	}
}

/* x of all threads of the block, by max or by sum; part [WARPS] */
template <bool MAX>
static __device__ __forceinline__ float
block_all(float x, float *part)
{
	x = MAX ? warp_max(x) : warp_sum(x);
	__syncthreads();
	if (threadIdx.x % 32 == 0)
		part[threadIdx.x / 32] = x;
	__syncthreads();
	x = part[0];
	for (int i = 1; i < WARPS; i++)
		x = MAX ? fmaxf(x, part[i]) : x + part[i];
	return x;
}

static __global__ void
__launch_bounds__(THREADS)
	nll(const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows, float *to)
{
	K_SHARED(float, part, WARPS);

	for (uint64_t row = blockIdx.x; row < rows; row += gridDim.x) {
		const float *x = logit + row * vocab;
		float most = -INFINITY, sum = 0;

		for (uint64_t i = threadIdx.x; i < vocab; i += THREADS)
			most = fmaxf(most, x[i]);
		most = block_all<true>(most, part);
		for (uint64_t i = threadIdx.x; i < vocab; i += THREADS)
			sum += expf(x[i] - most);
		sum = block_all<false>(sum, part);
		if (threadIdx.x == 0)
			to[row] = logf(sum) + most - x[ids[row]];
	}
}

static int
refuse(const char *what)
{
	return gpu_fail(GPU_EUSE, 0, "%s: types are f32, f16 and bf16", what);
}

template <int FROM>
static int
convert_from(const void *from, enum tr_type type, void *to, uint64_t n, void *stream)
{
	typedef typename bits_of<FROM>::type bits;
	const unsigned blocks = blocks_of(n, THREADS);

	if (type == TR_F32)
		return K_LAUNCH((convert<FROM, TR_F32>), blocks, THREADS, 0, stream,
				(const bits *)from, (uint32_t *)to, n);
	if (type == TR_F16)
		return K_LAUNCH((convert<FROM, TR_F16>), blocks, THREADS, 0, stream,
				(const bits *)from, (uint16_t *)to, n);
	if (type == TR_BF16)
		return K_LAUNCH((convert<FROM, TR_BF16>), blocks, THREADS, 0, stream,
				(const bits *)from, (uint16_t *)to, n);
	return refuse("convert");
}

extern "C" {
int
k_convert(enum tr_type of, const void *from, enum tr_type type, void *to, uint64_t n, void *stream)
{
	if (!n)
		return 0;
	return of == TR_F32    ? convert_from<TR_F32>(from, type, to, n, stream)
	       : of == TR_F16  ? convert_from<TR_F16>(from, type, to, n, stream)
	       : of == TR_BF16 ? convert_from<TR_BF16>(from, type, to, n, stream)
			       : refuse("convert");
}

int
k_embed(enum tr_type type, const void *w, const uint32_t *ids, uint64_t rows, uint64_t d, float *x,
	void *stream)
{
	const uint64_t n = rows * d;
	const unsigned blocks = blocks_of(n, THREADS);

	if (!n)
		return 0;
	if (type == TR_F32)
		return K_LAUNCH(embed<TR_F32>, blocks, THREADS, 0, stream, (const uint32_t *)w, ids,
				n, d, x);
	if (type == TR_F16)
		return K_LAUNCH(embed<TR_F16>, blocks, THREADS, 0, stream, (const uint16_t *)w, ids,
				n, d, x);
	if (type == TR_BF16)
		return K_LAUNCH(embed<TR_BF16>, blocks, THREADS, 0, stream, (const uint16_t *)w,
				ids, n, d, x);
	return refuse("embed");
}

int
k_norm(const float *w, float eps, const float *x, uint64_t ldx, uint64_t rows, uint64_t d,
       float *to, void *stream)
{
	if (!rows || !d)
		return 0;
	return K_LAUNCH(norm, blocks_of(rows, WARPS), THREADS, 0, stream, w, eps, x, ldx, rows, d,
			to);
}

int
k_add(float *x, const float *y, uint64_t rows, uint64_t n, void *stream)
{
	if (!rows || !n)
		return 0;
	return K_LAUNCH(add, blocks_of(rows * n, THREADS), THREADS, 0, stream, x, y, rows * n, n);
}

int
k_clip(float *x, uint64_t n, float by, void *stream)
{
	return n ? K_LAUNCH(clip, blocks_of(n, THREADS), THREADS, 0, stream, x, n, by) : 0;
}

int
k_activate(const float *gate, const float *up, enum tr_type type, void *to, uint64_t n,
	   void *stream)
{
	const unsigned blocks = blocks_of(n, THREADS);

	if (!n)
		return 0;
	if (type == TR_F32)
		return K_LAUNCH(activate<TR_F32>, blocks, THREADS, 0, stream, gate, up,
				(uint32_t *)to, n);
	if (type == TR_F16)
		return K_LAUNCH(activate<TR_F16>, blocks, THREADS, 0, stream, gate, up,
				(uint16_t *)to, n);
	if (type == TR_BF16)
		return K_LAUNCH(activate<TR_BF16>, blocks, THREADS, 0, stream, gate, up,
				(uint16_t *)to, n);
	return refuse("activate");
}

int
k_rope(const struct k_turn *r, float *x, uint64_t ldx, uint64_t rows, void *stream)
{
	const uint64_t n = rows * r->heads * r->pairs;

	if (2 * r->pairs > r->d)
		return gpu_fail(GPU_EUSE, 0, "rope: more pairs than a head has");
	return n ? K_LAUNCH(rope, blocks_of(n, THREADS), THREADS, 0, stream, *r, x, ldx, rows) : 0;
}

int
k_strided(float *to, uint64_t ldto, uint64_t hto, const float *from, uint64_t ldfrom,
	  uint64_t hfrom, uint64_t rows, uint64_t heads, uint64_t n, void *stream)
{
	const struct strides s = {ldto, hto, ldfrom, hfrom, rows, heads, n};
	const uint64_t all = rows * heads * n;

	return all ? K_LAUNCH(strided, blocks_of(all, THREADS), THREADS, 0, stream, to, from, s)
		   : 0;
}

int
k_place(float *to, const uint32_t *at, const float *from, uint64_t rows, uint64_t n, void *stream)
{
	if (!rows || !n)
		return 0;
	return K_LAUNCH(place, blocks_of(rows * n, THREADS), THREADS, 0, stream, to, at, from,
			rows * n, n);
}

int
k_merge(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	uint64_t rows, float *to, void *stream)
{
	const uint64_t n = rows * d;
	const unsigned blocks = blocks_of(n, THREADS);

	if (!n)
		return 0;
	if (type == TR_F32)
		return K_LAUNCH(merge<TR_F32>, blocks, THREADS, 0, stream, *x,
				(const uint32_t *)from, d, w, n, to);
	if (type == TR_F16)
		return K_LAUNCH(merge<TR_F16>, blocks, THREADS, 0, stream, *x,
				(const uint16_t *)from, d, w, n, to);
	if (type == TR_BF16)
		return K_LAUNCH(merge<TR_BF16>, blocks, THREADS, 0, stream, *x,
				(const uint16_t *)from, d, w, n, to);
	return refuse("merge");
}

int
k_nll(const float *logit, uint64_t vocab, const uint32_t *ids, uint64_t rows, float *nll_,
      void *stream)
{
	if (!rows || !vocab)
		return 0;
	return K_LAUNCH(nll, blocks_of(rows, 1), THREADS, 0, stream, logit, vocab, ids, rows, nll_);
}
}
