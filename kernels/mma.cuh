/*
 * Tiles of x w^T on the tensor cores, for 16-bit elements with sums in f32: MMA_ROWS rows of
 * x by N rows of w, by a block of MMA_THREADS threads.  Stages of MMA_DEPTH columns come
 * into shared memory by cp.async, S - 1 of them ahead; their 16-byte pieces are exchanged
 * within rows of 128 bytes so that ldmatrix meets no bank twice.
 *
 * Off nvcc the four instructions are spelled by warp shuffles with the lanes' layout that
 * the PTX manual gives, so that everything here runs in the emulation.
 */
#ifndef MMA_CUH
#define MMA_CUH

#include "launch.h"

enum { MMA_ROWS = 128, MMA_DEPTH = 64, MMA_THREADS = 256 };

/* How the eight warps share a tile, and what each then holds: mt x nt pieces of 16 x 8. */
template <int N> struct mma_shape {
	static constexpr int down = N == 256 ? 2 : 4;
	static constexpr int across = 8 / down;
	static constexpr int mt = MMA_ROWS / down / 16;
	static constexpr int nt = N / across / 8;
	static constexpr int stage = (MMA_ROWS + N) * MMA_DEPTH * 2; /* bytes */
};

/* Rows of a tile: row r of it is row r % 32 + r / 32 / FROM * 32 of base[r / 32 % FROM],
 * zeros from rows on.  FROM 2 takes 32 rows of each in turn. */
template <int FROM> struct mma_rows {
	const uint16_t *base[FROM];
	uint32_t rows;
};

/* 16 bytes to shared memory, zeros unless there. */
static __device__ __forceinline__ void
mma_fetch(void *to, const void *from, int there)
{
#ifndef __CUDACC__
	memset(to, 0, 16);
	if (there)
		memcpy(to, from, 16);
#elif __CUDA_ARCH__ >= 800
	asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(
			     (uint32_t)__cvta_generic_to_shared(to)),
		     "l"(from), "r"(there ? 16 : 0)
		     : "memory");
#endif
}

static __device__ __forceinline__ void
mma_commit(void)
{
#if defined __CUDACC__ && __CUDA_ARCH__ >= 800
	asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/* Until at most AHEAD groups are under way. */
template <int AHEAD>
static __device__ __forceinline__ void
mma_wait(void)
{
#if defined __CUDACC__ && __CUDA_ARCH__ >= 800
	asm volatile("cp.async.wait_group %0;" ::"n"(AHEAD) : "memory");
#endif
}

/* Four 8 x 8 matrices; lane 8 i + r gives the 16 bytes of row r of the i-th. */
static __device__ __forceinline__ void
mma_ldmatrix(uint32_t (&r)[4], const char *row)
{
#ifndef __CUDACC__
	int lane = threadIdx.x % 32;

	for (int i = 0; i < 4; i++) {
		const char *p =
			(const char *)__shfl_sync(~0u, (unsigned long long)row, 8 * i + lane / 4);

		memcpy(&r[i], p + lane % 4 * 4, 4);
	}
#elif __CUDA_ARCH__ >= 800
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
		     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
		     : "r"((uint32_t)__cvta_generic_to_shared(row))
		     : "memory");
#endif
}

