/* 16-bit floats by integer arithmetic, and by the CPU where it can. */
#include <string.h>

#include "half.h"

float
half_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h >> 15) << 31, ex = h >> 10 & 31, m = h & 1023, u;
	float f;

	if (ex == 31) {
		u = sign | 0x7f800000 | m << 13;
	} else if (ex) {
		u = sign | (ex + 112) << 23 | m << 13;
	} else { /* zero or subnormal: m 2^-24, exact */
		f = (float)m * 0x1p-24f;
		return sign ? -f : f;
	}
	memcpy(&f, &u, 4);
	return f;
}

uint16_t
half_from(float x)
{
	uint32_t u, a;
	uint16_t sign;

	memcpy(&u, &x, 4);
	sign = (uint16_t)(u >> 16 & 0x8000);
	a = u & 0x7fffffff;
	if (a > 0x7f800000) /* quiet, as F16C does it */
		return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x1ff));
	if (a >= 0x477ff000) /* 65520 and above round to infinity */
		return sign | 0x7c00;
	if (a < 0x38800000) { /* below 2^-14: adding 0.5 leaves m 2^-24 in the last bits */
		float f;

		memcpy(&f, &a, 4);
		f += 0.5f;
		memcpy(&a, &f, 4);
		return (uint16_t)(sign | (a - 0x3f000000));
	}
	a += 0xfff + (a >> 13 & 1);
	return (uint16_t)(sign | ((a >> 13) - (112 << 10)));
}

float
bf16_f32(uint16_t h)
{
	uint32_t u = (uint32_t)h << 16;
	float f;

	memcpy(&f, &u, 4);
	return f;
}

uint16_t
bf16_from(float x)
{
	uint32_t u;

	memcpy(&u, &x, 4);
	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx,f16c"))) static size_t
to_f32(float *to, const uint16_t *h, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(h + i))));
	return i;
}

__attribute__((target("avx,f16c"))) static size_t
from_f32(uint16_t *to, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((void *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
	return i;
}

static int
fast(void)
{
	return __builtin_cpu_supports("avx2"); /* every such processor has F16C */
}
#elif defined(__aarch64__)
#include <arm_neon.h>

static size_t
to_f32(float *to, const uint16_t *h, size_t n)
{
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		vst1q_f32(to + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h + i))));
	return i;
}

static size_t
from_f32(uint16_t *to, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		vst1_u16(to + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
	return i;
}

static int
fast(void)
{
	return 1; /* ARMv8 always converts */
}
#else
static size_t
to_f32(float *to, const uint16_t *h, size_t n)
{
	return 0;
}

static size_t
from_f32(uint16_t *to, const float *x, size_t n)
{
	return 0;
}

static int
fast(void)
{
	return 0;
}
#endif

void
half_f32n(float *to, const uint16_t *h, size_t n)
{
	for (size_t i = fast() ? to_f32(to, h, n) : 0; i < n; i++)
		to[i] = half_f32(h[i]);
}

void
half_fromn(uint16_t *to, const float *x, size_t n)
{
	for (size_t i = fast() ? from_f32(to, x, n) : 0; i < n; i++)
		to[i] = half_from(x[i]);
}
