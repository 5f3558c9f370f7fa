/*
 * Selection with AVX-512, sixteen rows at a time: what one row needs of its picks (a
 * network that sorts them, exponentials, sums in order) is done for sixteen, a row a lane.
 *
 *   k <= 2  all experts go by, rows transposed; two running maxima a lane
 *   k <= 8  the k-th greatest of a row's 16 lane maxima is no more than its k-th greatest
 *           number; those not below it, 11 of 256 as a rule, are compressed and sorted.  A
 *           row with more than 16 of them goes on as
 *   else    bisect for a number that not many more than k reach, compress those, and count
 *           for each how many beat it
 *
 * Logits of 16 bits are keys with the expert below them (keys.h).  Floats are compared as
 * such; a row of them that holds a NaN is done again by select_plain.
 */
#if defined __x86_64__
#include <immintrin.h>
#include <string.h>

#include "half.h"
#include "keys.h"
#include "selectisa.h"
#include "size.h"

#define V512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi,bmi2,popcnt")))
#define V V512 static inline

#define UNROLL _Pragma("GCC unroll 16") /* so that arrays of vectors are registers */

enum { LANES = 16, EMAX = SELECT_EXPERTS_MAX, KMAX = SELECT_K_MAX };

struct work {
	_Alignas(64) uint32_t key[KMAX][LANES]; /* of picks, keys_of or packed */
	_Alignas(64) uint32_t id[KMAX][LANES];
	_Alignas(64) float val[KMAX][LANES]; /* their logits, then weights */
	_Alignas(64) float max[LANES], sum[LANES];
	_Alignas(64) uint32_t rows[LANES][EMAX + LANES]; /* scores or packed keys */
	_Alignas(64) uint32_t few[2][LANES][2 * LANES];
	_Alignas(64) uint32_t one[EMAX + LANES]; /* keys of a row */
	uint16_t groups[LANES][EMAX];
	float w[LANES * KMAX];
	uint16_t ids[LANES * KMAX];
};

V __mmask16
tail(uint32_t n)
{
	return n >= 16 ? 0xffff : (__mmask16)((1u << n) - 1);
}

V __m512i
iota(void)
{
	return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/* keys_exp, keys_weight, keys_sigmoid, keys_of and back, sixteen at once */
V __m512
exp16(__m512 x)
{
	const __mmask16 some = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87), _CMP_GE_OQ);
	__m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)), 8);
	__m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.62e430p-1f), x);
	__m512 p;

	r = _mm512_fmadd_ps(n, _mm512_set1_ps(0x1.05c610p-29f), r);
	p = _mm512_fmadd_ps(r, _mm512_set1_ps(0x1.6a2434p-10f), _mm512_set1_ps(0x1.1239e2p-7f));
	p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(0x1.5558f2p-5f));
	p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(0x1.555492p-3f));
	p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(0x1.fffffcp-2f));
	p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(1));
	p = _mm512_fmadd_ps(r, p, _mm512_set1_ps(1));
	return _mm512_maskz_scalef_ps(some, p, n); /* never subnormal, so it is the product */
}

V __m512
weight16(__m512 x, __m512 max)
{
	__mmask16 one = _mm512_cmp_ps_mask(x, max, _CMP_EQ_OQ);

	one |= _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q) & _mm512_cmp_ps_mask(max, max, _CMP_UNORD_Q);
	return _mm512_mask_mov_ps(exp16(_mm512_sub_ps(x, max)), one, _mm512_set1_ps(1));
}

V __m512
sigmoid16(__m512 x)
{
	const __m512 one = _mm512_set1_ps(1);
	const __m512 e = exp16(_mm512_or_ps(x, _mm512_set1_ps(-0.0f)));
	const __m512 over =
		_mm512_mask_mov_ps(one, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), e);

	return _mm512_maskz_div_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), over,
				   _mm512_add_ps(one, e));
}

V __m512i
key16(__m512 x) /* NaN apart */
{
	const __m512i b = _mm512_castps_si512(_mm512_add_ps(x, _mm512_setzero_ps()));

	return _mm512_xor_si512(
		b, _mm512_or_si512(_mm512_srai_epi32(b, 31), _mm512_set1_epi32(INT32_MIN)));
}

V __m512
unkey16(__m512i key)
{
	const __m512i m = _mm512_andnot_si512(_mm512_srai_epi32(key, 31), _mm512_set1_epi32(-1));

	return _mm512_castsi512_ps(
		_mm512_xor_si512(key, _mm512_or_si512(m, _mm512_set1_epi32(INT32_MIN))));
}

