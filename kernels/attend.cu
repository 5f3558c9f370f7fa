/*
 * k_attend: a block has a tile of rows of one head and goes through its keys a tile at a
 * time, with the running greatest and sum of each row, so that no row of weights is ever
 * whole (Milakov and Gimelshein 2018, Dao et al. 2022).
 *
 * bf16: four warps of 16 rows; q, a tile of k, and a tile of v turned so that pairs of keys
 * lie side by side, are rounded into shared memory, both products are mma's.  f32: eight
 * warps of 4 rows, a lane a key for q.k and some columns of v.  The roof is that of the
 * multipliers.
 */
#include "launch.h"
#include "mma.cuh"
extern "C" {
#include "model.h"
}

static_assert(K_ATTEND_ROWS == 64, "tiles of q and of k are loaded alike");
enum { ROWS = K_ATTEND_ROWS, KEYS = ROWS, THREADS = 128, TURNED = KEYS + 8 };
enum { PLAIN_THREADS = 256, PLAIN_EACH = 4 };
static constexpr uint32_t PLAIN_ROWS = 32, PLAIN_KEYS = 32, CHUNK = 64;
static constexpr uint32_t EACH = K_ATTEND_MAX / 32; /* columns of v a lane has, plain */

/* Of the keys that a tile has, those up to its last row's position. */
static __device__ __forceinline__ uint32_t
attend_end(const struct k_attend &a, const struct k_attend_tile &t, uint32_t rows)
{
	const uint32_t seen = t.at + rows;

	return a.causal && seen < t.keys ? seen : t.keys;
}

/* The scaled product with its bias, -inf where the key is not seen. */
static __device__ __forceinline__ float
attend_score(const struct k_attend &a, const struct k_attend_tile &t, uint32_t head, uint32_t row,
	     uint32_t key, float qk)
{
	const uint32_t at = t.at + row;
	float x = qk * a.scale;

	if (key >= t.keys || row >= t.rows || (a.causal && key > at))
		return -INFINITY;
	if (a.bias)
		x += a.bias[head * (2 * (uint64_t)a.nbias + 1) + key + a.nbias - at];
	return x;
}

/* Two as bf16, the first below. */
static __device__ __forceinline__ uint32_t
attend_pair(float low, float high)
{
#if defined __CUDACC__ && __CUDA_ARCH__ >= 800
	uint32_t r;

	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
	return r;
#else
	return k_round<TR_BF16>(low) | k_round<TR_BF16>(high) << 16;
#endif
}

/* 64 rows of d numbers, `apart` from each other, zeros beyond rows and d. */
static __device__ __forceinline__ void
attend_load(uint16_t *to, uint32_t pitch, const float *from, uint64_t apart, uint32_t rows,
	    uint32_t d)
{
	const uint32_t pairs = (pitch - 8) / 2;

	for (uint32_t i = threadIdx.x; i < ROWS * pairs; i += THREADS) {
		const uint32_t row = i / pairs, c = i % pairs * 2;
		const float *x = from + row * apart + c;
		const bool in = row < rows;

		*(uint32_t *)(to + row * pitch + c) =
			attend_pair(in && c < d ? x[0] : 0, in && c + 1 < d ? x[1] : 0);
	}
}

/* The same turned: to[column][row], pitch TURNED.  Eight columns of four pairs of rows are a
 * warp's, which then meets no bank twice. */
template <int D>
static __device__ __forceinline__ void
attend_turn(uint16_t *to, const float *from, uint64_t apart, uint32_t rows, uint32_t d)
{
	for (uint32_t i = threadIdx.x; i < D * KEYS / 2; i += THREADS) {
		const uint32_t c = i % 8 + i / 32 % (D / 8) * 8;
		const uint32_t row = (i / 8 % 4 + i / 32 / (D / 8) * 4) * 2;
		const float *x = from + row * apart + c;

		*(uint32_t *)(to + c * TURNED + row) = attend_pair(
			row < rows && c < d ? x[0] : 0, row + 1 < rows && c < d ? x[apart] : 0);
	}
}

static __device__ __forceinline__ float
quad_max(float x)
{
	x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
	return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}

