/*
 * Selection with AVX2 or NEON, a row at a time: the k-th greatest of a row's lane maxima
 * is no more than its k-th greatest logit; those not below it, and later not below the
 * k-th so far, are put in their place.  Rows with a bias or groups are select_plain's.
 */
#include "rowtype.h"
#include "selectisa.h"
#include "size.h"

#if defined __x86_64__
#include <immintrin.h>
#define TARGET __attribute__((target("avx2,fma")))
#define NAME select_avx2
enum { WIDTH = 8 };
typedef __m256 vf;
typedef __m256i vu;
#define SET(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define STOREU(p, x) _mm256_storeu_si256((void *)(p), x)
#define LOADU(p) _mm256_loadu_si256((const void *)(p))
#define SETU(x) _mm256_set1_epi32((int)(x))
#define BITS(x) _mm256_castps_si256(x)
#define FLOAT(x) _mm256_castsi256_ps(x)
#define ADD(a, b) _mm256_add_ps(a, b)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define ROUND(x) _mm256_round_ps(x, 8)
#define POW2(n) FLOAT(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), SETU(127)), 23))
#define GE(a, b) BITS(_mm256_cmp_ps(a, b, _CMP_GE_OQ))
#define EQ(a, b) BITS(_mm256_cmp_ps(a, b, _CMP_EQ_OQ))
#define ANDU(a, b) _mm256_and_si256(a, b)
#define ORU(a, b) _mm256_or_si256(a, b)
#define XORU(a, b) _mm256_xor_si256(a, b)
#define ANDNOTU(a, b) _mm256_andnot_si256(a, b)
#define SIGN(a) _mm256_srai_epi32(a, 31)
#define MAXU(a, b) _mm256_max_epu32(a, b)
#define EQU(a, b) _mm256_cmpeq_epi32(a, b)
#define MASK(m) ((unsigned)_mm256_movemask_ps(FLOAT(m)))
#elif defined __aarch64__
#include <arm_neon.h>
#define TARGET
#define NAME select_neon
enum { WIDTH = 4 };
typedef float32x4_t vf;
typedef uint32x4_t vu;
#define SET(x) vdupq_n_f32(x)
#define LOAD(p) vld1q_f32(p)
#define STOREU(p, x) vst1q_u32(p, x)
#define LOADU(p) vld1q_u32(p)
#define SETU(x) vdupq_n_u32(x)
#define BITS(x) vreinterpretq_u32_f32(x)
#define FLOAT(x) vreinterpretq_f32_u32(x)
#define ADD(a, b) vaddq_f32(a, b)
#define SUB(a, b) vsubq_f32(a, b)
#define MUL(a, b) vmulq_f32(a, b)
#define FMA(a, b, c) vfmaq_f32(c, a, b)
#define ROUND(x) vrndnq_f32(x)
#define POW2(n) \
	FLOAT(vshlq_n_u32(vreinterpretq_u32_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127))), 23))
#define GE(a, b) vcgeq_f32(a, b)
#define EQ(a, b) vceqq_f32(a, b)
#define ANDU(a, b) vandq_u32(a, b)
#define ORU(a, b) vorrq_u32(a, b)
#define XORU(a, b) veorq_u32(a, b)
#define ANDNOTU(a, b) vbicq_u32(b, a)
#define SIGN(a) vreinterpretq_u32_s32(vshrq_n_s32(vreinterpretq_s32_u32(a), 31))
#define MAXU(a, b) vmaxq_u32(a, b)
#define EQU(a, b) vceqq_u32(a, b)
#define MASK(m) vaddvq_u32(vandq_u32(m, vld1q_u32((const uint32_t[]){1, 2, 4, 8})))
#endif

#ifdef NAME
#define V TARGET static inline

enum { EMAX = SELECT_EXPERTS_MAX, PAD = 32, LANES = 32 };

struct row {
	float x[EMAX + PAD];
	uint32_t key[EMAX + PAD]; /* absent ones are 0 */
	uint64_t top[SELECT_K_MAX + 1];
};

V vf
vexp(vf x)
{
	const vf n = ROUND(MUL(x, SET(0x1.715476p+0f)));
	vf r = FMA(n, SET(-0x1.62e430p-1f), x), p;

	r = FMA(n, SET(0x1.05c610p-29f), r);
	p = FMA(r, SET(0x1.6a2434p-10f), SET(0x1.1239e2p-7f));
	p = FMA(r, p, SET(0x1.5558f2p-5f));
	p = FMA(r, p, SET(0x1.555492p-3f));
	p = FMA(r, p, SET(0x1.fffffcp-2f));
	p = FMA(r, p, SET(1));
	p = FMA(r, p, SET(1));
	return FLOAT(ANDU(GE(x, SET(-87)), BITS(MUL(p, POW2(n)))));
}