/* Logits of any type as floats; zeros where mask has none. */
V __m512
load16(enum tr_type type, const char *x, uint32_t from, __mmask16 m)
{
	__m256i h;

	if (type == TR_F32)
		return _mm512_maskz_loadu_ps(m, x + 4 * (size_t)from);
	h = _mm256_maskz_loadu_epi16(m, x + 2 * (size_t)from);
	return type == TR_F16
		       ? _mm512_cvtph_ps(h)
		       : _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Rows far apart are too many streams for the processor to foresee: two batches on. */
V void
ahead(const void *x, size_t row)
{
	_mm_prefetch((const char *)((uintptr_t)x + 32 * row), _MM_HINT_T0);
}

V void
transpose16(__m512i r[16])
{
	__m512i t[16];

	UNROLL
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	UNROLL
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
		const __m512i a = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
		const __m512i b = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
		const __m512i c = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
		const __m512i d = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);

		t[i] = _mm512_shuffle_i32x4(a, c, 0x88);
		t[4 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
		t[8 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
		t[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
	}
	UNROLL
	for (int i = 0; i < 16; i++)
		r[i] = t[i];
}

V void
transpose8(__m512i r[8]) /* of 64 bits */
{
	__m512i t[8];

	UNROLL
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
	}
	UNROLL
	for (int i = 0; i < 2; i++) {
		const __m512i a = _mm512_shuffle_i64x2(t[i], t[2 + i], 0x88);
		const __m512i b = _mm512_shuffle_i64x2(t[i], t[2 + i], 0xdd);
		const __m512i c = _mm512_shuffle_i64x2(t[4 + i], t[6 + i], 0x88);
		const __m512i d = _mm512_shuffle_i64x2(t[4 + i], t[6 + i], 0xdd);

		r[i] = _mm512_shuffle_i64x2(a, c, 0x88);
		r[2 + i] = _mm512_shuffle_i64x2(b, d, 0x88);
		r[4 + i] = _mm512_shuffle_i64x2(a, c, 0xdd);
		r[6 + i] = _mm512_shuffle_i64x2(b, d, 0xdd);
	}
}

/* The eight greatest of r[16], greatest first, lane by lane: two networks of 19 comparators
 * (Knuth volume 3, 5.3.4) and a bitonic merge. */
#define SWAP(i, j) (t = MAXI(r[i], r[j]), r[j] = MINI(r[i], r[j]), r[i] = t)
#define FOUR(o, a, b, c, d, e, f, g, h) \
	(SWAP(o + a, o + b), SWAP(o + c, o + d), SWAP(o + e, o + f), SWAP(o + g, o + h))
#define SORT8(o)                                                                         \
	(FOUR(o, 0, 2, 1, 3, 4, 6, 5, 7), FOUR(o, 0, 4, 1, 5, 2, 6, 3, 7),               \
	 FOUR(o, 0, 1, 2, 3, 4, 5, 6, 7), SWAP(o + 2, o + 4), SWAP(o + 3, o + 5),        \
	 SWAP(o + 1, o + 4), SWAP(o + 3, o + 6), SWAP(o + 1, o + 2), SWAP(o + 3, o + 4), \
	 SWAP(o + 5, o + 6))
#define TOP8                                          \
	do {                                          \
		SORT8(0);                             \
		SORT8(8);                             \
		UNROLL                                \
		for (int i = 0; i < 8; i++)           \
			r[i] = MAXI(r[i], r[15 - i]); \
		FOUR(0, 0, 4, 1, 5, 2, 6, 3, 7);      \
		FOUR(0, 0, 2, 1, 3, 4, 6, 5, 7);      \
		FOUR(0, 0, 1, 2, 3, 4, 5, 6, 7);      \
	} while (0)

V void
top_floats(__m512 r[16])
{
	__m512 t;

#define MAXI _mm512_max_ps
#define MINI _mm512_min_ps
	TOP8;
#undef MAXI
#undef MINI
}

V void
top_keys(__m512i r[16])
{
	__m512i t;

#define MAXI _mm512_max_epu32
#define MINI _mm512_min_epu32
	TOP8;
#undef MAXI
#undef MINI
}

V void
top_pairs(__m512i r[16])
{
	__m512i t;

#define MAXI _mm512_max_epu64
#define MINI _mm512_min_epu64
	TOP8;
#undef MAXI
#undef MINI
}

/* Logits of 16 bits as packed keys, in any order, filled up to 32 with 0.  Are there NaN? */
V int
pack_row(const uint16_t *x, uint32_t experts, uint32_t inf, uint32_t *to)
{
	const __m512i top = _mm512_set1_epi16(INT16_MIN);
	__m512i id = _mm512_setr_epi64(0x3000200010000, 0x7000600050004, 0xb000a00090008,
				       0xf000e000d000c, 0x13001200110010, 0x17001600150014,
				       0x1b001a00190018, 0x1f001e001d001c);
	__mmask32 nan = 0;

	id = _mm512_xor_si512(id, _mm512_set1_epi16(-1));
	for (uint32_t e = 0; e < experts; e += 32) {
		const __mmask32 m = experts - e >= 32 ? ~0u : (1u << (experts - e)) - 1;
		const __m512i h = _mm512_maskz_loadu_epi16(m, x + e);
		const __m512i mag = _mm512_andnot_si512(top, h);
		const __mmask32 bad = _mm512_cmpgt_epu16_mask(mag, _mm512_set1_epi16((short)inf));
		const __m512i sign = _mm512_or_si512(_mm512_srai_epi16(h, 15), top);
		__m512i key = _mm512_mask_mov_epi16(_mm512_xor_si512(h, sign),
						    _mm512_testn_epi16_mask(mag, mag), top);
		__m512i low = _mm512_maskz_mov_epi16(m, id);

		key = _mm512_maskz_mov_epi16(m & ~bad, key);
		nan |= bad;
		_mm512_store_si512(to + e, _mm512_unpacklo_epi16(low, key));
		_mm512_store_si512(to + e + 16, _mm512_unpackhi_epi16(low, key));
		id = _mm512_sub_epi16(id, _mm512_set1_epi16(32));
	}
	return nan != 0;
}

/* k <= 2, of floats; rows with NaN */
V __mmask16
two_floats(const float *const *x, uint32_t experts, struct work *o)
{
	__m512 a = _mm512_set1_ps(NAN), b = a; /* less than anything, so to speak */
	__m512i i = _mm512_setzero_si512(), j = i, c[16];
	__mmask16 nan = 0;

	for (uint32_t e = 0; e < experts; e += 16) {
		const __mmask16 m = tail(experts - e);

		UNROLL
		for (int r = 0; r < 16; r++) {
			ahead(x[r] + e, experts * sizeof *x[r]);
			c[r] = _mm512_castps_si512(
				_mm512_mask_loadu_ps(_mm512_set1_ps(-INFINITY), m, x[r] + e));
		}
		transpose16(c);
		UNROLL
		for (int r = 0; r < 16; r += 2)
			nan |= _mm512_cmp_ps_mask(_mm512_castsi512_ps(c[r]),
						  _mm512_castsi512_ps(c[r + 1]), _CMP_UNORD_Q);
		UNROLL
		for (int r = 0; r < 16; r++) {
			const __m512 y = _mm512_castsi512_ps(c[r]);
			const __m512i id = _mm512_set1_epi32((int)e + r);
			const __mmask16 first = _mm512_cmp_ps_mask(y, a, _CMP_NLE_UQ);
			const __mmask16 second = _mm512_cmp_ps_mask(y, b, _CMP_NLE_UQ);

			b = _mm512_mask_mov_ps(_mm512_mask_mov_ps(b, second, y), first, a);
			j = _mm512_mask_mov_epi32(_mm512_mask_mov_epi32(j, second, id), first, i);
			a = _mm512_mask_mov_ps(a, first, y);
			i = _mm512_mask_mov_epi32(i, first, id);
		}
	}
	_mm512_store_si512(o->key[0], key16(a));
	_mm512_store_si512(o->key[1], key16(b));
	_mm512_store_si512(o->id[0], i);
	_mm512_store_si512(o->id[1], j);
	return nan;
}

/* k <= 2, of n packed keys a row in o->rows */
V void
two_keys(uint32_t n, struct work *o)
{
	__m512i a = _mm512_setzero_si512(), b = a, c[16];

	for (uint32_t e = 0; e < n; e += 16) {
		UNROLL
		for (int r = 0; r < 16; r++)
			c[r] = _mm512_load_si512(o->rows[r] + e);
		transpose16(c);
		UNROLL
		for (int r = 0; r < 16; r++) {
			b = _mm512_max_epu32(b, _mm512_min_epu32(a, c[r]));
			a = _mm512_max_epu32(a, c[r]);
		}
	}
	_mm512_store_si512(o->key[0], a);
	_mm512_store_si512(o->key[1], b);
}

V void
put_pairs(__m512i lo[16], __m512i hi[16], uint32_t k, struct work *o)
{
	const __m512i even = _mm512_slli_epi32(iota(), 1);
	const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));

	for (uint32_t j = 0; j < k; j++) {
		const __m512i id = _mm512_permutex2var_epi32(lo[j], even, hi[j]);

		_mm512_store_si512(o->key[j], _mm512_permutex2var_epi32(lo[j], odd, hi[j]));
		_mm512_store_si512(o->id[j], _mm512_xor_si512(id, _mm512_set1_epi32(-1)));
	}
}

