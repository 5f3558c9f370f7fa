/*
 * k_combine: the threads of a row read its k packed rows, four at a time before they add
 * them in the order of slots, and write one.
 *
 * Moves (k + 1) d * size bytes a row and 8 k of place and weights, 2 k d flops.  Roof:
 * memory.
 */
#include "rows.cuh"

template <int TYPE, class PIECE>
__global__ void __launch_bounds__(256)
	combine(const __grid_constant__ struct index x, const PIECE *from, uint64_t rows,
		uint64_t n, const float *w, PIECE *to)
{
	constexpr int N = sizeof(PIECE) / (TYPE == TR_F32 ? 4 : 2);
	enum { AT_ONCE = 4 };
	const uint64_t row = (uint64_t)blockIdx.x * blockDim.y + threadIdx.y;

	if (row >= rows)
		return;
	for (uint64_t i = threadIdx.x; i < n; i += blockDim.x) {
		float sum[N];

#pragma unroll
		for (int j = 0; j < N; j++)
			sum[j] = 0;
		for (uint32_t s = 0; s < x.k; s += AT_ONCE) {
			uint32_t at[AT_ONCE];
			PIECE v[AT_ONCE];

#pragma unroll
			for (int m = 0; m < AT_ONCE; m++) {
				at[m] = s + (uint32_t)m < x.k ? __ldg(x.place + row * x.k + s + m)
							      : UINT32_MAX;
				v[m] = at[m] == UINT32_MAX ? PIECE() : __ldg(from + at[m] * n + i);
			}
#pragma unroll
			for (int m = 0; m < AT_ONCE; m++) {
				const float by =
					w && at[m] != UINT32_MAX ? __ldg(w + row * x.k + s + m) : 1;

				float y[N];

				if (at[m] == UINT32_MAX)
					continue;
				rows_open<TYPE>(v[m], y);
#pragma unroll
				for (int j = 0; j < N; j++)
					sum[j] = fmaf(by, y[j], sum[j]);
			}
		}
		to[row * n + i] = rows_close<TYPE, PIECE>(sum);
	}
}

template <int TYPE, class PIECE>
static int
launch(const struct index *x, const void *from, uint64_t rows, uint64_t n, const float *w, void *to,
       void *stream)
{
	const dim3 block = rows_block(n);

	if (!rows || !n)
		return 0;
	return K_LAUNCH(combine<TYPE, PIECE>, (unsigned)k_ceil(rows, block.y), block, 0, stream, *x,
			(const PIECE *)from, rows, n, w, (PIECE *)to);
}

extern "C" int
k_combine(const struct index *x, enum tr_type type, const void *from, uint64_t d, const float *w,
	  uint64_t rows, void *to, void *stream)
{
	const bool wide = rows_wide(type, d, from, to);
	const uint64_t n = wide ? d * rows_size(type) / 16 : d;

	if (type != TR_F32 && type != TR_F16 && type != TR_BF16)
		return gpu_fail(GPU_EUSE, 0, "combine: rows are not f32, f16 or bf16");
	if (wide)
		return type == TR_F32   ? launch<TR_F32, uint4>(x, from, rows, n, w, to, stream)
		       : type == TR_F16 ? launch<TR_F16, uint4>(x, from, rows, n, w, to, stream)
					: launch<TR_BF16, uint4>(x, from, rows, n, w, to, stream);
	return type == TR_F32   ? launch<TR_F32, uint32_t>(x, from, rows, n, w, to, stream)
	       : type == TR_F16 ? launch<TR_F16, uint16_t>(x, from, rows, n, w, to, stream)
				: launch<TR_BF16, uint16_t>(x, from, rows, n, w, to, stream);
}