/* keys_weight */
V vf
vweight(vf x, vf max)
{
	const vu both = ANDNOTU(ORU(EQ(x, x), EQ(max, max)), SETU(~0u));
	const vu one = ORU(EQ(x, max), both);
	const vu e = BITS(vexp(SUB(x, max)));

	return FLOAT(ORU(ANDU(one, BITS(SET(1))), ANDNOTU(one, e)));
}

/* o->x, -0 as 0, and o->key: is there a NaN? */
V int
read_row(const struct select *s, const char *x, struct row *o)
{
	const uint32_t n = s->experts;
	vu all = SETU(~0u);

	rowtype_widen(s->type, x, 0, n, o->x);
	memset(o->x + n, 0, PAD * sizeof *o->x);
	for (uint32_t i = 0; i < n; i += WIDTH) {
		const vf y = ADD(LOAD(o->x + i), SET(0));
		const vu b = BITS(y), ord = EQ(y, y);

		all = ANDU(all, ord);
		STOREU((uint32_t *)(o->x + i), b);
		STOREU(o->key + i, ANDU(ord, XORU(b, ORU(SIGN(b), SETU(0x80000000)))));
	}
	memset(o->key + n, 0, PAD * sizeof *o->key);
	return MASK(all) != (1u << WIDTH) - 1;
}

V void
insert(uint64_t *top, uint32_t k, uint32_t *m, uint64_t p)
{
	uint32_t j;

	if (*m == k && p <= top[k - 1])
		return;
	*m += *m < k;
	for (j = *m - 1; j && p > top[j - 1]; j--)
		top[j] = top[j - 1];
	top[j] = p;
}

/* A key that at least k reach: of the maxima of 32 lanes, in each of which is one, the k-th */
V uint32_t
bound(const uint32_t *key, uint32_t n, uint32_t k, uint64_t *top)
{
	uint32_t lane[LANES], m = 0;
	vu max[LANES / WIDTH];

	if (k > LANES / 2 || n <= LANES)
		return 0;
	for (uint32_t l = 0; l < LANES / WIDTH; l++)
		max[l] = SETU(0);
	for (uint32_t i = 0; i < n; i += LANES) /* what is absent is 0 */
		for (uint32_t l = 0; l < LANES / WIDTH; l++)
			max[l] = MAXU(max[l], LOADU(key + i + l * WIDTH));
	for (uint32_t l = 0; l < LANES / WIDTH; l++)
		STOREU(lane + l * WIDTH, max[l]);
	for (uint32_t l = 0; l < LANES; l++)
		insert(top, k, &m, lane[l]);
	return (uint32_t)top[k - 1];
}

V void
pick(const struct select *s, struct row *o, uint16_t *ids)
{
	const uint32_t n = s->experts, k = s->k;
	uint32_t least = bound(o->key, n, k, o->top), m = 0;

	for (uint32_t i = 0; i < n; i += WIDTH) {
		const vu y = LOADU(o->key + i);
		unsigned in = MASK(EQU(MAXU(y, SETU(least)), y));

		if (n - i < WIDTH)
			in &= (1u << (n - i)) - 1;
		for (; in; in &= in - 1) {
			const uint32_t e = i + (uint32_t)__builtin_ctz(in);

			insert(o->top, k, &m, keys_pack32(o->key[e], e));
			if (m == k)
				least = MAX(least, (uint32_t)(o->top[k - 1] >> 32));
		}
	}
	for (uint32_t j = 0; j < k; j++)
		ids[j] = (uint16_t)~o->top[j];
}

/* The tree of select.h */
V float
sum_all(const struct row *o, uint32_t n, float max)
{
	float part[32] = {0}, one[WIDTH];

	for (uint32_t i = 0; i < n; i += WIDTH) {
		STOREU((uint32_t *)one, BITS(vweight(LOAD(o->x + i), SET(max))));
		for (uint32_t l = 0; l < WIDTH && l < n - i; l++)
			part[(i + l) % 32] += one[l];
	}
	for (int apart = 16; apart; apart /= 2)
		for (int i = 0; i < apart; i++)
			part[i] += part[i + apart];
	return part[0];
}

TARGET uint64_t
NAME(const struct select *s, const void *logits, uint64_t rows, uint16_t *ids, float *w)
{
	const size_t size = s->experts * (s->type == TR_F32 ? 4 : 2);
	const char *x = logits;
	float max = 0, sum = 0;
	uint64_t bad = 0;
	struct row o;

	if (s->bias || s->groups)
		return select_plain(s, logits, rows, ids, w);
	for (uint64_t t = 0; t < rows; t++, x += size, ids += s->k, w += s->k) {
		bad += (uint64_t)read_row(s, x, &o);
		pick(s, &o, ids);
		for (uint32_t j = 0; j < s->k; j++)
			w[j] = o.x[ids[j]];
		if (s->score == RULES_BEFORE) {
			max = w[0];
			sum = sum_all(&o, s->experts, max);
		}
		select_weigh(s, max, sum, w);
	}
	return bad;
}
#endif