/* k <= 8, of floats: rows with NaN, and with more than 16 to sort */
V __mmask16
eight_floats(const float *const *x, uint32_t experts, uint32_t k, struct work *o, __mmask16 *many)
{
	const __m512 least = _mm512_set1_ps(-INFINITY);
	_Alignas(64) float bound[LANES];
	__m512i c[16], lo[16], hi[16];
	__mmask16 nan = 0;

	*many = 0;
	for (int r = 0; r < 16; r++) {
		__m512 m = least;
		__mmask16 bad = 0;

		for (uint32_t e = 0; e < experts; e += 16) {
			const __m512 y = _mm512_mask_loadu_ps(least, tail(experts - e), x[r] + e);

			bad |= _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
			m = _mm512_max_ps(m, y);
		}
		nan |= (__mmask16)((bad != 0) << r);
		c[r] = _mm512_castps_si512(m);
	}
	if (experts > 16) {
		__m512 m[16];

		transpose16(c);
		UNROLL
		for (int r = 0; r < 16; r++)
			m[r] = _mm512_castsi512_ps(c[r]);
		top_floats(m);
		_mm512_store_ps(bound, m[k - 1]);
	} else {
		_mm512_store_ps(bound, least);
	}
	for (int r = 0; r < 16; r++) {
		const __m512 b = _mm512_set1_ps(bound[r]);
		__m512i id = iota();
		uint32_t n = 0;

		for (uint32_t e = 0; e < experts; e += 16) {
			const __mmask16 in = tail(experts - e);
			const __m512 y = _mm512_maskz_loadu_ps(in, x[r] + e);
			const __mmask16 m = _mm512_mask_cmp_ps_mask(in, y, b, _CMP_GE_OQ);
			const uint32_t at = MIN(n, 16);

			_mm512_storeu_ps(o->few[0][r] + at, _mm512_maskz_compress_ps(m, y));
			_mm512_storeu_si512(o->few[1][r] + at, _mm512_maskz_compress_epi32(m, id));
			n += (uint32_t)_mm_popcnt_u32(m);
			id = _mm512_add_epi32(id, _mm512_set1_epi32(16));
		}
		*many |= (__mmask16)((n > 16) << r);
		o->one[r] = n;
	}
	UNROLL
	for (int r = 0; r < 16; r++) {
		const __mmask16 m = tail(o->one[r]);
		const __m512i key = _mm512_maskz_mov_epi32(m, key16(_mm512_load_ps(o->few[0][r])));
		const __m512i id =
			_mm512_xor_si512(_mm512_load_si512(o->few[1][r]), _mm512_set1_epi32(-1));

		c[r] = _mm512_unpacklo_epi32(id, key);
		_mm512_store_si512(o->few[0][r], _mm512_unpackhi_epi32(id, key));
	}
	UNROLL
	for (int r = 0; r < 8; r++) {
		lo[r] = c[r];
		lo[8 + r] = _mm512_load_si512(o->few[0][r]);
		hi[r] = c[8 + r];
		hi[8 + r] = _mm512_load_si512(o->few[0][8 + r]);
	}
	transpose8(lo);
	transpose8(lo + 8);
	top_pairs(lo);
	transpose8(hi);
	transpose8(hi + 8);
	top_pairs(hi);
	put_pairs(lo, hi, k, o);
	return nan;
}