/* d += a b of 16 x 8 x 16. */
template <enum tr_type TYPE>
static __device__ __forceinline__ void
mma_16816(float (&d)[4], const uint32_t (&a)[4], const uint32_t b0, const uint32_t b1)
{
#ifndef __CUDACC__
	/* d[2 h + c] is row lane / 4 + 8 h, column lane % 4 * 2 + c; a[2 p + h] is that row,
	 * elements 8 p + lane % 4 * 2 and the next; b[p] is these of column lane / 4. */
	int lane = threadIdx.x % 32, quad = lane & ~3;

	for (int j = 0; j < 4; j++) {
		uint64_t x[2], w[2];

		for (int p = 0; p < 2; p++)
			x[p] = __shfl_sync(~0u, a[2 * p] | (uint64_t)a[2 * p + 1] << 32, quad + j);
		for (int c = 0; c < 2; c++)
			w[c] = __shfl_sync(~0u, b0 | (uint64_t)b1 << 32,
					   (lane % 4 * 2 + c) * 4 + j);
		for (int i = 0; i < 4; i++)
			for (int p = 0; p < 2; p++)
				for (int s = 0; s < 32; s += 16)
					d[i] += k_widen<TYPE>(
							(uint16_t)(x[p] >> (i / 2 * 32 + s))) *
						k_widen<TYPE>((uint16_t)(w[i % 2] >> (p * 32 + s)));
	}
#elif __CUDA_ARCH__ >= 800
	if (TYPE == TR_BF16)
		asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
			     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
			     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
			     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
	else
		asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
			     "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
			     : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
			     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

/* Columns column .. + MMA_DEPTH - 1 of ROWS rows of d elements each. */
template <int ROWS, int FROM>
static __device__ __forceinline__ void
mma_load(char *to, const mma_rows<FROM> &from, uint32_t column, uint32_t d)
{
	uint32_t row = threadIdx.x / 8, piece = threadIdx.x % 8;

	column += piece * 8;
	to += row * 128 + ((piece ^ (row & 7)) << 4);
#pragma unroll
	for (int i = 0; i < ROWS / 32; i++) {
		uint32_t at = i / FROM * 32 + row;
		int there = at < from.rows && column < d;

		mma_fetch(to + i * 32 * 128,
			  from.base[i % FROM] + (there ? (uint64_t)at * d + column : 0), there);
	}
}

/*
 * acc = x w^T over stages first .. last - 1.  shared holds S stages, 16-aligned, and is
 * free when this returns.  d is a multiple of 8, rows are 16-aligned.  Warps whose rows
 * are all beyond x.rows do not multiply.
 */
template <enum tr_type TYPE, int N, int S, int FROM>
static __device__ __forceinline__ void
mma_tile(float (&acc)[mma_shape<N>::mt][mma_shape<N>::nt][4], char *shared, const mma_rows<1> &x,
	 const mma_rows<FROM> &w, uint32_t d, uint32_t first, uint32_t last)
{
	typedef mma_shape<N> shape;
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
	uint32_t top = warp / shape::across * shape::mt * 16;
	uint32_t left = warp % shape::across * shape::nt * 8;
	/* rows that this lane tells ldmatrix: of x, then of w */
	uint32_t xrow = top + (lane & 7) + (lane >> 3 & 1) * 8, xpiece = lane >> 4;
	uint32_t wrow = left + (lane & 7) + (lane >> 4) * 8, wpiece = lane >> 3 & 1;
	uint32_t into = 0, from = 0;

#pragma unroll
	for (int i = 0; i < shape::mt; i++)
#pragma unroll
		for (int j = 0; j < shape::nt; j++)
#pragma unroll
			for (int c = 0; c < 4; c++)
				acc[i][j][c] = 0;
	for (uint32_t at = first; at < last + S - 1; at++) {
		if (at >= first + S - 1) {
			mma_wait<S - 2>();
			__syncthreads();
		}
		if (at < last) {
			char *to = shared + into * shape::stage;

			mma_load<MMA_ROWS>(to, x, at * MMA_DEPTH, d);
			mma_load<N>(to + MMA_ROWS * 128, w, at * MMA_DEPTH, d);
			into = into + 1 == S ? 0 : into + 1;
		}
		mma_commit();
		if (at < first + S - 1)
			continue;
		const char *xs = shared + from * shape::stage;
		const char *ws = xs + MMA_ROWS * 128;

		from = from + 1 == S ? 0 : from + 1;
		if (top >= x.rows)
			continue;
#pragma unroll
		for (int k = 0; k < MMA_DEPTH / 16; k++) {
			uint32_t a[shape::mt][4], b[shape::nt / 2][4];

#pragma unroll
			for (int i = 0; i < shape::mt; i++)
				mma_ldmatrix(a[i], xs + (xrow + i * 16) * 128 +
							   (((2 * k + xpiece) ^ (xrow & 7)) << 4));
#pragma unroll
			for (int j = 0; j < shape::nt / 2; j++)
				mma_ldmatrix(b[j], ws + (wrow + j * 16) * 128 +
							   (((2 * k + wpiece) ^ (wrow & 7)) << 4));
#pragma unroll
			for (int i = 0; i < shape::mt; i++)
#pragma unroll
				for (int j = 0; j < shape::nt; j++)
					mma_16816<TYPE>(acc[i][j], a[i], b[j / 2][j % 2 * 2],
							b[j / 2][j % 2 * 2 + 1]);
		}
	}
	mma_wait<0>();
	__syncthreads();
}

/* of(row, column, two sums) for each pair of columns that this thread holds. */
template <int N, typename F>
static __device__ __forceinline__ void
mma_pairs(const float (&acc)[mma_shape<N>::mt][mma_shape<N>::nt][4], F of)
{
	typedef mma_shape<N> shape;
	int lane = threadIdx.x % 32, warp = threadIdx.x / 32;

#pragma unroll
	for (int i = 0; i < shape::mt; i++)
#pragma unroll
		for (int j = 0; j < shape::nt; j++)
#pragma unroll
			for (int h = 0; h < 2; h++)
				of((warp / shape::across * shape::mt + i) * 16 + h * 8 + lane / 4,
				   (warp % shape::across * shape::nt + j) * 8 + lane % 4 * 2,
				   acc[i][j][2 * h], acc[i][j][2 * h + 1]);
}

#endif
