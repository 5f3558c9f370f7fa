/*
 * k_gather: each row is read once, by the threads that write its k copies; blocks after
 * those of the rows write zeros where an expert's rows are filled up.
 *
 * Moves (1 + k) d * size bytes a row and 4 k of place, no flops (with weights k d).  Roof:
 * memory.
 */
#include "rows.cuh"

template <int TYPE, class PIECE>
static __device__ __forceinline__ PIECE
weighed(PIECE x, float w)
{
	constexpr int N = sizeof(PIECE) / (TYPE == TR_F32 ? 4 : 2);
	float y[N];

	rows_open<TYPE>(x, y);
#pragma unroll
	for (int i = 0; i < N; i++)
		y[i] *= w;
	return rows_close<TYPE, PIECE>(y);
}

/* n pieces a row; the first blocks are those of rows. */
template <int TYPE, class PIECE>
__global__ void __launch_bounds__(256)
	gather(const __grid_constant__ struct index x, const PIECE *from, uint64_t rows, uint64_t n,
	       const float *w, PIECE *to, unsigned first)
{
	const uint64_t row = (uint64_t)blockIdx.x * blockDim.y + threadIdx.y;

	if (blockIdx.x >= first) {
		const uint32_t e = blockIdx.x - first;
		const uint64_t at = (x.offsets[e] + x.counts[e]) * n, end = x.offsets[e + 1] * n;

		for (uint64_t i = at + threadIdx.y * blockDim.x + threadIdx.x; i < end;
		     i += blockDim.x * blockDim.y)
			to[i] = PIECE();
		return;
	}
	if (row >= rows)
		return;
	for (uint64_t i = threadIdx.x; i < n; i += blockDim.x) {
		const PIECE v = __ldg(from + row * n + i);

		for (uint32_t s = 0; s < x.k; s++) {
			const uint32_t at = __ldg(x.place + row * x.k + s);

			if (at == UINT32_MAX)
				continue;
			to[at * n + i] = w ? weighed<TYPE>(v, __ldg(w + row * x.k + s)) : v;
		}
	}
}

template <int TYPE, class PIECE>
static int
launch(const struct index *x, const void *from, uint64_t rows, uint64_t n, const float *w, void *to,
       void *stream)
{
	const dim3 block = rows_block(n);
	const unsigned first = (unsigned)k_ceil(rows, block.y);
	const unsigned all = first + (x->align > 1 ? x->experts : 0);

	if (!all || !n)
		return 0;
	return K_LAUNCH(gather<TYPE, PIECE>, all, block, 0, stream, *x, (const PIECE *)from, rows,
			n, w, (PIECE *)to, first);
}

extern "C" int
k_gather(const struct index *x, enum tr_type type, const void *from, uint64_t rows, uint64_t d,
	 const float *w, void *to, void *stream)
{
	const bool wide = rows_wide(type, d, from, to);
	const uint64_t n = wide ? d * rows_size(type) / 16 : d;

	if (type != TR_F32 && type != TR_F16 && type != TR_BF16)
		return gpu_fail(GPU_EUSE, 0, "gather: rows are not f32, f16 or bf16");
	/* one type does for all where numbers are not looked at */
	if (wide)
		return type == TR_F32 || !w ? launch<TR_F32, uint4>(x, from, rows, n, w, to, stream)
		       : type == TR_F16     ? launch<TR_F16, uint4>(x, from, rows, n, w, to, stream)
					: launch<TR_BF16, uint4>(x, from, rows, n, w, to, stream);
	return type == TR_F32   ? launch<TR_F32, uint32_t>(x, from, rows, n, w, to, stream)
	       : type == TR_F16 ? launch<TR_F16, uint16_t>(x, from, rows, n, w, to, stream)
				: launch<TR_BF16, uint16_t>(x, from, rows, n, w, to, stream);
}