/* k <= 8, of packed keys: rows with more than 16 to sort */
V __mmask16
eight_keys(uint32_t n, uint32_t k, struct work *o)
{
	_Alignas(64) uint32_t bound[LANES];
	__m512i c[16];
	__mmask16 many = 0;

	for (int r = 0; r < 16; r++) {
		c[r] = _mm512_setzero_si512();
		for (uint32_t e = 0; e < n; e += 16)
			c[r] = _mm512_max_epu32(c[r], _mm512_load_si512(o->rows[r] + e));
	}
	transpose16(c);
	top_keys(c);
	_mm512_store_si512(bound, _mm512_max_epu32(c[k - 1], _mm512_set1_epi32(1)));
	for (int r = 0; r < 16; r++) {
		const __m512i b = _mm512_set1_epi32((int)bound[r]);
		uint32_t m = 0;

		for (uint32_t e = 0; e < n; e += 16) {
			const __m512i y = _mm512_load_si512(o->rows[r] + e);
			const __mmask16 in = _mm512_cmpge_epu32_mask(y, b);

			_mm512_storeu_si512(o->few[0][r] + MIN(m, 16),
					    _mm512_maskz_compress_epi32(in, y));
			m += (uint32_t)_mm_popcnt_u32(in);
		}
		many |= (__mmask16)((m > 16) << r);
		o->one[r] = m;
	}
	UNROLL
	for (int r = 0; r < 16; r++)
		c[r] = _mm512_maskz_loadu_epi32(tail(o->one[r]), o->few[0][r]);
	transpose16(c);
	top_keys(c);
	for (uint32_t j = 0; j < k; j++)
		_mm512_store_si512(o->key[j], c[j]);
	return many;
}

V uint32_t
reaching(const uint32_t *key, uint32_t n, uint32_t least)
{
	const __m512i b = _mm512_set1_epi32((int)least);
	uint32_t c = 0;

	for (uint32_t i = 0; i < n; i += 16)
		c += (uint32_t)_mm_popcnt_u32(
			_mm512_mask_cmpge_epu32_mask(tail(n - i), _mm512_load_si512(key + i), b));
	return c;
}

