/* How many multiplications and additions a core does: fused ones, in registers. */
#include "fma.h"

/* Loops over them are unrolled, else -O2 leaves chains in memory. */
enum { CHAINS = 12, LANES = 16 }; /* chains: latency times the units of any core that is */

#if defined __x86_64__
#include <immintrin.h>

__attribute__((target("avx512f"))) static float
run_avx512(uint64_t n)
{
	__m512 a[CHAINS], x = _mm512_set1_ps(0.999f), y = _mm512_set1_ps(0.001f);

	for (int i = 0; i < CHAINS; i++)
		a[i] = _mm512_set1_ps((float)i);
	for (; n; n--) {
#pragma GCC unroll 24
		for (int i = 0; i < CHAINS; i++)
			a[i] = _mm512_fmadd_ps(a[i], x, y);
	}
	for (int i = 1; i < CHAINS; i++)
		a[0] = _mm512_add_ps(a[0], a[i]);
	return _mm512_cvtss_f32(a[0]);
}

__attribute__((target("avx2,fma"))) static float
run_avx2(uint64_t n)
{
	__m256 a[CHAINS], x = _mm256_set1_ps(0.999f), y = _mm256_set1_ps(0.001f);

	for (int i = 0; i < CHAINS; i++)
		a[i] = _mm256_set1_ps((float)i);
	for (; n; n--) {
#pragma GCC unroll 24
		for (int i = 0; i < CHAINS; i++)
			a[i] = _mm256_fmadd_ps(a[i], x, y);
	}
	for (int i = 1; i < CHAINS; i++)
		a[0] = _mm256_add_ps(a[0], a[i]);
	return _mm256_cvtss_f32(a[0]);
}
#elif defined __aarch64__
#include <arm_neon.h>
#endif

/* What the compiler makes of it. */
static float
run_plain(uint64_t n)
{
	float a[LANES];

	for (int i = 0; i < LANES; i++)
		a[i] = (float)i;
	for (; n; n--) {
#pragma GCC unroll 24
		for (int i = 0; i < LANES; i++)
			a[i] = a[i] * 0.999f + 0.001f;
	}
	return a[0];
}

#if defined __aarch64__
static float
run_neon(uint64_t n)
{
	float32x4_t a[2 * CHAINS], x = vdupq_n_f32(0.999f), y = vdupq_n_f32(0.001f);

	for (int i = 0; i < 2 * CHAINS; i++)
		a[i] = vdupq_n_f32((float)i);
	for (; n; n--) {
#pragma GCC unroll 24
		for (int i = 0; i < 2 * CHAINS; i++)
			a[i] = vfmaq_f32(y, a[i], x);
	}
	for (int i = 1; i < 2 * CHAINS; i++)
		a[0] = vaddq_f32(a[0], a[i]);
	return vgetq_lane_f32(a[0], 0);
}
#endif

uint64_t
fma_run(uint64_t n, float *sum)
{
#if defined __x86_64__
	if (__builtin_cpu_supports("avx512f")) {
		*sum = run_avx512(n);
		return 2 * n * CHAINS * 16;
	}
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		*sum = run_avx2(n);
		return 2 * n * CHAINS * 8;
	}
#elif defined __aarch64__
	*sum = run_neon(n);
	return 2 * n * 2 * CHAINS * 4;
#endif
	*sum = run_plain(n);
	return 2 * n * LANES;
}
