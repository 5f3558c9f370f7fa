/* Tiles of products with AVX-512 and AVX2: all sums of a tile stay in registers. */
#if defined __x86_64__
#include <immintrin.h>

#include "dotsisa.h"

#define UNROLL _Pragma("GCC unroll 16") /* so that arrays of vectors are registers */
#define INLINE static inline __attribute__((always_inline))

#define V512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define VBF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")))
#define V256 __attribute__((target("avx2,fma")))

/* Sums of four vectors each; the order is that of the lanes alone. */
V512 INLINE __m128
across512(const __m512 *s)
{
	const __m512 a = _mm512_add_ps(_mm512_shuffle_f32x4(s[0], s[1], 0x88),
				       _mm512_shuffle_f32x4(s[0], s[1], 0xdd));
	const __m512 b = _mm512_add_ps(_mm512_shuffle_f32x4(s[2], s[3], 0x88),
				       _mm512_shuffle_f32x4(s[2], s[3], 0xdd));
	__m512 c =
		_mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));

	c = _mm512_add_ps(c, _mm512_permute_ps(c, 0xb1));
	c = _mm512_add_ps(c, _mm512_permute_ps(c, 0x4e));
	return _mm512_castps512_ps128(
		_mm512_maskz_compress_ps(0x1111, c)); /* one of each 128 bits */
}

V512 INLINE void
store(const struct dots_tile *t, uint64_t r, __m128 sum)
{
	float *y = t->y + r * t->ldy;
	const __mmask8 some = (__mmask8)((1u << t->n) - 1);

	if (t->add)
		sum = _mm_add_ps(sum, _mm_maskz_loadu_ps(some, y));
	_mm_mask_storeu_ps(y, some, sum);
}

#define ONE_OF(fn, rows, ...)          \
	switch (rows) {                \
	case 1:                        \
		fn(t, 1, __VA_ARGS__); \
		break;                 \
	case 2:                        \
		fn(t, 2, __VA_ARGS__); \
		break;                 \
	case 3:                        \
		fn(t, 3, __VA_ARGS__); \
		break;                 \
	case 4:                        \
		fn(t, 4, __VA_ARGS__); \
		break;                 \
	case 5:                        \
		fn(t, 5, __VA_ARGS__); \
		break;                 \
	default:                       \
		fn(t, 6, __VA_ARGS__); \
	}

V512 INLINE __m512
load(const char *p, enum tr_type type)
{
	if (type == TR_F32)
		return _mm512_loadu_ps(p);
	const __m256i half = _mm256_loadu_si256((const __m256i *)p);

	if (type == TR_F16)
		return _mm512_cvtph_ps(half);
	return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

V512 INLINE void
tile512(const struct dots_tile *t, int rows, enum tr_type type)
{
	__m512 sum[DOTS_AVX512][DOTS_WIDE];
	const char *x = t->x, *w = t->w;

	UNROLL for (int r = 0; r < rows; r++) UNROLL for (int c = 0; c < DOTS_WIDE; c++) sum[r][c] =
		_mm512_setzero_ps();
	for (uint64_t i = 0; i < t->steps; i++, w += t->step) {
		__m512 b[DOTS_WIDE];

		UNROLL for (int c = 0; c < DOTS_WIDE; c++) b[c] =
			load(w + (uint64_t)c * t->apart, type);
		UNROLL for (int r = 0; r < rows; r++, x += DOTS_BYTES)
		{
			const __m512 a = _mm512_load_ps(x);

			UNROLL for (int c = 0; c < DOTS_WIDE; c++) sum[r][c] =
				_mm512_fmadd_ps(a, b[c], sum[r][c]);
		}
	}
	UNROLL for (int r = 0; r < rows; r++) store(t, (uint64_t)r, across512(sum[r]));
}

V512 void
dots_avx512(const struct dots_tile *t, uint64_t rows)
{
	if (t->type == TR_F32) {
		ONE_OF(tile512, rows, TR_F32)
	} else if (t->type == TR_F16) {
		ONE_OF(tile512, rows, TR_F16)
	} else {
		ONE_OF(tile512, rows, TR_BF16)
	}
}

VBF16 INLINE void
tilebf16(const struct dots_tile *t, int rows, int unused)
{
	__m512 sum[DOTS_AVX512][DOTS_WIDE];
	const char *x = t->x, *w = t->w;

	UNROLL for (int r = 0; r < rows; r++) UNROLL for (int c = 0; c < DOTS_WIDE; c++) sum[r][c] =
		_mm512_setzero_ps();
	for (uint64_t i = 0; i < t->steps; i++, w += t->step) {
		__m512i b[DOTS_WIDE];

		UNROLL for (int c = 0; c < DOTS_WIDE; c++) b[c] =
			_mm512_loadu_si512(w + (uint64_t)c * t->apart);
		UNROLL for (int r = 0; r < rows; r++, x += DOTS_BYTES)
		{
			const __m512i a = _mm512_load_si512(x);

			UNROLL for (int c = 0; c < DOTS_WIDE; c++) sum[r][c] =
				_mm512_dpbf16_ps(sum[r][c], (__m512bh)a, (__m512bh)b[c]);
		}
	}
	UNROLL for (int r = 0; r < rows; r++) store(t, (uint64_t)r, across512(sum[r]));
}

VBF16 void
dots_avx512bf16(const struct dots_tile *t, uint64_t rows){ONE_OF(tilebf16, rows, 0)}

V256 INLINE void tile256(const struct dots_tile *t, int rows)
{
	__m256 sum[DOTS_AVX2][DOTS_WIDE];
	const char *x = t->x, *w = t->w;

	UNROLL for (int r = 0; r < rows; r++) UNROLL for (int c = 0; c < DOTS_WIDE; c++) sum[r][c] =
		_mm256_setzero_ps();
	for (uint64_t i = 0; i < t->steps; i++, w += t->step, x += rows * DOTS_BYTES)
		UNROLL for (int half = 0; half < DOTS_BYTES; half += DOTS_BYTES / 2)
		{
			__m256 a[DOTS_AVX2];

			UNROLL for (int r = 0; r < rows; r++) a[r] =
				_mm256_load_ps((const float *)(x + r * DOTS_BYTES + half));
			UNROLL for (int c = 0; c < DOTS_WIDE; c++)
			{
				const __m256 b = _mm256_loadu_ps(
					(const float *)(w + (uint64_t)c * t->apart + half));

				UNROLL for (int r = 0; r < rows; r++) sum[r][c] =
					_mm256_fmadd_ps(a[r], b, sum[r][c]);
			}
		}
	UNROLL for (int r = 0; r < rows; r++)
	{
		float *y = t->y + (uint64_t)r * t->ldy;
		const __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(sum[r][0], sum[r][1]),
						_mm256_hadd_ps(sum[r][2], sum[r][3]));
		float all[DOTS_WIDE];

		_mm_storeu_ps(all,
			      _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
		for (uint64_t c = 0; c < t->n; c++)
			y[c] = t->add ? y[c] + all[c] : all[c];
	}
}

V256 void
dots_avx2(const struct dots_tile *t, uint64_t rows)
{
	switch (rows) {
	case 1:
		tile256(t, 1);
		break;
	case 2:
		tile256(t, 2);
		break;
	default:
		tile256(t, 3);
	}
}
#endif