/* Between, as floats while that gets on, since keys are logarithms of sorts */
V uint32_t
between(uint32_t lo, uint32_t hi, int step)
{
	const float mid = keys_float(keys_f32_bits(lo)) / 2 + keys_float(keys_f32_bits(hi)) / 2;
	const uint32_t key = keys_of(mid);

	return step < 12 && key > lo && key < hi ? key : lo + (hi - lo) / 2;
}

enum { MANY = KMAX + 16 }; /* candidates to be ranked */

/* Any k: picks of keys [n] (o->one or a row of packed ones) to lane r */
V void
any_keys(const uint32_t *key, uint32_t n, uint32_t k, struct work *o, int r)
{
	_Alignas(64) uint32_t few[MANY + 32], id[MANY + 32], rank[MANY + 32];
	__m512i max = _mm512_setzero_si512(), min = _mm512_set1_epi32(-1);
	uint32_t lo, hi, have = n, m = 0;

	for (uint32_t i = 0; i < n; i += 16) {
		const __m512i y = _mm512_load_si512(key + i);

		max = _mm512_mask_max_epu32(max, tail(n - i), max, y);
		min = _mm512_mask_min_epu32(min, tail(n - i), min, y);
	}
	lo = _mm512_reduce_min_epu32(min);
	hi = _mm512_reduce_max_epu32(max) + 1;
	for (int step = 0; have > k + 16 && hi - lo > 1; step++) {
		const uint32_t mid = between(lo, hi, step), c = reaching(key, n, mid);

		if (c < k) {
			hi = mid;
		} else {
			lo = mid;
			have = c;
		}
	}
	/* of too many equal ones at lo the first that are needed, behind what is greater */
	for (int equal = 0; equal < 1 + (have > k + 16); equal++) {
		const __m512i b = _mm512_set1_epi32((int)(have > k + 16 && !equal ? hi : lo));
		__m512i at = iota();

		for (uint32_t i = 0; i < n && (!equal || m < k); i += 16) {
			const __m512i y = _mm512_load_si512(key + i);
			const __mmask16 in = tail(n - i),
					got = equal ? _mm512_mask_cmpeq_epu32_mask(in, y, b)
						    : _mm512_mask_cmpge_epu32_mask(in, y, b);

			_mm512_storeu_si512(few + m, _mm512_maskz_compress_epi32(got, y));
			_mm512_storeu_si512(id + m, _mm512_maskz_compress_epi32(got, at));
			m += (uint32_t)_mm_popcnt_u32(got);
			at = _mm512_add_epi32(at, _mm512_set1_epi32(16));
		}
	}
	for (uint32_t i = 0; i < m; i += 16) {
		const __m512i y = _mm512_load_si512(few + i);
		__m512i beat = _mm512_setzero_si512();
		uint32_t j = 0;

		for (; j < i; j++)
			beat = _mm512_mask_add_epi32(
				beat, _mm512_cmple_epu32_mask(y, _mm512_set1_epi32((int)few[j])),
				beat, _mm512_set1_epi32(1));
		for (; j < MIN(i + 16, m); j++) {
			const __m512i b = _mm512_set1_epi32((int)few[j]);
			const __mmask16 later = (__mmask16)(0xfffeu << (j - i));

			beat = _mm512_mask_add_epi32(
				beat,
				_mm512_cmplt_epu32_mask(y, b) |
					_mm512_mask_cmpeq_epu32_mask(later, y, b),
				beat, _mm512_set1_epi32(1));
		}
		for (; j < m; j++)
			beat = _mm512_mask_add_epi32(
				beat, _mm512_cmplt_epu32_mask(y, _mm512_set1_epi32((int)few[j])),
				beat, _mm512_set1_epi32(1));
		_mm512_store_si512(rank + i, beat);
	}
	for (uint32_t i = 0; i < m; i++)
		if (rank[i] < k) {
			o->key[rank[i]][r] = few[i];
			o->id[rank[i]][r] = id[i];
		}
}

V __mmask16
any_floats(const float *x, uint32_t experts, uint32_t k, struct work *o, int r)
{
	__mmask16 nan = 0;

	for (uint32_t e = 0; e < experts; e += 16) {
		const __m512 y = _mm512_maskz_loadu_ps(tail(experts - e), x + e);

		nan |= _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
		_mm512_store_si512(o->one + e, key16(y));
	}
	if (nan)
		return (__mmask16)(1u << r);
	any_keys(o->one, experts, k, o, r);
	return 0;
}

/* Picks of rows of floats to o->id and o->val: rows with NaN, to be done again */
V __mmask16
pick_floats(const float *const *x, uint32_t experts, uint32_t k, struct work *o)
{
	__mmask16 nan = 0, todo = 0xffff;

	if (k <= 2) {
		nan = two_floats(x, experts, o);
		todo = 0;
	} else if (k <= 8) {
		nan = eight_floats(x, experts, k, o, &todo);
	}
	for (int r = 0; r < 16; r++)
		if (todo >> r & 1 && !(nan >> r & 1))
			nan |= any_floats(x[r], experts, k, o, r);
	for (uint32_t j = 0; j < k; j++)
		_mm512_store_ps(o->val[j], unkey16(_mm512_load_si512(o->key[j])));
	return nan;
}