template <int DV>
static __global__ void
__launch_bounds__(THREADS)
	attend_mma(const __grid_constant__ struct k_attend a, const struct k_attend_tile *tiles,
		   const float *q, const float *k, const float *v, float *out)
{
	K_DYNAMIC(uint16_t, qs);
	const struct k_attend_tile t = tiles[blockIdx.x];
	const uint32_t head = blockIdx.y, kv = head / (a.heads / a.kv_heads);
	const uint32_t steps = (a.dk + 15) / 16, pitch = steps * 16 + 8;
	const uint32_t lane = threadIdx.x % 32, top = threadIdx.x / 32 * 16;
	const uint32_t end = attend_end(a, t, t.rows);
	const uint64_t kld = (uint64_t)a.kv_heads * a.dk, vld = (uint64_t)a.kv_heads * a.dv;
	uint16_t *ks = qs + ROWS * pitch, *vs = ks + KEYS * pitch;
	/* rows and pieces of 16 bytes that this lane tells ldmatrix */
	const uint32_t arow = top + (lane & 7) + (lane >> 3 & 1) * 8, apiece = lane >> 4;
	const uint32_t brow = (lane & 7) + (lane >> 4) * 8, bpiece = lane >> 3 & 1;
	float o[DV / 8][4], most[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};

#pragma unroll
	for (int j = 0; j < DV / 8; j++)
#pragma unroll
		for (int c = 0; c < 4; c++)
			o[j][c] = 0;
	attend_load(qs, pitch, q + (uint64_t)t.q * a.heads * a.dk + (uint64_t)head * a.dk,
		    (uint64_t)a.heads * a.dk, t.rows, a.dk);
	for (uint32_t key = 0; key < end; key += KEYS) {
		float s[KEYS / 8][4];

		__syncthreads();
		attend_load(ks, pitch, k + (t.k + (uint64_t)key) * kld + kv * a.dk, kld, end - key,
			    a.dk);
		attend_turn<DV>(vs, v + (t.k + (uint64_t)key) * vld + kv * a.dv, vld, end - key,
				a.dv);
		__syncthreads();
#pragma unroll
		for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
			for (int c = 0; c < 4; c++)
				s[j][c] = 0;
		for (uint32_t i = 0; i < steps; i++) {
			uint32_t x[4], w[4];

			mma_ldmatrix(x, (const char *)(qs + arow * pitch + i * 16 + apiece * 8));
#pragma unroll
			for (int j = 0; j < KEYS / 16; j++) {
				mma_ldmatrix(w, (const char *)(ks + (j * 16 + brow) * pitch +
							       i * 16 + bpiece * 8));
				mma_16816<TR_BF16>(s[2 * j], x, w[0], w[1]);
				mma_16816<TR_BF16>(s[2 * j + 1], x, w[2], w[3]);
			}
		}
#pragma unroll
		for (int h = 0; h < 2; h++) {
			float greatest = most[h], by, keep;

#pragma unroll
			for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
				for (int c = 2 * h; c < 2 * h + 2; c++) {
					s[j][c] = attend_score(a, t, head, top + h * 8 + lane / 4,
							       key + j * 8 + lane % 4 * 2 + c % 2,
							       s[j][c]);
					greatest = fmaxf(greatest, s[j][c]);
				}
			greatest = quad_max(greatest);
			by = greatest == -INFINITY ? 0 : greatest; /* no key yet: not inf - inf */
			keep = expf(most[h] - by);
			sum[h] *= keep;
#pragma unroll
			for (int j = 0; j < DV / 8; j++)
#pragma unroll
				for (int c = 2 * h; c < 2 * h + 2; c++)
					o[j][c] *= keep;
			most[h] = greatest;
#pragma unroll
			for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
				for (int c = 2 * h; c < 2 * h + 2; c++) {
					s[j][c] = expf(s[j][c] - by);
					sum[h] += s[j][c];
				}
		}
		/* what a lane holds of s is what it gives as the left side */
#pragma unroll
		for (int i = 0; i < KEYS / 16; i++) {
			uint32_t x[4], w[4];

#pragma unroll
			for (int p = 0; p < 2; p++)
#pragma unroll
				for (int h = 0; h < 2; h++)
					x[2 * p + h] = attend_pair(s[2 * i + p][2 * h],
								   s[2 * i + p][2 * h + 1]);
#pragma unroll
			for (int j = 0; j < DV / 16; j++) {
				mma_ldmatrix(w, (const char *)(vs + (j * 16 + brow) * TURNED +
							       i * 16 + bpiece * 8));
				mma_16816<TR_BF16>(o[2 * j], x, w[0], w[1]);
				mma_16816<TR_BF16>(o[2 * j + 1], x, w[2], w[3]);
			}
		}
	}
#pragma unroll
	for (int h = 0; h < 2; h++) {
		const uint32_t row = top + h * 8 + lane / 4;
		float all = sum[h];

		all += __shfl_xor_sync(~0u, all, 1);
		all += __shfl_xor_sync(~0u, all, 2);
		all = most[h] == -INFINITY ? 1 : all;
#pragma unroll
		for (int j = 0; j < DV / 8; j++)
#pragma unroll
			for (int c = 0; c < 2; c++) {
				const uint32_t column = j * 8 + lane % 4 * 2 + c;

				if (row < t.rows && column < a.dv)
					out[((uint64_t)(t.q + row) * a.heads + head) * a.dv +
					    column] = o[j][2 * h + c] / all;
			}
	}
}