/* The same of 16-bit logits, with NaN too: rows that hold any */
V __mmask16
pick_halves(const struct select *s, const char *const *x, struct work *o)
{
	const uint32_t n = (s->experts + 31) / 32 * 32;
	const uint32_t inf = s->type == TR_F16 ? 0x7c00 : 0x7f80;
	__mmask16 nan = 0, todo = 0xffff;

	for (int r = 0; r < 16; r++)
		nan |= (__mmask16)(pack_row((const uint16_t *)x[r], s->experts, inf, o->rows[r])
				   << r);
	if (s->k <= 2) {
		two_keys(n, o);
		todo = 0;
	} else if (s->k <= 8) {
		todo = eight_keys(n, s->k, o);
	}
	for (int r = 0; r < 16; r++)
		if (todo >> r & 1)
			any_keys(o->rows[r], n, s->k, o, r);
	for (uint32_t j = 0; j < s->k; j++) {
		const __m512i p = _mm512_load_si512(o->key[j]);
		const __m512i key = _mm512_srli_epi32(p, 16);
		const __m512i neg =
			_mm512_srai_epi32(_mm512_xor_si512(p, _mm512_set1_epi32(-1)), 31);
		__m512i h = _mm512_xor_si512(key, _mm512_or_si512(neg, _mm512_set1_epi32(0x8000)));

		h = _mm512_mask_mov_epi32(h, _mm512_testn_epi32_mask(key, key),
					  _mm512_set1_epi32(0x7fff));
		_mm512_store_si512(o->id[j], _mm512_andnot_si512(p, _mm512_set1_epi32(0xffff)));
		_mm512_store_ps(o->val[j], s->type == TR_F16
						   ? _mm512_cvtph_ps(_mm512_cvtepi32_epi16(h))
						   : _mm512_castsi512_ps(_mm512_slli_epi32(h, 16)));
	}
	return nan;
}

/* Sums over all experts to o->sum, o->max given; the tree of select.h, its first step a
 * row's two vectors of partial sums */
V void
sum_all(const struct select *s, const char *const *x, struct work *o)
{
	__m512i c[16];
	__m512 t[16];

	for (int r = 0; r < 16; r++) {
		const __m512 max = _mm512_set1_ps(o->max[r]);
		__m512 part[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};

		for (uint32_t e = 0; e < s->experts; e += 16) {
			const __mmask16 m = tail(s->experts - e);
			const __m512 y = weight16(load16(s->type, x[r], e, m), max);

			if (e / 16 % 2)
				part[1] = _mm512_add_ps(part[1], _mm512_maskz_mov_ps(m, y));
			else
				part[0] = _mm512_add_ps(part[0], _mm512_maskz_mov_ps(m, y));
		}
		c[r] = _mm512_castps_si512(_mm512_add_ps(part[0], part[1]));
	}
	transpose16(c);
	UNROLL
	for (int i = 0; i < 16; i++)
		t[i] = _mm512_castsi512_ps(c[i]);
	for (int apart = 8; apart; apart /= 2)
		for (int i = 0; i < apart; i++)
			t[i] = _mm512_add_ps(t[i], t[i + apart]);
	_mm512_store_ps(o->sum, t[0]);
}

V void
max_all(const struct select *s, const char *const *x, struct work *o)
{
	for (int r = 0; r < 16; r++) {
		__m512 max = _mm512_set1_ps(-INFINITY);

		for (uint32_t e = 0; e < s->experts; e += 16) {
			const __mmask16 m = tail(s->experts - e);

			max = _mm512_mask_max_ps(max, m, max, load16(s->type, x[r], e, m));
		}
		o->max[r] = _mm512_reduce_max_ps(max);
	}
}

/* Scores that choose, NaN where the logit is: is there one? */
V int
score_row(const struct select *s, const char *x, float max, float sum, float *to)
{
	__mmask16 nan = 0;

	for (uint32_t e = 0; e < s->experts; e += 16) {
		const __mmask16 m = tail(s->experts - e);
		const __m512 y = load16(s->type, x, e, m);
		__m512 z = y;

		if (s->score == RULES_BEFORE)
			z = _mm512_div_ps(weight16(y, _mm512_set1_ps(max)), _mm512_set1_ps(sum));
		else if (s->score == RULES_SIGMOID)
			z = sigmoid16(y);
		if (s->bias)
			z = _mm512_add_ps(z, _mm512_maskz_loadu_ps(m, s->bias + e));
		nan |= _mm512_mask_cmp_ps_mask(m, y, z, _CMP_UNORD_Q);
		_mm512_storeu_ps(to + e, z);
	}
	return nan != 0;
}

/* What a group of n scores is worth, none being NaN: as worth() of select.c */
V float
worth_of(const struct select *s, const float *x, uint32_t n)
{
	const __m512 least = _mm512_set1_ps(-INFINITY);
	__m512 a = least, b = least;
	__mmask16 top;
	float max;

	for (uint32_t i = 0; i < n; i += 16) {
		const __m512 y = _mm512_mask_loadu_ps(least, tail(n - i), x + i);

		b = _mm512_max_ps(b, _mm512_min_ps(a, y));
		a = _mm512_max_ps(a, y);
	}
	max = _mm512_reduce_max_ps(a);
	if (s->score != RULES_SIGMOID || n == 1)
		return max;
	top = _mm512_cmp_ps_mask(a, _mm512_set1_ps(max), _CMP_EQ_OQ);
	a = _mm512_mask_mov_ps(a, (__mmask16)(top & -top), b);
	return max + _mm512_reduce_max_ps(a);
}

/* The best groups' scores side by side in x, their numbers in kept: how many scores */
V uint32_t
keep_groups(const struct select *s, float *x, uint16_t *kept)
{
	const uint32_t n = s->experts / s->groups;
	uint32_t m = 0;
	float worth[EMAX];
	uint8_t in[EMAX] = {0};

	for (uint32_t g = 0; g < s->groups; g++) {
		worth[g] = worth_of(s, x + g * n, n);
		if (worth[g] != worth[g]) /* inf - inf: below -inf, as NaN is */
			return 0;
	}
	for (uint32_t j = 0; j < s->topk_groups; j++) {
		uint32_t top = EMAX;

		for (uint32_t g = 0; g < s->groups; g++)
			if (!in[g] && (top == EMAX || worth[g] > worth[top]))
				top = g;
		in[top] = 1;
	}
	for (uint32_t g = 0; g < s->groups; g++)
		if (in[g]) {
			memmove(x + m * n, x + g * n, n * sizeof *x);
			kept[m++] = (uint16_t)g;
		}
	return m * n;
}

/* Picks by bias or in groups to o->id, the logits of them to o->val; rows to be done again */
V __mmask16
pick_scores(const struct select *s, const char *const *x, struct work *o)
{
	const uint32_t per = s->groups ? s->experts / s->groups : 0;
	const uint32_t n = s->groups ? per * s->topk_groups : s->experts;
	const float *scores[LANES];
	__mmask16 again = 0;

	if (s->score == RULES_BEFORE) {
		max_all(s, x, o);
		sum_all(s, x, o);
	}
	for (int r = 0; r < 16; r++) {
		float *to = (float *)o->rows[r];

		scores[r] = to;
		if (score_row(s, x[r], o->max[r], o->sum[r], to) ||
		    (s->groups && !keep_groups(s, to, o->groups[r]))) {
			again |= (__mmask16)(1u << r);
			memset(to, 0, n * sizeof *to);
			memset(o->groups[r], 0, sizeof o->groups[r]);
		}
	}
	again |= pick_floats(scores, n, s->k, o);
	for (uint32_t j = 0; j < s->k; j++)
		for (int r = 0; r < 16; r++) {
			uint32_t *id = &o->id[j][r];

			if (s->groups)
				*id = o->groups[r][*id / per] * per + *id % per;
			if (s->type == TR_F32)
				memcpy(&o->val[j][r], x[r] + 4 * *id, 4);
			else
				o->val[j][r] = s->type == TR_F16
						       ? half_f32(((const uint16_t *)x[r])[*id])
						       : bf16_f32(((const uint16_t *)x[r])[*id]);
			o->val[j][r] += 0.0f;
		}
	return again;
}

/* o->val to weights */
V void
weigh(const struct select *s, const char *const *x, struct work *o)
{
	const int scored = s->bias || s->groups;
	__m512 max = _mm512_load_ps(o->val[0]), sum = _mm512_setzero_ps(), all = sum;

	if (s->score == RULES_AFTER) {
		for (uint32_t j = 1; scored && j < s->k; j++)
			max = _mm512_max_ps(max, _mm512_load_ps(o->val[j]));
		for (uint32_t j = 0; j < s->k; j++) {
			const __m512 e = weight16(_mm512_load_ps(o->val[j]), max);

			sum = _mm512_add_ps(sum, e);
			_mm512_store_ps(o->val[j], e);
		}
		for (uint32_t j = 0; j < s->k; j++)
			_mm512_store_ps(o->val[j], _mm512_div_ps(_mm512_load_ps(o->val[j]), sum));
		return;
	}
	if (s->score == RULES_BEFORE) {
		if (!scored) {
			_mm512_store_ps(o->max, max);
			sum_all(s, x, o);
		}
		max = _mm512_load_ps(o->max);
		sum = _mm512_load_ps(o->sum);
	}
	for (uint32_t j = 0; j < s->k; j++) {
		__m512 e = _mm512_load_ps(o->val[j]);

		if (s->score == RULES_BEFORE)
			e = _mm512_div_ps(weight16(e, max), sum);
		else if (s->score == RULES_SIGMOID)
			e = sigmoid16(e);
		all = _mm512_add_ps(all, e);
		_mm512_store_ps(o->val[j], e);
	}
	for (uint32_t j = 0; j < s->k; j++) {
		__m512 e = _mm512_load_ps(o->val[j]);

		if (s->renorm)
			e = _mm512_mask_div_ps(
				e, _mm512_cmp_ps_mask(all, _mm512_setzero_ps(), _CMP_NEQ_UQ), e,
				all);
		e = _mm512_mask_mov_ps(e, _mm512_cmp_ps_mask(e, e, _CMP_UNORD_Q),
				       _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000)));
		_mm512_store_ps(o->val[j], e);
	}
}