static __global__ void
__launch_bounds__(PLAIN_THREADS)
	attend_plain(const __grid_constant__ struct k_attend a, const struct k_attend_tile *tiles,
		     const float *q, const float *k, const float *v, float *out)
{
	K_DYNAMIC(float, qs);
	K_SHARED(float, ks, PLAIN_KEYS *(CHUNK + 1));
	const struct k_attend_tile t = tiles[blockIdx.x];
	const uint32_t head = blockIdx.y, kv = head / (a.heads / a.kv_heads);
	const uint32_t lane = threadIdx.x % 32, first = blockIdx.z * PLAIN_ROWS;
	const uint32_t top = threadIdx.x / 32 * PLAIN_EACH;
	uint32_t rows, end;
	float acc[PLAIN_EACH][EACH], most[PLAIN_EACH], sum[PLAIN_EACH];

	if (first >= t.rows)
		return;
	rows = t.rows - first < PLAIN_ROWS ? t.rows - first : PLAIN_ROWS;
	end = attend_end(a, t, first + rows);
	for (uint32_t i = threadIdx.x; i < PLAIN_ROWS * a.dk; i += PLAIN_THREADS)
		qs[i] = i / a.dk < rows
				? q[((uint64_t)(t.q + first + i / a.dk) * a.heads + head) * a.dk +
				    i % a.dk]
				: 0;
#pragma unroll
	for (int r = 0; r < PLAIN_EACH; r++) {
		most[r] = -INFINITY;
		sum[r] = 0;
#pragma unroll
		for (uint32_t i = 0; i < EACH; i++)
			acc[r][i] = 0;
	}
	for (uint32_t key = 0; key < end; key += PLAIN_KEYS) {
		const uint32_t keys = end - key < PLAIN_KEYS ? end - key : PLAIN_KEYS;
		float s[PLAIN_EACH] = {};

		for (uint32_t from = 0; from < a.dk; from += CHUNK) {
			const uint32_t wide = a.dk - from < CHUNK ? a.dk - from : CHUNK;

			__syncthreads();
			for (uint32_t i = threadIdx.x; i < PLAIN_KEYS * CHUNK; i += PLAIN_THREADS) {
				const uint32_t row = i / CHUNK, c = i % CHUNK;
				const bool in = row < keys && c < wide;

				ks[row * (CHUNK + 1) + c] =
					in ? k[((uint64_t)(t.k + key + row) * a.kv_heads + kv) *
						       a.dk +
					       from + c]
					   : 0;
			}
			__syncthreads();
			for (uint32_t c = 0; c < wide; c++)
#pragma unroll
				for (int r = 0; r < PLAIN_EACH; r++)
					s[r] = fmaf(qs[(top + r) * a.dk + from + c],
						    ks[lane * (CHUNK + 1) + c], s[r]);
		}
#pragma unroll
		for (int r = 0; r < PLAIN_EACH; r++) {
			float x = attend_score(a, t, head, first + top + r, key + lane, s[r]);
			float greatest = x, by, keep;

			for (int apart = 16; apart; apart /= 2)
				greatest = fmaxf(greatest, __shfl_xor_sync(~0u, greatest, apart));
			greatest = fmaxf(greatest, most[r]);
			by = greatest == -INFINITY ? 0 : greatest;
			s[r] = expf(x - by);
			keep = expf(most[r] - by);
			sum[r] = fmaf(sum[r], keep, s[r]);
#pragma unroll
			for (uint32_t i = 0; i < EACH; i++)
				acc[r][i] *= keep;
			most[r] = greatest;
		}
		for (uint32_t j = 0; j < keys; j++) {
			const float *x = v + ((uint64_t)(t.k + key + j) * a.kv_heads + kv) * a.dv;
			float w[PLAIN_EACH];

#pragma unroll
			for (int r = 0; r < PLAIN_EACH; r++)
				w[r] = __shfl_sync(~0u, s[r], (int)j);
#pragma unroll
			for (uint32_t i = 0; i < EACH; i++) {
				const float y = i * 32 + lane < a.dv ? __ldg(x + i * 32 + lane) : 0;

#pragma unroll
				for (int r = 0; r < PLAIN_EACH; r++)
					acc[r][i] = fmaf(w[r], y, acc[r][i]);
			}
		}
	}
#pragma unroll
	for (int r = 0; r < PLAIN_EACH; r++) {
		const uint32_t row = first + top + r;
		float all = sum[r];

		for (int apart = 16; apart; apart /= 2)
			all += __shfl_xor_sync(~0u, all, apart);
		all = most[r] == -INFINITY ? 1 : all;
#pragma unroll
		for (uint32_t i = 0; i < EACH; i++)
			if (row < t.rows && i * 32 + lane < a.dv)
				out[((uint64_t)(t.q + row) * a.heads + head) * a.dv + i * 32 +
				    lane] = acc[r][i] / all;
	}
}