/* Sixteen rows to ids and w [16][k] */
V void
store(uint32_t k, struct work *o, uint16_t *ids, float *w)
{
	__m512i a[16], b[16];

	if (k == 1) {
		_mm512_storeu_ps(w, _mm512_load_ps(o->val[0]));
		_mm256_storeu_si256((void *)ids,
				    _mm512_cvtepi32_epi16(_mm512_load_si512(o->id[0])));
		return;
	}
	if (k == 2) {
		const __m512i lo =
			_mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
		const __m512i hi = _mm512_or_si512(lo, _mm512_set1_epi32(8));

		UNROLL
		for (int i = 0; i < 2; i++) {
			const __m512i at = i ? hi : lo;

			_mm512_storeu_si512(w + 16 * i, _mm512_permutex2var_epi32(
								_mm512_load_si512(o->val[0]), at,
								_mm512_load_si512(o->val[1])));
			_mm256_storeu_si256((void *)(ids + 16 * i),
					    _mm512_cvtepi32_epi16(_mm512_permutex2var_epi32(
						    _mm512_load_si512(o->id[0]), at,
						    _mm512_load_si512(o->id[1]))));
		}
		return;
	}
	for (uint32_t j = 0; j < k; j += 16) {
		const __mmask16 m = tail(k - j);

		UNROLL
		for (uint32_t i = 0; i < 16; i++) {
			a[i] = _mm512_load_si512(o->val[MIN(j + i, k - 1)]);
			b[i] = _mm512_load_si512(o->id[MIN(j + i, k - 1)]);
		}
		transpose16(a);
		transpose16(b);
		for (uint32_t r = 0; r < 16; r++) {
			_mm512_mask_storeu_epi32(w + r * k + j, m, a[r]);
			_mm256_mask_storeu_epi16(ids + r * k + j, m, _mm512_cvtepi32_epi16(b[r]));
		}
	}
}

V512 uint64_t
select_avx512(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w)
{
	const size_t size = s->experts * (s->type == TR_F32 ? 4 : 2);
	const int scored = s->bias || s->groups;
	uint64_t bad = 0;
	struct work o;

	for (uint64_t t = 0; t < rows; t += 16) {
		const uint64_t n = MIN(rows - t, 16);
		const __mmask16 in = tail((uint32_t)n);
		uint16_t *id = n < 16 ? o.ids : ids + t * s->k;
		float *to = n < 16 ? o.w : w + t * s->k;
		const char *x[LANES];
		__mmask16 again = 0;

		for (uint64_t r = 0; r < 16; r++)
			x[r] = (const char *)logits + (t + MIN(r, n - 1)) * size;
		if (scored)
			again = in & pick_scores(s, x, &o);
		else if (s->type == TR_F32)
			again = in & pick_floats((const float *const *)x, s->experts, s->k, &o);
		else
			bad += (uint64_t)_mm_popcnt_u32(in & pick_halves(s, x, &o));
		weigh(s, x, &o);
		store(s->k, &o, id, to);
		if (n < 16) {
			memcpy(ids + t * s->k, o.ids, n * s->k * sizeof *ids);
			memcpy(w + t * s->k, o.w, n * s->k * sizeof *w);
		}
		for (; again; again &= again - 1) {
			const uint64_t r = (uint64_t)__builtin_ctz(again);

			bad += select_plain(s, x[r], 1, ids + (t + r) * s->k, w + (t + r) * s->k);
		}
	}
	return bad;
}

V512 void
select_weights_avx512(float *x, size_t n, float max, float over)
{
	const __m512 m = _mm512_set1_ps(max), f = _mm512_set1_ps(over), one = _mm512_set1_ps(1);
	const __mmask16 all = max == -INFINITY ? 0xffff : 0;

	for (size_t i = 0; i < n; i += 16) {
		const __m512 y = _mm512_loadu_ps(x + i);
		const __mmask16 top = _mm512_cmp_ps_mask(y, m, _CMP_EQ_OQ) | all;
		const __m512 e = exp16(_mm512_mul_ps(_mm512_sub_ps(y, m), f));

		_mm512_storeu_ps(x + i, _mm512_mask_mov_ps(e, top, one));
	}
}
#endif