/* 1 where the card cannot: no tensor cores of bf16, or too little shared memory. */
template <int DV>
static int
attend_bf16(const struct k_attend *a, const struct k_attend_tile *tiles, unsigned n, const float *q,
	    const float *k, const float *v, float *out, void *stream)
{
	const size_t pitch = k_ceil(a->dk, 16) * 16 + 8;
	const size_t bytes = 2 * ((ROWS + KEYS) * pitch + (size_t)DV * TURNED);

	if (gpu_capability() < 80 || k_large(attend_mma<DV>, bytes))
		return 1;
	return K_LAUNCH(attend_mma<DV>, dim3(n, a->heads), THREADS, bytes, stream, *a, tiles, q, k,
			v, out);
}

extern "C" int
k_attend(const struct k_attend *a, const struct k_attend_tile *tiles, uint64_t n, const float *q,
	 const float *k, const float *v, float *out, void *stream)
{
	const dim3 grid((unsigned)n, a->heads, ROWS / PLAIN_ROWS);
	int r = 1;

	if (a->type != TR_F32 && a->type != TR_BF16)
		return gpu_fail(GPU_EUSE, 0, "attention: types are f32 and bf16");
	if (a->dk < 1 || a->dv < 1 || a->dk > K_ATTEND_MAX || a->dv > K_ATTEND_MAX)
		return gpu_fail(GPU_EUSE, 0, "attention: heads of %u and %u numbers, not 1 to %d",
				a->dk, a->dv, K_ATTEND_MAX);
	if (a->kv_heads < 1 || a->heads % a->kv_heads || a->heads > 65535 || n > INT32_MAX)
		return gpu_fail(GPU_EUSE, 0, "attention: %u heads of %u", a->heads, a->kv_heads);
	if (!n || !a->heads)
		return 0;
	if (a->type == TR_BF16)
		r = a->dv <= 64    ? attend_bf16<64>(a, tiles, grid.x, q, k, v, out, stream)
		    : a->dv <= 128 ? attend_bf16<128>(a, tiles, grid.x, q, k, v, out, stream)
				   : attend_bf16<256>(a, tiles, grid.x, q, k, v, out, stream);
	if (r != 1)
		return r;
	return K_LAUNCH(attend_plain, grid, PLAIN_THREADS, PLAIN_ROWS * a->dk * 4, stream, *a,
			tiles, q, k, v, out);
}
